// Asking the application whether a stored response is still good (RFC 9111 §4.3.1).

/// One field line: a name as it is written, and its value.
package struct OwnedField: Hashable, Sendable {
  package var name: [UInt8]
  package var value: [UInt8]

  package init(name: [UInt8], value: [UInt8]) {
    self.name = name
    self.value = value
  }

  package init(_ name: String, _ value: String) {
    self.init(name: [UInt8](name.utf8), value: [UInt8](value.utf8))
  }
}

package enum Validation {
  /// If-None-Match and If-Modified-Since for a stored response with these fields: both if it has
  /// both, none if it has neither or they are malformed. The client's own conditions must not be
  /// sent with them (RFC 9111 §4.3.1).
  package static func requestFields(_ stored: CachingFields, now: Int64) -> [OwnedField] {
    var lines: [OwnedField] = []
    if let tag = entityTag(stored) {
      lines.append(OwnedField(name: [UInt8]("If-None-Match".utf8), value: tag))
    }
    if let modified = lastModified(stored, now: now) {
      lines.append(OwnedField(name: [UInt8]("If-Modified-Since".utf8), value: modified))
    }
    return lines
  }

  static func canValidate(_ fields: CachingFields, now: Int64) -> Bool {
    entityTag(fields) != nil || lastModified(fields, now: now) != nil
  }

  /// The entity tag, if there is exactly one and it is one.
  static func entityTag(_ fields: CachingFields) -> [UInt8]? {
    guard fields.entityTag.count == 1 else { return nil }
    let tag = fields.entityTag[0]
    return EntityTag.parse(tag.rawSpan) == nil ? nil : tag
  }

  /// Last-Modified as it was sent, if there is exactly one and it is a date.
  static func lastModified(_ fields: CachingFields, now: Int64) -> [UInt8]? {
    guard fields.lastModified.count == 1 else { return nil }
    let date = fields.lastModified[0]
    return HTTPDate.parse(date.rawSpan, now: now) == nil ? nil : date
  }
}
