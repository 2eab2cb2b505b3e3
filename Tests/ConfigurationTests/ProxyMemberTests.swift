// Members, balancers and their parameters; how requests and responses are changed on the way.

import Configuration
import Platform
import Testing

@Suite struct `members and balancers` {
  private func member(_ url: String) throws -> ProxyMember {
    let model = try model("ProxyPass /x \(url)")
    return try #require(model.proxyMembers.first)
  }

  @Test(arguments: [
    ("http://h", "http://h", ProxyAddress.host(name: "h", port: 80), "h", ""),
    (
      "http://H.Example:80/A", "http://h.example/A", .host(name: "h.example", port: 80),
      "h.example", "/A"
    ),
    (
      "http://10.0.0.1:8080/", "http://10.0.0.1:8080/", .host(name: "10.0.0.1", port: 8080),
      "10.0.0.1:8080", "/"
    ),
    ("http://[::1]:81", "http://[::1]:81", .host(name: "::1", port: 81), "[::1]:81", ""),
    ("fcgi://h:9000/srv", "fcgi://h:9000/srv", .host(name: "h", port: 9000), "h:9000", "/srv"),
    ("fcgi://h", "fcgi://h", .host(name: "h", port: 8000), "h", ""),
    (
      "unix:/run/App.sock|http://Name/a", "unix:/run/App.sock|http://name/a",
      .unix(path: "/run/App.sock"), "name", "/a"
    ),
    ("ws://h/s", "http://h/s", .host(name: "h", port: 80), "h", "/s"),
  ])
  func `a URL names a member`(
    _ url: String, _ name: String, _ address: ProxyAddress, _ authority: String, _ path: String
  ) throws {
    let member = try member("\"\(url)\"")
    #expect(member.name == name && member.address == address)
    #expect(member.authority == authority && member.path == path)
    #expect(member.scheme == (url.contains("fcgi") ? .fcgi : .http))
    #expect(member.parameters.upgrades == (url.hasPrefix("ws") ? ["websocket"] : []))
  }

  @Test func `every parameter of a server is read in httpd's units`() throws {
    var expected = ProxyParameters()
    expected.connectionsMax = 20
    expected.idleConnectionsMin = 5
    expected.idleMilliseconds = 120_000
    expected.retryMilliseconds = 0
    expected.connectMilliseconds = 250
    expected.timeoutMilliseconds = 30_000
    expected.disablesReuse = true
    expected.upgrades = ["websocket"]
    expected.responseFieldBytesMax = 16_384
    expected.proxyProtocol = .v2
    expected.slowStartMilliseconds = 10_000
    var check = HealthCheck()
    check.probe = .get
    check.intervalMilliseconds = 5000
    check.passes = 2
    check.fails = 3
    check.path = "/health"
    expected.healthCheck = check
    expected.acquireMilliseconds = 3000
    let model = try model(
      """
      ProxyPass / http://h max=20 smax=5 ttl=120 retry=0 acquire=3000 connectiontimeout=250ms \\
        timeout=30 disablereuse=On upgrade=WebSocket responsefieldsize=16384 proxyprotocol=2 \\
        slowstart=10s hcmethod=GET hcinterval=5 hcpasses=2 hcfails=3 hcuri=/health
      """)
    #expect(model.proxyMembers.map(\.parameters) == [expected])
    #expect(model.proxyBalancers.map(\.waitMilliseconds) == [nil])
  }

  @Test func `a balancer has its members in order, with shares, routes and states`() throws {
    let model = try model(
      """
      ProxyPass /app balancer://App/base stickysession=JSESSIONID|jsessionid nofailover=On
      ProxyHCTemplate often hcmethod=TCP hcinterval=2
      <Proxy "balancer://app">
        BalancerMember http://a:8080/ loadfactor=2.5 route=a hctemplate=often
        BalancerMember unix:/run/b.sock|http://b route=b lbset=1
        BalancerMember http://c status=+H
        BalancerMember http://d status=D-E+I
        ProxySet lbmethod=bybusyness maxattempts=1 failonstatus=500,503 failontimeout=On timeout=2
      </Proxy>
      BalancerMember balancer://app http://e/x
      ProxySet balancer://app forcerecovery=Off stickysessionsep=|
      """)
    let balancer = try #require(model.proxyBalancers.first)
    #expect(model.proxyBalancers.count == 1 && balancer.name == "balancer://app")
    let members = balancer.members.map { model.proxyMembers[$0] }
    #expect(
      members.map(\.name) == [
        "http://a:8080", "unix:/run/b.sock|http://b", "http://c", "http://d", "http://e/x",
      ])
    #expect(members[0].parameters.loadFactor == 250 && members[0].parameters.route == "a")
    #expect(members[0].parameters.healthCheck?.probe == .tcp)
    #expect(members[1].parameters.set == 1)
    #expect(members[2].parameters.status == .hotStandby)
    #expect(members[3].parameters.status == [.disabled, .ignoresErrors])
    #expect(balancer.method == .byBusyness && balancer.retriesMax == 1)
    #expect(balancer.failOnStatus == [500, 503] && balancer.failsOnTimeout)
    #expect(balancer.stickyCookie == "JSESSIONID" && balancer.stickyParameter == "jsessionid")
    #expect(balancer.stickySeparator == "|" && balancer.noFailover && !balancer.forcesRecovery)
    #expect(balancer.waitMilliseconds == 2000)
    #expect(try model.passed("/app/x") == "balancer://app /base/x")
    #expect(try model.passed("/app") == "balancer://app /base")
  }

  @Test(arguments: [
    ("byrequests", BalancingMethod.byRequests), ("bytraffic", .byTraffic),
    ("hash key=url", .hash(.url)), ("hash key=path", .hash(.path)),
    ("hash key=client", .hash(.clientAddress)), ("hash key=header:X-User", .hash(.field("x-user"))),
    ("hash key=cookie:Sid", .hash(.cookie("Sid"))),
  ])
  func `a method says who is next`(_ words: String, _ method: BalancingMethod) throws {
    let model = try model(
      """
      <Proxy balancer://a>
        BalancerMember http://h
        ProxySet lbmethod=\(words)
      </Proxy>
      ProxyPass / balancer://a
      """)
    #expect(model.proxyBalancers[0].method == method)
  }

  @Test func `the same server with the same parameters is one, over all sites`() throws {
    let model = try model(
      """
      <Proxy "http://h/">
        ProxySet timeout=5
      </Proxy>
      ProxyPass /a http://h/
      <VirtualHost *:80>
        ServerName one
        ProxyPass /b http://H:80/
        ProxyPass /c http://h/ retry=1
      </VirtualHost>
      """)
    #expect(model.proxyMembers.map(\.name) == ["http://h/", "http://h/"])
    #expect(model.proxyMembers.allSatisfy { $0.parameters.timeoutMilliseconds == 5000 })
    #expect(model.proxyBalancers.count == 2)
  }

  @Test func `sites may have different balancers of one name, or share the main server's`() throws {
    let model = try model(
      """
      <VirtualHost *:80>
        ServerName x
        ProxyPass / balancer://app
        <Proxy balancer://app>
          BalancerMember http://own
        </Proxy>
      </VirtualHost>
      <VirtualHost *:80>
        ServerName y
        ProxyPass / balancer://app
      </VirtualHost>
      <Proxy balancer://app>
        BalancerMember http://common
      </Proxy>
      """)
    func names(_ host: String) throws -> [String] {
      let target = try model.target("/", host: host)
      return model.proxyBalancers[target.balancer].members.map { model.proxyMembers[$0].name }
    }
    #expect(try names("x") == ["http://own"])
    #expect(try names("y") == ["http://common"])
  }

  @Test func `a site's fingerprint has its members, its definition their parameters too`() throws {
    func site(_ url: String, _ words: String = "") throws -> Site {
      try model(
        """
        <Proxy balancer://app>
          BalancerMember \(url) \(words)
        </Proxy>
        <VirtualHost *:80>
          ServerName x
          ProxyPass / balancer://app
        </VirtualHost>
        """
      ).sites[1]
    }
    let one = try site("http://a")
    #expect(try site("http://a").fingerprint == one.fingerprint)
    #expect(try site("http://b").fingerprint != one.fingerprint)
    #expect(try site("http://a", "loadfactor=2").fingerprint == one.fingerprint)
    #expect(try site("http://a", "loadfactor=2").definition != one.definition)
    let plain = try model("<VirtualHost *:80>\nServerName x\n</VirtualHost>").sites[1]
    #expect(plain.fingerprint != one.fingerprint)
  }

  @Test func `an explanation names the members`() throws {
    let model = try model(
      """
      <Proxy balancer://app>
        BalancerMember http://a
        BalancerMember http://b
      </Proxy>
      ProxyPass /app balancer://app
      ProxyPass /php fcgi://127.0.0.1:9000/srv/a
      """)
    func text(_ path: String) throws -> String {
      switch model.explain(url: "http://x\(path)") {
      case .success(let explanation): return explanation.text
      case .failure(let failure): return failure.message
      }
    }
    let app = try text("/app/x?q")
    #expect(app.contains("action:        pass to balancer://app (http://a, http://b), path /x?q\n"))
    #expect(app.contains("mapped by:     ProxyPass /app balancer://app at /etc/ring3.conf:7:1"))
    #expect(
      try text("/php/x.php").contains(
        "pass to fcgi://127.0.0.1:9000/srv/a, path /x.php, script /srv/a/x.php\n"))
  }
}

@Suite struct `what is changed on the way` {
  @Test func `each setting is read, the innermost section's counts`() throws {
    let model = try model(
      """
      ProxyPass / http://h
      ProxyPreserveHost On
      ProxyTimeout 30
      ProxyVia Full
      ProxyAddHeaders Off
      ProxyRequests Off
      RequestHeader set X-A 1
      <Location /api>
        ProxyPreserveHost Off
        ProxyErrorOverride On 502 503
        ProxyAddForwarded On
        RequestHeader unset Accept-Encoding
      </Location>
      <Location /all>
        ProxyErrorOverride On
      </Location>
      """)
    let outer = try model.route("/x").settings.proxy
    #expect(outer.preservesHost && outer.timeoutMilliseconds == 30_000 && outer.via == .full)
    #expect(!outer.addsForwardedFields && !outer.addsForwarded && outer.errorOverride.isEmpty)
    #expect(outer.requestHeaderEdits.map(\.description) == ["set X-A \"1\""])
    let inner = try model.route("/api").settings.proxy
    #expect(!inner.preservesHost && inner.addsForwarded && inner.errorOverride == [502, 503])
    #expect(
      inner.requestHeaderEdits.map(\.description) == ["set X-A \"1\"", "unset Accept-Encoding"])
    #expect(try model.route("/all").settings.proxy.errorOverride == Set(400...599))
    #expect(
      try model.route("/api").settings.fingerprint != model.route("/x").settings.fingerprint)
  }

  @Test func `addresses in responses are corrected by rules in order`() throws {
    let model = try model(
      """
      <Proxy balancer://app>
        BalancerMember http://a:8080
        BalancerMember unix:/run/b.sock|http://b
      </Proxy>
      ProxyPassReverse /app/ balancer://app/
      ProxyPassReverse /x http://H:80/y
      ProxyPassReverse /s https://h/
      ProxyPassReverseCookiePath / /app/
      ProxyPassReverseCookieDomain app.internal www.example.com
      <Location /in>
        ProxyPassReverse http://in/
      </Location>
      """)
    func text(_ rules: [ProxyReverseRule]) -> [String] {
      rules.map {
        String(decoding: $0.from, as: UTF8.self) + " > " + String(decoding: $0.to, as: UTF8.self)
      }
    }
    let proxy = try model.route("/in/x").settings.proxy
    #expect(
      text(proxy.reverse) == [
        "http://a:8080/ > /app/", "http://b/ > /app/", "http://h/y > /x", "https://h/ > /s",
        "http://in/ > /in",
      ])
    #expect(text(proxy.reverseCookiePaths) == ["/ > /app/"])
    #expect(text(proxy.reverseCookieDomains) == ["app.internal > www.example.com"])
  }
}
