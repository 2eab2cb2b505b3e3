// Header blocks written (RFC 7541 §3): heads of responses and trailers.

import HTTP
import Platform

/// Writes fields for one peer, whose table it follows.
struct FieldWriter {
  private(set) var table = FieldTable()
  /// The smallest size that the peer has asked for since the last block, and the last one; nil:
  /// nothing has changed (RFC 7541 §4.2).
  private var announced: (least: Int, last: Int)?

  /// Raised when the same fields would be written in another way.
  var version: Int { table.version }
  var hasNews: Bool { announced != nil }

  /// The peer's SETTINGS_HEADER_TABLE_SIZE.
  mutating func peerAllows(_ byteCount: Int) {
    let size = min(byteCount, FieldTable.byteCountMax)
    guard announced != nil || size != table.limit else { return }
    announced = (min(announced?.least ?? size, size), size)
  }

  /// To be said before the first field of each block.
  mutating func begin(_ block: ByteBuffer) {
    guard let (least, last) = announced else { return }
    announced = nil
    table.resize(least)
    FieldWriter.append(least, 5, 0x20, to: block)
    guard last != least else { return }
    table.resize(last)
    FieldWriter.append(last, 5, 0x20, to: block)
  }

  /// The status of a response.
  mutating func append(status: RawSpan, to block: ByteBuffer, _ workspace: HTTP2Workspace) {
    let known = workspace.staticTable
    let text = known.text
    for number in StaticTable.statusOK..<StaticTable.statusOK + 7
    where Scan.equal(text.bytes.extracting(known.values(number)), status) {
      return FieldWriter.append(number, 7, 0x80, to: block)
    }
    let line = workspace.line
    line.removeAll()
    line.append(":status: ")
    line.append(status)
    line.append("\r\n")
    append(line.bytes, nameBytes: 7, to: block, workspace)
  }

  /// A field, given as a line `name: value CR LF` whose name is in lower case.
  mutating func append(
    _ line: RawSpan, nameBytes: Int, to block: ByteBuffer, _ workspace: HTTP2Workspace
  ) {
    let name = line.extracting(0..<nameBytes)
    let valueEnd = line.byteCount - FieldLine.frameBytes + FieldLine.separatorBytes
    let value = line.extracting(nameBytes + FieldLine.separatorBytes..<valueEnd)
    var number = workspace.staticTable.number(of: name)
    let size = nameBytes + value.byteCount + FieldTable.entryBytes
    // One that would drive out most others is not worth it.
    let isKept = !workspace.staticTable.isPassing(number) && size <= table.limit / 2
    let hash = isKept ? FieldWriter.hash(line) : 0
    if isKept, let known = table.number(of: line, nameBytes: nameBytes, hash: hash) {
      return FieldWriter.append(known + StaticTable.count + 1, 7, 0x80, to: block)
    }
    if number == 0, let known = table.number(of: name) { number = known + StaticTable.count + 1 }
    if isKept {
      FieldWriter.append(number, 6, 0x40, to: block)
    } else {
      // Nobody on the way may keep what belongs to one person (RFC 7541 §7.1.3).
      let isOwn = Scan.equal(name, "set-cookie")
      FieldWriter.append(number, 4, isOwn ? 0x10 : 0, to: block)
    }
    if number == 0 { FieldWriter.append(name, to: block, workspace.huffman) }
    FieldWriter.append(value, to: block, workspace.huffman)
    if isKept { table.add(line, nameBytes: nameBytes, kind: .ordinary, hash: hash) }
  }

  private static func append(_ text: RawSpan, to block: ByteBuffer, _ huffman: HuffmanCode) {
    let coded = huffman.codedByteCount(text)
    guard coded < text.byteCount else {
      append(text.byteCount, 7, 0, to: block)
      return block.append(text)
    }
    append(coded, 7, 0x80, to: block)
    huffman.encode(text, into: block)
  }

  /// RFC 7541 §5.1.
  private static func append(_ value: Int, _ prefixBits: Int, _ mark: UInt8, to block: ByteBuffer) {
    let mask = 1 << prefixBits - 1
    guard value >= mask else { return block.append(mark | UInt8(value)) }
    block.append(mark | UInt8(mask))
    var rest = value - mask
    while rest >= 0x80 {
      block.append(UInt8(rest & 0x7f) | 0x80)
      rest >>= 7
    }
    block.append(UInt8(rest))
  }

  /// FNV-1a, of words instead of bytes.
  private static func hash(_ bytes: RawSpan) -> UInt32 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    let prime: UInt64 = 0x100_0000_01b3
    var index = 0
    while index + 8 <= bytes.byteCount {
      hash = (hash ^ Scan.word(bytes, at: index)) &* prime
      hash ^= hash &>> 29
      index += 8
    }
    while index < bytes.byteCount {
      hash = (hash ^ UInt64(Scan.byte(bytes, at: index))) &* prime
      index += 1
    }
    return UInt32(truncatingIfNeeded: hash ^ hash &>> 32)
  }
}
