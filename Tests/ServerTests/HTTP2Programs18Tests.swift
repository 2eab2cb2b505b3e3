// 18: HTTP/2 as clients speak it that others wrote: curl, nghttp, h2load.

import TestSupport
import Testing

extension ServerTests {
  @Suite struct `18 other HTTP 2 clients are content` {
    private func makeServer() throws -> TestServer {
      let server = try TestServer(
        `18 HTTP 2 answers as HTTP 1 does`.clearText, files: ["a": "A", "b": "B"], starts: false)
      server.directory.write(variedBytes(5_000_000), to: "www/large")
      server.directory.write(variedBytes(1024), to: "www/small")
      server.directory.age("www/small", seconds: 100)
      try server.start()
      return server
    }

    @Test func `curl gets every byte`() throws {
      guard Program.areInstalled("curl") else { return }
      let server = try makeServer()
      let base = "http://127.0.0.1:\(server.port)"
      let got = server.directory.path("got")
      for target in ["large", "small", "small"] {
        let outcome = server.runProgram(
          "curl",
          [
            "-sS", "--fail", "--http2-prior-knowledge", "-w", "%{http_version}", "-o", got,
            "\(base)/\(target)",
          ])
        #expect(outcome.succeeded && outcome.output == "2", "\(outcome.output)")
        #expect(server.bytes("got") == server.bytes("www/\(target)"))
      }
      let upload = server.runProgram(
        "curl",
        [
          "-sS", "--http2-prior-knowledge", "-w", "%{http_code}", "-o", "/dev/null",
          "--data-binary", "@" + server.directory.path("www/large"), "\(base)/a",
        ])
      #expect(upload.output == "405", "\(upload.output)")
      // RFC 9113 has abolished the upgrade: the answer is HTTP/1.1.
      let upgrade = server.runProgram(
        "curl", ["-sS", "--http2", "-w", "%{http_version}", "-o", got, "\(base)/large"])
      #expect(upgrade.output == "1.1", "\(upgrade.output)")
      #expect(server.bytes("got") == server.bytes("www/large"))
    }

    @Test func `nghttp gets every byte`() throws {
      guard Program.areInstalled("nghttp") else { return }
      let server = try makeServer()
      let url = "http://127.0.0.1:\(server.port)/large"
      for window in ["16", "20", "30"] {
        let outcome = server.runProgram(
          "nghttp", ["-n", "-v", "-w", window, "-W", window, "--multiply=5", url])
        #expect(outcome.succeeded)
        // Five streams, each ended by an END_STREAM and none by a reset.
        #expect(outcome.output.contains(":status: 200"))
        #expect(!outcome.output.contains("RST_STREAM"))
        #expect(!outcome.output.contains("error_code=0x0") || !outcome.output.contains("ERROR"))
      }
    }

    @Test func `h2load has no failure`() throws {
      guard Program.areInstalled("h2load") else { return }
      let server = try makeServer()
      let base = "http://127.0.0.1:\(server.port)"
      for arguments in [
        ["-n", "20000", "-c", "10", "-m", "100", "\(base)/small"],
        ["-n", "200", "-c", "4", "-m", "10", "\(base)/large"],
        ["-n", "3000", "-c", "3", "-m", "30", "-w", "16", "-W", "17", "\(base)/small"],
      ] {
        let count = arguments[1]
        let outcome = server.runProgram("h2load", arguments, milliseconds: 60_000)
        #expect(
          outcome.output.contains(
            "\(count) succeeded, 0 failed, 0 errored, 0 timeout"), "\(outcome.output)")
        #expect(outcome.output.contains("status codes: \(count) 2xx"), "\(outcome.output)")
      }
    }
  }
}
