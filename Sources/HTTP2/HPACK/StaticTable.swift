// The fields that every peer knows (RFC 7541 Appendix A).

import HTTP
import Platform

/// The static table: 61 fields, numbered from 1, and the names among them.
package final class StaticTable {
  private static let fields: [(name: StaticString, value: StaticString)] = [
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"),
    (":path", "/index.html"), (":scheme", "http"), (":scheme", "https"), (":status", "200"),
    (":status", "204"), (":status", "206"), (":status", "304"), (":status", "400"),
    (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""),
    ("accept", ""), ("access-control-allow-origin", ""), ("age", ""), ("allow", ""),
    ("authorization", ""), ("cache-control", ""), ("content-disposition", ""),
    ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
    ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""),
    ("date", ""), ("etag", ""), ("expect", ""), ("expires", ""), ("from", ""), ("host", ""),
    ("if-match", ""), ("if-modified-since", ""), ("if-none-match", ""), ("if-range", ""),
    ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""), ("location", ""),
    ("max-forwards", ""), ("proxy-authenticate", ""), ("proxy-authorization", ""),
    ("range", ""), ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""),
    ("set-cookie", ""), ("strict-transport-security", ""), ("transfer-encoding", ""),
    ("user-agent", ""), ("vary", ""), ("via", ""), ("www-authenticate", ""),
  ]
  package static let count = 61
  static let statusOK = 8

  /// Fields whose values are of one response, or are nobody else's business: they would only drive
  /// others out of a peer's table.
  private static let passing: [StaticString] = [
    "age", "content-length", "content-range", "etag", "expires", "if-match", "if-modified-since",
    "if-none-match", "if-range", "if-unmodified-since", "last-modified", "location",
    "retry-after", "set-cookie",
  ]

  /// The lines, as a table of fields keeps them; an entry's number is its place + 1.
  let text = ByteBuffer(capacity: 4096)
  private(set) var entries: [FieldEntry] = []
  /// Not to be kept in a peer's table; by number.
  private var isPassing = [Bool](repeating: false, count: StaticTable.count + 1)
  /// By a hash of the name: its first number, or 0.
  private var numbers = [UInt8](repeating: 0, count: 256)

  package init() {
    let line = ByteBuffer(capacity: 128)
    for (index, field) in StaticTable.fields.enumerated() {
      line.removeAll()
      line.append(field.name)
      line.append(": ")
      line.append(field.value)
      line.append("\r\n")
      let nameBytes = field.name.utf8CodeUnitCount
      entries.append(
        FieldEntry(
          start: text.count, nameBytes: nameBytes, valueBytes: field.value.utf8CodeUnitCount,
          kind: FieldKind(line.bytes, nameBytes), hash: 0))
      text.append(line.bytes)
      let name = line.bytes.extracting(0..<nameBytes)
      if number(of: name) == 0 { enter(name, UInt8(index + 1)) }
      for passing in StaticTable.passing where Scan.equal(name, passing) {
        isPassing[index + 1] = true
      }
    }
  }

  private func enter(_ name: RawSpan, _ number: UInt8) {
    var place = StaticTable.hash(name)
    while numbers[place] != 0 { place = (place + 1) & 0xff }
    numbers[place] = number
  }

  /// The first field with a name in lower case; 0: none has it.
  package func number(of name: RawSpan) -> Int {
    guard name.byteCount > 0 else { return 0 }
    var place = StaticTable.hash(name)
    let text = text
    while numbers[place] != 0 {
      let number = Int(numbers[place])
      if Scan.equal(text.bytes.extracting(names(number)), name) { return number }
      place = (place + 1) & 0xff
    }
    return 0
  }

  private static func hash(_ name: RawSpan) -> Int {
    let last = name.byteCount - 1
    let sum =
      Int(Scan.byte(name, at: 0)) &+ Int(Scan.byte(name, at: last)) &* 7
      &+ Int(Scan.byte(name, at: last / 2)) &* 31 &+ name.byteCount &* 53
    return sum & 0xff
  }

  /// Where a field's name stands in `text`.
  func names(_ number: Int) -> Range<Int> {
    let entry = entries[number - 1]
    return entry.start..<entry.start + entry.nameBytes
  }

  func values(_ number: Int) -> Range<Int> { entries[number - 1].values }

  func isPassing(_ number: Int) -> Bool { isPassing[number] }
}
