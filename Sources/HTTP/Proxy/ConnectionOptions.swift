// What belongs to one connection and is not passed on (RFC 9110 §7.6.1).

/// Fields that every hop keeps to itself, whatever Connection says of them.
package enum HopByHop {
  /// Whether a field of this name, in any case of letters, is never passed on.
  ///
  /// Those of RFC 9110 §7.6.1 and what proxies ask of and tell each other (§11.7). Trailer is not
  /// among them: whether it is passed on depends on whether trailers are. Neither is
  /// Content-Length, which whoever frames the body writes.
  package static func contains(_ name: RawSpan) -> Bool {
    switch name.byteCount {
    case 2: Scan.spells(name, at: 0, "te")
    case 7: Scan.spells(name, at: 0, "upgrade")
    case 10: Scan.spells(name, at: 0, "connection") || Scan.spells(name, at: 0, "keep-alive")
    case 14: Scan.spells(name, at: 0, "http2-settings")
    case 16: Scan.spells(name, at: 0, "proxy-connection")
    case 17: Scan.spells(name, at: 0, "transfer-encoding")
    case 18: Scan.spells(name, at: 0, "proxy-authenticate")
    case 19: Scan.spells(name, at: 0, "proxy-authorization")
    case 25: Scan.spells(name, at: 0, "proxy-authentication-info")
    default: false
    }
  }
}

/// What all Connection fields of a message say together.
package struct ConnectionOptions: Sendable {
  /// Names remembered; a message with more is nobody's honest wish.
  package static let nameCountMax = 16

  package private(set) var saysClose = false
  package private(set) var saysKeepAlive = false
  package private(set) var saysUpgrade = false
  /// More fields are named than are remembered: the message must not be passed on, because
  /// something of one connection would be (400 for a request, 502 for a response).
  package private(set) var isOverflowing = false
  private var names = InlineArray<16, BufferRange>(repeating: BufferRange(offset: 0, count: 0))
  private var nameCount = 0

  init() {}

  /// Reads the Connection fields of a request.
  package init(_ head: borrowing RequestHead, in bytes: RawSpan) {
    guard head.has(.connection) else { return }
    for line in 0..<head.fieldCount where head.lines[line].known == .connection {
      add(head.lines[line].value, in: bytes)
    }
  }

  /// Forgets all; what is behind `nameCount` means nothing.
  mutating func reset() {
    saysClose = false
    saysKeepAlive = false
    saysUpgrade = false
    isOverflowing = false
    nameCount = 0
  }

  /// Reads one Connection field more.
  mutating func add(_ value: BufferRange, in bytes: RawSpan) {
    let text = value.span(in: bytes)
    var list = TokenList(text)
    while let token = list.next() {
      let option = text.extracting(token)
      if FieldName.equal(option, "close") {
        saysClose = true
      } else if FieldName.equal(option, "keep-alive") {
        saysKeepAlive = true
      } else if FieldName.equal(option, "upgrade") {
        saysUpgrade = true
      } else if !HopByHop.contains(option) {
        guard nameCount < ConnectionOptions.nameCountMax else {
          isOverflowing = true
          continue
        }
        names[nameCount] = BufferRange(value.start + token.start, value.start + token.end)
        nameCount += 1
      }
    }
  }

  /// Whether a field is named by Connection, apart from those in `HopByHop`. `bytes` are those that
  /// were parsed.
  @inline(__always)
  package func names(_ name: RawSpan, in bytes: RawSpan) -> Bool {
    nameCount > 0 && find(name, in: bytes)
  }

  @inline(never)
  private func find(_ name: RawSpan, in bytes: RawSpan) -> Bool {
    for index in 0..<nameCount where FieldName.equal(names[index].span(in: bytes), name) {
      return true
    }
    return false
  }

  /// Whether a field of this name may be passed on.
  @inline(__always)
  package func allowsForwarding(_ name: RawSpan, in bytes: RawSpan) -> Bool {
    !HopByHop.contains(name) && !names(name, in: bytes)
  }
}
