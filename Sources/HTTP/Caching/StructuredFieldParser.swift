// Reading structured fields by the algorithms of RFC 9651 §4.2, one function a section.

/// Why a structured field is not one; which of its rules it broke helps nobody.
struct MalformedStructuredField: Error {}

/// Reads one field value from its first to its last byte. Each byte is looked at once; keys are
/// found by hash, so repeated ones cost no more than others.
struct StructuredFieldParser {
  typealias BareItem = StructuredFields.BareItem
  typealias Parameter = StructuredFields.Parameter
  typealias Item = StructuredFields.Item
  typealias Member = StructuredFields.Member
  typealias Entry = StructuredFields.Entry
  typealias Failure = MalformedStructuredField

  private let bytes: [UInt8]
  private var index = 0

  /// Several lines are one value, joined by commas (RFC 9651 §4.2 step 1).
  init(_ lines: [[UInt8]]) {
    bytes =
      lines.count == 1 ? lines[0] : Array(lines.joined(separator: [ASCII.comma, ASCII.space]))
  }

  /// Spaces, then what `read` reads, then spaces up to the end; nil otherwise.
  mutating func whole<Value>(_ read: (inout Self) throws -> Value) -> Value? {
    skipSpaces()
    guard let value = try? read(&self) else { return nil }
    skipSpaces()
    return index == bytes.count ? value : nil
  }

  // MARK: Bytes

  private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard next == byte else { return false }
    index += 1
    return true
  }

  private mutating func skipSpaces() {
    while next == ASCII.space { index += 1 }
  }

  private mutating func skipBlanks() {
    while let byte = next, ASCII.isBlank(byte) { index += 1 }
  }

  // MARK: Containers

  /// §4.2.1
  mutating func list() throws(Failure) -> [Member] {
    var members: [Member] = []
    while index < bytes.count {
      members.append(try member())
      guard try comma() else { break }
    }
    return members
  }

  /// §4.2.2
  mutating func dictionary() throws(Failure) -> [Entry] {
    var entries: [Entry] = []
    var places: [[UInt8]: Int] = [:]
    while index < bytes.count {
      let key = try key()
      let value: Member =
        take(UInt8(ascii: "="))
        ? try member() : .item(Item(.boolean(true), try parameters()))
      if let place = places[key] {
        entries[place].member = value
      } else {
        places[key] = entries.count
        entries.append(Entry(key: key, member: value))
      }
      guard try comma() else { break }
    }
    return entries
  }

  /// The comma between two members, which something must follow; false at the end.
  private mutating func comma() throws(Failure) -> Bool {
    skipBlanks()
    guard index < bytes.count else { return false }
    guard take(ASCII.comma) else { throw Failure() }
    skipBlanks()
    guard index < bytes.count else { throw Failure() }
    return true
  }

  /// §4.2.1.1
  private mutating func member() throws(Failure) -> Member {
    guard take(UInt8(ascii: "(")) else { return .item(try item()) }
    var items: [Item] = []
    while true {
      skipSpaces()
      if take(UInt8(ascii: ")")) { return .innerList(items, try parameters()) }
      items.append(try item())
      guard next == ASCII.space || next == UInt8(ascii: ")") else { throw Failure() }
    }
  }

  /// §4.2.3
  mutating func item() throws(Failure) -> Item {
    let value = try bareItem()
    return Item(value, try parameters())
  }

  /// §4.2.3.2
  private mutating func parameters() throws(Failure) -> [Parameter] {
    guard next == UInt8(ascii: ";") else { return [] }
    var parameters: [Parameter] = []
    var places: [[UInt8]: Int] = [:]
    while take(UInt8(ascii: ";")) {
      skipSpaces()
      let key = try key()
      let value = take(UInt8(ascii: "=")) ? try bareItem() : .boolean(true)
      if let place = places[key] {
        parameters[place].value = value
      } else {
        places[key] = parameters.count
        parameters.append(Parameter(key: key, value: value))
      }
    }
    return parameters
  }

  /// §4.2.3.3
  private mutating func key() throws(Failure) -> [UInt8] {
    guard let first = next, first == UInt8(ascii: "*") || first &- 0x61 < 26 else {
      throw Failure()
    }
    return run { ByteClass.structuredKey.contains($0) }
  }

  private mutating func run(_ belongs: (UInt8) -> Bool) -> [UInt8] {
    let start = index
    while let byte = next, belongs(byte) { index += 1 }
    return Array(bytes[start..<index])
  }

  // MARK: Bare items

  /// §4.2.3.1
  private mutating func bareItem() throws(Failure) -> BareItem {
    guard let first = next else { throw Failure() }
    switch first {
    case UInt8(ascii: "-"), 0x30...0x39: return try number()
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: ":"): return .bytes(try byteSequence())
    case UInt8(ascii: "?"): return .boolean(try boolean())
    case UInt8(ascii: "@"):
      index += 1
      guard case .integer(let seconds) = try number() else { throw Failure() }
      return .date(seconds)
    case UInt8(ascii: "%"): return .displayString(try displayString())
    case UInt8(ascii: "*"), 0x41...0x5a, 0x61...0x7a:
      return .token(
        run { ByteClass.token.contains($0) || $0 == ASCII.colon || $0 == ASCII.slash })
    default: throw Failure()
    }
  }

  /// §4.2.4
  private mutating func number() throws(Failure) -> BareItem {
    let isNegative = take(UInt8(ascii: "-"))
    let whole = try digits(1...15)
    guard take(ASCII.dot) else { return .integer(isNegative ? -whole.value : whole.value) }
    guard whole.count <= 12 else { throw Failure() }
    let fraction = try digits(1...3)
    let scales: [Int64] = [100, 10, 1]
    let thousandths = whole.value * 1000 + fraction.value * scales[fraction.count - 1]
    return .decimal(isNegative ? -thousandths : thousandths)
  }

  private mutating func digits(
    _ counts: ClosedRange<Int>
  ) throws(Failure) -> (value: Int64, count: Int) {
    let start = index
    var value: Int64 = 0
    while let byte = next, ASCII.isDigit(byte) {
      guard index - start < counts.upperBound else { throw Failure() }
      value = value * 10 + Int64(byte - 0x30)
      index += 1
    }
    guard index - start >= counts.lowerBound else { throw Failure() }
    return (value, index - start)
  }

  /// §4.2.5
  private mutating func string() throws(Failure) -> [UInt8] {
    index += 1
    var content: [UInt8] = []
    while let byte = next {
      index += 1
      switch byte {
      case UInt8(ascii: "\\"):
        guard let escaped = next,
          escaped == UInt8(ascii: "\"") || escaped == UInt8(ascii: "\\")
        else { throw Failure() }
        index += 1
        content.append(escaped)
      case UInt8(ascii: "\""): return content
      case 0x20...0x7e: content.append(byte)
      default: throw Failure()
      }
    }
    throw Failure()
  }

  /// §4.2.7. Missing padding and pad bits that are not zero are forgiven, as it wishes.
  private mutating func byteSequence() throws(Failure) -> [UInt8] {
    index += 1
    var content: [UInt8] = []
    var bits: UInt32 = 0
    var bitCount = 0
    var digitCount = 0
    var padCount = 0
    while let byte = next, byte != ASCII.colon {
      index += 1
      if byte == UInt8(ascii: "=") {
        padCount += 1
        continue
      }
      guard padCount == 0, let value = Base64.value(byte) else { throw Failure() }
      digitCount += 1
      bits = (bits << 6 | UInt32(value)) & 0xffff
      bitCount += 6
      if bitCount >= 8 {
        bitCount -= 8
        content.append(UInt8(truncatingIfNeeded: bits >> UInt32(bitCount)))
      }
    }
    guard take(ASCII.colon), digitCount % 4 != 1,
      padCount == 0 || (digitCount + padCount) % 4 == 0 && padCount <= 2
    else { throw Failure() }
    return content
  }

  /// §4.2.8
  private mutating func boolean() throws(Failure) -> Bool {
    index += 1
    if take(UInt8(ascii: "1")) { return true }
    if take(UInt8(ascii: "0")) { return false }
    throw Failure()
  }

  /// §4.2.10
  private mutating func displayString() throws(Failure) -> String {
    index += 1
    guard take(UInt8(ascii: "\"")) else { throw Failure() }
    var content: [UInt8] = []
    while let byte = next {
      index += 1
      switch byte {
      case UInt8(ascii: "%"):
        guard index + 2 <= bytes.count, let high = lowercaseHex(bytes[index]),
          let low = lowercaseHex(bytes[index + 1])
        else { throw Failure() }
        content.append(high << 4 | low)
        index += 2
      case UInt8(ascii: "\""):
        guard let text = String(validating: content, as: UTF8.self) else { throw Failure() }
        return text
      case 0x20...0x7e: content.append(byte)
      default: throw Failure()
      }
    }
    throw Failure()
  }

  private func lowercaseHex(_ byte: UInt8) -> UInt8? {
    byte &- 0x41 < 26 ? nil : ASCII.hexValue(byte)
  }
}

/// The alphabet of base64 (RFC 4648 §4).
enum Base64 {
  static func value(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x41...0x5a: byte - 0x41
    case 0x61...0x7a: byte - 0x61 + 26
    case 0x30...0x39: byte - 0x30 + 52
    case UInt8(ascii: "+"): 62
    case ASCII.slash: 63
    default: nil
    }
  }

  static func append(_ content: [UInt8], to out: inout [UInt8]) {
    func digit(_ value: UInt32) -> UInt8 {
      switch UInt8(truncatingIfNeeded: value & 63) {
      case let value where value < 26: value + 0x41
      case let value where value < 52: value - 26 + 0x61
      case let value where value < 62: value - 52 + 0x30
      case 62: UInt8(ascii: "+")
      default: ASCII.slash
      }
    }
    var index = 0
    while index < content.count {
      let count = min(3, content.count - index)
      var bits = UInt32(content[index]) << 16
      if count > 1 { bits |= UInt32(content[index + 1]) << 8 }
      if count > 2 { bits |= UInt32(content[index + 2]) }
      out.append(digit(bits >> 18))
      out.append(digit(bits >> 12))
      out.append(count > 1 ? digit(bits >> 6) : UInt8(ascii: "="))
      out.append(count > 2 ? digit(bits) : UInt8(ascii: "="))
      index += 3
    }
  }
}
