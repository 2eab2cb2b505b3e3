// A snapshot's bytes: how the master writes them, and how a worker reads and checks them.
//
// Little-endian, no pointers:
//   "R3NS", layout version (4), generation (8), queues (4), entries (4), bytes of text (4)
//   each queue: bytes of its name (2), its slot (2), its serial (8), its user (4), bytes of
//     his name (2), then both names
//   each entry: head (4), start of its host in the text (4), bytes of host (2) and path (2),
//     parent (4, -1: none), queue (4, -1: only reserved; bit 30: connections are handed off)
//   the text: hosts and paths, each path behind its host

import Platform

extension NamespaceSnapshot {
  private static let magic = Array("R3NS".utf8)
  private static let layoutVersion: UInt32 = 3
  private static let entryByteCount = 20
  /// What a worker is ready to read.
  package static let byteCountMax = 64 << 20
  package static let entriesMax = 1 << 18

  /// Puts prefixes in order. Each at most once; `queue` is an index into `queues`.
  package init(_ unordered: [NamespaceEntry], queues: [NamespaceQueue], generation: UInt64) {
    let sorted = unordered.map { (key: SortKey($0.prefix), entry: $0) }.sorted { $0.key < $1.key }
    var list = EntryList(capacity: sorted.count)
    for (key, entry) in sorted {
      list.append(key, queue: Int32(entry.queue ?? -1), handsOff: entry.handsOff)
    }
    self.init(generation: generation, queues: queues, entries: list.entries, text: list.text)
  }

  /// From prefixes that are in order; `queues` holds every queue that one of them names.
  init(ordered: [PlacedPrefix], queues: [NamespaceQueue], generation: UInt64) {
    var places: [QueueKey: Int32] = [:]
    for (index, queue) in queues.enumerated() { places[queue.key] = Int32(index) }
    var list = EntryList(capacity: ordered.count)
    // Neighbours most often have the same one.
    var last: (key: QueueKey?, place: Int32) = (nil, -1)
    for placed in ordered {
      guard case .registered(let queue, let handsOff) = placed.standing else {
        list.append(placed.key, queue: -1, handsOff: false)
        continue
      }
      if last.key != queue { last = (queue, places[queue] ?? -1) }
      list.append(placed.key, queue: last.place, handsOff: handsOff)
    }
    self.init(generation: generation, queues: queues, entries: list.entries, text: list.text)
  }

  private struct EntryList {
    var entries: [Entry] = []
    var text: [UInt8] = []

    init(capacity: Int) {
      entries.reserveCapacity(capacity)
      text.reserveCapacity(capacity * 32)
    }

    mutating func append(_ key: SortKey, queue: Int32, handsOff: Bool) {
      let start = text.count
      text += key.host
      text += key.path
      entries.append(
        Entry(
          head: key.head, hostStart: UInt32(start), hostCount: UInt16(key.host.count),
          pathCount: UInt16(key.path.count),
          parent: NamespaceSnapshot.parent(of: key, in: entries, text),
          queueWord: queue < 0 || !handsOff ? queue : queue | Entry.handOffBit))
    }
  }

  /// Of the next entry: the one before it, or one of that one's own parents.
  private static func parent(of key: SortKey, in entries: [Entry], _ text: [UInt8]) -> Int32 {
    var candidate = Int32(entries.count) - 1
    while candidate >= 0 {
      let entry = entries[Int(candidate)]
      guard entry.head == key.head, text[entry.host].elementsEqual(key.host) else { return -1 }
      if key.path.starts(with: text[entry.path]) { return candidate }
      candidate = entry.parent
    }
    return -1
  }

  struct SortKey: Comparable, Sendable {
    let head: UInt32
    let host: [UInt8]
    let path: [UInt8]

    init(_ prefix: UrlPrefix) {
      let kind: Kind
      switch prefix.host {
      case .strong: (kind, host) = (.strong, [])
      case .name(let name): (kind, host) = (.name, name)
      case .below(let name): (kind, host) = (.below, name)
      case .address(let address): (kind, host) = (.address, address.networkBytes)
      case .weak: (kind, host) = (.weak, [])
      }
      head = NamespaceSnapshot.head(
        isSecure: prefix.scheme == .https, kind, port: prefix.port)
      path = prefix.path
    }

    static func < (left: SortKey, right: SortKey) -> Bool {
      if left.head != right.head { return left.head < right.head }
      let order = Order.compare(
        left.host, left.host.indices, right.host, right.host.indices)
      if order != 0 { return order < 0 }
      return Order.compare(left.path, left.path.indices, right.path, right.path.indices) < 0
    }
  }

  // MARK: Writing

  package var bytes: [UInt8] {
    var bytes = Self.magic
    bytes.reserveCapacity(
      64 + queues.count * 80 + entries.count * Self.entryByteCount + text.count)
    func append(_ value: some FixedWidthInteger) {
      var value = value
      for _ in 0..<(type(of: value).bitWidth / 8) {
        bytes.append(UInt8(truncatingIfNeeded: value))
        value >>= 8
      }
    }
    append(Self.layoutVersion)
    append(generation)
    append(UInt32(queues.count))
    append(UInt32(entries.count))
    append(UInt32(text.count))
    for queue in queues {
      append(UInt16(queue.name.utf8.count))
      append(queue.slot)
      append(queue.serial)
      append(queue.user)
      append(UInt16(queue.userName.utf8.count))
      bytes += queue.name.utf8
      bytes += queue.userName.utf8
    }
    for entry in entries {
      append(entry.head)
      append(entry.hostStart)
      append(entry.hostCount)
      append(entry.pathCount)
      append(entry.parent)
      append(entry.queueWord)
    }
    bytes += text
    return bytes
  }

  // MARK: Reading

  /// Reads and checks everything, so that a look-up can trust it; nil for bytes that no master of
  /// this build wrote.
  package init?(bytes: [UInt8]) {
    var reader = ByteReader(bytes: bytes)
    guard reader.take(4) == Self.magic[...], reader.number(4) == UInt64(Self.layoutVersion),
      let generation = reader.number(8), let queueCount = reader.count(4, each: 18),
      let entryCount = reader.count(4, each: Self.entryByteCount),
      let textCount = reader.number(4), entryCount <= Self.entriesMax
    else { return nil }
    var queues: [NamespaceQueue] = []
    for _ in 0..<queueCount {
      guard let nameCount = reader.number(2), let slot = reader.number(2),
        let serial = reader.number(8), let user = reader.number(4),
        let userNameCount = reader.number(2), let name = reader.string(Int(nameCount)),
        let userName = reader.string(Int(userNameCount))
      else { return nil }
      queues.append(
        NamespaceQueue(
          name: name, slot: UInt16(slot), serial: serial, user: UInt32(user), userName: userName))
    }
    var entries: [Entry] = []
    entries.reserveCapacity(entryCount)
    for _ in 0..<entryCount {
      guard let entry = Self.entry(&reader) else { return nil }
      entries.append(entry)
    }
    guard let text = reader.take(Int(textCount)), reader.isAtEnd else { return nil }
    self.init(generation: generation, queues: queues, entries: [], text: Array(text))
    guard isInOrder(entries) else { return nil }
    self.init(generation: generation, queues: queues, entries: entries, text: self.text)
  }

  private static func entry(_ reader: inout ByteReader) -> Entry? {
    guard let head = reader.number(4), let hostStart = reader.number(4),
      let hostCount = reader.number(2), let pathCount = reader.number(2),
      let parent = reader.number(4), let queue = reader.number(4)
    else { return nil }
    return Entry(
      head: UInt32(head), hostStart: UInt32(hostStart), hostCount: UInt16(hostCount),
      pathCount: UInt16(pathCount), parent: Int32(truncatingIfNeeded: Int64(parent)),
      queueWord: Int32(truncatingIfNeeded: Int64(queue)))
  }

  private func isInOrder(_ entries: [Entry]) -> Bool {
    for (index, entry) in entries.enumerated() {
      guard entry.path.upperBound <= text.count, entry.head >> 24 <= 1,
        let kind = Kind(rawValue: UInt8(truncatingIfNeeded: entry.head >> 16)),
        isHost(text[entry.host], kind), isPath(text[entry.path]),
        entry.parent >= -1, entry.parent < index, entry.queue >= -1, entry.queue < queues.count
      else { return false }
      if entry.parent >= 0 {
        let parent = entries[Int(entry.parent)]
        guard parent.head == entry.head, text[parent.host] == text[entry.host],
          text[entry.path].starts(with: text[parent.path])
        else { return false }
      }
      guard index > 0 else { continue }
      let previous = entries[index - 1]
      if previous.head != entry.head {
        guard previous.head < entry.head else { return false }
        continue
      }
      var order = Order.compare(text, previous.host, text, entry.host)
      if order == 0 { order = Order.compare(text, previous.path, text, entry.path) }
      guard order < 0 else { return false }
    }
    return true
  }

  private func isHost(_ host: ArraySlice<UInt8>, _ kind: Kind) -> Bool {
    switch kind {
    case .strong, .weak: host.isEmpty
    case .name, .below: !host.isEmpty
    case .address: host.count == 4 || host.count == 16
    }
  }

  private func isPath(_ path: ArraySlice<UInt8>) -> Bool {
    path.first == UInt8(ascii: "/") && path.last == UInt8(ascii: "/")
  }

  // MARK: Entries

  /// The prefix of an entry, for logs and explanations.
  package func prefix(of index: Int) -> UrlPrefix {
    let entry = entries[index]
    let bytes = Array(text[entry.host])
    let host: UrlPrefix.Host
    switch Kind(rawValue: UInt8(truncatingIfNeeded: entry.head >> 16)) {
    case .name: host = .name(bytes)
    case .below: host = .below(bytes)
    case .address: host = .address(Self.address(bytes))
    case .weak: host = .weak
    case .strong, nil: host = .strong
    }
    return UrlPrefix(
      scheme: entry.head >> 24 == 1 ? .https : .http, host: host,
      port: UInt16(truncatingIfNeeded: entry.head), path: Array(text[entry.path]))
  }

  private static func address(_ bytes: [UInt8]) -> IPAddress {
    func word(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
    if bytes.count == 4 { return IPAddress(v4: UInt32(word(bytes[...]))) }
    return IPAddress(v6High: word(bytes.prefix(8)), low: word(bytes.suffix(8)))
  }
}

/// Takes numbers and texts from the front of bytes that nobody vouches for.
private struct ByteReader {
  private let bytes: [UInt8]
  private var place = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  var isAtEnd: Bool { place == bytes.count }

  mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
    guard count <= bytes.count - place else { return nil }
    defer { place += count }
    return bytes[place..<place + count]
  }

  mutating func number(_ byteCount: Int) -> UInt64? {
    take(byteCount)?.reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// A number of things of which each has at least so many bytes.
  mutating func count(_ byteCount: Int, each: Int) -> Int? {
    guard let value = number(byteCount), Int(value) <= (bytes.count - place) / each else {
      return nil
    }
    return Int(value)
  }

  mutating func string(_ byteCount: Int) -> String? {
    take(byteCount).flatMap { String(validating: $0, as: UTF8.self) }
  }
}
