// Everything that is wrong about passing on, caching and compressing gets one message at its word.

import Configuration
import Testing

@Suite struct `what is wrong about passing on` {
  typealias Case = ModelBadInputTests.Case

  static let targets: [Case] = [
    Case("ProxyPass /x h:80", "2:14", "a URL is expected"),
    Case("ProxyPass /x htp://h", "2:14", "did you mean 'http://'?"),
    Case("ProxyPass /x https://h/", "2:14", "https:// is not supported yet"),
    Case("ProxyPass /x wss://h/", "2:14", "wss:// is not supported yet"),
    Case("ProxyPass /x ajp://h/", "2:14", "ajp:// is not implemented"),
    Case("ProxyPass /x h2c://h/", "2:14", "h2c:// is not implemented"),
    Case("ProxyPass /x http://", "2:14", "a host is expected"),
    Case("ProxyPass /x http://h:x/", "2:21", "a port from 1 to 65535"),
    Case("ProxyPass /x http://h:70000", "2:21", "a port from 1 to 65535"),
    Case("ProxyPass /x http://::1/", "2:21", "an IPv6 address stands in brackets|is not"),
    Case("ProxyPass /x http://u:p@h/", "2:21", "names and passwords"),
    Case("ProxyPass /x http://h/?a", "2:22", "a target has no query"),
    Case("ProxyPass /x \"http://h/a b\"", "2:15", "cannot hold the byte 32"),
    Case("ProxyPass /x unix:/s", "2:14", "'|' and a URL are expected"),
    Case("ProxyPass /x unix:s|http://h", "2:19", "an absolute path"),
    Case(
      "ProxyPass /x unix:/\(String(repeating: "a", count: 107))|http://h", "2:19", "at most 107"),
    Case("ProxyPass /x unix:/%{env:MATCH_T}|http://h", "2:19", "a socket's path is fixed"),
    Case("ProxyPass x http://h", "2:11", "a URL path that starts with '/'"),
    Case("ProxyPass http://h", "2:1", "a URL path and a URL or !"),
    Case("ProxyPass /x ! a=b", "2:16", "nothing can follow '!'"),
    Case("ProxyPass /x http://h interpolate", "2:23", "'interpolate' is not implemented"),
    Case("ProxyPass /x http://h foo", "2:23", "key=value is expected"),
    Case("ProxyPass /x http://h/%{env:MATCH_T}", "2:14", "nothing captures 'MATCH_T'"),
    Case("ProxyPassMatch ^/(.*)$ http://$1/", "2:31", "the host of a target is fixed"),
    Case("ProxyPassMatch ^/x http://h/$1", "2:29", "the pattern has no group 1"),
    Case("ProxyPassMatch ^/(x http://h/", "2:16|2:20", "invalid regular expression"),
    Case("<Location /x>\nProxyPass /y http://h\n</Location>", "3:11", "the path is the section's"),
    Case("<Location /x*>\nProxyPass http://h\n</Location>", "3:1", "use <LocationMatch>"),
    Case("ProxyPass /x balancer://a", "2:14", "balancer://a has no members"),
    Case(
      "<Proxy balancer://apps>\nBalancerMember http://h\n</Proxy>\nProxyPass /x balancer://app",
      "5:14", "did you mean 'balancer://apps'?"),
    Case("SetHandler cgi-script", "2:12", "the handler 'cgi-script'"),
    Case("SetHandler proxy:http://h/x", "2:12", "a handler's URL has no path"),
    Case("SetHandler proxy:fcgi:/h", "2:18", "a URL is expected"),
    Case("ProxyRequests On", "2:15", "no forward proxy"),
    Case("ProxyErrorOverride Perhaps", "2:20", "'On' or 'Off'"),
    Case("ProxyErrorOverride On 200", "2:23", "a status from 400"),
    Case("ProxyPassReverse /x", "2:1", "a URL path and a URL are expected"),
    Case("ProxyPassReverse /x balancer://a", "2:21", "no <Proxy \"balancer://a\">"),
    Case("RequestHeader echo X", "2:15", "RequestHeader echo is not implemented"),
    Case("RequestHeader edit X a $1", "2:24", "the pattern has no group 1"),
    Case("RequestHeader set Transfer-Encoding x", "2:19", "belongs to the connection"),
  ]

  static let parameters: [Case] = [
    Case("ProxyPass /x http://h timout=5", "2:23", "did you mean 'timeout'?"),
    Case("ProxyPass /x http://h timeout=5x", "2:23", "'timeout' is a time"),
    Case("ProxyPass /x http://h timeout=0", "2:23", "at least 1 ms"),
    Case("ProxyPass /x http://h max=-1", "2:23", "'max' is a number from 0"),
    Case("ProxyPass /x http://h loadfactor=0.5", "2:23", "a number from 1 to 100"),
    Case("ProxyPass /x http://h loadfactor=100.5", "2:23", "a number from 1 to 100"),
    Case("ProxyPass /x http://h disablereuse=1", "2:23", "On or Off"),
    Case("ProxyPass /x http://h status=X", "2:23", "a status is made of"),
    Case("ProxyPass /x http://h lbmethod=byrequests", "2:23", "is about a balancer"),
    Case("ProxyPass /x http://h proxyprotocol=3", "2:23", "1, 2 or off"),
    Case("ProxyPass /x http://h hcmethod=PING", "2:23", "none, TCP"),
    Case("ProxyPass /x http://h hcuri=x", "2:23", "starts with '/'"),
    Case("ProxyPass /x http://h hctemplate=x", "2:23", "no ProxyHCTemplate"),
    Case("ProxyPass /x http://h hcexpr=ok", "2:23", "hcexpr is not implemented"),
    Case("ProxyHCTemplate a max=5", "2:19", "hcmethod, hcinterval"),
    Case("BalancerMember http://h", "2:16", "balancer://NAME is expected"),
    Case("BalancerMember balancer://a", "2:16", "the URL of a member is expected"),
    Case("BalancerMember balancer://a balancer://b", "2:29", "not a balancer"),
    Case(
      "<Proxy http://h>\nBalancerMember http://a\n</Proxy>", "3:1", "a member without a balancer"),
    Case(
      "BalancerMember balancer://a http://h\nBalancerMember balancer://a http://h", "3:29",
      "has this member already"),
    Case(
      "BalancerMember balancer://a http://h\nBalancerMember balancer://a fcgi://h:1", "3:29",
      "speak one protocol"),
    Case("ProxySet timeout=5", "2:1", "a URL is expected first"),
    Case("ProxySet balancer://a retry=5", "2:23", "is about one member"),
    Case("ProxySet balancer://a lbmethod=byreqests", "2:23", "did you mean 'byrequests'?"),
    Case("ProxySet balancer://a lbmethod=hash", "2:23", "key=url, path"),
    Case("ProxySet balancer://a key=url", "2:23", "goes with lbmethod=hash"),
    Case("ProxySet balancer://a lbmethod=hash key=header:", "2:37", "header:NAME"),
    Case("ProxySet balancer://a failonstatus=5xx", "2:23", "statuses such as"),
    Case("ProxySet balancer://a stickysession=a|b|c", "2:23", "COOKIE|PARAMETER"),
    Case("<Proxy *>\nProxySet a=b\n</Proxy>", "3:1", "a wildcard names many"),
  ]

  static let caching: [Case] = [
    Case("CacheEnable", "2:1", "a URL path is expected"),
    Case("CacheEnable dsik /", "2:13", "did you mean 'disk'?"),
    Case("CacheEnable disk http://h/", "2:18", "a URL path that starts with '/'"),
    Case("<Location /x>\nCacheEnable disk /\n</Location>", "3:18", "nothing is expected here"),
    Case("CacheDisable On", "2:14", "a URL path that starts with '/'"),
    Case("<Location /x>\nCacheDisable /x\n</Location>", "3:14", "'On' is expected"),
    Case("CacheDefaultExpire soon", "2:20", "a time is expected"),
    Case("CacheLastModifiedFactor x", "2:25", "a number from 0 to 10"),
    Case("CacheLastModifiedFactor -0.1", "2:25", "a number from 0 to 10"),
    Case("CacheIgnoreHeaders \"a b\"", "2:20", "is not a field name"),
    Case("CacheKeyQuery keep", "2:15", "names of parameters"),
    Case("CacheKeyQuery only x", "2:20|2:15", "keep NAME"),
    Case("CacheStaleOnError maybe", "2:19", "On, Off or a number of seconds"),
    Case("CachePurgeFrom localhost", "2:16", "names are not resolved"),
    Case("CacheStoreNoStore 1", "2:19", "'on' or 'off'"),
    Case("AddOutputFilterByType DEFLTE text/html", "2:23", "did you mean 'DEFLATE'?"),
    Case("AddOutputFilterByType DEFLATE html", "2:31", "a media type such as"),
    Case("AddOutputFilter DEFLATE html", "2:1", "use AddOutputFilterByType"),
    Case("SetOutputFilter INCLUDES", "2:17", "other filters are not implemented"),
    Case("BrotliCompressionQuality 12", "2:26", "outside the range 0 to 11"),
    Case("RemoteIPHeader \"X Y\"", "2:16", "a field name such as"),
    Case("RemoteIPInternalProxy proxy.example", "2:23", "names are not resolved"),
    Case("RemoteIPTrustedProxyList nowhere", "2:26", "cannot read the list"),
  ]

  @Test(arguments: targets + parameters + caching)
  func `a wrong value is refused at its word`(_ test: Case) throws {
    let result = load("Listen 80\n" + test.text)
    #expect(result.model == nil)
    let errors = result.diagnostics.filter { $0.severity == .error }
    let texts = Comment(rawValue: errors.map(\.rendered).joined(separator: "\n"))
    try #require(errors.count == 1, texts)
    let place = errors[0].place.map { "\($0.line):\($0.column)" } ?? ""
    #expect(test.place.split(separator: "|").map(String.init).contains(place), texts)
    // "|" stands in some messages too.
    #expect(
      errors[0].message.contains(test.message)
        || test.message.split(separator: "|").contains { errors[0].message.contains($0) }, texts)
  }

  static let warnings: [Case] = [
    Case("ProxyPass /app http://h/", "2:16", "'/app/x' becomes '//x'"),
    Case("ProxyPass /app/ http://h/y", "2:17", "'/app/x' becomes '/yx'"),
    Case("ProxyPass /app http://h keepalive=On", "2:25", "'keepalive' has no effect"),
    Case("CacheHeader On", "2:1", "Cache-Status says it"),
    Case("CacheRoot /var/cache", "2:1", "has a cache of its own"),
    Case("NoProxy 10.0.0.0/8", "2:1", "forward proxies"),
    Case(
      "<VirtualHost *:80>\nServerName a\n</VirtualHost>\n<VirtualHost *:80>\nServerName b\n"
        + "RemoteIPProxyProtocol On\n</VirtualHost>", "7:23", "has no effect on *:80"),
  ]

  @Test(arguments: warnings)
  func `what may be meant is a warning and loads`(_ test: Case) throws {
    let result = load("Listen 80\n" + test.text)
    let texts = Comment(rawValue: result.diagnostics.map(\.rendered).joined(separator: "\n"))
    #expect(result.model != nil, texts)
    let found = try #require(
      result.diagnostics.first { $0.message.contains(test.message) }, texts)
    #expect(found.severity == .warning)
    #expect(found.place.map { "\($0.line):\($0.column)" } == test.place, texts)
  }

  @Test func `a site that passes everything on needs no DocumentRoot`() {
    let result = load("Listen 80\nProxyPass / http://127.0.0.1:3000/")
    #expect(result.model != nil && result.diagnostics.isEmpty)
  }
}
