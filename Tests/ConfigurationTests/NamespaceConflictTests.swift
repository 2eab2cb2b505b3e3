// Prefixes of applications and what sites say of the same URLs.

import Namespace
import Platform
import Testing

@testable import Configuration

private let hosts = """
  Listen 443 https
  <VirtualHost *:80>
    ServerName first.test
    ProxyPass /api http://127.0.0.1:9/api
  </VirtualHost>
  <VirtualHost *:80>
    ServerName named.test
    ServerAlias a.below.test
    Redirect /old http://elsewhere.test/
    <Location /images>
      ProxyPass http://127.0.0.1:9/images
    </Location>
    <Location /settings>
      Require all denied
    </Location>
  </VirtualHost>
  <VirtualHost *:443>
    ServerName secure.test
    SSLEngine on
    SSLCertificateFile /srv/cert.pem
    Redirect /old http://elsewhere.test/
  </VirtualHost>

  """

private func warnings(_ prefixes: String...) throws -> [String] {
  let lines = prefixes.map { "UrlReservation \($0) user=#1\n" }.joined()
  return try model(lines + hosts).reservationWarnings.map(\.message)
}

@Suite struct `conflicts of prefixes and sites` {
  @Test(arguments: [
    "http://+:80/", "http://+:80/api/", "http://+:80/old/", "http://+:80/images/",
    "http://named.test:80/old/", "http://named.test:80/", "http://*.below.test:80/old/",
    "http://*:80/api/", "http://*:80/", "http://192.0.2.1:80/api/", "http://192.0.2.1:80/",
  ])
  func `is told`(prefix: String) throws {
    let found = try warnings(prefix)
    #expect(!found.isEmpty)
    #expect(found.allSatisfy { $0.contains("'\(prefix)' ") && $0.contains("/etc/ring3.conf:") })
  }

  @Test(arguments: [
    // Settings of sections hold for claimed paths.
    "http://+:80/settings/",
    // A part of what a site passes on: meant so.
    "http://+:80/api/v2/",
    "http://+:80/apis/", "http://+:80/oldest/",
    // Another site's, or nobody's.
    "http://first.test:80/old/", "http://other.test:80/", "http://*.elsewhere.test:80/old/",
    "http://*:80/old/", "http://192.0.2.1:80/old/",
    // Whoever listens there one day.
    "http://+:81/",
  ])
  func `is not told without one`(prefix: String) throws {
    #expect(try warnings(prefix) == [])
  }

  @Test func `says who comes first`() throws {
    #expect(try warnings("http://+:80/").allSatisfy { $0.contains("takes all requests of") })
    #expect(try warnings("http://+:80/").count == 2)
    #expect(try warnings("http://*:80/")[0].contains("never gets a request"))
    #expect(try warnings("http://named.test:80/")[0].contains("never gets a request"))
    let shadowed = try warnings("http://+:80/api/")
    #expect(shadowed.count == 1 && shadowed[0].contains("comes before 'ProxyPass /api"))
  }

  @Test func `a scheme that a port does not speak`() throws {
    // The other one would be refused when it is registered; a reload may bring it about.
    let found = try model(hosts).conflicts(of: [UrlPrefix("http://+:443/a/")])
    #expect(
      found.map(\.message) == ["'http://+:443/a/' never gets a request: port 443 speaks https"])
    #expect(try model(hosts).conflicts(of: [UrlPrefix("https://+:443/old/")]).count == 1)
  }

  @Test func `only some of very many are told`() throws {
    let rules = (0..<500).map { "Redirect /r\($0)/x http://elsewhere.test/\n" }.joined()
    let prefixes = try (0..<500).map { try UrlPrefix("http://+:80/r\($0)/") }
    let found = try model(rules).conflicts(of: prefixes)
    #expect(found.count == Model.conflictsMax)
  }
}

@Suite struct `the settings of a claimed path` {
  private func isOpen(_ path: String) throws -> Bool {
    let model = try model(
      """
      Redirect /closed/old http://elsewhere.test/
      RedirectMatch ^/closed/[0-9]+ http://elsewhere.test/
      ProxyPass /closed/pass http://127.0.0.1:9/
      Alias /moved /srv/a
      Redirect /moved/old http://elsewhere.test/
      <Directory /srv/www/closed>
        Require all denied
      </Directory>
      <Directory /srv/a>
        Require all denied
      </Directory>
      <Location /closed/open>
        Require all granted
      </Location>
      <Location /gone>
        Redirect gone
        Require all denied
      </Location>
      """)
    let route = model.claimedRoute(try model.match("x"), path: Array(path.utf8))
    #expect(route.checksAccess, "\(path)")
    return route.settings.access.evaluate(client: .anyV4, server: nil)
  }

  @Test(arguments: [
    "/closed/", "/closed/old", "/closed/old/x", "/closed//old", "/closed/17", "/closed/pass/x",
    "/moved/x", "/moved/old/x", "/gone/x", "/open/.htpasswd",
  ])
  func `are closed`(path: String) throws {
    #expect(try !isOpen(path))
  }

  @Test(arguments: ["/", "/open/x", "/closed/open/x", "/closedness"])
  func `are open`(path: String) throws {
    #expect(try isOpen(path))
  }
}
