// 22: what the server knows of those behind it: names, health, orders, and who may connect to them.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `22 it looks after the servers behind it` {
    private struct Member: Decodable {
      let name: String
      let state: [String]
      let addresses: [String]
      let health: String
      let problem: String
    }

    private struct Report: Decodable {
      struct Balancer: Decodable {
        let name: String
        let method: String
        let members: [Member]
      }
      let balancers: [Balancer]
    }

    private func members(_ server: TestServer) -> [Member] {
      let text = server.control("proxy", "--json").output
      let report = try? JSONDecoder().decode(Report.self, from: Data(text.utf8))
      return report?.balancers.flatMap { $0.members } ?? []
    }

    private func configuration(_ words: [String]) -> String {
      "<Proxy balancer://b>\n"
        + words.map { "  BalancerMember \($0)\n" }.joined()
        + "</Proxy>\nProxyPass /app balancer://b\n"
    }

    private func process(_ name: String, of server: TestServer) -> Int32? {
      server.status()?.number("upstreams.\(name)").map { Int32($0) }
    }

    @Test func `names are known before the first request, and looked up by a process`() throws {
      let origin = Origin(text: "x")
      let server = try TestServer(configuration(["http://localhost:\(origin.port)"]))
      let member = try #require(members(server).first)
      #expect(member.state == ["ok"])
      #expect(member.addresses.contains("127.0.0.1:\(origin.port)"), "\(member.addresses)")
      let resolver = try #require(process("resolver", of: server))
      #expect(process("checker", of: server) == nil)
      #expect(textOfKernelFile("/proc/\(resolver)/status").contains("Seccomp:\t2"))
      // It is started again, and makes room for one that knows another name.
      kill(resolver, SIGKILL)
      #expect(
        eventually { process("resolver", of: server).map { $0 != resolver } ?? false })
      #expect(server.said.contains("name resolver (pid \(resolver)) killed by signal 9"))
      let second = process("resolver", of: server)
      #expect(server.reload(configuration(["http://name.invalid:1"])).succeeded)
      #expect(process("resolver", of: server) != second)
      #expect(members(server).first?.state == ["unresolved"])
      #expect(
        eventually {
          server.said.contains("proxy member http://name.invalid:1 cannot be resolved: ")
        })
      #expect(server.reload("").succeeded)
      #expect(eventually { process("resolver", of: server) == nil })
      #expect(server.control("proxy").output == "no request is passed to other servers\n")
    }

    @Test func `health is checked, told and shown`() throws {
      let origin = Origin(text: "x")
      let gone = freePort()
      let server = try TestServer(
        configuration([
          "http://127.0.0.1:\(origin.port) hcmethod=GET hcinterval=1 hcuri=/up",
          "http://127.0.0.1:\(gone) hcmethod=TCP hcinterval=1",
        ]))
      #expect(eventually { members(server).map(\.health) == ["up", "down"] })
      #expect(members(server).last?.state == ["down"])
      #expect(members(server).last?.problem == "cannot be reached: Connection refused")
      #expect(
        eventually {
          server.said.contains(
            "proxy member http://127.0.0.1:\(gone) is down: it cannot be reached: Connection refused"
          )
        })
      #expect(origin.requests.contains { $0.line == "GET /up HTTP/1.1" })
      let checker = try #require(process("checker", of: server))
      #expect(textOfKernelFile("/proc/\(checker)/status").contains("Seccomp:\t2"))
      let late = Origin(port: gone) { _, peer in peer.send(Origin.response("x")) }
      #expect(eventually { members(server).map(\.health) == ["up", "up"] })
      #expect(eventually { server.said.contains("http://127.0.0.1:\(gone) is up again") })
      // No checker, no health.
      #expect(
        server.reload(configuration(["http://127.0.0.1:\(origin.port)"])).succeeded)
      #expect(eventually { process("checker", of: server) == nil })
      #expect(members(server).map(\.health) == ["unknown"])
      #expect(server.stop() == .exited(0))
      #expect(textOfKernelFile("/proc/\(checker)/stat").isEmpty)
      late.end()
    }

    @Test func `an operator's orders hold over reloads`() throws {
      let words = ["http://127.0.0.1:1 loadfactor=2", "http://127.0.0.1:2 status=+H"]
      let server = try TestServer(configuration(words))
      #expect(members(server).map(\.state) == [["ok"], ["standby"]])
      #expect(server.control("proxy", "set", "http://127.0.0.1:1", "drain").succeeded)
      #expect(server.control("proxy", "set", "http://127.0.0.1:2", "disable").succeeded)
      #expect(members(server).map(\.state) == [["draining"], ["disabled", "standby"]])
      #expect(server.reload(configuration(words + ["http://127.0.0.1:3"])).succeeded)
      #expect(
        members(server).map(\.state) == [["draining"], ["disabled", "standby"], ["ok"]])
      #expect(server.control("proxy", "set", "http://127.0.0.1:1", "reset").succeeded)
      #expect(members(server).map(\.state).first == ["ok"])
      #expect(
        server.control("proxy").output.contains("  http://127.0.0.1:1 ok loadfactor 2 busy 0"))
      let unknown = server.control("proxy", "set", "http://127.0.0.1:9", "drain")
      #expect(unknown.ending == .exited(1) && unknown.output.contains("no member is called"))
      let word = server.control("proxy", "set", "http://127.0.0.1:1", "rest")
      #expect(word.ending == .exited(2) && word.output.contains("try one of enable, disable"))
    }

    @Test func `only workers that pass requests on may open connections`() throws {
      let server = try TestServer(configuration(["http://127.0.0.1:1"]))
      #expect(server.control("status").output.contains("sandbox of the proxying worker: seccomp"))
      #expect(server.status()?.number("sandbox.worker.calls") == nil)
      #expect(server.reload("").succeeded)
      #expect((server.status()?.number("sandbox.worker.calls") ?? 0) > 20)
    }

    @Test func `more members than can be remembered are refused`() throws {
      let server = try TestServer()
      let many = (1...1_100).map { "http://127.0.0.1:\($0)" }
      let outcome = server.reload(configuration(many))
      #expect(!outcome.succeeded && outcome.output.contains("1024"), "\(outcome.output)")
      // The preamble, <Proxy> and 1,024 members come before it.
      let line = TestServer.preambleLineCount + 1 + 1025
      #expect(outcome.output.contains("ring3.conf:\(line):18: error: this is one more than"))
      let check = server.daemon("--check")
      #expect(!check.succeeded && check.output.contains("ring3.conf:\(line):18: "))
      #expect(check.output.split(separator: "\n").count { $0.contains("one more than") } == 1)
      #expect(try server.get("/").status == 200)
    }
  }
}
