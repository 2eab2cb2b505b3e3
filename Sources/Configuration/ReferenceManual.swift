// The manual page ring3.conf(5), made from the directive table, so that it cannot disagree with it.

/// Writes ring3.conf(5) in the mdoc(7) language.
package enum ReferenceManual {
  /// The whole page. `date` as mdoc wants it: "January 2, 2026".
  package static func page(date: String) -> String {
    var page = Page()
    page.text += """
      .\\" Generated from the directive table; changes belong there.
      .Dd \(date)
      .Dt RING3.CONF 5
      .Os Ring3
      .Sh NAME
      .Nm ring3.conf
      .Nd configuration of the Ring3 web server

      """
    description(&page)
    grammar(&page)
    page.macro("Sh", "DIRECTIVES")
    page.paragraphs(
      """
      Contexts are: server (outside all sections), virtual host, directory (<Directory> and \
      <DirectoryMatch>), location (<Location> and <LocationMatch>), files (<Files> and \
      <FilesMatch>), proxy (<Proxy> and <ProxyMatch>), application (<Application>), and require \
      (the <Require...> containers).
      """)
    for row in DirectiveTable.rows { directive(row, &page) }
    otherNames(&page)
    page.text += """
      .Sh SEE ALSO
      .Xr ring3ctl 8 ,
      .Xr ring3d 8

      """
    return page.text
  }

  private static func description(_ page: inout Page) {
    page.macro("Sh", "DESCRIPTION")
    page.paragraphs(
      """
      The configuration of Ring3 is written in the language of Apache httpd 2.4. This page lists \
      what Ring3 implements of it, and what it adds. A configuration is checked as a whole before \
      it is used: every finding is reported with file, line and column, and with any error the \
      running server keeps what it has.

      A directive of httpd that Ring3 does not implement is an error, unless no response depends \
      on it; then it is ignored with a warning. So nothing that was closed, encrypted or executed \
      is ever opened, sent in clear or shown as source.
      """)
  }

  private static func grammar(_ page: inout Page) {
    page.macro("Sh", "GRAMMAR")
    page.paragraphs(
      """
      A line is empty, a comment, a directive, or begins or ends a section. A backslash right \
      before the end of a line joins the next line to it; this comes first, so a comment that ends \
      in a backslash goes on too. White space at both ends of a line does not count.

      A comment begins with # as the first character of its line. There are no comments behind a \
      directive.

      A directive is a name, in any letter case, and arguments, separated by white space. An \
      argument that holds white space is put in double or single quotes. A backslash before a \
      backslash, or inside quotes before the quote, stands for the second character alone; before \
      all others it is an ordinary character.

      A section begins with a line <Name arguments> and ends with a line </Name>. Sections nest \
      and end in the file they begin in.

      ${NAME} in an argument stands for the value that Define gave the name, or else for the \
      environment variable. An undefined one stays as it is, with a warning.

      Files are UTF-8, at most 16 MiB each; lines end with LF or CR LF.
      """)
  }

  private static func directive(_ row: DirectiveRow, _ page: inout Page) {
    page.macro("Ss", Roff.escaped(row.displayName))
    page.text += ".Bl -tag -width \"Context:\" -compact\n"
    page.item("Syntax:", row.usage)
    if let text = row.defaultText { page.item("Default:", text) }
    page.item("Context:", row.contexts.names.joined(separator: ", "))
    page.item("Module:", row.module)
    page.text += ".El\n"
    page.macro("Pp")
    page.paragraphs(row.manual)
  }

  private static func otherNames(_ page: inout Page) {
    page.macro("Sh", "OLDER NAMES")
    page.text += ".Bl -tag -width Ds -compact\n"
    for name in DirectiveTable.oldNames { page.item(name.old, "the same as \(name.new)") }
    page.text += ".El\n"
    page.macro("Sh", "IGNORED DIRECTIVES")
    page.paragraphs("These are accepted with a warning and have no effect.")
    page.text += ".Bl -tag -width Ds -compact\n"
    for entry in KnownDirectives.ignored { page.item(entry.name, "\(entry.why) (\(entry.module))") }
    page.text += ".El\n"
  }
}

/// A page under construction.
private struct Page {
  var text = ""

  mutating func macro(_ name: String, _ argument: String = "") {
    text += argument.isEmpty ? ".\(name)\n" : ".\(name) \(argument)\n"
  }

  mutating func item(_ tag: String, _ body: String) {
    text += ".It \(Roff.escaped(tag))\n\(Roff.line(body))\n"
  }

  /// Paragraphs separated by empty lines; those indented by two or more spaces are examples, shown
  /// as they are.
  mutating func paragraphs(_ source: String) {
    var isExample = false
    var isFirst = true
    for line in source.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.isEmpty {
        if isExample { text += ".Ed\n" } else if !isFirst { text += ".Pp\n" }
        isExample = false
      } else if line.hasPrefix("  ") || isExample {
        // The paragraph break before an example would add to the display's own.
        if !isExample {
          if text.hasSuffix(".Pp\n") { text.removeLast(4) }
          text += ".Bd -literal -offset indent\n"
        }
        isExample = true
        text += Roff.line(String(line.dropFirst(2))) + "\n"
      } else {
        text += Roff.line(String(line)) + "\n"
      }
      isFirst = false
    }
    if isExample { text += ".Ed\n" }
    if text.hasSuffix(".Pp\n") { text.removeLast(4) }
  }
}

/// Text as roff takes it.
private enum Roff {
  /// Backslashes and the characters that roff would beautify.
  static func escaped(_ text: String) -> String {
    var result = ""
    for character in text {
      switch character {
      case "\\": result += "\\e"
      case "-": result += "\\-"
      case "~": result += "\\(ti"
      case "^": result += "\\(ha"
      case "'": result += "\\(aq"
      case "`": result += "\\(ga"
      case "\"": result += "\\(dq"
      default: result.append(character)
      }
    }
    return result
  }

  /// A line of text: must not begin with what roff takes for a request.
  static func line(_ text: String) -> String {
    let escaped = escaped(text)
    return escaped.hasPrefix(".") ? "\\&" + escaped : escaped
  }
}

extension Contexts {
  /// "server", "virtual host" …
  fileprivate var names: [String] {
    var names: [String] = []
    if contains(.server) { names.append("server") }
    if contains(.virtualHost) { names.append("virtual host") }
    if contains(.inDirectory) { names.append("directory") }
    if contains(.inLocation) { names.append("location") }
    if contains(.inFiles) { names.append("files") }
    if contains(.inProxy) { names.append("proxy") }
    if contains(.inApplication) { names.append("application") }
    if contains(.inRequire) { names.append("require") }
    return names
  }
}
