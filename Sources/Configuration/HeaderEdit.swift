// What `Header` does to a response, with mod_headers' format specifiers.

/// A field value with specifiers.
package struct HeaderValue: Hashable, Sendable, CustomStringConvertible {
  package enum Part: Hashable, Sendable {
    case literal([UInt8])
    /// %{NAME}e: a captured value, "(null)" if there is none.
    case environment(String)
    /// %t: when the request arrived, "t=" and microseconds since 1970.
    case receivedTime
    /// %D: microseconds from its arrival to now, "D=" in front.
    case duration
    /// $0 … $9: a group of the pattern that `edit` looks for; 0 is all that it matches.
    case group(Int)
  }

  package let parts: [Part]
  /// The text as configured.
  package let description: String

  struct Failure: Error { let message: String, byteOffset: Int }

  /// `groups`: how many the pattern has whose groups may stand in the text; nil: there is none.
  init(_ text: String, groups: Int? = nil) throws(Failure) {
    description = text
    let bytes = Array(text.utf8)
    var parts: [Part] = []
    var literal: [UInt8] = []
    var index = 0
    while index < bytes.count {
      switch try HeaderValue.piece(bytes, at: &index, groups) {
      case .literal(let more): literal += more
      case let part:
        if !literal.isEmpty { parts.append(.literal(literal)) }
        literal = []
        parts.append(part)
      }
    }
    if !literal.isEmpty { parts.append(.literal(literal)) }
    self.parts = parts
  }

  /// What begins at an index, which then is behind it.
  private static func piece(
    _ bytes: [UInt8], at index: inout Int, _ groups: Int?
  ) throws(Failure) -> Part {
    let (byte, next) = (bytes[index], index + 1 < bytes.count ? bytes[index + 1] : 0)
    switch byte {
    case UInt8(ascii: "%"): return try specifier(bytes, at: &index, next)
    case UInt8(ascii: "$") where groups != nil && (0x30...0x39).contains(next):
      let number = Int(next - 0x30)
      guard number <= groups ?? 0 else {
        throw Failure(message: "the pattern has no group \(number)", byteOffset: index)
      }
      index += 2
      return .group(number)
    case UInt8(ascii: "\\") where groups != nil && next != 0:
      index += 2
      return .literal([next])
    default:
      index += 1
      return .literal([byte])
    }
  }

  private static func specifier(
    _ bytes: [UInt8], at index: inout Int, _ next: UInt8
  ) throws(Failure) -> Part {
    let part: Part
    switch next {
    case UInt8(ascii: "%"): part = .literal([next])
    case UInt8(ascii: "t"): part = .receivedTime
    case UInt8(ascii: "D"): part = .duration
    case UInt8(ascii: "{"):
      let (named, end) = try named(bytes, at: index)
      index = end
      return named
    default:
      throw Failure(
        message: "format specifier not supported; %%, %t, %D, %{MATCH_NAME}e and"
          + " %{env:MATCH_NAME} are", byteOffset: index)
    }
    index += 2
    return part
  }

  /// "%{MATCH_NAME}e" or "%{env:MATCH_NAME}".
  private static func named(_ bytes: [UInt8], at start: Int) throws(Failure) -> (Part, Int) {
    guard let close = bytes[start...].firstIndex(of: UInt8(ascii: "}")) else {
      throw Failure(message: "'%{' without '}'", byteOffset: start)
    }
    let inside = String(decoding: bytes[(start + 2)..<close], as: UTF8.self)
    if inside.hasPrefix("env:MATCH_") {
      return (.environment(String(inside.dropFirst(4))), close + 1)
    }
    let specifier = close + 1 < bytes.count ? bytes[close + 1] : 0
    guard specifier == UInt8(ascii: "e"),
      inside.hasPrefix("MATCH_") || HeaderEdit.balancingNames.contains(inside)
    else {
      throw Failure(
        message: "'%{\(inside)}' is not supported; %{MATCH_NAME}e, where NAME is a named group of"
          + " a pattern, and %{BALANCER_WORKER_ROUTE}e are", byteOffset: start)
    }
    return (.environment(inside), close + 2)
  }

  /// What of outside the cache key it reads.
  package var dependencies: Dependencies {
    parts.contains(.receivedTime) || parts.contains(.duration) ? .time : []
  }

  var environmentNames: [String] {
    parts.compactMap { if case .environment(let name) = $0 { name } else { nil } }
  }

  /// It tells which member of a balancer has answered.
  var dependsOnBalancing: Bool {
    environmentNames.contains { HeaderEdit.balancingNames.contains($0) }
  }

  /// The value for one response; times are in microseconds. `subject` and `match`: where groups
  /// come from.
  package func expanded(
    _ captures: Captures, receivedMicroseconds: Int64, durationMicroseconds: Int64,
    subject: [UInt8] = [], match: [Range<Int>?] = []
  ) -> [UInt8] {
    var result: [UInt8] = []
    for part in parts {
      switch part {
      case .literal(let bytes): result += bytes
      case .environment(let name):
        result += (captures.value(of: name) ?? Array("(null)".utf8)).map {
          $0 < 32 || $0 == 127 ? UInt8(ascii: "?") : $0
        }
      case .receivedTime: result += Array("t=\(receivedMicroseconds)".utf8)
      case .duration: result += Array("D=\(durationMicroseconds)".utf8)
      case .group(let number):
        if number < match.count, let range = match[number] { result += subject[range] }
      }
    }
    return result
  }
}

/// One `Header` directive.
package struct HeaderEdit: Hashable, Sendable, CustomStringConvertible {
  package enum Action: String, Hashable, Sendable, CaseIterable {
    case set, append, add, merge, unset, setifempty, edit
    case editAll = "edit*"
  }

  package let action: Action
  /// The field's name as configured.
  package let name: String
  /// nil for `unset`.
  package var value: HeaderValue?
  /// What `edit` looks for; nil for other actions.
  package var pattern: HeaderPattern?
  /// `env=NAME`: only where the variable is set.
  package var condition: String?

  /// What is known of a request that a balancer passes on, as mod_proxy_balancer names it.
  package static let balancingNames: Set<String> = [
    "BALANCER_NAME", "BALANCER_WORKER_NAME", "BALANCER_WORKER_ROUTE", "BALANCER_ROUTE_CHANGED",
  ]

  /// What it does depends on which member answers: no response that is kept may show it.
  package var dependsOnBalancing: Bool { condition != nil || value?.dependsOnBalancing == true }

  package var description: String {
    ([action.rawValue, name] + (pattern.map { ["\"\($0)\""] } ?? [])
      + (value.map { ["\"\($0)\""] } ?? [])
      + (condition.map { ["env=\($0)"] } ?? [])).joined(separator: " ")
  }
}
