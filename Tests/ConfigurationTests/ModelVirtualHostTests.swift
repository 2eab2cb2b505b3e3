// The choice of a virtual host, against httpd's documented rules (vhosts/examples, details).

import Configuration
import Testing

@Suite struct ModelVirtualHostTests {
  /// httpd, vhosts/examples.html, "Running several name-based web sites on a single IP address".
  static let nameBased = """
    <VirtualHost *:80>
      ServerName www.example.com
    </VirtualHost>
    <VirtualHost *:80>
      ServerName www.example.org
    </VirtualHost>
    """

  @Test(arguments: [
    ("www.example.com", "www.example.com"), ("www.example.org", "www.example.org"),
    ("example.org", "www.example.com"), ("", "www.example.com"),
    ("www.example.org.", "www.example.org"),
  ])
  func `the first virtual host answers to unknown names`(host: String, site: String) throws {
    #expect(try model(Self.nameBased).siteName(host) == site)
  }

  /// "Name-based hosts on more than one IP address".
  @Test(arguments: [
    ("172.20.30.40:80", "www.example.com", "www.example.com"),
    ("172.20.30.40:80", "www.example.org", "www.example.org"),
    ("172.20.30.40:80", "www.example.net", "www.example.com"),
    ("172.20.30.50:80", "www.example.net", "server.example.com"),
    ("172.20.30.50:80", "www.example.com", "server.example.com"),
  ])
  func `an address without virtual hosts is the main server's`(
    local: String, host: String, site: String
  ) throws {
    let model = try model(
      """
      ServerName server.example.com
      <VirtualHost 172.20.30.40>
        ServerName www.example.com
      </VirtualHost>
      <VirtualHost 172.20.30.40>
        ServerName www.example.org
      </VirtualHost>
      """)
    let match = try model.match(host, local)
    #expect(model.sites[match.site].name == site)
    #expect((match.why == .mainServer) == (site == "server.example.com"))
  }

  /// "Mixed port-based and ip-based virtual hosts", "Mixed name-based and IP-based vhosts", and
  /// "Using _default_ vhosts" in one table.
  @Test(arguments: [
    ("172.20.30.40:80", "www.example.com", "a"), ("172.20.30.40:80", "www.example.org", "b"),
    ("172.20.30.40:80", "x", "a"), ("172.20.30.50:80", "www.example.org", "c"),
    ("172.20.30.50:8080", "x", "d"), ("172.20.30.60:80", "www.example.org", "e"),
    ("172.20.30.60:8080", "x", "f"), ("[2001:db8::1]:80", "x", "g"), ("[2001:db8::2]:80", "x", "e"),
  ])
  func `the address decides before the name`(local: String, host: String, site: String) throws {
    let model = try model(
      """
      Listen 8080
      <VirtualHost 172.20.30.40:80>
        ServerName a
        ServerAlias www.example.com
      </VirtualHost>
      <VirtualHost 172.20.30.40:80>
        ServerName b
        ServerAlias www.example.org
      </VirtualHost>
      <VirtualHost 172.20.30.50:80>
        ServerName c
      </VirtualHost>
      <VirtualHost 172.20.30.50:8080>
        ServerName d
      </VirtualHost>
      <VirtualHost _default_:80>
        ServerName e
      </VirtualHost>
      <VirtualHost _default_:*>
        ServerName f
      </VirtualHost>
      <VirtualHost [2001:db8::1]:80>
        ServerName g
      </VirtualHost>
      """)
    #expect(try model.siteName(host, local) == site)
  }

  static let ordered = """
    <VirtualHost *:80>
      ServerName first
    </VirtualHost>
    <VirtualHost *:80>
      ServerName second
      ServerAlias *.example.com deep.*.example.net ho?t
    </VirtualHost>
    <VirtualHost *:80>
      ServerName third
      ServerAlias www.example.com exact.example.org
    </VirtualHost>
    <VirtualHost *:80>
      ServerName fourth
      ServerNameMatch "(?<tenant>[a-z]+)\\.example\\.org"
    </VirtualHost>
    <VirtualHost *:80>
      ServerName fifth
      ServerAlias late.example.org *
    </VirtualHost>
    """

  @Test(arguments: [
    ("www.example.com", "second"), (".example.com", "second"), ("example.com", "fifth"),
    ("deep.x.example.net", "second"), ("deep.x.y.example.net", "second"), ("host", "second"),
    ("hoost", "fifth"), ("exact.example.org", "third"), ("late.example.org", "fourth"),
    ("a1.example.org", "fifth"), ("first", "first"), ("anything", "fifth"),
  ])
  func `the first in file order wins whatever its kind`(host: String, site: String) throws {
    #expect(try model(Self.ordered).siteName(host) == site)
  }

  @Test func `a named group of the host fills the document root`() throws {
    let model = try model(
      """
      <VirtualHost *:80>
        ServerNameMatch "(?<tenant>.*)\\.example\\.org"
        DocumentRoot "/srv/tenants/%{env:MATCH_TENANT}/htdocs"
      </VirtualHost>
      """)
    #expect(try model.action("/x", host: "blue.example.org") == "file /srv/tenants/blue/htdocs/x")
    for host in ["..example.org", "...example.org", ".example.org", "a/b.example.org", "other"] {
      #expect(try model.action("/x", host: host) == "404", Comment(rawValue: host))
    }
    #expect(try model.action("/", host: "a\0b.example.org") == "404")
  }

  @Test func `names are compared without case`() throws {
    let model = try model(
      "<VirtualHost *:80>\nServerName a\n</VirtualHost>\n<VirtualHost *:80>\nServerName WWW.X.ORG\n"
        + "ServerNameMatch AbC[0-9]\n</VirtualHost>")
    #expect(try model.siteName("www.x.org") == "www.x.org")
    #expect(try model.siteName("abc7") == "www.x.org")
  }

  @Test func `addresses that virtual hosts do not tell apart share a class`() throws {
    let model = try model(
      Self.nameBased + "\n<VirtualHost 192.0.2.9:80 192.0.2.8:80>\nServerName z\n</VirtualHost>")
    func name(_ local: String) throws -> AddressClass {
      model.addressClass(local: try socketAddress(local))
    }
    #expect(try name("192.0.2.1:80") == name("[2001:db8::1]:80"))
    #expect(try name("192.0.2.9:80") != name("192.0.2.1:80"))
    #expect(try name("192.0.2.9:80") == name("192.0.2.8:80"))
    #expect(try name("192.0.2.1:81") != name("192.0.2.1:80"))
    #expect(try name("192.0.2.1:81").bytes.count == 8)
    // Content, not position: another site in front does not rename the class.
    let other = try ConfigurationTests.model(
      "<VirtualHost *:80>\nServerName new\n</VirtualHost>\n" + Self.nameBased)
    #expect(
      try other.addressClass(local: socketAddress("192.0.2.1:80")) == name("192.0.2.1:80"))
  }

  @Test func `an IPv4 address that arrives mapped is the same address`() throws {
    let model = try model("<VirtualHost 192.0.2.1:80>\nServerName v\n</VirtualHost>")
    #expect(try model.siteName("x", "[::ffff:192.0.2.1]:80") == "v")
  }
}
