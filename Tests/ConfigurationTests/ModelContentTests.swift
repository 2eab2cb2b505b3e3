// Headers, expiry, media types, errors, limits.

import Configuration
import HTTP
import Testing

@Suite struct ModelContentTests {
  @Test(
    arguments: [
      ("A3600", .access, 3600), ("M60", .modification, 60),
      ("access plus 1 month", .access, 2_592_000),
      ("now plus 2 hours 5 minutes", .access, 7500),
      ("modification plus 1 year", .modification, 31_536_000),
      ("access 1 week 1 day", .access, 691_200), ("access plus 0 seconds", .access, 0),
    ] as [(String, ExpiresRule.Base, Int64)])
  func `both syntaxes of mod_expires are read`(text: String, base: ExpiresRule.Base, seconds: Int64)
    throws
  {
    let model = try model("ExpiresActive On\nExpiresDefault \"\(text)\"")
    let rule = try model.route("/x").settings.expires(mediaType: "a/b")
    #expect(rule == ExpiresRule(base: base, seconds: seconds))
  }

  @Test func `the most specific expiry rule wins`() throws {
    let model = try model(
      "ExpiresActive On\nExpiresDefault A1\nExpiresByType text/html A2\nExpiresByType image/* A3\n"
        + "<Directory /srv/www/a>\nExpiresByType text/html A4\n</Directory>\n"
        + "<Directory /srv/www/b>\nExpiresActive Off\n</Directory>")
    let settings = try model.route("/x").settings
    #expect(settings.expires(mediaType: "text/html")?.seconds == 2)
    #expect(settings.expires(mediaType: "image/png")?.seconds == 3)
    #expect(settings.expires(mediaType: "text/css")?.seconds == 1)
    #expect(try model.route("/a/x").settings.expires(mediaType: "text/html")?.seconds == 4)
    #expect(try model.route("/b/x").settings.expires(mediaType: "text/html") == nil)
  }

  @Test func `header values are filled in`() throws {
    let model = try model(
      """
      <VirtualHost *:80>
        ServerNameMatch "(?<tenant>[a-z]+)"
        Header always set X-Tenant "%{MATCH_TENANT}e is 100%% %{env:MATCH_TENANT}"
        Header set X-Time "%D %t"
        Header unset X-Gone
      </VirtualHost>
      """)
    let route = try model.route("/", host: "blue")
    func value(_ edit: HeaderEdit) -> String? {
      edit.value.map {
        String(
          decoding: $0.expanded(
            route.captures, receivedMicroseconds: 5, durationMicroseconds: 7), as: UTF8.self)
      }
    }
    #expect(route.settings.headerEditsAlways.map(value) == ["blue is 100% blue"])
    #expect(route.settings.headerEditsOnSuccess.map(value) == ["D=7 t=5", nil])
    #expect(route.settings.headerDependencies == .time)
  }

  @Test func `edit replaces the first match, or all of them`() throws {
    let model = try model(
      """
      Header edit Set-Cookie "^(.*)$" "$1; Secure"
      Header edit* X-List "([a-c])(\\d)?" "<$2$1>"
      Header edit* X-Empty "^" "-"
      Header edit X-Price "(\\d+) EUR" "\\$$1 100%%"
      """)
    let edits = try model.route("/x").settings.headerEditsOnSuccess
    func edited(_ index: Int, _ text: String) throws -> String? {
      let edit = edits[index]
      let pattern = try #require(edit.pattern)
      let value = pattern.replacing(
        in: Array(text.utf8), everywhere: edit.action == .editAll
      ) { subject, match in
        edit.value?.expanded(
          Captures(), receivedMicroseconds: 0, durationMicroseconds: 0, subject: subject,
          match: match) ?? []
      }
      return value.map { String(decoding: $0, as: UTF8.self) }
    }
    #expect(try edited(2, String(repeating: "x", count: 201)) == nil)
    #expect(try edited(0, String(repeating: "x", count: 65_530)) == nil)
    #expect(try edited(0, "a=b; Path=/") == "a=b; Path=/; Secure")
    #expect(try edited(0, "") == "; Secure")
    #expect(try edited(1, "a1 b, x c3") == "<1a> <b>, x <3c>")
    #expect(try edited(1, "x") == "x")
    #expect(try edited(2, "abc") == "-a-b-c")
    #expect(try edited(3, "7 EUR, 8 EUR") == "$7 100%, 8 EUR")
    #expect(edits[1].description == #"edit* X-List "([a-c])(\d)?" "<$2$1>""#)
  }

  @Test func `media types of the file, of sections and of the server add up`() throws {
    let result = load(
      "Listen 80\nDocumentRoot /srv/www\nTypesConfig types\nAddType text/x-a .a\n"
        + "<Directory /srv/www/f>\nForceType text/plain\n</Directory>\n"
        + "<Directory /srv/www/c>\nAddCharset utf-8 .html\nAddEncoding x-gzip .gz\n</Directory>",
      files: ["/etc/types": "text/html html\n"])
    let model = try #require(result.model)
    func describe(_ path: String) throws -> String {
      let settings = try model.route(path).settings
      let found = model.mediaDescription(fileName: Array(path.utf8), settings: settings)
      return "\(found.type ?? "-") \(found.charset ?? "-") \(found.encodings)"
    }
    #expect(try describe("/x.html") == "text/html - []")
    #expect(try describe("/x.a") == "text/x-a - []")
    #expect(try describe("/f/x.html") == "text/plain - []")
    #expect(try describe("/c/x.html.gz") == "text/html utf-8 [\"x-gzip\"]")
    #expect(try describe("/x") == "- - []")
  }

  @Test func `error documents are URLs, paths, texts or our own`() throws {
    let model = try model(
      "ErrorDocument 404 /missing.html\nErrorDocument 403 \"No, %{not}\"\n".replacing(
        "%{not}", with: "no")
        + "ErrorDocument 500 https://status.example/\n"
        + "<Location /plain>\nErrorDocument 404 default\n</Location>")
    let settings = try model.route("/x").settings
    guard case .path(let path) = settings.errorDocument(404) else {
      Issue.record("404 is no path")
      return
    }
    #expect(path.description == "/missing.html")
    guard case .text = settings.errorDocument(403), case .url = settings.errorDocument(500) else {
      Issue.record("403 is no text or 500 no URL")
      return
    }
    #expect(settings.errorDocument(401) == nil)
    #expect(try model.route("/plain").settings.errorDocument(404) == nil)
  }

  @Test func `limits and times are read into the site and inherited`() throws {
    let model = try model(
      """
      KeepAliveTimeout 250ms
      RequestReadTimeout header=10-30,MinRate=100 body=0
      LimitRequestFields 7
      CustomLog logs/access common
      <VirtualHost *:80>
        ServerName a
        Timeout 5
        KeepAlive Off
      </VirtualHost>
      <VirtualHost *:80>
        ServerName b
        CustomLog /var/log/b combined
        LogLevel debug
      </VirtualHost>
      """)
    let (a, b) = (model.sites[1], model.sites[2])
    #expect(a.keepAliveTimeoutMilliseconds == 250)
    #expect(a.timeoutMilliseconds == 5000 && b.timeoutMilliseconds == 60_000)
    #expect(!a.keepAlive && b.keepAlive)
    #expect(a.limitRequestFields == 7)
    #expect(a.requestReadTimeout.headerFirstMilliseconds == 10_000)
    #expect(a.requestReadTimeout.headerMaxMilliseconds == 30_000)
    #expect(a.requestReadTimeout.headerBytesPerSecondMin == 100)
    #expect(a.requestReadTimeout.bodyFirstMilliseconds == 0)
    #expect(a.accessLogs == [AccessLog(path: "/etc/logs/access", format: .common)])
    #expect(b.accessLogs == [AccessLog(path: "/var/log/b", format: .combined)])
    #expect(a.logLevel == .warn && b.logLevel == .debug)
  }

  @Test func `ETag parts are set, added and taken away`() throws {
    let model = try model(
      "<Directory /srv/www>\nFileETag INode\n</Directory>\n"
        + "<Directory /srv/www/a>\nFileETag +Size -INode\n"
        + "</Directory>\n<Directory /srv/www/b>\nFileETag None\n</Directory>")
    #expect(try model.route("/x").settings.fileETag == .inode)
    #expect(try model.route("/a/x").settings.fileETag == .size)
    #expect(try model.route("/b/x").settings.fileETag == [])
  }
}
