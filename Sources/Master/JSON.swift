// JSON as `ring3ctl --json` prints it: written, never read.

/// A value of RFC 8259. Objects keep their order.
package indirect enum JSON: Equatable, Sendable {
  case null
  case bool(Bool)
  case number(Int64)
  case string(String)
  case array([JSON])
  case object([(name: String, value: JSON)])

  package static func == (left: JSON, right: JSON) -> Bool { left.text == right.text }

  package static func strings(_ values: [String]) -> JSON { .array(values.map { .string($0) }) }

  /// On one line, without spaces.
  package var text: String {
    switch self {
    case .null: return "null"
    case .bool(let value): return value ? "true" : "false"
    case .number(let value): return "\(value)"
    case .string(let value): return JSON.quote(value)
    case .array(let values): return "[" + values.map { $0.text }.joined(separator: ",") + "]"
    case .object(let members):
      let inside = members.map { JSON.quote($0.name) + ":" + $0.value.text }
      return "{" + inside.joined(separator: ",") + "}"
    }
  }

  private static func quote(_ value: String) -> String {
    var text = "\""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\t": text += "\\t"
      case "\r": text += "\\r"
      default:
        if scalar.value < 0x20 || scalar.value == 0x7f {
          let digits = String(scalar.value, radix: 16)
          text += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
        } else {
          text.unicodeScalars.append(scalar)
        }
      }
    }
    return text + "\""
  }
}
