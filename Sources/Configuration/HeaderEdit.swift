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
  }

  package let parts: [Part]
  /// The text as configured.
  package let description: String

  struct Failure: Error { let message: String, byteOffset: Int }

  init(_ text: String) throws(Failure) {
    description = text
    let bytes = Array(text.utf8)
    var parts: [Part] = []
    var literal: [UInt8] = []
    var index = 0
    while index < bytes.count {
      guard bytes[index] == UInt8(ascii: "%") else {
        literal.append(bytes[index])
        index += 1
        continue
      }
      var part: Part?
      switch index + 1 < bytes.count ? bytes[index + 1] : 0 {
      case UInt8(ascii: "%"):
        literal.append(UInt8(ascii: "%"))
        index += 2
      case UInt8(ascii: "t"): part = .receivedTime
      case UInt8(ascii: "D"): part = .duration
      case UInt8(ascii: "{"): (part, index) = try HeaderValue.named(bytes, at: index)
      default:
        throw Failure(
          message: "format specifier not supported; %%, %t, %D, %{MATCH_NAME}e and"
            + " %{env:MATCH_NAME} are", byteOffset: index)
      }
      guard let part else { continue }
      if !literal.isEmpty { parts.append(.literal(literal)) }
      literal = []
      parts.append(part)
      if part == .receivedTime || part == .duration { index += 2 }
    }
    if !literal.isEmpty { parts.append(.literal(literal)) }
    self.parts = parts
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

  /// The value for one response; times are in microseconds.
  package func expanded(
    _ captures: Captures, receivedMicroseconds: Int64, durationMicroseconds: Int64
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
      }
    }
    return result
  }
}

/// One `Header` directive.
package struct HeaderEdit: Hashable, Sendable, CustomStringConvertible {
  package enum Action: String, Hashable, Sendable, CaseIterable {
    case set, append, add, merge, unset, setifempty
  }

  package let action: Action
  /// The field's name as configured.
  package let name: String
  /// nil for `unset`.
  package let value: HeaderValue?
  /// `env=NAME`: only where the variable is set.
  package var condition: String?

  /// What is known of a request that a balancer passes on, as mod_proxy_balancer names it.
  package static let balancingNames: Set<String> = [
    "BALANCER_NAME", "BALANCER_WORKER_NAME", "BALANCER_WORKER_ROUTE", "BALANCER_ROUTE_CHANGED",
  ]

  /// What it does depends on which member answers: no response that is kept may show it.
  package var dependsOnBalancing: Bool { condition != nil || value?.dependsOnBalancing == true }

  package var description: String {
    ([action.rawValue, name] + (value.map { ["\"\($0)\""] } ?? [])
      + (condition.map { ["env=\($0)"] } ?? [])).joined(separator: " ")
  }
}
