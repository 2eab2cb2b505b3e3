// Media types by file name extension: mime.types and AddType, looked up as mod_mime does.

/// What the extensions of a file name say about its content.
package struct MediaDescription: Equatable, Sendable {
  /// For Content-Type, without a charset added by `charset`; nil if no extension has a type.
  package var type: String?
  package var charset: String?
  /// For Content-Encoding, in the order they were applied.
  package var encodings: [String] = []
  /// For Content-Language.
  package var languages: [String] = []

  package init() {}
}

/// Tables from extensions to types, charsets, encodings and languages. A value: a section of the
/// configuration copies the tables it inherits and adds to them.
package struct MediaTypes: Equatable, Sendable {
  /// What is wrong with one line of a mime.types file.
  package struct Problem: Equatable, Sendable {
    /// From 1.
    package let line: Int
    package let message: String
  }

  private var types: [String: String] = [:]
  private var charsets: [String: String] = [:]
  private var encodings: [String: String] = [:]
  private var languages: [String: String] = [:]

  package init() {}

  package var isEmpty: Bool {
    types.isEmpty && charsets.isEmpty && encodings.isEmpty && languages.isEmpty
  }

  /// Extensions known to have a type.
  package var typeCount: Int { types.count }

  /// Reads the text of a mime.types file: `type/subtype ext ext …` a line, "#" starts a comment
  /// line. A line that is wrong is left out and reported; a type without extensions is fine.
  package mutating func add(mimeTypes text: String) -> [Problem] {
    var problems: [Problem] = []
    var number = 0
    // CR LF is one Character of its own.
    let lines = text.split(
      omittingEmptySubsequences: false, whereSeparator: { $0 == "\n" || $0 == "\r\n" })
    for line in lines {
      number += 1
      let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
      guard let type = words.first, !type.hasPrefix("#") else { continue }
      guard MediaTypes.isMediaType(type) else {
        problems.append(Problem(line: number, message: "'\(type)' is not a media type"))
        continue
      }
      for word in words.dropFirst() {
        if word.hasPrefix("#") { break }
        add(type: String(type), extension: String(word))
      }
    }
    return problems
  }

  /// AddType. The extension may have its dot or not, in any case of letters.
  package mutating func add(type: String, extension name: String) {
    types[MediaTypes.key(name)] = type
  }

  /// AddCharset.
  package mutating func add(charset: String, extension name: String) {
    charsets[MediaTypes.key(name)] = charset
  }

  /// AddEncoding.
  package mutating func add(encoding: String, extension name: String) {
    encodings[MediaTypes.key(name)] = encoding
  }

  /// AddLanguage.
  package mutating func add(language: String, extension name: String) {
    languages[MediaTypes.key(name)] = language
  }

  /// Lays `overlay` over these tables: what it says about an extension wins.
  package mutating func merge(_ overlay: MediaTypes) {
    types.merge(overlay.types) { $1 }
    charsets.merge(overlay.charsets) { $1 }
    encodings.merge(overlay.encodings) { $1 }
    languages.merge(overlay.languages) { $1 }
  }

  /// Tables in a fixed order, to be hashed or dumped: `kind`, extension, value.
  package var rows: [(kind: String, extension: String, value: String)] {
    func rows(_ kind: String, _ table: [String: String]) -> [(String, String, String)] {
      table.sorted { $0.key < $1.key }.map { (kind, $0.key, $0.value) }
    }
    let all =
      rows("type", types) + rows("charset", charsets) + rows("encoding", encodings)
      + rows("language", languages)
    return all.map { (kind: $0.0, extension: $0.1, value: $0.2) }
  }

  /// What the extensions of `fileName` mean. Everything after the first dot counts, a leading dot
  /// does not start an extension; each extension may set type, charset, encoding and language, and
  /// the last that sets one wins, except that encodings and languages add up. An extension that
  /// means nothing changes nothing, so `a.gif.bak` is a GIF, as in httpd 2.
  package func describe(fileName: [UInt8]) -> MediaDescription {
    var found = MediaDescription()
    var start = fileName.startIndex
    if let slash = fileName.lastIndex(of: ASCII.slash) { start = slash + 1 }
    while start < fileName.endIndex && fileName[start] == ASCII.dot { start += 1 }
    let parts = fileName[start...].split(separator: ASCII.dot, omittingEmptySubsequences: true)
    for part in parts.dropFirst() {
      let name = String(decoding: part.map(ASCII.lowercase), as: UTF8.self)
      if let type = types[name] {
        found.type = type
      }
      if let charset = charsets[name] {
        found.charset = charset
      }
      if let language = languages[name] {
        found.languages.append(language)
      }
      if let encoding = encodings[name] {
        found.encodings.append(encoding)
      }
    }
    return found
  }

  /// Extensions are kept in lower case without their dot.
  private static func key(_ name: String) -> String {
    String(name.drop { $0 == "." }).lowercased()
  }

  /// `type/subtype`, both tokens; parameters may follow after ";" (RFC 9110 §8.3.1).
  package static func isMediaType(_ text: some StringProtocol) -> Bool {
    let essence = text.split(separator: ";", maxSplits: 1).first ?? ""
    let parts = essence.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2 else { return false }
    return parts.allSatisfy { part in
      !part.isEmpty && part.utf8.allSatisfy { ByteClass.token.contains($0) }
    }
  }
}
