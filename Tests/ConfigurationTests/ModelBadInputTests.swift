// Everything that is wrong gets one clear message at the word that is wrong.

import Configuration
import Testing

@Suite struct ModelBadInputTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let text: String
    let place: String
    let message: String
    var testDescription: String { text }

    init(_ text: String, _ place: String, _ message: String) {
      self.text = text
      self.place = place
      self.message = message
    }
  }

  static let errors: [Case] = [
    Case("Listen 80\nListen 80", "2:8", "port 80 is already listened on by 'Listen 80'"),
    Case("Listen 80\nListen 192.0.2.1:80", "2:8", "already listened on"),
    Case("Listen [::1]:80\nListen [::1]:80", "2:8", "already listened on"),
    Case("Listen 0", "1:8", "a port from 1 to 65535"),
    Case("Listen 70000", "1:8", "a port from 1 to 65535"),
    Case("Listen example.com:80", "1:8", "names are not resolved"),
    Case("Listen ::1:80", "1:8", "not an IPv6 address|IPv6 address stands in brackets|names are"),
    Case("Listen 192.0.2.1", "1:8", "a port is expected behind the address"),
    Case("ServerName x", "", "no Listen"),
    Case(
      "Listen 80\n<VirtualHost example.com:80>\n</VirtualHost>", "2:14", "names are not resolved"),
    Case("Listen 80\n<VirtualHost *:x>\n</VirtualHost>", "2:14", "a port from 1 to 65535 or *"),
    Case("Listen 80\nServerName a/b", "2:12", "not a host name"),
    Case("Listen 80\nServerName *.x", "2:12", "wildcards belong in ServerAlias"),
    Case(
      "Listen 80\n<VirtualHost *:80>\nServerAlias x:80\n</VirtualHost>", "3:13",
      "a port has no meaning here"),
    Case(
      "Listen 80\n<VirtualHost *:80>\nServerNameMatch \"a(b\"\n</VirtualHost>", "3:21",
      "invalid regular expression: missing closing parenthesis"),
    Case("Listen 80\nOptions Indexes +FollowSymLinks", "2:17", "either all Options"),
    Case("Listen 80\nOptions All", "2:9", "contains ExecCGI"),
    Case("Listen 80\nOptions +ExecCGI", "2:9", "not implemented"),
    Case("Listen 80\nOptions Indexe", "2:9", "did you mean 'Indexes'?"),
    Case(
      "Listen 80\n<Directory />\nAllowOverride All\n</Directory>", "3:15",
      ".htaccess files are not read"),
    Case(
      "Listen 80\n<Directory />\nRequire valid-user\n</Directory>", "3:9", "is not implemented"),
    Case(
      "Listen 80\n<Directory />\nRequire al granted\n</Directory>", "3:9", "did you mean 'all'?"),
    Case("Listen 80\n<Directory />\nRequire all\n</Directory>", "3:9", "'all granted' or"),
    Case("Listen 80\n<Directory />\nRequire ip 300.1\n</Directory>", "3:12", "is not an address"),
    Case("Listen 80\n<Directory />\nRequire ip 10.0.0.0/33\n</Directory>", "3:12", "is not an"),
    Case(
      "Listen 80\n<Directory />\nRequire not ip 10.1\n</Directory>", "3:9",
      "has no effect in <RequireAny>"),
    Case(
      "Listen 80\n<Directory />\n<RequireAll>\nRequire not ip 10.1\n</RequireAll>\n</Directory>",
      "3:1|3:2", "only negative directives"),
    Case(
      "Listen 80\n<Directory />\n<RequireNone>\nRequire ip 10.1\n</RequireNone>\n</Directory>",
      "3:1|3:2", "has no effect in <RequireAny>"),
    Case(
      "Listen 80\n<Directory />\n<RequireAll>\n</RequireAll>\n</Directory>", "3:1|3:2",
      "contains no"),
    Case("Listen 80\nHeader sett X y", "2:8", "did you mean 'set'?"),
    Case("Listen 80\nHeader note X y", "2:8", "Header note is not implemented"),
    Case("Listen 80\nHeader edit X", "2:13", "a regular expression is expected"),
    Case("Listen 80\nHeader edit X y", "2:15", "what replaces it is expected"),
    Case("Listen 80\nHeader edit X a(b z", "2:15", "invalid regular expression"),
    Case("Listen 80\nHeader edit* X a(b) c$2", "2:22", "the pattern has no group 2"),
    Case("Listen 80\nHeader set X", "2:12", "a value is expected"),
    Case("Listen 80\nHeader set X \"%s\"", "2:15", "format specifier"),
    Case("Listen 80\nHeader set X \"%{HOME}e\"", "2:15", "is not supported"),
    Case("Listen 80\nHeader set X y env=Z", "2:16", "conditions"),
    Case("Listen 80\nHeader set Content-Length 1", "2:12", "the server alone writes it"),
    Case("Listen 80\nHeader set X \"%{MATCH_T}e\"", "2:14", "nothing captures 'MATCH_T'"),
    Case("Listen 80\nDocumentRoot \"/srv/%{env:MATCH_T}\"", "2:14", "nothing captures"),
    Case("Listen 80\nDocumentRoot \"/srv/%{REMOTE}\"", "2:20", "is not known here"),
    Case("Listen 80\nExpiresDefault \"access plus 1 moon\"", "2:16", "a time such as"),
    Case("Listen 80\nErrorDocument 200 x", "2:15", "a status from 400 to 599"),
    Case("Listen 80\nRedirect x https://y/", "2:10", "a URL path that starts with '/'"),
    Case("Listen 80\nRedirect /x y", "2:13", "a URL (https://…) or a path"),
    Case("Listen 80\nRedirect gone /x https://y/", "2:18", "leads nowhere"),
    Case("Listen 80\nRedirect permanent /x", "2:20", "a URL to redirect to"),
    Case("Listen 80\nRedirectMatch \"(a\" https://y/", "2:18|2:17", "invalid regular expression"),
    Case("Listen 80\nRedirectMatch ^/x https://y/$1", "2:29", "the pattern has no group 1"),
    Case("Listen 80\nAlias x /srv", "2:7", "a URL path that starts with '/'"),
    Case("Listen 80\nCustomLog \"|rotate\" common", "2:11", "logging into a program"),
    Case(
      "Listen 80\nCustomLog x \"%h\"", "2:13", "the format is 'common', 'combined' or 'proxied'"),
    Case("Listen 80\nErrorLog syslog", "2:10", "syslog is not implemented"),
    Case("Listen 80\nLogLevel loud", "2:10", "not 'loud'"),
    Case("Listen 80\nLogLevel wran", "2:10", "did you mean 'warn'?"),
    Case("Listen 80\nRequestReadTimeout header=x", "2:20", "header=SECONDS"),
    Case("Listen 80\nRequestReadTimeout header=20-10", "2:20", "above the first"),
    Case("Listen 80\nUrlReservation http://+:80/a", "2:28", "ends in '/'"),
    Case("Listen 80\nUrlReservation \"http://+:080/a/\"", "2:26", "without zeros in front"),
    Case("Listen 80\nUrlReservation http://+:80/ usr=a", "2:29", "did you mean 'user'?"),
    Case("Listen 80\nUrlReservation http://+:80/ user=", "2:29", "'user=NAME'"),
    Case("Listen 80\nUrlReservation http://+:80/ listen", "2:16", "a user or a group is expected"),
    Case(
      "Listen 80\nUrlReservation http://+:80/\nUrlReservation http://+:80/", "3:16",
      "is reserved already at "),
    Case(
      "Listen 80\nUrlReservation http://+:80/\nUrlReservation https://+:80/a/", "3:16",
      "port 80 speaks http"),
    Case("Listen 80\nProcesses 2", "2:1", "it goes in <Application>"),
    Case("Listen 80\nControlSocket s color=red", "2:17", "mode=, owner= or group="),
    Case("Listen 80\nTypesConfig /none", "2:13", "cannot read the media types"),
    Case("Listen 80\nAddType html .x", "2:9", "a media type such as text/html"),
    Case("Listen 80\nFileETag Digest", "2:10", "Digest is not implemented"),
    Case("Listen 80\n<Files a/b>\n</Files>", "2:8", "a file name is expected"),
    Case("Listen 80\n<Directory srv>\n</Directory>", "2:12", "an absolute path"),
    Case("Listen 80\n<Location x>\n</Location>", "2:11", "starts with '/'"),
    Case("Listen 80\n<Location ~ \"(\">\n</Location>", "2:14|2:15", "invalid regular"),
    Case("Listen 80\nFallbackResource x", "2:18", "'disabled' or a URL path"),
  ]

  @Test(arguments: errors)
  func `a wrong value is refused at its word`(_ test: Case) throws {
    let result = load(test.text)
    #expect(result.model == nil)
    let errors = result.diagnostics.filter { $0.severity == .error }
    let texts = errors.map(\.rendered).joined(separator: "\n")
    try #require(errors.count == 1, Comment(rawValue: texts))
    let place = errors[0].place.map { "\($0.line):\($0.column)" } ?? ""
    let places = test.place.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
    #expect(places.contains(place), Comment(rawValue: texts))
    let messages = test.message.split(separator: "|").map(String.init)
    #expect(messages.contains { errors[0].message.contains($0) }, Comment(rawValue: texts))
  }

  @Test func `all errors of a configuration come in one run`() {
    let result = load("Listen 0\nOptions All\nHeader echo a\nListne 80\n")
    #expect(result.diagnostics.count { $0.severity == .error } == 4)
  }

  static let warnings: [Case] = [
    Case("DocumentRoot /nowhere", "2:14", "'/nowhere' is not there"),
    Case("<VirtualHost *:81>\nServerName x\n</VirtualHost>", "2:14", "no Listen opens *:81"),
    Case("LogLevel ssl:info", "2:10", "levels of single modules have no effect"),
    Case("<VirtualHost *:80 *:80>\nServerName x\n</VirtualHost>", "2:19", "named twice"),
  ]

  @Test(arguments: warnings)
  func `what may be meant is a warning and loads`(_ test: Case) throws {
    let result = load("Listen 80\n" + test.text)
    #expect(result.model != nil)
    let texts = result.diagnostics.map(\.rendered).joined(separator: "\n")
    let found = try #require(
      result.diagnostics.first { $0.message.contains(test.message) }, Comment(rawValue: texts))
    #expect(found.severity == .warning)
    #expect(found.place.map { "\($0.line):\($0.column)" } == test.place)
  }

  @Test func `a port alone listens on IPv4 and IPv6 separately`() {
    let result = load("Listen 8080\nListen 127.0.0.1:81 http\nListen [::1]:82\nListen *:83")
    #expect(
      result.model?.listens.map { "\($0.address)" } == [
        "0.0.0.0:8080", "[::]:8080", "127.0.0.1:81", "[::1]:82", "0.0.0.0:83", "[::]:83",
      ])
  }
}
