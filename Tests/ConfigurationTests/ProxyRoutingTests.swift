// ProxyPass and its neighbours: which requests are passed on, and what is asked for there.

import Configuration
import Platform
import Testing

extension Model {
  /// "http://h/a /b?c" for what is passed on: the balancer's name, then the path; else the action.
  func passed(_ path: String, query: String? = nil, host: String = "x") throws -> String {
    let route = try route(path, host: host, query: query)
    guard case .proxy(let target) = route.action else { return try action(path, host: host) }
    let text = String(decoding: target.path, as: UTF8.self)
    return "\(proxyBalancers[target.balancer].name) \(text)"
  }

  struct NotPassedOn: Error { let action: Action }

  func target(_ path: String, query: String? = nil, host: String = "x") throws -> ProxyTarget {
    let route = try route(path, host: host, query: query)
    guard case .proxy(let target) = route.action else { throw NotPassedOn(action: route.action) }
    return target
  }
}

@Suite struct `which requests are passed on` {
  /// mod_proxy's alias_match: whole segments, "/x/" only with its slash.
  @Test(arguments: [
    ("/app", "http://h /"), ("/app/", "http://h /"), ("/app/x", "http://h /x"),
    ("/app/x/", "http://h /x/"), ("//app//x", "http://h /x"),
    ("/apple", "file /srv/www/apple"), ("/", "file /srv/www/"), ("/b", "file /srv/www/b"),
    ("/b/", "http://h/c/ "), ("/b/x", "http://h/c/ x"),
  ])
  func `a prefix holds for whole segments`(_ path: String, _ expected: String) throws {
    let model = try model("ProxyPass /app http://h\nProxyPass /b/ http://h/c/")
    #expect(try model.passed(path) == expected)
  }

  @Test func `everything is passed on with or without a slash behind the host`() throws {
    for url in ["http://h", "http://h/", "http://H:80/"] {
      let model = try model("ProxyPass / \(url)")
      let target = try model.target("/a/b")
      let member = model.proxyMembers[model.proxyBalancers[target.balancer].members[0]]
      #expect(member.path + String(decoding: target.path, as: UTF8.self) == "/a/b")
      #expect(member.authority == "h")
    }
  }

  @Test func `the first rule in order counts, and an exclusion ends the search`() throws {
    let model = try model(
      """
      ProxyPass /static !
      ProxyPassMatch "\\.png$" !
      ProxyPass /a/b http://one/
      ProxyPass / http://two/
      ProxyPass /a/c http://never/
      Alias /static /srv/a
      """)
    #expect(try model.passed("/static/x") == "file /srv/a/x")
    #expect(try model.passed("/a/x.png") == "file /srv/www/a/x.png")
    #expect(try model.passed("/a/b/x") == "http://one/ /x")
    #expect(try model.passed("/a/c/x") == "http://two/ a/c/x")
  }

  @Test func `a location's own goes before the rules, the innermost before others`() throws {
    let model = try model(
      """
      ProxyPass / http://rule/
      <Location /a>
        ProxyPass http://a/
      </Location>
      <Location /a/b>
        ProxyPass http://b
      </Location>
      <Location /a/files>
        ProxyPass !
      </Location>
      """)
    #expect(try model.passed("/x") == "http://rule/ x")
    #expect(try model.passed("/a/x") == "http://a/ /x")
    #expect(try model.passed("/a/b/x") == "http://b /x")
    #expect(try model.passed("/a/files/x") == "file /srv/www/a/files/x")
    let route = try model.route("/a/b/x")
    #expect(route.decidedBy == "ProxyPass http://b in <Location \"/a/b\">")
    #expect(route.decidedAt == "/etc/ring3.conf:8:3")
    #expect(route.sections.map(\.title) == ["<Location \"/a\">", "<Location \"/a/b\">"])
    #expect(route.checksAccess)
  }

  /// mod_proxy asks first in the translate phase, mod_alias later; sections redirect in fixups.
  @Test func `rules go before Redirect and Alias, and after redirects of sections`() throws {
    let model = try model(
      """
      ProxyPass /.well-known/acme-challenge http://acme
      Redirect permanent / https://example.com/
      <Location /app/old>
        Redirect permanent https://example.com/new
      </Location>
      ProxyPass /app http://app
      <Location /app>
        RedirectMatch 301 ^/app/gone$ https://example.com/gone
      </Location>
      """)
    #expect(try model.passed("/.well-known/acme-challenge/t") == "http://acme /t")
    #expect(try model.passed("/x") == "301 https://example.com/x")
    #expect(try model.passed("/app/x") == "http://app /x")
    #expect(try model.passed("/app/old/x") == "301 https://example.com/new")
    #expect(try model.passed("/app/gone") == "301 https://example.com/gone")
  }

  @Test func `what is passed on takes settings of locations and not of directories`() throws {
    let model = try model(
      """
      ProxyPass /app http://app
      <Directory />
        Require all denied
      </Directory>
      <Location /app/admin>
        Require ip 10.0.0.0/8
      </Location>
      <Proxy *>
        Header set X proxied
      </Proxy>
      <Proxy "http://other">
        Header set X never
      </Proxy>
      <ProxyMatch "^http://a">
        Header set Y matched
      </ProxyMatch>
      """)
    let settings = try model.route("/app/x").settings
    #expect(settings.access == .grantsAll)
    #expect(
      settings.headerEditsOnSuccess.map(\.description) == [
        "set X \"proxied\"", "set Y \"matched\"",
      ])
    let client = try #require(IPAddress("192.0.2.1"))
    #expect(try !model.route("/app/admin").settings.access.evaluate(client: client))
    #expect(try model.route("/file").settings.access == .deniesAll)
  }

  @Test func `the main server's rules come before a virtual host's unless it wants none`() throws {
    let text = """
      ProxyPass /common http://main
      <VirtualHost *:80>
        ServerName x
        ProxyPass / http://own
      </VirtualHost>
      <VirtualHost *:80>
        ServerName y
        ProxyPassInherit Off
        ProxyPass / http://own
      </VirtualHost>
      """
    let model = try model(text)
    #expect(try model.passed("/common/a") == "http://main /a")
    #expect(try model.passed("/common/a", host: "y") == "http://own /common/a")
    #expect(model.proxyMembers.map(\.name) == ["http://main", "http://own"])
  }
}

@Suite struct `what is asked for` {
  @Test func `the rest is encoded canonically and the query stands behind it`() throws {
    let model = try model("ProxyPass /a http://h/b\nProxyPass /q http://h noquery")
    #expect(
      try model.passed("/a/x y%é?", query: "k=v%20") == "http://h/b /x%20y%25%C3%A9%3F?k=v%20")
    #expect(try model.passed("/a", query: "") == "http://h/b ?")
    #expect(try model.passed("/q/x", query: "k") == "http://h /x")
  }

  @Test func `nocanon says how much of the path as sent is replaced`() throws {
    let model = try model("ProxyPass /a http://h/b nocanon\nProxyPass / http://r nocanon")
    let inner = try model.target("/a/x y", query: "q")
    #expect(inner.rawPrefixByteCount == 2 && inner.path.isEmpty)
    #expect(inner.canonicalPath == Array("/x%20y?q".utf8))
    let outer = try model.target("/x y")
    #expect(outer.rawPrefixByteCount == 1 && outer.path == Array("/".utf8))
  }

  @Test func `a script is found without what follows it in the path`() throws {
    let model = try model(
      """
      <FilesMatch "\\.php$">
        SetHandler "proxy:unix:/run/php.sock|fcgi://localhost"
      </FilesMatch>
      ProxyPassMatch ^/m/(.*)$ fcgi://h/srv/$1
      """)
    let site = try model.match("x")
    func target(_ path: String, _ count: Int) -> ProxyTarget? {
      let route = model.route(site, path: Array(path.utf8), pathInfo: count)
      guard case .proxy(let target) = route.action else { return nil }
      return target
    }
    let script = try #require(target("/i.php/x/y", 4))
    #expect(script.scriptPath == Array("/srv/www/i.php".utf8) && script.pathInfoByteCount == 4)
    #expect(target("/i.php/x/y", 0) == nil && target("/a.txt/x.php", 6) == nil)
    let passed = try #require(target("/m/j.php/x", 2))
    #expect(passed.scriptPath == Array("/srv/j.php".utf8) && passed.pathInfoByteCount == 2)
    guard
      case .file(let file, _) = model.route(site, path: Array("/a.txt/x".utf8), pathInfo: 2).action
    else {
      Issue.record("no file")
      return
    }
    #expect(file == Array("/srv/www/a.txt".utf8))
  }

  @Test func `a slash that NoDecode keeps goes on as it came`() throws {
    let model = try model(
      "AllowEncodedSlashes NoDecode\nProxyPass /a http://h\nProxyPass /f fcgi://f")
    #expect(try model.passed("/a/b%2Fc") == "http://h /b%2Fc")
    #expect(try model.passed("/a/b%c") == "http://h /b%25c")
    #expect(try model.target("/f/..%2F..%2Fx").scriptPath == Array("/..%2F..%2Fx".utf8))
  }

  @Test func `groups of a pattern go into the path, without any all of it`() throws {
    let model = try model(
      """
      ProxyPassMatch "^/u/([^/]+)/(.*)$" http://h/users/$1/$2
      ProxyPassMatch "\\.gif$" http://images
      ProxyPassMatch "^/(.*\\.php)(/.*)?$" "fcgi://127.0.0.1:9000/srv/www/$1$2"
      """)
    #expect(try model.passed("/u/jo e/x/y") == "http://h /users/jo%20e/x/y")
    #expect(try model.passed("/p/a.gif", query: "z") == "http://images /p/a.gif?z")
    let target = try model.target("/a b.php/info", query: "q")
    #expect(target.path == Array("/srv/www/a%20b.php/info?q".utf8))
    #expect(target.scriptPath == Array("/srv/www/a b.php/info".utf8))
    // A pattern can take paths apart, but not so that the result leads elsewhere.
    let odd = try ConfigurationTests.model("ProxyPassMatch \"^/x(.*)y$\" http://h/a/$1/b")
    #expect(try odd.passed("/x..y") == "404")
  }

  @Test func `what names capture stands in paths`() throws {
    let model = try model(
      """
      <VirtualHost *:80>
        ServerNameMatch "(?<tenant>[a-z.]+)\\.example"
        ProxyPass /t http://h/tenants/%{env:MATCH_TENANT}
        <LocationMatch "^/v(?<version>[0-9]+)/(.*)$">
          ProxyPass http://h/api/$1/$2
        </LocationMatch>
      </VirtualHost>
      """)
    #expect(try model.passed("/t/x", host: "blue.example") == "http://h /tenants/blue/x")
    #expect(try model.passed("/t/x", host: "...example") == "404")
    #expect(try model.passed("/v2/a/b", host: "blue.example") == "http://h /api/2/a/b")
  }

  @Test func `FastCGI is told the file`() throws {
    let model = try model(
      """
      ProxyPass /php fcgi://127.0.0.1:9000/srv/a
      <FilesMatch "\\.php$">
        SetHandler "proxy:unix:/run/php.sock|fcgi://localhost/"
      </FilesMatch>
      <Location /plain>
        SetHandler None
      </Location>
      <Location /app>
        SetHandler "proxy:http://127.0.0.1:3000"
      </Location>
      <Proxy balancer://php>
        BalancerMember fcgi://10.0.0.1:9000/srv/one
        BalancerMember fcgi://10.0.0.2:9000/srv/two
      </Proxy>
      ProxyPass /many balancer://php
      <Location /set>
        SetHandler proxy:balancer://php
      </Location>
      """)
    let pass = try model.target("/php/x.php", query: "q")
    #expect(pass.scriptPath == Array("/srv/a/x.php".utf8))
    // Whose path goes in front is known when a member is chosen.
    #expect(try model.target("/many/x.php").scriptPath.isEmpty)
    #expect(try model.target("/set/x").scriptPath == Array("/srv/www/set/x".utf8))
    let handler = try model.target("/d/a b.php", query: "q")
    #expect(handler.path == Array("/d/a%20b.php?q".utf8))
    #expect(handler.scriptPath == Array("/srv/www/d/a b.php".utf8))
    let member = model.proxyMembers[model.proxyBalancers[handler.balancer].members[0]]
    #expect(member.address == .unix(path: "/run/php.sock"))
    #expect(member.scheme == .fcgi && member.authority == "localhost")
    #expect(try model.passed("/plain/x.php") == "file /srv/www/plain/x.php")
    #expect(try model.passed("/app/x") == "http://127.0.0.1:3000 /app/x")
    #expect(try model.passed("/x.html") == "file /srv/www/x.html")
    let route = try model.route("/a.php")
    #expect(route.decidedBy.hasPrefix("SetHandler"))
    #expect(route.sections.map(\.title) == ["<FilesMatch \"\\.php$\">"])
  }
}
