// Values of directives: reading them, and saying what was expected.

extension ValueType {
  /// "on" or "off", in any case; nil otherwise.
  package static func onOff(_ text: String) -> Bool? {
    switch text.lowercased() {
    case "on": true
    case "off": false
    default: nil
    }
  }

  /// A decimal number; nil when it is none or does not fit.
  package static func integer(_ text: String) -> Int? {
    let digits = text.utf8.first == UInt8(ascii: "-") ? text.utf8.dropFirst() : text.utf8[...]
    guard !digits.isEmpty, digits.allSatisfy({ $0 >= 48 && $0 <= 57 }) else { return nil }
    return Int(text)
  }

  /// A number of bytes: "65536", "64K", "1M", "2G".
  package static func bytes(_ text: String) -> Int? {
    let shift: Int
    switch text.utf8.last {
    case UInt8(ascii: "k"), UInt8(ascii: "K"): shift = 10
    case UInt8(ascii: "m"), UInt8(ascii: "M"): shift = 20
    case UInt8(ascii: "g"), UInt8(ascii: "G"): shift = 30
    default: return integer(text)
    }
    guard let number = integer(String(text.dropLast())) else { return nil }
    let (product, overflow) = number.multipliedReportingOverflow(by: 1 << shift)
    return overflow ? nil : product
  }

  /// A time in milliseconds: "30", "30s", "250ms", "5mi" or "5min", "1h"; a bare number counts in
  /// `unit` (httpd's ap_timeout_parameter_parse).
  package static func milliseconds(_ text: String, unit: DurationUnit) -> Int? {
    let suffix = text.drop { $0.isASCII && $0.isNumber || $0 == "-" }.lowercased()
    let factor: Int
    switch suffix {
    case "": factor = unit.rawValue
    case "ms": factor = 1
    case "s", "sec", "second", "seconds": factor = 1000
    case "mi", "min", "minute", "minutes": factor = 60_000
    case "h", "hour", "hours": factor = 3_600_000
    default: return nil
    }
    guard let number = integer(String(text.dropLast(suffix.count))) else { return nil }
    let (product, overflow) = number.multipliedReportingOverflow(by: factor)
    return overflow ? nil : product
  }

  /// What is wrong with a value, as the rest of "'KeepAlive': …"; nil when it is fine.
  func complaint(about text: String) -> String? {
    switch self {
    case .text:
      return nil
    case .path:
      return text.isEmpty ? "a path is expected, not nothing" : nil
    case .regularExpression:
      return text.isEmpty ? "a regular expression is expected, not nothing" : nil
    case .onOff:
      return Self.onOff(text) == nil ? "'on' or 'off' is expected, not '\(text)'" : nil
    case .integer(let range):
      return Self.complaint(text, Self.integer(text), range, "a number")
    case .integerOrAuto(let range):
      if text.lowercased() == "auto" { return nil }
      return Self.complaint(text, Self.integer(text), range, "'auto' or a number")
    case .bytes(let range):
      return Self.complaint(text, Self.bytes(text), range, "a number of bytes (1048576, 64K, 1M)")
    case .bytesOrAuto(let range):
      if text.lowercased() == "auto" { return nil }
      return Self.complaint(
        text, Self.bytes(text), range, "'auto' or a number of bytes (1048576, 64K, 1M)")
    case .duration(let range, let unit):
      return Self.durationComplaint(text, range, unit)
    case .choice(let words):
      if words.contains(where: { $0.lowercased() == text.lowercased() }) { return nil }
      let nearest = Spelling.nearest(to: text, among: words).map { "; did you mean '\($0)'?" } ?? ""
      return "\(Self.list(words.map { "'\($0)'" })) is expected, not '\(text)'\(nearest)"
    }
  }

  private static func complaint(
    _ text: String, _ value: Int?, _ range: ClosedRange<Int>, _ expected: String
  ) -> String? {
    guard let value else { return "\(expected) is expected, not '\(text)'" }
    return range.contains(value) ? nil : "'\(text)' is outside \(describe(range))"
  }

  private static func durationComplaint(
    _ text: String, _ range: ClosedRange<Int>, _ unit: DurationUnit
  ) -> String? {
    guard let value = milliseconds(text, unit: unit) else {
      let bare = unit == .seconds ? "seconds" : "milliseconds"
      return "a time is expected (a number of \(bare), or one with s, ms, min or h), not '\(text)'"
    }
    return range.contains(value)
      ? nil : "'\(text)' is outside \(describe(range)) (in milliseconds)"
  }

  private static func describe(_ range: ClosedRange<Int>) -> String {
    range.upperBound == .max
      ? "the range: at least \(range.lowerBound)"
      : "the range \(range.lowerBound) to \(range.upperBound)"
  }

  /// "a", "a or b", "a, b or c"
  static func list(_ words: [String], _ conjunction: String = "or") -> String {
    guard let last = words.last, words.count > 1 else { return words.first ?? "" }
    return words.dropLast().joined(separator: ", ") + " \(conjunction) " + last
  }
}
