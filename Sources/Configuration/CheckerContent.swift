// Directives about a file's kind and the fields that go with it.

import HTTP
import Platform

extension Checker {
  /// True if the directive is about content; its value is then in the layer.
  mutating func checkContent(
    _ directive: Directive, _ draft: SiteDraft, _ layer: inout SettingsLayer
  ) -> Bool {
    guard let first = directive.arguments.first else { return false }
    let extensions = directive.arguments.dropFirst().map(\.text)
    switch directive.row.name {
    case "AddType":
      guard checkMediaType(first) else { break }
      for name in extensions {
        layer.mediaTypes.add(type: first.text.asciiLowercased, extension: name)
      }
    case "AddCharset":
      guard checkToken(first, "a charset") else { break }
      for name in extensions { layer.mediaTypes.add(charset: first.text, extension: name) }
    case "AddEncoding":
      guard checkToken(first, "an encoding") else { break }
      for name in extensions {
        layer.mediaTypes.add(encoding: first.text.asciiLowercased, extension: name)
      }
    case "ForceType":
      if first.text.asciiLowercased == "none" {
        layer.forceType = .some(nil)
      } else if checkMediaType(first) {
        layer.forceType = .some(first.text)
      }
    case "AddDefaultCharset":
      switch first.text.asciiLowercased {
      case "off": layer.defaultCharset = .some(nil)
      // httpd's own default for "On".
      case "on": layer.defaultCharset = .some("iso-8859-1")
      default:
        if checkToken(first, "On, Off or a charset") { layer.defaultCharset = .some(first.text) }
      }
    case "FileETag": checkFileETag(directive, &layer)
    case "Header": checkHeader(directive, draft, &layer)
    case "ExpiresActive": layer.expiresActive = ValueType.onOff(first.text)
    case "ExpiresDefault": layer.expiresDefault = expires(first) ?? layer.expiresDefault
    case "ExpiresByType":
      guard checkMediaType(first, orFamily: true), let rule = expires(directive.arguments[1]) else {
        break
      }
      let type = first.text.asciiLowercased
      layer.expiresByType.removeAll { $0.type == type }
      layer.expiresByType.append((type, rule))
    default: return false
    }
    return true
  }

  private mutating func checkMediaType(_ word: Word, orFamily: Bool = false) -> Bool {
    if MediaTypes.isMediaType(word.text) || orFamily && word.text.hasSuffix("/*") { return true }
    error("a media type such as text/html is expected, not '\(word.text)'", word)
    return false
  }

  private mutating func checkToken(_ word: Word, _ what: String) -> Bool {
    if Checker.isToken(word.text) { return true }
    error("\(what) is expected, not '\(word.text)'", word)
    return false
  }

  /// RFC 9110 §5.6.2
  static func isToken(_ text: String) -> Bool {
    !text.isEmpty
      && text.utf8.allSatisfy { byte in
        switch byte {
        case 48...57, 65...90, 97...122: return true
        default: return "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
      }
  }

  private mutating func checkFileETag(_ directive: Directive, _ layer: inout SettingsLayer) {
    for word in directive.arguments {
      let sign = word.text.first.flatMap { "+-".contains($0) ? $0 : nil }
      let name = (sign == nil ? word.text : String(word.text.dropFirst())).asciiLowercased
      let part: FileETag
      switch name {
      case "inode": part = .inode
      case "mtime": part = .modificationTime
      case "size": part = .size
      case "all" where sign == nil: part = [.inode, .modificationTime, .size]
      case "none" where sign == nil: part = []
      case "digest":
        error("FileETag Digest is not implemented; MTime Size tells versions apart", word)
        continue
      default:
        error("INode, MTime, Size, All or None is expected, not '\(word.text)'", word)
        continue
      }
      switch sign {
      case "+":
        layer.fileETagAdded.formUnion(part)
        layer.fileETagRemoved.subtract(part)
      case "-":
        layer.fileETagRemoved.formUnion(part)
        layer.fileETagAdded.subtract(part)
      default: layer.fileETag = name == "none" ? [] : (layer.fileETag ?? []).union(part)
      }
    }
  }

  // MARK: Header

  /// Header [always|onsuccess] ACTION FIELD [VALUE]
  private mutating func checkHeader(
    _ directive: Directive, _ draft: SiteDraft, _ layer: inout SettingsLayer
  ) {
    var words = directive.arguments[...]
    var isAlways = false
    if let word = words.first, ["always", "onsuccess"].contains(word.text.asciiLowercased) {
      isAlways = word.text.asciiLowercased == "always"
      words = words.dropFirst()
    }
    guard let edit = headerEdit(directive.row.name, words, draft) else { return }
    if isAlways {
      layer.headerEditsAlways.append(edit)
    } else {
      layer.headerEditsOnSuccess.append(edit)
    }
  }

  /// ACTION FIELD [VALUE], for `Header` and `RequestHeader`; nil: wrong, and reported.
  mutating func headerEdit(
    _ directive: String, _ words: ArraySlice<Word>, _ draft: SiteDraft
  ) -> HeaderEdit? {
    var words = words
    guard let actionWord = words.popFirst() else { return nil }
    guard let action = HeaderEdit.Action(rawValue: actionWord.text.asciiLowercased) else {
      let known = HeaderEdit.Action.allCases.map(\.rawValue)
      if ["echo", "note"].contains(actionWord.text.asciiLowercased) {
        error("\(directive) \(actionWord.text) is not implemented", actionWord)
        return nil
      }
      let hint = Spelling.nearest(to: actionWord.text, among: known)
      error(
        "set, append, add, merge, setifempty, unset, edit or edit* is expected, not "
          + "'\(actionWord.text)'" + (hint.map { "; did you mean '\($0)'?" } ?? ""), actionWord)
      return nil
    }
    guard let nameWord = words.popFirst() else {
      error("a field name is expected behind '\(actionWord.text)'", actionWord)
      return nil
    }
    let name = nameWord.text.hasSuffix(":") ? String(nameWord.text.dropLast()) : nameWord.text
    guard checkFieldName(name, nameWord) else { return nil }
    var edit = HeaderEdit(action: action, name: name, value: nil)
    if action == .edit || action == .editAll {
      guard let patternWord = words.popFirst() else {
        error("a regular expression is expected behind '\(nameWord.text)'", nameWord)
        return nil
      }
      guard let pattern = pattern(patternWord) else { return nil }
      guard let valueWord = words.popFirst() else {
        error("what replaces it is expected behind '\(patternWord.text)'", patternWord)
        return nil
      }
      edit.pattern = HeaderPattern(pattern)
      edit.value = headerValue(valueWord, draft, groups: pattern.groupCount)
      guard edit.value != nil else { return nil }
    } else if action != .unset {
      guard let valueWord = words.popFirst() else {
        error("a value is expected behind '\(nameWord.text)'", nameWord)
        return nil
      }
      edit.value = headerValue(valueWord, draft)
      guard edit.value != nil else { return nil }
    }
    return headerCondition(&words, edit)
  }

  /// [env=NAME] at a directive's end.
  private mutating func headerCondition(
    _ words: inout ArraySlice<Word>, _ edit: HeaderEdit
  ) -> HeaderEdit? {
    var edit = edit
    if words.count == 1, let last = words.first, last.text.hasPrefix("env=") {
      let name = String(last.text.dropFirst(4))
      if HeaderEdit.balancingNames.contains(name) {
        edit.condition = name
        words.removeFirst()
      }
    }
    if let extra = words.first {
      let isCondition = extra.text.hasPrefix("env=") || extra.text.hasPrefix("expr=")
      error(
        isCondition
          ? "conditions like '\(extra.text)' are not implemented, only env=BALANCER_ROUTE_CHANGED"
            + " is; the field would be sent always"
          : "'\(extra.text)' is one argument too many; a value with spaces stands in quotes", extra)
      return nil
    }
    return edit
  }

  private mutating func checkFieldName(_ name: String, _ word: Word) -> Bool {
    guard Checker.isToken(name) else {
      error("'\(name)' is not a field name", word)
      return false
    }
    let framing = [
      "connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
    ]
    if framing.contains(name.asciiLowercased) {
      error("\(name) belongs to the connection; the server alone writes it", word)
      return false
    }
    return true
  }

  private mutating func headerValue(
    _ word: Word, _ draft: SiteDraft, groups: Int? = nil
  ) -> HeaderValue? {
    if let odd = word.text.utf8.first(where: { $0 < 32 && $0 != 9 || $0 == 127 }) {
      error("a field value cannot hold the control byte \(odd)", word)
      return nil
    }
    do throws(HeaderValue.Failure) {
      let value = try HeaderValue(word.text, groups: groups)
      for name in value.environmentNames where !HeaderEdit.balancingNames.contains(name) {
        draft.uses.append(SiteDraft.Use(name: name, word: word, needsHostGroups: false))
      }
      return value
    } catch {
      diagnostics.append(.error(error.message, at: word, textOffset: error.byteOffset))
      return nil
    }
  }

  // MARK: Expires

  /// "A3600", "M3600", or "access plus 1 month 2 hours".
  private mutating func expires(_ word: Word) -> ExpiresRule? {
    if let rule = ExpiresRule(configured: word.text) { return rule }
    error(
      "a time such as \"access plus 1 month\", \"modification plus 2 hours 5 minutes\", A3600 or"
        + " M3600 is expected, not '\(word.text)'", word)
    return nil
  }
}

extension ExpiresRule {
  /// Reads both of mod_expires' syntaxes; nil if it is neither.
  init?(configured text: String) {
    if let first = text.utf8.first, let seconds = ValueType.integer(String(text.dropFirst())) {
      switch first {
      case UInt8(ascii: "A"), UInt8(ascii: "a"): self.init(base: .access, seconds: Int64(seconds))
      case UInt8(ascii: "M"), UInt8(ascii: "m"):
        self.init(base: .modification, seconds: Int64(seconds))
      default: return nil
      }
      return
    }
    var words = text.asciiLowercased.split(separator: " ").map(String.init)[...]
    let base: Base
    switch words.popFirst() {
    case "now", "access": base = .access
    case "modification": base = .modification
    default: return nil
    }
    if words.first == "plus" { words = words.dropFirst() }
    guard !words.isEmpty, words.count.isMultiple(of: 2) else { return nil }
    var total: Int64 = 0
    while let number = words.popFirst(), let unit = words.popFirst() {
      guard let count = ValueType.integer(number), let seconds = ExpiresRule.seconds(unit) else {
        return nil
      }
      let (product, overflowed) = Int64(count).multipliedReportingOverflow(by: seconds)
      let (sum, overflowedToo) = total.addingReportingOverflow(product)
      if overflowed || overflowedToo { return nil }
      total = sum
    }
    self.init(base: base, seconds: total)
  }

  /// mod_expires looks only at the beginning of a unit; a month has 30 days, a year 365.
  private static func seconds(_ unit: String) -> Int64? {
    for (prefix, seconds) in [
      ("year", 31_536_000), ("month", 2_592_000), ("week", 604_800), ("day", 86_400),
      ("hour", 3_600), ("minute", 60), ("second", 1),
    ] where unit == prefix || unit == prefix + "s" {
      return Int64(seconds)
    }
    return nil
  }
}
