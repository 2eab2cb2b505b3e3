// 04: virtual hosts. Which site answers, by address, name, wildcard and pattern.

import TestSupport
import Testing

extension ServerTests {
  @Suite struct `04 it tells sites apart` {
    static func site(_ lines: String, root: String, address: String = "*:@port@") -> String {
      "<VirtualHost \(address)>\n\(lines)\nDocumentRoot \"@root@/www/\(root)\"\n</VirtualHost>\n"
    }

    @Test func `the first match in file order answers, else the first site`() throws {
      let server = try TestServer(
        Self.site("ServerName first.test", root: "first")
          + Self.site("ServerName name.test\nServerAlias other.test", root: "name")
          + Self.site("ServerName w.test\nServerAlias *.wild.test a?c.test", root: "wild")
          + Self.site("ServerName late.wild.test", root: "late")
          + Self.site("ServerNameMatch \"[0-9]+\\.number\\.test\"", root: "number"),
        files: [
          "first/x": "first", "name/x": "name", "wild/x": "wild", "late/x": "late",
          "number/x": "number",
        ])
      let table = [
        ("name.test", "name"), ("NAME.Test", "name"), ("name.test:8080", "name"),
        ("name.test.", "name"), ("other.test", "name"), ("a.wild.test", "wild"),
        ("a.b.wild.test", "wild"), ("late.wild.test", "wild"), ("abc.test", "wild"),
        ("abbc.test", "first"), ("wild.test", "first"), ("unknown.test", "first"),
        ("first.test", "first"), ("12.number.test", "number"), ("x12.number.test", "first"),
        ("12.number.test.example", "first"), ("127.0.0.1", "first"),
      ]
      for _ in 0..<2 {
        for (host, site) in table {
          #expect(try server.get("/x", host: host).text == site, "\(host)")
        }
      }
    }

    @Test func `what a pattern captured chooses the directory`() throws {
      let server = try TestServer(
        Self.site("ServerName first.test", root: "first")
          + Self.site(
            """
            ServerNameMatch "^(?<tenant>.*)\\.tenants\\.test$"
            Header always set X-Tenant "%{env:MATCH_TENANT}"
            """, root: "tenants/%{env:MATCH_TENANT}"),
        files: ["tenants/red/x": "red", "tenants/blue/x": "blue", "tenants/x": "OUTSIDE"])
      let connection = try server.open()
      for _ in 0..<2 {
        for tenant in ["red", "blue", "RED"] {
          let response = try connection.get("/x", host: tenant + ".tenants.test")
          #expect(response.text == tenant.lowercased())
          #expect(response["X-Tenant"] == tenant.lowercased())
        }
        #expect(try connection.get("/x", host: "green.tenants.test").status == 404)
      }
    }

    @Test func `a captured value that leaves its directory is 404 or no host at all`() throws {
      let server = try TestServer(
        Self.site("ServerName first.test", root: "first")
          + Self.site(
            "ServerNameMatch \"^(?<tenant>.*)\\.tenants\\.test$\"",
            root: "tenants/%{env:MATCH_TENANT}"),
        files: ["x": "ROOT", "tenants/x": "OUTSIDE", "tenants/red/x": "red"])
      for host in ["..tenants.test", "...tenants.test", "....tenants.test", ".tenants.test"] {
        let response = try server.get("/x", host: host)
        #expect([400, 404].contains(response.status), "\(host)")
        #expect(!response.text.contains("OUTSIDE") && !response.text.contains("ROOT"), "\(host)")
      }
    }

    @Test func `two addresses on one port have sites of their own`() throws {
      let server = try TestServer(
        "Listen 127.0.0.2:@port@\n"
          + Self.site("ServerName same.test", root: "one", address: "127.0.0.1:@port@")
          + Self.site("ServerName same.test", root: "two", address: "127.0.0.2:@port@"),
        files: ["one/x": "one", "two/x": "two"])
      for _ in 0..<3 {
        #expect(try server.open().get("/x", host: "same.test").text == "one")
        #expect(try server.open("127.0.0.2").get("/x", host: "same.test").text == "two")
        #expect(try server.open("127.0.0.2").get("/x", host: "other.test").text == "two")
      }
    }

    @Test func `redirects, aliases and error pages belong to their site`() throws {
      let server = try TestServer(
        Self.site(
          """
          ServerName a.test
          Alias "/other" "@root@/www/elsewhere"
          Redirect permanent "/old" "http://a.test/new"
          RedirectMatch 302 "^/n/([0-9]+)$" "http://a.test/number/$1"
          ErrorDocument 404 "/sorry.html"
          """, root: "a") + Self.site("ServerName b.test", root: "b"),
        files: ["a/x": "a", "a/sorry.html": "sorry", "b/x": "b", "elsewhere/y": "elsewhere"])
      #expect(try server.get("/other/y", host: "a.test").text == "elsewhere")
      #expect(try server.get("/other/y", host: "b.test").status == 404)
      let old = try server.get("/old/page?q", host: "a.test")
      #expect(old.status == 301)
      #expect(old["Location"] == "http://a.test/new/page?q")
      let number = try server.get("/n/42", host: "a.test")
      #expect(number.status == 302)
      #expect(number["Location"] == "http://a.test/number/42")
      let missing = try server.get("/none", host: "a.test")
      #expect(missing.status == 404)
      #expect(missing.text == "sorry")
      #expect(try server.get("/none", host: "b.test").text != "sorry")
    }
  }
}
