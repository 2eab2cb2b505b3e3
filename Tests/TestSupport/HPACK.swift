// HPACK for a test's own HTTP/2 client (RFC 7541): writes the plainest form, reads every form.

/// A field of a header list; pseudo-fields too.
package struct HTTP2Field: Equatable, Sendable {
  package let name: String
  package let value: String

  package init(_ name: String, _ value: String) {
    self.name = name
    self.value = value
  }
}

/// Why a header block could not be read.
package enum HPACKViolation: Error, Equatable {
  case endedEarly
  case badIndex(Int)
  case badHuffman
  case badInteger
  case tableTooLarge(Int)
}

/// Encodes fields as literals that neither side needs to remember, without Huffman's code.
package enum HPACKEncoder {
  package static func block(_ fields: [HTTP2Field]) -> [UInt8] {
    fields.flatMap { [0x00] + string($0.name) + string($0.value) }
  }

  private static func string(_ text: String) -> [UInt8] {
    integer(text.utf8.count, prefixBits: 7, first: 0) + Array(text.utf8)
  }

  /// RFC 7541 §5.1.
  package static func integer(_ value: Int, prefixBits: Int, first: UInt8) -> [UInt8] {
    let most = 1 << prefixBits - 1
    if value < most { return [first | UInt8(value)] }
    var rest = value - most
    var bytes = [first | UInt8(most)]
    while rest >= 128 {
      bytes.append(UInt8(rest & 0x7f | 0x80))
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }
}

/// Decodes the blocks of one connection, in order.
package struct HPACKDecoder {
  /// The newest first.
  private var table: [HTTP2Field] = []
  private var tableBytes = 0
  private var tableBytesMax = 4096
  /// What we have announced (SETTINGS_HEADER_TABLE_SIZE).
  private let announcedBytes = 4096

  package init() {}

  package mutating func fields(_ block: some Collection<UInt8>) throws -> [HTTP2Field] {
    var input = Array(block)[...]
    var fields: [HTTP2Field] = []
    while let first = input.first {
      if first & 0x80 != 0 {
        fields.append(try entry(integer(&input, prefixBits: 7)))
      } else if first & 0xc0 == 0x40 {
        let field = try literal(&input, prefixBits: 6)
        add(field)
        fields.append(field)
      } else if first & 0xe0 == 0x20 {
        let size = try integer(&input, prefixBits: 5)
        guard size <= announcedBytes else { throw HPACKViolation.tableTooLarge(size) }
        tableBytesMax = size
        evict()
      } else {
        fields.append(try literal(&input, prefixBits: 4))
      }
    }
    return fields
  }

  private func entry(_ index: Int) throws -> HTTP2Field {
    if index >= 1, index <= HPACKTables.fields.count { return HPACKTables.fields[index - 1] }
    let place = index - HPACKTables.fields.count - 1
    guard index > 0, place < table.count else { throw HPACKViolation.badIndex(index) }
    return table[place]
  }

  private func literal(_ input: inout ArraySlice<UInt8>, prefixBits: Int) throws -> HTTP2Field {
    let index = try integer(&input, prefixBits: prefixBits)
    let name = try index == 0 ? string(&input) : entry(index).name
    return HTTP2Field(name, try string(&input))
  }

  private mutating func add(_ field: HTTP2Field) {
    table.insert(field, at: 0)
    tableBytes += field.tableBytes
    evict()
  }

  private mutating func evict() {
    while tableBytes > tableBytesMax, let last = table.popLast() { tableBytes -= last.tableBytes }
  }

  private func integer(_ input: inout ArraySlice<UInt8>, prefixBits: Int) throws -> Int {
    guard let first = input.popFirst() else { throw HPACKViolation.endedEarly }
    let most = 1 << prefixBits - 1
    var value = Int(first) & most
    guard value == most else { return value }
    for shift in stride(from: 0, through: 28, by: 7) {
      guard let byte = input.popFirst() else { throw HPACKViolation.endedEarly }
      value += Int(byte & 0x7f) << shift
      if byte & 0x80 == 0 { return value }
    }
    throw HPACKViolation.badInteger
  }

  private func string(_ input: inout ArraySlice<UInt8>) throws -> String {
    let isCoded = (input.first ?? 0) & 0x80 != 0
    let count = try integer(&input, prefixBits: 7)
    guard count <= input.count else { throw HPACKViolation.endedEarly }
    let bytes = Array(input.prefix(count))
    input = input.dropFirst(count)
    return String(decoding: try isCoded ? HPACKTables.decode(bytes) : bytes, as: UTF8.self)
  }
}

extension HTTP2Field {
  /// RFC 7541 §4.1.
  fileprivate var tableBytes: Int { name.utf8.count + value.utf8.count + 32 }
}
