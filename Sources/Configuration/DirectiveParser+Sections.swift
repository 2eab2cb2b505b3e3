// Opening and closing sections (server/config.c, ap_build_config_sub).

extension DirectiveParser {
  /// A line that begins with `<`, at `start`.
  mutating func parseSection(_ line: LogicalLine, from start: Int, to end: Int, base: Int) {
    let bytes = line.bytes
    let isClosing = start + 1 < end && bytes[start + 1] == UInt8(ascii: "/")
    let nameStart = start + (isClosing ? 2 : 1)
    var nameEnd = nameStart
    while nameEnd < end, !Lexer.isSpace(bytes[nameEnd]), bytes[nameEnd] != UInt8(ascii: ">") {
      nameEnd += 1
    }
    let name = line.word(
      String(decoding: bytes[nameStart..<nameEnd], as: UTF8.self), start..<nameEnd,
      isQuoted: false, isVerbatim: false)
    guard !name.text.isEmpty else {
      report(.error("a section's name is missing after '\(isClosing ? "</" : "<")'", at: name))
      return
    }
    let bracket = bytes[nameEnd..<end].lastIndex(of: UInt8(ascii: ">"))
    if isClosing {
      close(name, line, nameEnd: nameEnd, bracket: bracket, end: end, base: base)
    } else {
      open(name, line, nameEnd: nameEnd, bracket: bracket, end: end)
    }
  }

  private mutating func open(
    _ name: Word, _ line: LogicalLine, nameEnd: Int, bracket: Int?, end: Int
  ) {
    guard sections.count < Self.sectionDepthMax else {
      if sections.count == Self.sectionDepthMax {
        report(.error("sections are nested too deeply (\(Self.sectionDepthMax))", at: name))
      }
      push(.skipped, name.text, name)
      return
    }
    if case .skipped = sections[sections.count - 1].kind {
      push(.skipped, name.text, name)
      return
    }
    guard let bracket else {
      report(.error("'<\(name.text)' has no closing '>'", at: name))
      push(.skipped, name.text, name)
      return
    }
    var arguments: [Word] = []
    var isReadable = true
    // Bytes after the last '>' are none of the section's; httpd drops them without a word.
    if bracket + 1 < end {
      report(.error("text after '>'", at: mark(line, bracket + 1..<end)))
      isReadable = false
    }
    var lexer = Lexer(line.bytes, from: nameEnd, to: bracket)
    if let words = words(of: line, &lexer) { arguments = words } else { isReadable = false }
    open(name, arguments, isReadable: isReadable)
  }

  private mutating func open(_ name: Word, _ arguments: [Word], isReadable: Bool) {
    switch KnownDirectives.lookup(name.text) {
    case .implemented(let row) where !row.isSection:
      report(.error("'\(row.name)' is not a section: write it without < and >", at: name))
      push(.skipped, name.text, name)
    case .implemented(let row):
      let isGood = isReadable && check(row, name, arguments)
      switch row.name {
      case "IfDefine", "IfModule":
        let holds = isGood && condition(row.name, arguments[0])
        push(holds ? .transparent : .skipped, row.name, name)
      default:
        push(
          isGood ? .block(row) : .dropped, row.name, name, arguments,
          context: Self.context(inside: row.name))
      }
    case let other:
      refuse(other, name, displayName: "<\(name.text)>")
      push(.skipped, name.text, name)
    }
  }

  private mutating func push(
    _ kind: Section.Kind, _ name: String, _ opening: Word, _ arguments: [Word] = [],
    context: Contexts? = nil
  ) {
    sections.append(
      Section(
        kind: kind, name: name, opening: opening, arguments: arguments,
        context: context ?? sections[sections.count - 1].context))
  }

  private static func context(inside name: String) -> Contexts {
    switch name {
    case "VirtualHost": .virtualHost
    case "Directory", "DirectoryMatch": .inDirectory
    case "Location", "LocationMatch": .inLocation
    case "Files", "FilesMatch": .inFiles
    case "Proxy", "ProxyMatch": .inProxy
    case "Application": .inApplication
    default: .inRequire
    }
  }

  private mutating func close(
    _ name: Word, _ line: LogicalLine, nameEnd: Int, bracket: Int?, end: Int, base: Int
  ) {
    if bracket == nil {
      report(.error("'</\(name.text)' has no closing '>'", at: name))
    } else if let bracket,
      let junk = line.bytes[nameEnd..<end].indices.first(where: {
        $0 != bracket && !Lexer.isSpace(line.bytes[$0])
      })
    {
      report(.error("text after '</\(name.text)'", at: mark(line, junk..<end)))
    }
    guard sections.count > base else {
      report(.error("</\(name.text)> closes nothing: there is no open <\(name.text)>", at: name))
      return
    }
    let top = sections[sections.count - 1]
    if Self.isSame(top.name, name.text) {
      closeSection()
      return
    }
    let opened = top.opening.map { " (opened at \($0.place))" } ?? ""
    report(.error("</\(top.name)>\(opened) is expected, not </\(name.text)>", at: name))
    // Go on as if the inner ones had been closed, if it was an outer one that was meant.
    guard
      let index = sections.indices.reversed().first(where: {
        $0 >= base && Self.isSame(sections[$0].name, name.text)
      })
    else { return }
    while sections.count > index { closeSection() }
  }

  private static func isSame(_ one: String, _ other: String) -> Bool {
    one.lowercased() == other.lowercased()
  }

  /// Ends the innermost section and hands its contents on.
  mutating func closeSection() {
    let section = sections.removeLast()
    guard case .block(let row) = section.kind, let opening = section.opening else { return }
    append(
      Directive(
        row: row, name: opening, arguments: section.arguments, children: section.children))
  }
}
