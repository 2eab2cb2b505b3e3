// Every kind of finding, with its exact place.

import Testing

@testable import Configuration

struct SyntaxDiagnosticTests {
  private func findings(_ text: String, _ more: [String: String] = [:]) -> [String] {
    var files = more.mapValues { Array($0.utf8) }
    files["/c/r.conf"] = Array(text.utf8)
    return ConfigurationParser.parse(file: "/c/r.conf", reader: .memory(files)).diagnostics.map {
      "\($0.place?.line ?? 0):\($0.place?.column ?? 0):\($0.length) \($0.severity) \($0.message)"
    }
  }

  @Test(arguments: [
    (
      "DocumentRot /a", "1:1:11 error unknown directive 'DocumentRot'; did you mean 'DocumentRoot'?"
    ),
    ("Xyzzyplugh on", "1:1:10 error unknown directive 'Xyzzyplugh'"),
    (
      "<Directry /a>\nx\n</Directry>",
      "1:1:9 error unknown section '<Directry>'; did you mean '<Directory>'?"
    ),
    ("KeepAlive maybe", "1:11:5 error 'KeepAlive': 'on' or 'off' is expected, not 'maybe'"),
    ("KeepAlive", "1:1:9 error 'KeepAlive' needs an argument: KeepAlive On|Off"),
    ("KeepAlive on off", "1:14:3 error too many arguments for 'KeepAlive': KeepAlive On|Off"),
    ("Alias /a", "1:1:5 error too few arguments for 'Alias': Alias URL-PATH PATH"),
    ("ListenBacklog 0", "1:15:1 error 'ListenBacklog': '0' is outside the range 1 to 1000000"),
    ("ListenBacklog x", "1:15:1 error 'ListenBacklog': a number is expected, not 'x'"),
    (
      "ListenBacklog 99999999999999999999",
      "1:15:20 error 'ListenBacklog': a number is expected, not '99999999999999999999'"
    ),
    (
      "UseCanonicalName Onn",
      "1:18:3 error 'UseCanonicalName': 'On' or 'Off' is expected, not 'Onn'; did you mean 'On'?"
    ),
    (
      "CacheMaxObject 1Q",
      "1:16:2 error 'CacheMaxObject': a number of bytes (1048576, 64K, 1M) is expected, not '1Q'"
    ),
    (
      "KeepAlive on # yes",
      "1:14:1 error a comment must have a line of its own: '#' after a directive is an argument"
    ),
    (
      "DirectoryIndex a # b",
      "1:18:1 error a comment must have a line of its own: '#' after a directive is an argument (quote it if it is meant)"
    ),
    ("ServerAdmin \"a b", "1:13:4 error the closing \" is missing"),
    ("ServerAdmin a\0b", "1:14:1 error a NUL byte is not text"),
    (
      "<Directory /a",
      "1:1:10 error '<Directory' has no closing '>'\n1:1:10 error <Directory> is never closed: </Directory> is missing"
    ),
    ("<Directory /a>", "1:1:10 error <Directory> is never closed: </Directory> is missing"),
    ("\n </Directory>", "2:2:11 error </Directory> closes nothing: there is no open <Directory>"),
    (
      "<Directory /a>\n</Location>\n</Directory>",
      "2:1:10 error </Directory> (opened at /c/r.conf:1:1) is expected, not </Location>"
    ),
    ("<Directory /a> b\n</Directory>", "1:15:2 error text after '>'"),
    ("<>", "1:1:1 error a section's name is missing after '<'"),
    ("Directory /a", "1:1:9 error 'Directory' is a section: write <Directory …> and </Directory>"),
    (
      "<KeepAlive on>\n</KeepAlive>",
      "1:1:10 error 'KeepAlive' is not a section: write it without < and >"
    ),
    (
      "<Directory /a>\n  Listen 80\n</Directory>",
      "2:3:6 error 'Listen' is not allowed inside <Directory>; it goes outside all sections"
    ),
    (
      "Require all granted",
      "1:1:7 error 'Require' is not allowed outside all sections; it goes in <Directory>, in <Location>, in <Files>, in <Proxy> or in <RequireAll>, <RequireAny> and <RequireNone>"
    ),
    (
      "Timeout 1\nTimeout 2",
      "2:1:7 warning 'Timeout' is already given at /c/r.conf:1:1; this one replaces it"
    ),
    (
      "ServerName ${NO}",
      "1:12:5 warning '${NO}' is not defined, neither by Define nor in the environment; it stays as it is"
    ),
    (
      "StartServers 5\nstartservers 6",
      "1:1:12 warning 'StartServers' is ignored: Ring3 has its own process model; see Workers"
    ),
    ("Include x.conf", "1:9:6 error cannot read '/c/x.conf': No such file or directory"),
    (
      "Include x/*.conf",
      "1:9:8 error no file matches '/c/x/*.conf' (IncludeOptional would accept that)"
    ),
    ("Include r.conf", "1:9:6 error '/c/r.conf' includes itself: /c/r.conf -> /c/r.conf"),
    ("Define a:b c", "1:8:3 error a variable's name must not contain ':'"),
    ("TraceEnable on", "1:13:2 error 'TraceEnable': 'off' is expected, not 'on'"),
  ])
  func `a finding names what is wrong and where`(_ text: String, _ expected: String) {
    #expect(findings(text).joined(separator: "\n") == expected)
  }

  @Test(arguments: [
    "SSLRequire", "MDomain", "ScriptAlias", "RewriteRule", "Allow", "AuthType",
    "ProxyRemote", "LogFormat", "Dav", "ChrootDir", "SetEnv", "IndexIgnore",
  ])
  func `what cannot be ignored is refused`(_ name: String) {
    guard case .refused = KnownDirectives.lookup(name) else {
      Issue.record("\(name) is not refused")
      return
    }
  }

  @Test(arguments: [
    ("WSGIScriptAlias", "mod_wsgi"), ("php_admin_value", "mod_php"), ("SecRule", "ModSecurity"),
    ("uWSGISocket", "mod_uwsgi"), ("PassengerRoot", "Phusion Passenger"), ("JkMount", "mod_jk"),
    ("Perl", "mod_perl"),
    ("OIDCScope", "mod_auth_openidc"), ("PerlModule", "mod_perl"), ("XSendFile", "mod_xsendfile"),
  ])
  func `a name from outside httpd names its module`(_ name: String, _ module: String) {
    #expect(
      findings(name + " x").first?.hasPrefix(
        "1:1:\(name.utf8.count) error '\(name)' belongs to \(module); ") == true)
  }

  @Test func `the word is marked under its line, tabs kept`() {
    let result = ConfigurationParser.parse(
      file: "/r", reader: .memory(["/r": Array("\tServerAdmin é \"x\n".utf8)]))
    #expect(
      result.diagnostics.map(\.rendered) == [
        "/r:1:17: error: the closing \" is missing\n    \tServerAdmin é \"x\n    \t              ^~"
      ])
  }

  @Test func `of a line that no screen holds the part around the word is shown`() {
    let line = "ServerAdmin " + String(repeating: "é", count: 500) + " here"
    let result = ConfigurationParser.parse(file: "/r", reader: .memory(["/r": Array(line.utf8)]))
    let lines = result.diagnostics.first?.rendered.split(separator: "\n") ?? []
    #expect(lines.count == 3)
    #expect(lines.last.map { $0.count } == 4 + 30 + 5)
    #expect(lines.dropFirst().first?.hasSuffix("é here") == true)
  }

  @Test func `a section whose head is wrong is checked inside, but not in the tree`() {
    let text = "<VirtualHost>\nKeepAlive x\n</VirtualHost>\n<Location /a b c>\n</Location>"
    let result = ConfigurationParser.parse(file: "/r", reader: .memory(["/r": Array(text.utf8)]))
    #expect(result.directives.isEmpty)
    #expect(result.diagnostics.map { $0.place?.line } == [1, 2, 4])
  }

  @Test func `an offset in a regular expression is an offset in its line`() {
    let word = Word(
      text: "a(b", place: SourcePlace(file: "f", line: 1, column: 5), length: 5, isQuoted: true)
    #expect(Diagnostic.error("x", at: word, textOffset: 1).place?.column == 7)
    var escaped = word
    escaped.isVerbatim = false
    #expect(Diagnostic.error("x", at: escaped, textOffset: 1).place?.column == 5)
  }

  @Test func `a chain of includes is reported as a chain`() {
    let found = findings(
      "Include a.conf", ["/c/a.conf": "\nInclude b.conf", "/c/b.conf": "Include a.conf"])
    #expect(
      found == ["1:9:6 error '/c/a.conf' includes itself: /c/a.conf -> /c/b.conf -> /c/a.conf"])
  }

  @Test func `includes stop at their depth`() {
    var files: [String: String] = [:]
    for depth in 0..<30 { files["/c/\(depth).conf"] = "Include \(depth + 1).conf" }
    let found = findings("Include 0.conf", files)
    #expect(found.count == 1)
    #expect(found.first?.hasPrefix("1:9:7 error includes are nested too deeply (16): ") == true)
  }

  @Test func `findings end at two hundred`() {
    #expect(findings(String(repeating: "Nonsense\n", count: 1000)).count == 201)
  }

  @Test func `invalid UTF-8 is refused at its byte`() {
    let result = ConfigurationParser.parse(
      file: "/r", reader: .memory(["/r": Array("# \u{E9}\nUser ab".utf8) + [0xFF, 0x63]]))
    #expect(result.diagnostics.map { "\($0.place?.description ?? "")" } == ["/r:2:8"])
  }

  @Test func `a missing main file is an error without a place`() {
    let result = ConfigurationParser.parse(file: "/none", reader: .memory([:]))
    #expect(result.hasErrors)
    #expect(result.diagnostics.first?.place == nil)
  }
}
