// Reading who the client is: X-Forwarded-For and Forwarded (RFC 7239), from right to left.

/// Who passed a request on, from the nearest to the farthest: the values of X-Forwarded-For or of
/// Forwarded read from right to left.
///
/// Whoever believes an address asks for the one before it; the first that is not believed, or is
/// not an address, ends the walk, and what is left of it is hearsay.
package struct ForwardedChain: ~Escapable {
  /// What one hop said of the one before it.
  package enum Hop: Equatable, Sendable {
    /// An IP address as text, valid, without brackets and port, as a range of the value.
    case address(BufferRange)
    /// "unknown", an obfuscated name, or nothing that can be understood.
    case other
  }

  private let value: RawSpan
  /// Elements of Forwarded: where each begins, and its `for=` value, empty where there is none.
  private var nodes: [Element]?
  /// What has not been asked for yet is the value up to here; of X-Forwarded-For only.
  package private(set) var restByteCount: Int
  /// Where the element of the last hop begins. The one before said it, so all from here on is
  /// known from somebody who is believed.
  package private(set) var elementStart: Int

  private struct Element {
    var start: Int
    var node: BufferRange
  }

  /// The values of X-Forwarded-For, joined in their order.
  @_lifetime(copy value)
  package init(xForwardedFor value: RawSpan) {
    self.value = value
    restByteCount = value.byteCount
    elementStart = value.byteCount
  }

  /// The values of Forwarded, joined in their order.
  @_lifetime(copy value)
  package init(forwarded value: RawSpan) {
    self.value = value
    restByteCount = value.byteCount
    elementStart = value.byteCount
    nodes = ForwardedChain.forNodes(value)
  }

  /// The next hop to the left; nil when there is none.
  package mutating func next() -> Hop? {
    if nodes != nil {
      guard let element = nodes?.popLast() else { return nil }
      elementStart = element.start
      return ForwardedChain.address(value, element.node).map(Hop.address) ?? .other
    }
    var end = restByteCount
    while end > 0 {
      var start = end
      while start > 0 && Scan.byte(value, at: start - 1) != ASCII.comma { start -= 1 }
      let element = ForwardedChain.trimmed(value, start, end)
      end = max(start - 1, 0)
      if element.isEmpty && start > 0 { continue }
      restByteCount = end
      if element.isEmpty { return nil }
      elementStart = element.start
      return ForwardedChain.address(value, element).map(Hop.address) ?? .other
    }
    restByteCount = 0
    return nil
  }

  private static func trimmed(_ value: RawSpan, _ from: Int, _ to: Int) -> BufferRange {
    var start = from
    var end = to
    while start < end && ASCII.isBlank(Scan.byte(value, at: start)) { start += 1 }
    while end > start && ASCII.isBlank(Scan.byte(value, at: end - 1)) { end -= 1 }
    return BufferRange(start, end)
  }

  /// The address in `1.2.3.4`, `1.2.3.4:80`, `::1`, `[::1]`, `[::1]:80`, any of them in quotes.
  private static func address(_ value: RawSpan, _ node: BufferRange) -> BufferRange? {
    var node = node
    if node.count >= 2, Scan.byte(value, at: node.start) == 0x22,
      Scan.byte(value, at: node.end - 1) == 0x22
    {
      node = BufferRange(node.start + 1, node.end - 1)
    }
    guard !node.isEmpty else { return nil }
    if Scan.byte(value, at: node.start) == 0x5b {
      let close = Scan.firstIndex(of: 0x5d, in: value, from: node.start, to: node.end)
      guard close < node.end, isPort(value, close + 1, node.end) else { return nil }
      let inside = BufferRange(node.start + 1, close)
      return IPv6Text.isValid(inside.span(in: value)) ? inside : nil
    }
    let colon = Scan.firstIndex(of: ASCII.colon, in: value, from: node.start, to: node.end)
    let host = BufferRange(node.start, colon)
    if IPv4Text.parse(host.span(in: value)) != nil {
      return isPort(value, colon, node.end) ? host : nil
    }
    return IPv6Text.isValid(node.span(in: value)) ? node : nil
  }

  /// Nothing, or ":" and a port, which may be obfuscated (RFC 7239 §6).
  private static func isPort(_ value: RawSpan, _ start: Int, _ end: Int) -> Bool {
    guard start < end else { return true }
    guard Scan.byte(value, at: start) == ASCII.colon, end - start > 1 else { return false }
    let port = value.extracting((start + 1)..<end)
    if let number = DecimalNumber.parse(port) { return number <= 65_535 && port.byteCount <= 5 }
    return Forwarded.isObfuscated(port)
  }

  /// The `for=` value of each element, from left to right. A list that is not well-formed makes one
  /// node that is no address and begins at its end: nobody can say which part of it whom to ascribe
  /// to.
  private static func forNodes(_ value: RawSpan) -> [Element] {
    var nodes: [Element] = []
    let nothing = BufferRange(value.byteCount, value.byteCount)
    var node: BufferRange?
    let isWellFormed = forEachPair(value) { name, given in
      guard FieldName.equal(name, "for") else { return true }
      guard node == nil else { return false }
      node = given
      return true
    } element: { start in
      nodes.append(Element(start: start, node: node ?? nothing))
      node = nil
    }
    return isWellFormed ? nodes : [Element(start: value.byteCount, node: nothing)]
  }

  /// All that the elements of a Forwarded value give for a parameter, without quotes, from left to
  /// right; empty if the value is not well-formed.
  package static func values(of parameter: StaticString, in value: RawSpan) -> [BufferRange] {
    var found: [BufferRange] = []
    let isWellFormed = forEachPair(value) { name, given in
      guard FieldName.equal(name, parameter) else { return true }
      let isQuoted = Scan.byte(value, at: given.start) == 0x22
      found.append(isQuoted ? BufferRange(given.start + 1, given.end - 1) : given)
      return true
    } element: { _ in
    }
    return isWellFormed ? found : []
  }

  /// Visits the pairs of each element, and behind them where that began. False: the list is not
  /// well-formed, or `pair` says that it is not.
  private static func forEachPair(
    _ value: RawSpan, _ pair: (RawSpan, BufferRange) -> Bool, element: (Int) -> Void
  ) -> Bool {
    var start: Int?
    var index = 0
    while true {
      while index < value.byteCount && ASCII.isBlank(Scan.byte(value, at: index)) { index += 1 }
      let separator = index < value.byteCount ? Scan.byte(value, at: index) : ASCII.comma
      if separator == ASCII.comma || separator == 0x3b {
        if separator == ASCII.comma, let begun = start {
          element(begun)
          start = nil
        }
        guard index < value.byteCount else { return true }
        index += 1
        continue
      }
      let equals = Scan.firstIndex(of: 0x3d, in: value, from: index, to: value.byteCount)
      let name = value.extracting(index..<equals)
      guard equals < value.byteCount, ResponseHead.isToken(name),
        let end = endOfValue(value, equals + 1), pair(name, BufferRange(equals + 1, end))
      else { return false }
      start = start ?? index
      index = end
    }
  }

  /// The end of a token or quoted string, after which an element or the list must end or go on.
  private static func endOfValue(_ value: RawSpan, _ start: Int) -> Int? {
    var end = start
    if start < value.byteCount, Scan.byte(value, at: start) == 0x22 {
      end += 1
      while end < value.byteCount && Scan.byte(value, at: end) != 0x22 {
        end += Scan.byte(value, at: end) == 0x5c ? 2 : 1
      }
      guard end < value.byteCount else { return nil }
      end += 1
    } else {
      while end < value.byteCount && ByteClass.token.contains(Scan.byte(value, at: end)) {
        end += 1
      }
      guard end > start else { return nil }
    }
    var next = end
    while next < value.byteCount && ASCII.isBlank(Scan.byte(value, at: next)) { next += 1 }
    guard next < value.byteCount else { return end }
    let separator = Scan.byte(value, at: next)
    return separator == ASCII.comma || separator == 0x3b ? end : nil
  }
}
