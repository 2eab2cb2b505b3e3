// Structured fields against the working group's own cases (Data/structured-fields).

import Foundation
@testable import HTTP
import Testing

/// A value as the cases write it.
private indirect enum JSON: Decodable {
  case flag(Bool)
  case number(Decimal)
  case string(String)
  case array([JSON])
  case object([String: JSON])

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let value = try? container.decode(Bool.self) {
      self = .flag(value)
    } else if let value = try? container.decode(Decimal.self) {
      self = .number(value)
    } else if let value = try? container.decode(String.self) {
      self = .string(value)
    } else if let value = try? container.decode([JSON].self) {
      self = .array(value)
    } else {
      self = .object(try container.decode([String: JSON].self))
    }
  }

  var elements: [JSON] { if case .array(let elements) = self { elements } else { [] } }
  var text: String { if case .string(let text) = self { text } else { "?" } }
  subscript(index: Int) -> JSON { elements.indices.contains(index) ? elements[index] : .array([]) }
}

/// One record of the cases.
private struct Case: Decodable {
  var name: String
  var raw: [String]
  var header_type: String
  var expected: JSON?
  var must_fail: Bool?
  var canonical: [String]?
}

@Suite struct `structured fields of RFC 9651` {
  static let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("Data/structured-fields")
  static let files =
    ((try? FileManager.default.contentsOfDirectory(atPath: directory.path)) ?? [])
    .filter { $0.hasSuffix(".json") }.sorted()

  @Test func `the cases were found`() { #expect(Self.files.count > 18) }

  @Test(arguments: files)
  func `each case is read as expected and written canonically`(file: String) throws {
    let data = try Data(contentsOf: Self.directory.appendingPathComponent(file))
    for one in try JSONDecoder().decode([Case].self, from: data) {
      let name = "\(file): \(one.name)"
      let parsed = Value(one.header_type, one.raw.map(bytes))
      if one.must_fail == true {
        #expect(parsed == nil, "\(name)")
        continue
      }
      guard let parsed, let expected = one.expected else {
        Issue.record("\(name): is refused")
        continue
      }
      #expect(parsed.shape == Shape.of(expected, one.header_type), "\(name)")
      let canonical = (one.canonical ?? one.raw).joined(separator: ", ")
      #expect(parsed.written == canonical, "\(name)")
    }
  }

  /// RFC 9651 §3 says how much has to be read at least.
  @Test(arguments: [1, 256, 1024])
  func `up to 1,024 members, parameters and keys are read`(count: Int) {
    let keys = (0..<count).map { "a\($0)" }
    let dictionary = keys.map { "\($0)=1" }.joined(separator: ", ")
    #expect(StructuredFields.dictionary([bytes(dictionary)])?.count == count)
    #expect(Value("dictionary", [bytes(dictionary)])?.written == dictionary)
    let parameters = "foo" + keys.map { ";\($0)=1" }.joined()
    #expect(StructuredFields.item([bytes(parameters)])?.parameters.count == count)
    let inner = "(" + keys.joined(separator: " ") + ")"
    #expect(Value("list", [bytes(inner)])?.written == inner)
    let text = "\"" + String(repeating: "\\\"", count: count) + "\""
    #expect(Value("item", [bytes(text)])?.written == text)
    let key = String(repeating: "k", count: count) + "=1"
    #expect(Value("dictionary", [bytes(key)])?.written == key)
  }

  @Test func `what cannot be said is not written`() {
    let values: [StructuredFields.BareItem] = [
      .integer(1_000_000_000_000_000), .integer(.min), .decimal(.min),
      .decimal(1_000_000_000_000_000), .string(bytes("\u{7f}")), .string(bytes("é")),
      .token([]), .token(bytes("1a")), .token(bytes("a b")), .date(.max),
    ]
    for value in values { #expect(StructuredFields.serialize(.init(value)) == nil, "\(value)") }
    let entry = StructuredFields.Entry(key: bytes("A"), member: .item(.init(.boolean(true))))
    #expect(StructuredFields.serialize([entry]) == nil)
  }
}

/// One of the three kinds of fields.
private enum Value {
  case item(StructuredFields.Item)
  case list([StructuredFields.Member])
  case dictionary([StructuredFields.Entry])

  init?(_ type: String, _ lines: [[UInt8]]) {
    switch type {
    case "item":
      guard let value = StructuredFields.item(lines) else { return nil }
      self = .item(value)
    case "list":
      guard let value = StructuredFields.list(lines) else { return nil }
      self = .list(value)
    default:
      guard let value = StructuredFields.dictionary(lines) else { return nil }
      self = .dictionary(value)
    }
  }

  var written: String? {
    let bytes =
      switch self {
      case .item(let value): StructuredFields.serialize(value)
      case .list(let value): StructuredFields.serialize(value)
      case .dictionary(let value): StructuredFields.serialize(value)
      }
    return bytes.map(text)
  }

  var shape: String {
    switch self {
    case .item(let item): Shape.of(item)
    case .list(let members): members.map(Shape.of).joined(separator: " , ")
    case .dictionary(let entries):
      entries.map { "\(text($0.key)) = \(Shape.of($0.member))" }.joined(separator: " , ")
    }
  }
}

/// One text for equal values, made of ours and of the cases' JSON. Numbers are in thousandths: that
/// an integer is none with a point is seen by how it is written.
private enum Shape {
  static func of(_ member: StructuredFields.Member) -> String {
    switch member {
    case .item(let item): of(item)
    case .innerList(let items, let parameters):
      "(" + items.map { of($0) }.joined(separator: " ") + ")" + of(parameters)
    }
  }

  static func of(_ item: StructuredFields.Item) -> String { of(item.value) + of(item.parameters) }

  static func of(_ parameters: [StructuredFields.Parameter]) -> String {
    parameters.map { ";\(text($0.key))=\(of($0.value))" }.joined()
  }

  static func of(_ value: StructuredFields.BareItem) -> String {
    switch value {
    case .integer(let number): "number \(number * 1000)"
    case .decimal(let thousandths): "number \(thousandths)"
    case .string(let content): "string \(text(content).debugDescription)"
    case .token(let content): "token \(text(content))"
    case .bytes(let content): "binary \(content)"
    case .boolean(let flag): "boolean \(flag)"
    case .date(let seconds): "date \(seconds)"
    case .displayString(let content): "displaystring \(content.debugDescription)"
    }
  }

  // MARK: JSON

  static func of(_ json: JSON, _ type: String) -> String {
    switch type {
    case "item": item(json)
    case "list": json.elements.map(member).joined(separator: " , ")
    default:
      json.elements.map { "\($0[0].text) = \(member($0[1]))" }.joined(separator: " , ")
    }
  }

  private static func member(_ json: JSON) -> String {
    guard case .array(let items) = json[0] else { return item(json) }
    return "(" + items.map(item).joined(separator: " ") + ")" + parameters(json[1])
  }

  private static func item(_ json: JSON) -> String { bare(json[0]) + parameters(json[1]) }

  private static func parameters(_ json: JSON) -> String {
    json.elements.map { ";\($0[0].text)=\(bare($0[1]))" }.joined()
  }

  private static func bare(_ json: JSON) -> String {
    switch json {
    case .flag(let flag): return "boolean \(flag)"
    case .number(let number): return "number \(number * 1000)"
    case .string(let text): return "string \(text.debugDescription)"
    case .array: return "?"
    case .object(let object):
      let type = object["__type"]?.text ?? "?"
      let value = object["value"] ?? .array([])
      if case .number(let number) = value { return "\(type) \(number)" }
      return switch type {
      case "binary": "binary \(base32(value.text))"
      case "displaystring": "displaystring \(value.text.debugDescription)"
      default: "\(type) \(value.text)"
      }
    }
  }

  private static func base32(_ text: String) -> [UInt8] {
    var bits = 0
    var count = 0
    var out: [UInt8] = []
    for byte in text.utf8 where byte != UInt8(ascii: "=") {
      bits = (bits << 5 | Int(byte < 0x41 ? byte - 0x32 + 26 : byte - 0x41)) & 0xfff
      count += 5
      if count >= 8 {
        count -= 8
        out.append(UInt8(truncatingIfNeeded: bits >> count))
      }
    }
    return out
  }
}
