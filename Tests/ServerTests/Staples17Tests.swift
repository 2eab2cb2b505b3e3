// 17: OCSP responses. Fetched, shown with the certificate they speak of, kept over a reload.

import Foundation
import TestSupport
import Testing

/// An authority in the directory of a server, and its responder.
struct Authority {
  let tls: TLSServer
  let port = freePort()

  private var directory: String { tls.server.directory.path }

  init(_ tls: TLSServer) throws {
    self.tls = tls
    let script = """
      cd '\(directory)'
      openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key \\
        -out ca.pem -days 30 -subj /CN=CA -addext basicConstraints=critical,CA:TRUE
      """
    #expect(try tls.run(script).succeeded)
  }

  /// Makes FILE.pem with its chain, and FILE.key (or both in FILE.pem). `url`: of the responder.
  func issue(
    _ file: String, host: String, serial: Int, url: String?, days: Int = 20, kind: String = "ec",
    together: Bool = false
  ) throws {
    let access = url.map { "authorityInfoAccess=OCSP;URI:" + $0 } ?? ""
    let number = String(serial, radix: 16)
    let key = kind == "ec" ? "ec -pkeyopt ec_paramgen_curve:P-256" : kind
    let script = """
      cd '\(directory)'
      openssl req -newkey \(key) -nodes -keyout '\(file).key' -out request -subj '/CN=\(host)'
      printf 'keyUsage=digitalSignature\n\(access)\n' > extensions
      openssl x509 -req -in request -CA ca.pem -CAkey ca.key -set_serial \(serial) \\
        -days \(days) -extfile extensions -out leaf.pem
      cat leaf.pem ca.pem > '\(file).next'
      \(together ? "cat '\(file).key' >> '\(file).next' && rm '\(file).key'" : "")
      mv '\(file).next' '\(file).pem'
      printf 'V\t491231235959Z\t\t\(number)\tunknown\t/CN=\(number)\n' >> index.txt
      """
    #expect(try tls.run(script).succeeded)
  }

  func startResponder() throws -> ChildProgram {
    try ChildProgram(
      [
        "/usr/bin/openssl", "ocsp", "-port", "\(port)", "-index", directory + "/index.txt", "-CA",
        directory + "/ca.pem", "-rsigner", directory + "/ca.pem", "-rkey", directory + "/ca.key",
        "-nmin", "60",
      ], outputPath: directory + "/responder")
  }
}

extension TLSServer {
  /// The serial number that a good response which is shown speaks of; nil: there is none.
  func stapled(_ options: String = "", name: String = "a.test") throws -> Int? {
    let output = try client("-status " + options, name: name)
    guard output.contains("Cert Status: good"),
      let place = output.range(of: "Serial Number: ")
    else { return nil }
    return Int(output[place.upperBound...].prefix { $0 != "\n" }, radix: 16)
  }
}

extension ServerTests {
  @Suite struct `17 it staples` {
    @Test(arguments: [false, true])
    func `an OCSP response is fetched, shown, and kept over a reload`(isForced: Bool) throws {
      let tls = try TLSServer("", starts: false)
      let authority = try Authority(tls)
      // A name, which has to be resolved; with a path, which has to be sent.
      let url = "http://localhost:\(authority.port)/x"
      try authority.issue("a", host: "a.test", serial: 0x1001, url: isForced ? nil : url)
      tls.server.configure(
        tls.expand(
          "SSLCertificateFile a.pem\nSSLCertificateKeyFile a.key\nSSLUseStapling on\n"
            + "SSLStaplingErrorCacheTimeout 1\n"
            + (isForced ? "SSLStaplingForceURL \(url)" : "")))
      try tls.server.start()
      #expect(try tls.client("-status").contains("OCSP response: no response sent"))
      #expect(eventually { tls.server.said.contains("no OCSP response: ") })
      let responder = try authority.startResponder()
      #expect(try eventually { try tls.stapled() == 0x1001 })
      let report = tls.server.control("certificates").output
      #expect(report.contains("ocsp    response shown until"), "\(report)")
      let status = tls.server.control("status").output
      #expect(status.contains("sandbox of the OCSP fetcher: seccomp ("), "\(status)")
      #expect(!tls.server.said.contains("stopped by the sandbox"))
      responder.signal(Signal.kill)
      _ = responder.wait(milliseconds: 5_000)
      #expect(tls.server.control("reload").succeeded)
      for _ in 0..<6 { #expect(try tls.stapled() == 0x1001) }
    }

    @Test func `every certificate in use has a response of its own, by name too`() throws {
      let tls = try TLSServer("", starts: false)
      let authority = try Authority(tls)
      let url = "http://127.0.0.1:\(authority.port)"
      try authority.issue("a", host: "a.test", serial: 0x11, url: url)
      try authority.issue("r", host: "a.test", serial: 0x12, url: url, kind: "rsa:2048")
      tls.server.directory.write("", to: "names/empty")
      for (name, serial) in [("b.test", 0x21), ("*.c.test", 0x22), ("unused.test", 0x23)] {
        let days = name == "*.c.test" ? 5 : 20
        try authority.issue(
          "names/\(name)", host: name, serial: serial, url: url, days: days, together: true)
      }
      tls.server.configure(
        tls.expand(
          """
          SSLCertificateFile a.pem
          SSLCertificateKeyFile a.key
          SSLCertificateFile r.pem
          SSLCertificateKeyFile r.key
          SSLCertificateDirectory names
          SSLUseStapling on
          SSLStaplingErrorCacheTimeout 1
          """))
      let responder = try authority.startResponder()
      try tls.server.start()
      let rsa = "-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256"
      func allAreShown() throws -> Bool {
        try tls.stapled() == 0x11 && tls.stapled(rsa) == 0x12
          && tls.stapled(name: "b.test") == 0x21 && tls.stapled(name: "x.c.test") == 0x22
      }
      #expect(try eventually { try allAreShown() })
      for _ in 0..<4 { #expect(try allAreShown()) }
      let report = tls.server.control("certificates").output
      #expect(report.components(separatedBy: "response shown until").count == 5, "\(report)")
      #expect(report.contains("names/b.test.pem\n") && !report.contains("unused.test"), "\(report)")
      // They are watched for their end as well.
      #expect(report.contains("4 days left"), "\(report)")
      // A response never goes along with the certificate's successor.
      responder.signal(Signal.kill)
      _ = responder.wait(milliseconds: 5_000)
      try authority.issue("names/b.test", host: "b2.test", serial: 0x31, url: url, together: true)
      #expect(try eventually { try tls.shown("b.test") == "b2.test" })
      for _ in 0..<6 {
        // One worker may be a few seconds behind the other: then both are the old ones.
        let output = try tls.client("-status", name: "b.test")
        let isRenewed = output.contains("subject=CN = b2.test")
        #expect(output.contains("Cert Status: good") != isRenewed, "\(output)")
      }
      #expect(try tls.stapled(name: "x.c.test") == 0x22)
      let again = try authority.startResponder()
      #expect(try eventually { try tls.stapled(name: "b.test") == 0x31 })
      again.signal(Signal.kill)
      _ = again.wait(milliseconds: 5_000)
      #expect(!tls.server.said.contains("stopped by the sandbox"))
    }
  }
}
