// Sections, aliases, redirects, access: what a path means, against httpd's documented rules.

import Configuration
import Platform
import Testing

@Suite struct ModelSectionTests {
  /// httpd, sections.html: "<Location> > <Files> > <Directory>…" ends as ABCDE in this order.
  @Test func `sections merge in httpd's documented order`() throws {
    let model = try model(
      """
      <Location "/">
        Header add X E
      </Location>
      <Files "f.html">
        Header add X D
      </Files>
      <VirtualHost *:80>
        DocumentRoot /srv/www
        <Directory "/srv/www">
          Header add X B
        </Directory>
      </VirtualHost>
      <DirectoryMatch "^.*/w+$">
        Header add X never
      </DirectoryMatch>
      <DirectoryMatch "/www/">
        Header add X C
      </DirectoryMatch>
      <Directory "/srv">
        Header add X A
      </Directory>
      """)
    let route = try model.route("/f.html")
    let values = route.settings.headerEditsOnSuccess.map { $0.value?.description ?? "" }
    #expect(values == ["A", "B", "C", "D", "E"])
    #expect(
      route.sections.map(\.title) == [
        "<Directory \"/srv\">", "<Directory \"/srv/www\">", "<DirectoryMatch \"/www/\">",
        "<Files \"f.html\">", "<Location \"/\">",
      ])
  }

  @Test func `the main server's sections come before the virtual host's in each class`() throws {
    let model = try model(
      """
      <VirtualHost *:80>
        Header add X base2
        <Location /a>
          Header add X location2
        </Location>
        <Directory /srv/www>
          Header add X directory2
          <Files f>
            Header add X nested
          </Files>
        </Directory>
        <Files f>
          Header add X files2
        </Files>
      </VirtualHost>
      Header add X base1
      <Directory /srv/www>
        Header add X directory1
      </Directory>
      <Directory /srv/www/a>
        Header add X deeper1
      </Directory>
      <Location /a>
        Header add X location1
      </Location>
      <Files f>
        Header add X files1
      </Files>
      """)
    let values = try model.route("/a/f").settings.headerEditsOnSuccess.map {
      $0.value?.description ?? ""
    }
    #expect(
      values == [
        "base1", "base2", "directory1", "directory2", "deeper1", "files1", "files2", "nested",
        "location1", "location2",
      ])
  }

  @Test(arguments: [
    ("/x", ["/", "/x", "~"]), ("/x/", ["/", "/x", "/x/", "~"]),
    ("/x/y", ["/", "/x", "/x/", "*", "~"]),
    ("/xy", ["/", "~"]), ("/", ["/"]), ("//x", ["/", "/x", "~"]),
    ("/x/y/z", ["/", "/x", "/x/", "~"]),
  ])
  func `locations match at segment boundaries`(path: String, expected: [String]) throws {
    let model = try model(
      """
      <Location "/">
        Header add X "/"
      </Location>
      <Location "/x">
        Header add X "/x"
      </Location>
      <Location "/x/">
        Header add X "/x/"
      </Location>
      <Location "/x/*">
        Header add X "*"
      </Location>
      <Location ~ "x">
        Header add X "~"
      </Location>
      """)
    let values = try model.route(path).settings.headerEditsOnSuccess.map {
      $0.value?.description ?? ""
    }
    // "/x/*" has a star that matches nothing too: "/x/" itself.
    #expect(values.filter { path != "/x/" || $0 != "*" } == expected)
  }

  @Test(arguments: [
    ("/users/a/public_html/x", true), ("/users/a/b/public_html/x", false), ("/users/a/x", false),
    ("/users/a/public_html", true),
  ])
  func `a wildcard directory never crosses a slash`(path: String, expected: Bool) throws {
    let model = try model(
      "Alias / /\n<Directory /users/*/public_html>\nOptions Indexes\n</Directory>")
    #expect(try model.route(path).settings.options.contains(.indexes) == expected)
  }

  @Test(arguments: [
    ("Options Indexes", "Options FollowSymLinks", ["follow"]),
    ("Options Indexes FollowSymLinks", "Options SymLinksIfOwnerMatch", ["owner"]),
    (
      "Options Indexes FollowSymLinks", "Options +SymLinksIfOwnerMatch -Indexes",
      ["follow", "owner"]
    ),
    ("Options None", "Options +Indexes", ["indexes"]),
    ("Options None", "DirectoryIndex a", []),
  ])
  func `options without signs replace and with signs change`(
    outer: String, inner: String, expected: [String]
  ) throws {
    let model = try model(
      "<Directory /srv>\n\(outer)\n</Directory>\n<Directory /srv/www>\n\(inner)\n</Directory>")
    let options = try model.route("/x").settings.options
    var names: [String] = []
    if options.contains(.indexes) { names.append("indexes") }
    if options.contains(.followSymLinks) { names.append("follow") }
    if options.contains(.symLinksIfOwnerMatch) { names.append("owner") }
    #expect(names == expected)
  }

  @Test func `files that begin with .ht are refused even where a location grants all`() throws {
    let model = try model(
      "<Location />\nRequire all granted\n</Location>\n"
        + "<Files .htopen>\nRequire all granted\n</Files>"
    )
    let client = try #require(IPAddress("192.0.2.7"))
    func isOpen(_ path: String) throws -> Bool {
      try model.route(path).settings.access.evaluate(client: client)
    }
    #expect(try !isOpen("/a/.htpasswd"))
    #expect(try !isOpen("/.htaccess"))
    #expect(try isOpen("/.htopen"))
    #expect(try isOpen("/x.ht"))
  }
}

@Suite struct ModelAccessTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let rule: String
    let client: String
    let isGranted: Bool
    var testDescription: String { "\(rule.replacing("\n", with: "; ")) \(client)" }
    init(_ rule: String, _ client: String, _ isGranted: Bool) {
      self.rule = rule
      self.client = client
      self.isGranted = isGranted
    }
  }

  static let cases: [Case] = [
    Case("Require all granted", "192.0.2.1", true),
    Case("Require all denied", "192.0.2.1", false),
    Case("Require ip 192.0.2.1", "192.0.2.1", true),
    Case("Require ip 192.0.2", "192.0.2.200", true),
    Case("Require ip 192.0.2", "192.0.3.1", false),
    Case("Require ip 10", "10.255.0.1", true),
    Case("Require ip 10.1.0.0/255.255.0.0", "10.1.9.9", true),
    Case("Require ip 10.1.0.0/255.255.0.0", "10.2.0.1", false),
    Case("Require ip 10.0.0.0/8 172.20", "172.20.1.1", true),
    Case("Require ip 2001:db8::/32", "2001:db8:1::1", true),
    Case("Require ip 2001:db8::/32", "2001:db9::1", false),
    Case("Require ip 192.0.2.0/24", "::ffff:192.0.2.1", true),
    Case("Require local", "127.0.0.5", true),
    Case("Require local", "::1", true),
    Case("Require local", "192.0.2.1", false),
    Case("Require ip 10\nRequire local", "127.0.0.1", true),
    Case("Require ip 10\nRequire local", "192.0.2.1", false),
    Case("<RequireAll>\nRequire all granted\nRequire not ip 10\n</RequireAll>", "10.1.1.1", false),
    Case("<RequireAll>\nRequire all granted\nRequire not ip 10\n</RequireAll>", "11.1.1.1", true),
    Case("<RequireAll>\nRequire ip 10\nRequire ip 10.1\n</RequireAll>", "10.1.0.1", true),
    Case("<RequireAll>\nRequire ip 10\nRequire ip 10.1\n</RequireAll>", "10.2.0.1", false),
    Case(
      "<RequireAll>\nRequire all granted\n<RequireNone>\nRequire ip 10\n"
        + "Require local\n</RequireNone>"
        + "\n</RequireAll>", "127.0.0.1", false),
    Case(
      "<RequireAll>\nRequire all granted\n<RequireNone>\nRequire ip 10\n"
        + "Require local\n</RequireNone>"
        + "\n</RequireAll>", "192.0.2.1", true),
    Case(
      "<RequireAny>\n<RequireAll>\nRequire ip 10\nRequire not ip 10.1\n"
        + "</RequireAll>\nRequire local\n"
        + "</RequireAny>", "127.0.0.1", true),
    Case(
      "<RequireAny>\n<RequireAll>\nRequire ip 10\nRequire not ip 10.1\n"
        + "</RequireAll>\nRequire local\n"
        + "</RequireAny>", "10.1.1.1", false),
    Case("DirectoryIndex x", "192.0.2.1", true),
  ]

  @Test(arguments: cases)
  func `a rule grants and refuses as httpd's does`(_ test: Case) throws {
    let model = try model("<Directory /srv/www>\n\(test.rule)\n</Directory>")
    let client = try #require(IPAddress(test.client))
    let rule = try model.route("/x").settings.access
    #expect(rule.evaluate(client: client) == test.isGranted)
    let isAboutClients = test.rule.contains("ip ") || test.rule.contains("local")
    #expect(rule.dependsOnClient == isAboutClients)
  }

  @Test func `local also means that both ends have the same address`() throws {
    let model = try model("<Directory /srv/www>\nRequire local\n</Directory>")
    let address = try #require(IPAddress("192.0.2.1"))
    let access = try model.route("/x").settings.access
    #expect(access.evaluate(client: address, server: address))
    #expect(!access.evaluate(client: address, server: IPAddress("192.0.2.2")))
  }

  @Test func `the nearest section with Require replaces outer ones`() throws {
    let model = try model(
      """
      <Directory />
        Require all denied
      </Directory>
      <Directory /srv/www>
        Require all granted
      </Directory>
      <Directory /srv/www/a>
        Options None
      </Directory>
      <Location /secret>
        Require all denied
      </Location>
      Alias /etc /etc
      """)
    func isOpen(_ path: String) throws -> Bool {
      try model.route(path).settings.access.evaluate(client: .anyV4)
    }
    #expect(try isOpen("/x"))
    #expect(try isOpen("/a/x"))
    #expect(try !isOpen("/secret/x"))
    #expect(try !isOpen("/etc/passwd"))
  }
}

@Suite struct ModelMappingTests {
  static let rules = """
    Redirect permanent /old https://new.example/new
    Redirect /temp /here
    Redirect gone /gone
    Redirect 308 /a/b https://x/ab
    Redirect 307 /a https://x/a
    Redirect 307 /a/c https://x/never
    RedirectMatch 301 "^/m/(.*)\\.gif$" https://i.example/$1.png
    RedirectMatch ^/q https://q.example/?fixed=1
    RedirectPermanent /perm/ https://p/
    Alias /icons /srv/a
    Alias /icons/big /srv/never
    Alias /slash/ /srv/b/
    AliasMatch ^/u/([a-z]+)/(.*) /srv/tenants/$1/$2
    AliasMatch ^/d/(.*)/(.*) /srv/$1$2
    Alias /old /srv/a
    """

  @Test(
    arguments: [
      ("/old", nil, "301 https://new.example/new"),
      ("/old/x y", nil, "301 https://new.example/new/x%20y"),
      ("/old/x", "q=1", "301 https://new.example/new/x?q=1"),
      ("/older", nil, "file /srv/www/older"), ("/temp/x", nil, "302 /here/x"),
      ("/gone/x", nil, "410"), ("/a/b/c", nil, "308 https://x/ab/c"),
      ("/a/c", nil, "307 https://x/a/c"),
      ("/m/cat.gif", nil, "301 https://i.example/cat.png"),
      ("/q", "a=1", "302 https://q.example/?fixed=1"), ("/perm", nil, "file /srv/www/perm"),
      ("/perm/x", nil, "301 https://p/x"), ("/icons/x", nil, "file /srv/a/x"),
      ("/icons", nil, "file /srv/a"), ("/icons/big/x", nil, "file /srv/a/big/x"),
      ("/slash/x", nil, "file /srv/b/x"), ("/slash", nil, "file /srv/www/slash"),
      ("/u/joe/p/q", nil, "file /srv/tenants/joe/p/q"), ("/d/./.", nil, "404"),
      ("//old//x", nil, "301 https://new.example/new/x"), ("/x", "q", "file /srv/www/x"),
    ] as [(String, String?, String)])
  func `redirects come before aliases and the first in order wins`(
    path: String, query: String?, expected: String
  ) throws {
    #expect(try model(Self.rules).action(path, query: query) == expected)
  }

  @Test func `a virtual host's rules come before the main server's`() throws {
    let model = try model(
      "Redirect /a https://main/\nAlias /b /srv/a\n<VirtualHost *:80>\nAlias /a /srv/b\n"
        + "Alias /b /srv/b\nRedirect /c https://v/\n</VirtualHost>")
    // mod_alias: the redirects of both before the aliases of both.
    #expect(try model.action("/a/x") == "302 https://main//x")
    #expect(try model.action("/b/x") == "file /srv/b/x")
    #expect(try model.action("/c") == "302 https://v/")
  }

  @Test func `a redirect in a location goes to exactly its target`() throws {
    let model = try model(
      """
      <Location /go>
        Redirect permanent https://x.example/y
      </Location>
      <Location /dead>
        Redirect 410
      </Location>
      <LocationMatch "^/n/(?<number>[0-9]+)">
        Redirect https://x.example/%{env:MATCH_NUMBER}
      </LocationMatch>
      """)
    #expect(try model.action("/go/deep", query: "q") == "301 https://x.example/y?q")
    #expect(try model.action("/dead/x") == "410")
    #expect(try model.action("/n/42/x") == "302 https://x.example/42")
  }

  @Test func `a redirect in a directory waits for access control`() throws {
    let model = try model(
      "<Directory /srv/www>\nRedirect /in https://x/\nRequire all denied\n</Directory>\n"
        + "Redirect /out https://y/"
    )
    let inner = try model.route("/in")
    #expect(inner.checksAccess)
    #expect(inner.action == .redirect(status: 302, location: Array("https://x/".utf8)))
    #expect(try !model.route("/out").checksAccess)
  }

  @Test func `a redirect that copies the query depends on it`() throws {
    let model = try model("Redirect /a https://x/\nRedirect /b https://x/?y")
    #expect(try model.route("/a").dependencies == .query)
    #expect(try model.route("/b").dependencies == [])
    #expect(try model.route("/c", query: "q").dependencies == [])
  }

  @Test func `thousands of redirects are found by their prefix`() throws {
    let lines = (0..<3000).map { "Redirect 308 /page\($0) https://new.example/p/\($0)" }
    let model = try model(lines.joined(separator: "\n"))
    #expect(try model.action("/page2999/x") == "308 https://new.example/p/2999/x")
    #expect(try model.action("/page30000") == "file /srv/www/page30000")
  }

  @Test func `the root of a file is the document root or the alias target`() throws {
    let model = try model(Self.rules)
    func root(_ path: String) throws -> String {
      guard case .file(_, let root) = try model.route(path).action else { return "" }
      return String(decoding: root, as: UTF8.self)
    }
    #expect(try root("/x") == "/srv/www")
    #expect(try root("/icons/x") == "/srv/a")
    #expect(try root("/slash/x") == "/srv/b")
    #expect(try root("/u/joe/x") == "/srv/tenants")
  }
}
