// From configuration files to a tree of directives.

import Platform

/// The entry to the configuration parser.
package enum ConfigurationParser {
  /// Parses a configuration file and all it includes. `defines` are names as if given by
  /// `Define`, with or without a value. Never fails: what is wrong is in the diagnostics.
  package static func parse(
    file: String, reader: ConfigurationReader, defines: [String: String?] = [:]
  ) -> ParseResult {
    var parser = DirectiveParser(mainFile: file, reader: reader, defines: defines)
    switch reader.read(file) {
    case .success(let bytes):
      parser.parse(file: file, bytes: bytes)
    case .failure(let error):
      parser.report(.error("cannot read the configuration: \(error)"))
    }
    return ParseResult(
      directives: parser.sections[0].children, diagnostics: parser.diagnostics,
      serverRoot: parser.serverRoot)
  }
}

/// The state of one run over a configuration and its included files.
struct DirectiveParser {
  /// An open `<…>`, or the configuration as a whole.
  struct Section {
    enum Kind {
      /// The whole configuration.
      case root
      /// Becomes a directive when it is closed.
      case block(DirectiveRow)
      /// Its head is wrong: its contents are checked, but nothing of it comes into the tree, so
      /// that every directive of the tree has the arguments its row asks for.
      case dropped
      /// `<IfDefine>` or `<IfModule>` whose condition holds: its contents belong to what is around.
      case transparent
      /// Only nesting counts inside.
      case skipped
    }
    var kind: Kind
    /// Canonical, as in "</Name>".
    var name: String
    /// As written, without `<`; nil for the root.
    var opening: Word?
    var arguments: [Word] = []
    /// What its children stand in.
    var context: Contexts
    var children: [Directive] = []
    /// Where each directive that should stand once was first seen.
    var seen: [String: SourcePlace] = [:]
  }

  /// A file being read, with the `Include` that led to it.
  struct OpenFile {
    let path: String
    let includedAt: SourcePlace?
  }

  /// More findings than anyone reads; the rest is left out.
  static let diagnosticsMax = 200
  /// Includes inside includes.
  static let includeDepthMax = 16
  /// Sections inside sections; far more than any configuration needs.
  static let sectionDepthMax = 100
  /// Bytes of one logical line.
  static let lineBytesMax = 1 << 20
  /// Files read in one run: an include cannot fan out without end.
  static let filesMax = 100_000

  let reader: ConfigurationReader
  /// Relative includes are below this until a `ServerRoot` says otherwise.
  let mainDirectory: String
  var serverRoot: String?
  /// Names given by `Define`.
  var defines: Set<String> = []
  /// Values given by `Define`; names in lower case, because httpd keeps them in a table that does
  /// not tell cases apart.
  var variables: [String: String] = [:]
  var sections: [Section] = [Section(kind: .root, name: "", context: .server)]
  var files: [OpenFile] = []
  var fileCount = 0
  private(set) var diagnostics: [Diagnostic] = []
  /// Variables already warned about.
  var undefinedVariables: Set<String> = []
  /// Ignored directives already warned about: one warning for each name.
  var ignoredNames: Set<String> = []

  init(mainFile: String, reader: ConfigurationReader, defines: [String: String?]) {
    self.reader = reader
    let directory = mainFile.lastIndex(of: "/").map { String(mainFile[..<$0]) }
    mainDirectory = directory.map { $0.isEmpty ? "/" : $0 } ?? "."
    for (name, value) in defines { define(name, value) }
  }

  /// Whether so much is wrong that going on helps nobody.
  var hasGivenUp: Bool { diagnostics.count > Self.diagnosticsMax }

  mutating func report(_ diagnostic: Diagnostic) {
    guard !hasGivenUp else { return }
    if diagnostics.count == Self.diagnosticsMax {
      diagnostics.append(.error("too many findings; the rest of the configuration was not read"))
    } else {
      diagnostics.append(diagnostic)
    }
  }

  mutating func define(_ name: String, _ value: String?) {
    defines.insert(name)
    if let value { variables[name.lowercased()] = value }
  }

  // MARK: - Files and lines

  mutating func parse(file: String, bytes: [UInt8], includedAt: SourcePlace? = nil) {
    files.append(OpenFile(path: file, includedAt: includedAt))
    fileCount += 1
    let base = sections.count
    var source = SourceText(file: file, bytes: bytes)
    while let line = source.nextLine(), !hasGivenUp { parse(line, base: base) }
    while sections.count > base {
      let section = sections[sections.count - 1]
      if let opening = section.opening {
        report(
          .error("<\(section.name)> is never closed: </\(section.name)> is missing", at: opening))
      }
      closeSection()
    }
    files.removeLast()
  }

  private var isSkipping: Bool {
    if case .skipped = sections[sections.count - 1].kind { return true }
    return false
  }

  private mutating func parse(_ line: LogicalLine, base: Int) {
    var end = line.bytes.count
    while end > 0, Lexer.isSpace(line.bytes[end - 1]) { end -= 1 }
    var lexer = Lexer(line.bytes, to: end)
    guard let first = lexer.peek, first != UInt8(ascii: "#") else { return }
    if isSkipping, first != UInt8(ascii: "<") { return }
    guard check(line, from: lexer.position, to: end) else { return }
    if first == UInt8(ascii: "<") {
      parseSection(line, from: lexer.position, to: end, base: base)
      return
    }
    guard let words = words(of: line, &lexer), let name = words.first else { return }
    carryOut(name, Array(words.dropFirst()))
  }

  /// Refuses bytes that no directive can hold.
  private mutating func check(_ line: LogicalLine, from start: Int, to end: Int) -> Bool {
    if end - start > Self.lineBytesMax {
      report(
        .error("a line of \(end - start) bytes is too long", at: mark(line, start..<start + 1)))
      return false
    }
    if let zero = line.bytes[start..<end].firstIndex(of: 0) {
      report(.error("a NUL byte is not text", at: mark(line, zero..<zero + 1)))
      return false
    }
    if let bad = Self.firstInvalidUTF8(line.bytes[start..<end]) {
      report(.error("this byte is not UTF-8", at: mark(line, bad..<bad + 1)))
      return false
    }
    return true
  }

  private static func firstInvalidUTF8(_ bytes: ArraySlice<UInt8>) -> Int? {
    guard bytes.contains(where: { $0 >= 0x80 }), String(validating: bytes, as: UTF8.self) == nil
    else { return nil }
    // The shortest prefix that is wrong ends with the byte to mark.
    var decoder = UTF8()
    var iterator = bytes.makeIterator()
    var offset = bytes.startIndex
    while true {
      switch decoder.decode(&iterator) {
      case .scalarValue(let scalar): offset += UTF8.width(scalar)
      case .emptyInput, .error: return min(offset, bytes.endIndex - 1)
      }
    }
  }

  func mark(_ line: LogicalLine, _ range: Range<Int>) -> Word {
    line.word("", range, isQuoted: false, isVerbatim: true)
  }

  /// All words that are left; nil after reporting that there is no closing quote.
  mutating func words(of line: LogicalLine, _ lexer: inout Lexer) -> [Word]? {
    var words: [Word] = []
    do throws(Lexer.Failure) {
      while let raw = try lexer.next() { words.append(resolve(raw, in: line)) }
      return words
    } catch {
      guard case .unterminatedQuote(let range) = error else { return nil }
      let quote = String(decoding: [line.bytes[range.lowerBound]], as: UTF8.self)
      report(.error("the closing \(quote) is missing", at: mark(line, range)))
      return nil
    }
  }

  // MARK: - Variables

  /// The word with each `${NAME}` replaced: by `Define`'s value, else by the environment's. An
  /// undefined one stays as it is. Values are not looked through again, nor split into words
  /// (server/core.c, ap_resolve_env).
  private mutating func resolve(_ raw: RawWord, in line: LogicalLine) -> Word {
    let plain = line.word(
      String(decoding: raw.bytes, as: UTF8.self), raw.range, isQuoted: raw.isQuoted,
      isVerbatim: !raw.hasEscapes)
    guard raw.bytes.contains(UInt8(ascii: "$")) else { return plain }
    var output: [UInt8] = []
    var rest = raw.bytes[...]
    while let dollar = rest.firstIndex(of: UInt8(ascii: "$")) {
      output += rest[..<dollar]
      rest = rest[dollar...]
      guard rest.dropFirst().first == UInt8(ascii: "{"),
        let close = rest.dropFirst(2).firstIndex(of: UInt8(ascii: "}"))
      else {
        output.append(rest.removeFirst())
        continue
      }
      let name = String(decoding: rest[(dollar + 2)..<close], as: UTF8.self)
      if let value = variables[name.lowercased()] ?? environment(name) {
        output += value.utf8
      } else {
        output += rest[...close]
        warnUndefined(name, at: plain)
      }
      rest = rest[(close + 1)...]
    }
    output += rest
    var word = plain
    word.text = String(decoding: output, as: UTF8.self)
    if output != raw.bytes { word.isVerbatim = false }
    return word
  }

  private func environment(_ name: String) -> String? {
    name.isEmpty || name.utf8.contains(UInt8(ascii: "=")) ? nil : reader.environment(name)
  }

  private mutating func warnUndefined(_ name: String, at word: Word) {
    // With a colon it is a map of mod_rewrite, not a variable.
    guard !name.contains(":"), undefinedVariables.insert(name).inserted else { return }
    report(
      .warning(
        "'${\(name)}' is not defined, neither by Define nor in the environment; it stays as it is",
        at: word))
  }
}
