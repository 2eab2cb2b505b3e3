// Fingerprints, differences, shadowed names, explanations.

import Platform
import Testing

@testable import Configuration

@Suite struct ModelFingerprintTests {
  static let sites = """
    Alias /icons /srv/a
    <VirtualHost *:80>
      ServerName a
      <Directory /srv/www>
        Header set X a
      </Directory>
    </VirtualHost>
    <VirtualHost *:80>
      ServerName b
      ServerNameMatch "(?<t>[a-z]+)"
    </VirtualHost>
    """

  private func fingerprints(_ text: String) throws -> [String: UInt64] {
    let model = try model(text)
    return Dictionary(
      model.sites.map { ($0.name, $0.fingerprint) }, uniquingKeysWith: { first, _ in first })
  }

  @Test func `fingerprints do not change from one run to another`() throws {
    #expect(Fingerprint.of("ring3") == 2_288_654_612_882_493_106)
    #expect(Fingerprint.of("a", "bc") != Fingerprint.of("ab", "c"))
    #expect(try fingerprints(Self.sites) == fingerprints(Self.sites))
  }

  @Test func `a site put before others changes no other fingerprint`() throws {
    let before = try fingerprints(Self.sites)
    let after = try fingerprints(
      "<VirtualHost *:80>\nServerName new\nDocumentRoot /srv/b\n</VirtualHost>\n" + Self.sites)
    #expect(after["a"] == before["a"])
    #expect(after["b"] == before["b"])
    #expect(after[""] == before[""])
  }

  @Test func `lines and comments moved about change nothing`() throws {
    let moved = "# comment\n\n" + Self.sites.replacing("  ServerName", with: "\tservername")
    #expect(try fingerprints(moved) == fingerprints(Self.sites))
  }

  @Test(
    arguments: [
      ("Header set X a", "Header set X b", ["a"]),
      ("(?<t>[a-z]+)", "(?<t>[a-y]+)", ["b"]),
      ("/icons /srv/a", "/icons /srv/b", ["", "a", "b"]),
      ("Alias", "ServerTokens Prod\nAlias", ["", "a", "b"]),
      ("Alias", "AddType text/x .y\nAlias", ["", "a", "b"]),
      ("ServerName a", "ServerName a\nKeepAlive Off", []),
      ("ServerName a", "ServerName a\nAllowEncodedSlashes On", ["a"]),
      ("<Directory /srv/www>", "<Directory /srv/other>", ["a"]),
    ] as [(String, String, [String])])
  func `what can alter a response alters the fingerprint`(
    old: String, new: String, changed: [String]
  ) throws {
    let before = try fingerprints(Self.sites)
    let after = try fingerprints(Self.sites.replacing(old, with: new))
    #expect(before.keys.filter { before[$0] != after[$0] }.sorted() == changed)
  }

  @Test func `settings have the fingerprint of the sections that made them`() throws {
    let model = try model(Self.sites)
    let inside = try model.route("/x", host: "a").settings
    let outside = try model.route("/icons/x", host: "a").settings
    #expect(inside.fingerprint != outside.fingerprint)
    #expect(try model.route("/y", host: "a").settings.fingerprint == inside.fingerprint)
  }

  @Test func `a difference names what a reload would do`() throws {
    let old = try model(Self.sites)
    let new = try model(
      "Listen 81\n"
        + Self.sites.replacing("Header set X a", with: "Header set X b")
        .replacing("ServerName b", with: "ServerName c"))
    let difference = ModelDifference(from: old, to: new)
    #expect(difference.sitesAdded == ["c (*:80)"])
    #expect(difference.sitesRemoved == ["b (*:80)"])
    #expect(difference.sitesChanged == ["a (*:80)"])
    #expect(difference.sitesUnchanged == 1)
    #expect(difference.listensAdded == ["0.0.0.0:81", "[::]:81"])
    #expect(difference.listensRemoved.isEmpty)
    #expect(difference.text.hasPrefix("sites: 1 added, 1 removed, 1 changed, 1 unchanged\n"))
    #expect(ModelDifference(from: old, to: old).isEmpty)
  }
}

@Suite struct VirtualHostReportTests {
  private func warnings(_ hosts: [String]) throws -> [String] {
    let text = hosts.map { "<VirtualHost *:80>\n\($0)\n</VirtualHost>" }.joined(separator: "\n")
    return VirtualHostReport(try model(text)).warnings.map(\.message)
  }

  struct Case: Sendable {
    let hosts: [String]
    let messages: [String]
    init(_ hosts: [String], _ messages: [String]) {
      self.hosts = hosts
      self.messages = messages
    }
  }

  static let cases: [Case] = [
    Case(["ServerName a", "ServerName b"], []),
    Case(
      ["ServerName a", "ServerName a"],
      ["'ServerName a' can never be chosen on *:80: it is the same", "'a' can never be reached"]),
    Case(
      ["ServerName a", "ServerName b\nServerAlias a"],
      ["'ServerAlias a' can never be chosen on *:80: it is the same"]),
    Case(
      ["ServerName a", "ServerName x\nServerAlias *.example.com", "ServerName www.example.com"],
      ["is covered by 'ServerAlias *.example.com' at", "'www.example.com' can never be reached"]),
    Case(
      [
        "ServerName a", "ServerName x\nServerAlias *.com",
        "ServerName b\nServerAlias *.example.com",
      ],
      ["'ServerAlias *.example.com' can never be chosen"]),
    Case(["ServerName x\nServerAlias *.example.com", "ServerName b\nServerAlias *.com"], []),
    Case(
      ["ServerName x\nServerNameMatch [a-z]+\\.net", "ServerName b.net"],
      ["is covered by 'ServerNameMatch [a-z]+\\.net'", "'b.net' can never be reached"]),
    Case(
      ["ServerName x\nServerNameMatch a.b", "ServerName y\nServerNameMatch a.b"],
      ["'ServerNameMatch a.b' can never be chosen on *:80: it is the same"]),
    Case(
      ["ServerName x\nServerNameMatch .*", "ServerName y"],
      ["is covered by 'ServerNameMatch .*'", "'y' can never be reached"]),
    Case(["ServerName x", "DocumentRoot /srv/a"], ["this virtual host has no name and is not"]),
    Case(["ServerName x\nServerAlias a?c", "ServerName y\nServerAlias a*c"], []),
    Case(
      ["ServerName x\nServerAlias a*c", "ServerName y\nServerAlias a?c"],
      ["'ServerAlias a?c' can never be chosen"]),
  ]

  @Test(arguments: cases)
  func `what an earlier site always answers for is reported`(_ test: Case) throws {
    let found = try warnings(test.hosts)
    try #require(found.count == test.messages.count, Comment(rawValue: "\(found)"))
    for (message, expected) in zip(found, test.messages) {
      #expect(message.contains(expected), Comment(rawValue: message))
    }
  }

  @Test func `an address behind a wildcard port is reported`() throws {
    let report = VirtualHostReport(
      try model(
        "<VirtualHost *:*>\nServerName a\n</VirtualHost>\n"
          + "<VirtualHost *:80>\nServerName b\n</VirtualHost>"
      ))
    #expect(
      report.warnings.map(\.message) == [
        "no request reaches *:80: *:* starts earlier and covers it"
      ])
  }

  @Test func `the report looks like apachectl -S`() throws {
    let report = VirtualHostReport(
      try model(
        """
        ServerName server.example
        <VirtualHost *:80>
          ServerName www.example.com
          ServerAlias example.com *.example.com
        </VirtualHost>
        <VirtualHost *:80>
          ServerName b.example
          ServerNameMatch "(?<t>.+)\\.b\\.example"
        </VirtualHost>
        <VirtualHost 192.0.2.1:80>
          ServerName c.example
        </VirtualHost>
        """))
    #expect(
      report.text == """
        Listening on: 0.0.0.0:80 [::]:80
        Virtual hosts:
        *:80                   is a NameVirtualHost
                 default server www.example.com (/etc/ring3.conf:4:1)
                 namevhost www.example.com (/etc/ring3.conf:4:1)
                         alias example.com
                         wild alias *.example.com
                 namevhost b.example (/etc/ring3.conf:8:1)
                         match (?<t>.+)\\.b\\.example
        192.0.2.1:80           c.example (/etc/ring3.conf:12:1)
        Main server: server.example
        Main DocumentRoot: "/srv/www"

        """)
  }
}

@Suite struct ExplanationTests {
  @Test func `every decision about a URL is shown with its place`() throws {
    let model = try model(
      """
      <VirtualHost *:80>
        ServerName a
      </VirtualHost>
      <VirtualHost *:80>
        ServerNameMatch "(?<tenant>[a-z]+)\\.example"
        DocumentRoot "/srv/tenants/%{env:MATCH_TENANT}"
        <Location /private>
          Require ip 10
        </Location>
      </VirtualHost>
      """)
    let found = try model.explain(url: "http://Blue.example/private/x%20y?q=1").get()
    #expect(
      found.text == """
        url:           http://Blue.example/private/x%20y?q=1
        address:       127.0.0.1:80
        listener:      Listen 0.0.0.0:80
        encryption:    http
        virtual host:  (?<tenant>[a-z]+)\\.example (*:80) at /etc/ring3.conf:6:1
        because:       ServerNameMatch (?<tenant>[a-z]+)\\.example matches, on *:80
        captured:      MATCH_TENANT=blue
        section:       <Location "/private"> at /etc/ring3.conf:9:3
        mapped by:     DocumentRoot /srv/tenants/%{env:MATCH_TENANT}
        access:        depends on the client (Require ip 10.0.0.0/8)
        action:        file /srv/tenants/blue/private/x y

        """)
    let client = IPAddress("10.1.1.1")
    #expect(
      try model.explain(url: "blue.example/private", client: client).get().access == "granted")
    #expect(try model.explain(url: "http://nobody/").get().why.hasPrefix("no name matches"))
    #expect(try model.explain(url: "http://a:81/").get().listen == nil)
  }

  @Test(arguments: ["ftp://x/", "http://", "http://x:0/", "http://x/%zz", "http://x/../.."])
  func `what is no URL is refused with a sentence`(url: String) throws {
    let model = try model("")
    guard case .failure(let failure) = model.explain(url: url) else {
      Issue.record("explained \(url)")
      return
    }
    #expect(!failure.message.isEmpty)
  }
}
