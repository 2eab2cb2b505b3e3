// Header blocks read (RFC 7541 §3.2): one field after another, as lines.

import HTTP
import Platform

/// One field of a block, as a line `name: value CR LF` that is good until the next one is read.
struct ReadField {
  /// Where its line stands.
  enum Place {
    case staticTable
    case table
    /// In the reader's own room.
    case line
  }
  let place: Place
  let entry: FieldEntry
}

/// Goes through one block; what is remembered between blocks is in the table.
struct FieldReader {
  private let byteCount: Int
  private var offset = 0
  /// A field has been read: the table's size is not changed any more (RFC 7541 §4.2).
  private var hasBegun = false

  init(_ block: RawSpan) { byteCount = block.byteCount }

  enum Step {
    case field(ReadField)
    case end
    /// No rule of RFC 7541 allows what stands here.
    case broken
  }

  /// The next field. Each block must be read to its end, or the table's two copies differ.
  mutating func next(
    of block: RawSpan, _ table: inout FieldTable, _ workspace: HTTP2Workspace
  ) -> Step {
    while offset < byteCount {
      let first = Scan.byte(block, at: offset)
      if first & 0x80 != 0 {
        hasBegun = true
        guard let number = integer(block, 7), let field = indexed(number, table, workspace) else {
          return .broken
        }
        return .field(field)
      }
      if first & 0xe0 == 0x20 {
        guard !hasBegun, let size = integer(block, 5), size <= FieldTable.byteCountMax else {
          return .broken
        }
        table.resize(size)
        continue
      }
      hasBegun = true
      return literal(block, isKept: first & 0x40 != 0, &table, workspace)
    }
    return .end
  }

  @inline(__always)
  private func indexed(
    _ number: Int, _ table: FieldTable, _ workspace: HTTP2Workspace
  ) -> ReadField? {
    if number > StaticTable.count {
      guard let entry = table.entry(number &- StaticTable.count &- 1) else { return nil }
      return ReadField(place: .table, entry: entry)
    }
    guard number > 0 else { return nil }
    return ReadField(place: .staticTable, entry: workspace.staticTable.entries[number &- 1])
  }

  private mutating func literal(
    _ block: RawSpan, isKept: Bool, _ table: inout FieldTable, _ workspace: HTTP2Workspace
  ) -> Step {
    let line = workspace.line
    line.removeAll()
    guard let number = integer(block, isKept ? 6 : 4) else { return .broken }
    if number == 0 {
      guard string(block, into: line, workspace) else { return .broken }
    } else {
      guard let named = indexed(number, table, workspace) else { return .broken }
      let name = named.entry.start..<named.entry.start + named.entry.nameBytes
      if named.place == .staticTable {
        let text = workspace.staticTable.text
        line.append(text.bytes.extracting(name))
      } else if let text = table.text {
        line.append(text.bytes.extracting(name))
      }
    }
    let nameBytes = line.count
    line.append(": ")
    guard string(block, into: line, workspace) else { return .broken }
    let valueBytes = line.count - nameBytes - FieldLine.separatorBytes
    line.append("\r\n")
    let kind = FieldKind(line.bytes, nameBytes)
    if isKept { table.add(line.bytes, nameBytes: nameBytes, kind: kind) }
    // Longer ones are more than any list may have: what they are does not matter any more.
    let entry = FieldEntry(
      start: 0, nameBytes: min(nameBytes, FieldReader.partBytesMax),
      valueBytes: min(valueBytes, FieldReader.partBytesMax), kind: kind, hash: 0)
    return .field(ReadField(place: .line, entry: entry))
  }

  private static let partBytesMax = Int(UInt16.max)

  /// RFC 7541 §5.1. nil: cut off, or larger than anything that makes sense.
  @inline(__always)
  private mutating func integer(_ block: RawSpan, _ prefixBits: Int) -> Int? {
    let mask = 1 &<< prefixBits &- 1
    let value = Int(Scan.byte(block, at: offset)) & mask
    offset &+= 1
    return value < mask ? value : longInteger(block, value)
  }

  @inline(never)
  private mutating func longInteger(_ block: RawSpan, _ prefix: Int) -> Int? {
    var value = prefix
    var shift = 0
    while offset < byteCount, shift <= 21 {
      let byte = Int(Scan.byte(block, at: offset))
      offset += 1
      value += (byte & 0x7f) << shift
      if byte & 0x80 == 0 { return value }
      shift += 7
    }
    return nil
  }

  /// RFC 7541 §5.2.
  private mutating func string(
    _ block: RawSpan, into line: ByteBuffer, _ workspace: HTTP2Workspace
  ) -> Bool {
    guard offset < byteCount else { return false }
    let isCoded = Scan.byte(block, at: offset) & 0x80 != 0
    guard let count = integer(block, 7), count <= byteCount - offset else { return false }
    let bytes = block.extracting(offset..<offset + count)
    offset += count
    let needed = isCoded ? HuffmanCode.byteCountMax(ofCoded: count) : count
    guard line.free >= needed + FieldLine.frameBytes else { return false }
    guard isCoded else {
      line.append(bytes)
      return true
    }
    return workspace.huffman.decode(bytes, into: line)
  }
}
