// The fields that both ends of one connection remember (RFC 7541 §2.3.2).

import HTTP
import Platform

/// Where a field's line `name: value CR LF` stands in a table's text.
struct FieldEntry {
  private let startOffset: UInt32
  private let nameCount: UInt16
  private let valueCount: UInt16
  let kind: FieldKind
  /// Of name and value, where a table is searched by them.
  let hash: UInt32

  init(start: Int, nameBytes: Int, valueBytes: Int, kind: FieldKind, hash: UInt32) {
    startOffset = UInt32(start)
    nameCount = UInt16(nameBytes)
    valueCount = UInt16(valueBytes)
    self.kind = kind
    self.hash = hash
  }

  var start: Int { Int(startOffset) }
  var nameBytes: Int { Int(nameCount) }
  var valueBytes: Int { Int(valueCount) }
  var lineBytes: Int { nameBytes &+ valueBytes &+ FieldLine.frameBytes }
  var values: Range<Int> {
    let first = start &+ nameBytes &+ FieldLine.separatorBytes
    return first..<first &+ valueBytes
  }

  func moved(by byteCount: Int) -> FieldEntry {
    FieldEntry(
      start: start - byteCount, nameBytes: nameBytes, valueBytes: valueBytes, kind: kind,
      hash: hash)
  }
}

/// What stands in a line beside name and value.
enum FieldLine {
  /// ": "
  static let separatorBytes = 2
  /// That, and CR LF.
  static let frameBytes = 4
}

/// A dynamic table. Entries are numbered from 0, the newest; adding one drops the oldest until all
/// fit. Memory is taken as it is needed.
struct FieldTable {
  /// What RFC 7541 §4.1 counts for an entry beside its bytes.
  static let entryBytes = 32
  /// The largest table that either side has here: SETTINGS_HEADER_TABLE_SIZE's default.
  static let byteCountMax = 4096

  private(set) var text: ByteBuffer?
  /// A ring; as many places as a power of two.
  private var places: [FieldEntry] = []
  private var first = 0
  private(set) var count = 0
  /// As RFC 7541 §4.1 counts.
  private(set) var byteCount = 0
  private(set) var limit = FieldTable.byteCountMax
  /// Raised by each change.
  private(set) var version = 0

  var reservedBytes: Int {
    (text?.capacity ?? 0) + places.capacity * MemoryLayout<FieldEntry>.stride
  }

  @inline(__always)
  func entry(_ number: Int) -> FieldEntry? {
    guard number < count else { return nil }
    return places[(first &+ count &- 1 &- number) & (places.count &- 1)]
  }

  /// Changes the size (RFC 7541 §4.3), at most `byteCountMax`.
  mutating func resize(_ byteCount: Int) {
    precondition(byteCount <= FieldTable.byteCountMax)
    version += 1
    limit = byteCount
    while self.byteCount > limit { dropOldest() }
  }

  /// Adds a line (RFC 7541 §4.4), which must not be in the table's own text. One that is larger
  /// than the table empties it.
  mutating func add(_ line: RawSpan, nameBytes: Int, kind: FieldKind, hash: UInt32 = 0) {
    version += 1
    let valueBytes = line.byteCount - nameBytes - FieldLine.frameBytes
    let size = nameBytes + valueBytes + FieldTable.entryBytes
    while count > 0, byteCount + size > limit { dropOldest() }
    guard size <= limit else { return }
    let text = room(for: line.byteCount)
    let entry = FieldEntry(
      start: text.count, nameBytes: nameBytes, valueBytes: valueBytes, kind: kind, hash: hash)
    text.append(line)
    if count == places.count { growPlaces(entry) }
    places[(first + count) & (places.count - 1)] = entry
    count += 1
    byteCount += size
  }

  private mutating func dropOldest() {
    let entry = places[first]
    byteCount -= entry.nameBytes + entry.valueBytes + FieldTable.entryBytes
    first = (first + 1) & (places.count - 1)
    count -= 1
    if count == 0 { text?.removeAll() }
  }

  /// Text with so much room behind its end: what was dropped leaves, or the text grows. The bytes
  /// of all entries are never more than `byteCountMax`, so twice as much moves seldom.
  private mutating func room(for byteCount: Int) -> ByteBuffer {
    if let text, text.free >= byteCount { return text }
    let start = count > 0 ? places[first].start : 0
    let used = (text?.count ?? 0) - start
    if let text, used + byteCount <= text.capacity / 2 {
      text.removeFirst(start)
      move(by: start)
      return text
    }
    var capacity = max(512, text?.capacity ?? 0)
    while capacity < 2 * (used + byteCount) { capacity *= 2 }
    let larger = ByteBuffer(capacity: capacity)
    if let text { larger.append(text.bytes.extracting(start..<text.count)) }
    text = larger
    move(by: start)
    return larger
  }

  private mutating func move(by byteCount: Int) {
    guard byteCount > 0 else { return }
    for index in 0..<count {
      let place = (first + index) & (places.count - 1)
      places[place] = places[place].moved(by: byteCount)
    }
  }

  private mutating func growPlaces(_ filler: FieldEntry) {
    let before = places
    places = [FieldEntry](repeating: filler, count: max(8, before.count * 2))
    for index in 0..<count { places[index] = before[(first + index) & (before.count - 1)] }
    first = 0
  }

  // MARK: Search

  /// The number of the entry with a hash, name and value; nil if there is none.
  func number(of line: RawSpan, nameBytes: Int, hash: UInt32) -> Int? {
    guard let text else { return nil }
    for number in 0..<count {
      guard let entry = entry(number), entry.hash == hash, entry.nameBytes == nameBytes,
        entry.lineBytes == line.byteCount,
        Scan.equal(text.bytes.extracting(entry.start..<entry.start + entry.lineBytes), line)
      else { continue }
      return number
    }
    return nil
  }

  /// The number of an entry with a name; nil if there is none.
  func number(of name: RawSpan) -> Int? {
    guard let text else { return nil }
    for number in 0..<count {
      guard let entry = entry(number), entry.nameBytes == name.byteCount,
        Scan.equal(text.bytes.extracting(entry.start..<entry.start + entry.nameBytes), name)
      else { continue }
      return number
    }
    return nil
  }
}
