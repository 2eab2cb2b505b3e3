// A parsed directive, and the table row that describes it.

/// Where a directive may stand.
package struct Contexts: OptionSet, Hashable, Sendable {
  package let rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Outside all sections.
  package static let server = Contexts(rawValue: 1)
  package static let virtualHost = Contexts(rawValue: 2)
  /// In `<Directory>` and `<DirectoryMatch>` only.
  package static let inDirectory = Contexts(rawValue: 4)
  /// In `<Location>` and `<LocationMatch>` only.
  package static let inLocation = Contexts(rawValue: 8)
  /// In `<Files>` and `<FilesMatch>` only.
  package static let inFiles = Contexts(rawValue: 16)
  /// In `<RequireAll>`, `<RequireAny>` and `<RequireNone>`.
  package static let inRequire = Contexts(rawValue: 32)
  /// In `<Proxy>` and `<ProxyMatch>` only.
  package static let inProxy = Contexts(rawValue: 64)
  /// In `<Application>` only.
  package static let inApplication = Contexts(rawValue: 128)
  /// What Apache's manual calls "directory": any section about files or paths.
  package static let directory: Contexts = [.inDirectory, .inLocation, .inFiles, .inProxy]
  package static let everywhere: Contexts = [.server, .virtualHost, .directory]
}

/// What every argument of a directive must be; the parser checks it. Directives with mixed
/// arguments are `.text` and checked by whoever gives them their meaning.
package enum ValueType: Hashable, Sendable {
  case text
  case path
  case regularExpression
  case onOff
  case integer(ClosedRange<Int>)
  /// `auto` or a number.
  case integerOrAuto(ClosedRange<Int>)
  /// A number of bytes, with K, M or G for powers of 1024.
  case bytes(ClosedRange<Int>)
  case bytesOrAuto(ClosedRange<Int>)
  /// A time; the range is in milliseconds, a bare number counts in `unit`.
  case duration(ClosedRange<Int>, unit: DurationUnit)
  /// One of these words, in any case.
  case choice([String])
}

/// The unit of a duration written as a bare number.
package enum DurationUnit: Int, Hashable, Sendable {
  case milliseconds = 1
  case seconds = 1000
}

/// Everything Ring3 knows about a directive it implements: one row of the table from which parser,
/// checker and reference manual work.
package struct DirectiveRow: Sendable {
  /// In canonical spelling, without angle brackets; unique.
  package var name: String
  package var isSection: Bool
  package var contexts: Contexts
  package var arity: ClosedRange<Int>
  package var type: ValueType
  /// As one would write it; nil: nothing.
  package var defaultText: String?
  /// Whether it may stand more than once in a block, each occurrence adding to the others.
  package var repeats: Bool
  /// The arguments, as in "[ADDRESS:]PORT".
  package var syntax: String
  /// For the reference manual: paragraphs separated by an empty line; indented lines are examples.
  package var manual: String
  /// The httpd module that brings it, or "ring3".
  package var module: String
  /// Why it cannot stand where httpd lets it, completing "it goes …: "; nil: nothing to explain.
  package var misplaced: String?

  /// "Listen [ADDRESS:]PORT" or "<Directory PATH>"
  package var usage: String {
    let line = syntax.isEmpty ? name : "\(name) \(syntax)"
    return isSection ? "<\(line)>" : line
  }

  /// "Listen" or "<Directory>"
  package var displayName: String { isSection ? "<\(name)>" : name }

  package init(
    name: String, isSection: Bool = false, contexts: Contexts, arity: ClosedRange<Int>,
    type: ValueType = .text, defaultText: String? = nil, repeats: Bool = false,
    syntax: String, module: String, misplaced: String? = nil, manual: String
  ) {
    self.name = name
    self.isSection = isSection
    self.contexts = contexts
    self.arity = arity
    self.type = type
    self.defaultText = defaultText
    self.repeats = repeats
    self.syntax = syntax
    self.module = module
    self.misplaced = misplaced
    self.manual = manual
  }
}

/// One directive or section as written. `Define`, `UnDefine`, `Include…`, `<IfDefine>` and
/// `<IfModule>` are carried out while parsing and never appear. The number of arguments is within
/// the row's arity and their values fit its type; what does not is reported and left out.
package struct Directive: Sendable {
  package var row: DirectiveRow
  /// The name as written (without `<`).
  package var name: Word
  package var arguments: [Word]
  /// What a section holds; empty otherwise.
  package var children: [Directive]

  package init(row: DirectiveRow, name: Word, arguments: [Word], children: [Directive] = []) {
    self.row = row
    self.name = name
    self.arguments = arguments
    self.children = children
  }
}

/// A parsed configuration, with everything that was found wrong in it.
package struct ParseResult: Sendable {
  package var directives: [Directive]
  package var diagnostics: [Diagnostic]
  /// The last `ServerRoot`, as written; nil: none.
  package var serverRoot: String?

  package init(directives: [Directive], diagnostics: [Diagnostic], serverRoot: String?) {
    self.directives = directives
    self.diagnostics = diagnostics
    self.serverRoot = serverRoot
  }

  package var hasErrors: Bool { diagnostics.contains { $0.severity == .error } }
}
