// 11: what ring3ctl tells. Sites, shadows, and why a URL is answered as it is.

import TestSupport
import Testing

extension ServerTests {
  @Suite struct `11 it explains itself` {
    typealias Hosts = `04 it tells sites apart`

    static let sites =
      Hosts.site("ServerName a.test\nServerAlias *.wild.test", root: "a")
      + Hosts.site("ServerName shadowed.wild.test", root: "b")
      + Hosts.site(
        "ServerNameMatch \"^(?<tenant>[a-z]+)\\.t\\.test$\"", root: "%{env:MATCH_TENANT}")

    @Test func `vhosts lists every site and warns of the shadowed`() throws {
      let server = try TestServer(Self.sites)
      let outcome = server.control("vhosts")
      #expect(outcome.succeeded)
      for name in ["a.test", "*.wild.test", "shadowed.wild.test", "\(server.port)"] {
        #expect(outcome.output.contains(name), "\(outcome.output)")
      }
      #expect(outcome.output.lowercased().contains("never"), "\(outcome.output)")
      #expect(StatusReport(server.control("vhosts", "--json").output) != nil)
    }

    @Test func `explain names site, reason and file`() throws {
      let server = try TestServer(Self.sites, files: ["a/x.txt": "x", "red/y.txt": "y"])
      let wild = server.control("explain", "http://q.wild.test:\(server.port)/x.txt")
      #expect(wild.succeeded, "\(wild.output)")
      #expect(wild.output.contains("a.test"), "\(wild.output)")
      #expect(wild.output.contains("*.wild.test"), "\(wild.output)")
      #expect(wild.output.contains("www/a/x.txt"), "\(wild.output)")
      let tenant = server.control("explain", "http://red.t.test:\(server.port)/y.txt")
      #expect(tenant.output.contains("www/red/y.txt"), "\(tenant.output)")
      let json = server.control("explain", "--json", "http://red.t.test:\(server.port)/y.txt")
      #expect(StatusReport(json.output) != nil, "\(json.output)")
    }

    @Test func `status counts processes`() throws {
      let server = try TestServer(workers: 2)
      let status = server.control("status")
      #expect(status.succeeded)
      #expect(server.workers.count == 2)
      for worker in server.workers { #expect(status.output.contains("\(worker)")) }
    }

    @Test func `check reads the file without touching the server`() throws {
      let server = try TestServer()
      #expect(server.control("check").succeeded)
      server.configure("Nonsense here")
      let refused = server.control("check")
      #expect(refused.ending == .exited(1))
      #expect(refused.output.contains("Nonsense"), "\(refused.output)")
      #expect(try server.get("/").text == "home\n")
    }

    @Test func `a mistaken file still names the server that is to tell of it`() throws {
      let server = try TestServer()
      server.configure("DocumentRot /x")
      let refused = server.controlByFile("reload")
      #expect(refused.ending == .exited(1))
      #expect(refused.output.contains("did you mean 'DocumentRoot'"), "\(refused.output)")
    }

    @Test func `without a server ring3ctl says so`() throws {
      let server = try TestServer(starts: false)
      let outcome = server.control("status")
      #expect(outcome.ending == .exited(1) || outcome.ending == .exited(69))
      #expect(outcome.output.contains("ring3d.sock"), "\(outcome.output)")
    }
  }
}
