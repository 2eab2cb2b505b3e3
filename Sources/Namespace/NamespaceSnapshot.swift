// Who answers for a URL, as flat bytes: built by the master, read by workers, never changed.

import Platform

/// One prefix of a snapshot: live when it has a queue, else only reserved.
package struct NamespaceEntry: Hashable, Sendable {
  package let prefix: UrlPrefix
  /// Index into the snapshot's queues; nil: reserved, and nobody serves it.
  package let queue: Int?
  /// The application takes over the client's connection.
  package let handsOff: Bool

  package init(_ prefix: UrlPrefix, queue: Int?, handsOff: Bool = false) {
    self.handsOff = handsOff
    self.prefix = prefix
    self.queue = queue
  }
}

/// Where requests of registered prefixes wait for their application.
package struct NamespaceQueue: Hashable, Sendable {
  package let name: String
  /// Its place among the queues.
  package let slot: UInt16
  /// Which one it is of all that have had the place.
  package let serial: UInt64
  /// Whose processes accept from it.
  package let user: UInt32
  /// His name, or "#number": applications of others name it with the queue.
  package let userName: String
  package var key: QueueKey { QueueKey(user: user, name: name) }

  package init(name: String, slot: UInt16, serial: UInt64, user: UInt32, userName: String? = nil) {
    self.name = name
    self.slot = slot
    self.serial = serial
    self.user = user
    self.userName = userName ?? "#\(user)"
  }
}

/// All prefixes at one moment. A look-up is a binary search for each host that may answer (of those
/// kinds that there are), and steps to shorter prefixes of the place that it found.
package struct NamespaceSnapshot: Sendable {
  /// Counts up with each change.
  package let generation: UInt64
  package let queues: [NamespaceQueue]
  /// In the order of `Order`.
  let entries: [Entry]
  /// What the entries' ranges are of.
  let text: [UInt8]
  /// A bit for each `Kind` that some entry has.
  private let kinds: UInt8
  /// Of the longest "*.name": longer rests of a host need not be asked for.
  private let labelsBelowMax: Int

  package var entryCount: Int { entries.count }
  /// A prefix is bound to an address: `lookUp` is to be told the one that was connected to.
  package var tellsAddressesApart: Bool { kinds & 1 << Kind.address.rawValue != 0 }

  /// What of a host an entry matches, in the order of the search.
  enum Kind: UInt8 { case strong, name, below, address, weak }

  struct Entry {
    /// Scheme, kind and port in one number: see `head`.
    let head: UInt32
    let hostStart: UInt32
    let hostCount: UInt16
    let pathCount: UInt16
    /// The entry with the next shorter path of the same host, which stands before this one.
    let parent: Int32
    /// Index into the queues, and `handOffBit`; -1: only reserved.
    let queueWord: Int32

    static let handOffBit: Int32 = 1 << 30
    var handsOff: Bool { queueWord >= 0 && queueWord & Entry.handOffBit != 0 }
    /// -1: only reserved.
    var queue: Int32 { queueWord < 0 ? queueWord : queueWord & ~Entry.handOffBit }

    var host: Range<Int> { Int(hostStart)..<Int(hostStart) + Int(hostCount) }
    var path: Range<Int> { host.upperBound..<host.upperBound + Int(pathCount) }
  }

  static func head(isSecure: Bool, _ kind: Kind, port: UInt16) -> UInt32 {
    (isSecure ? 1 << 24 : 0) | UInt32(kind.rawValue) << 16 | UInt32(port)
  }

  /// From parts that are known to be in order.
  init(generation: UInt64, queues: [NamespaceQueue], entries: [Entry], text: [UInt8]) {
    self.generation = generation
    self.queues = queues
    self.entries = entries
    self.text = text
    var kinds: UInt8 = 0
    var labels = 0
    for entry in entries {
      let kind = UInt8(truncatingIfNeeded: entry.head >> 16)
      kinds |= 1 << kind
      guard kind == Kind.below.rawValue else { continue }
      labels = max(labels, 1 + text[entry.host].count { $0 == UInt8(ascii: ".") })
    }
    self.kinds = kinds
    labelsBelowMax = labels
  }

  // MARK: Look-up

  /// What the configuration says of a request, beside which the namespace stands.
  package enum Configured: Sendable {
    /// No site could answer.
    case nothing
    /// A virtual host that was found by its name: it owns "/" of an explicit host.
    case named
    /// The first or the main one, because no name fits: it owns "/" of the weak wildcard.
    case catchAll
  }

  /// Which entry answers for a request; nil: the configuration does, as far as there is any.
  ///
  /// - Parameters:
  ///   - local: where the connection arrived; its port is the request's.
  ///   - host: lower case, without port and final dot.
  ///   - path: decoded and normalised; begins with "/". "/shop" lies below "/shop/".
  ///   - guess: the entry that answered last, of this snapshot; most often it answers again, and
  ///     nothing is searched for.
  package func lookUp(
    isSecure: Bool, local: SocketAddress, host: [UInt8], path: [UInt8], configured: Configured,
    guess: Int? = nil
  ) -> NamespaceMatch? {
    if let guess, isSure(guess, isSecure: isSecure, port: local.port, host, path) {
      return match(guess)
    }
    if entries.isEmpty { return nil }
    let question = Question(text: host, path: path, isSecure: isSecure, port: local.port)
    if let found = longest(question, .strong, host.endIndex) { return match(found) }
    if let found = explicit(question) {
      // The site's own "/" comes first where both have it.
      if configured == .named && entries[found].pathCount == 1 { return nil }
      return match(found)
    }
    if configured == .named { return nil }
    if kinds & 1 << Kind.address.rawValue != 0,
      let found = longest(address: local.address.unmapped, question)
    {
      return match(found)
    }
    guard let found = longest(question, .weak, host.endIndex) else { return nil }
    if configured == .catchAll && entries[found].pathCount == 1 { return nil }
    return match(found)
  }

  /// Whether an entry has the path, nothing below it has it, and nothing comes before its kind.
  private func isSure(
    _ index: Int, isSecure: Bool, port: UInt16, _ host: [UInt8], _ path: [UInt8]
  ) -> Bool {
    let entry = entries[index]
    if entry.head == Self.head(isSecure: isSecure, .name, port: port) {
      // The site's own "/" may come first.
      guard kinds & 1 << Kind.strong.rawValue == 0, entry.pathCount > 1,
        Order.compare(text, entry.host, host, host.indices) == 0
      else { return false }
    } else if entry.head != Self.head(isSecure: isSecure, .strong, port: port) {
      return false
    }
    // What lies below an entry stands right behind it.
    let next = index + 1
    if next < entries.count, Int(entries[next].parent) == index { return false }
    return Order.contains(text, entry.path, subtree: path)
  }

  private struct Question {
    let text: [UInt8]
    let path: [UInt8]
    let isSecure: Bool
    let port: UInt16
  }

  func match(_ index: Int) -> NamespaceMatch {
    NamespaceMatch(
      entry: index, queue: entries[index].queue < 0 ? nil : Int(entries[index].queue),
      handsOff: entries[index].handsOff)
  }

  /// The exact name, then the names above it, the nearest first.
  private func explicit(_ question: Question) -> Int? {
    if let found = longest(question, .name, 0) { return found }
    guard kinds & 1 << Kind.below.rawValue != 0 else { return nil }
    var dots = question.text.count { $0 == UInt8(ascii: ".") }
    for index in question.text.indices where question.text[index] == UInt8(ascii: ".") {
      // What is behind this dot has as many labels as there are dots from here on.
      defer { dots -= 1 }
      guard index > 0, dots <= labelsBelowMax else { continue }
      if let found = longest(question, .below, index + 1) { return found }
    }
    return nil
  }

  /// The longest path below the host that begins at `hostStart` of the question's text.
  private func longest(_ question: Question, _ kind: Kind, _ hostStart: Int) -> Int? {
    guard kinds & 1 << kind.rawValue != 0 else { return nil }
    let head = Self.head(isSecure: question.isSecure, kind, port: question.port)
    return longest(question.path, head) { entry in
      Order.compare(text, entry.host, question.text, hostStart..<question.text.count)
    }
  }

  private func longest(address: IPAddress, _ question: Question) -> Int? {
    let head = Self.head(isSecure: question.isSecure, .address, port: question.port)
    return longest(question.path, head) { entry in Order.compare(text, entry.host, address) }
  }

  /// - Parameter compareHost: how an entry's host stands to the one that is asked for: below 0 if
  ///   it comes before it.
  @inline(__always)
  private func longest(_ path: [UInt8], _ head: UInt32, compareHost: (Entry) -> Int) -> Int? {
    // The last entry that is not behind the question: every prefix of the path is it, or one of
    // its own prefixes, because what lies between a prefix and the path begins with that prefix.
    var low = 0
    var high = entries.count
    while low < high {
      let middle = (low + high) / 2
      let entry = entries[middle]
      var order = entry.head == head ? 0 : entry.head < head ? -1 : 1
      if order == 0 { order = compareHost(entry) }
      if order == 0 { order = Order.compare(text, entry.path, subtree: path) }
      if order <= 0 { low = middle + 1 } else { high = middle }
    }
    guard low > 0 else { return nil }
    var candidate = low - 1
    guard entries[candidate].head == head, compareHost(entries[candidate]) == 0 else { return nil }
    while !Order.contains(text, entries[candidate].path, subtree: path) {
      candidate = Int(entries[candidate].parent)
      if candidate < 0 { return nil }
    }
    return candidate
  }
}

/// An entry that answers for a request.
package struct NamespaceMatch: Hashable, Sendable {
  /// For `NamespaceSnapshot.prefix(of:)`.
  package let entry: Int
  /// Index into `NamespaceSnapshot.queues`; nil: reserved, and nobody serves it: the request fails.
  package let queue: Int?
  package let handsOff: Bool
}

/// The order of entries: head, host, path, bytes as numbers, shorter first. Below 0: left first.
enum Order {
  static func compare(
    _ left: [UInt8], _ leftRange: Range<Int>, _ right: [UInt8], _ rightRange: Range<Int>
  ) -> Int {
    for step in 0..<min(leftRange.count, rightRange.count) {
      let difference =
        Int(left[leftRange.lowerBound + step]) - Int(right[rightRange.lowerBound + step])
      if difference != 0 { return difference }
    }
    return leftRange.count - rightRange.count
  }

  /// An address is four bytes or sixteen.
  static func compare(_ text: [UInt8], _ range: Range<Int>, _ address: IPAddress) -> Int {
    let count = address.bitCount / 8
    for step in 0..<min(range.count, count) {
      let shift = UInt64(8 * ((count - 1 - step) & 7))
      let word = count == 16 && step < 8 ? address.high : address.low
      let difference =
        Int(text[range.lowerBound + step]) - Int(UInt8(truncatingIfNeeded: word >> shift))
      if difference != 0 { return difference }
    }
    return range.count - count
  }

  /// A prefix's path with a request's, which counts as if it ended in "/".
  static func compare(_ text: [UInt8], _ range: Range<Int>, subtree path: [UInt8]) -> Int {
    for step in 0..<min(range.count, path.count) {
      let difference = Int(text[range.lowerBound + step]) - Int(path[step])
      if difference != 0 { return difference }
    }
    if range.count <= path.count { return range.count - path.count }
    guard path.last != UInt8(ascii: "/") else { return 1 }
    let difference = Int(text[range.lowerBound + path.count]) - Int(UInt8(ascii: "/"))
    return difference != 0 ? difference : range.count - (path.count + 1)
  }

  static func contains(_ text: [UInt8], _ range: Range<Int>, subtree path: [UInt8]) -> Bool {
    let whole = min(range.count, path.count)
    for step in 0..<whole where text[range.lowerBound + step] != path[step] { return false }
    return range.count <= path.count
      || (range.count == path.count + 1 && path.last != UInt8(ascii: "/")
        && text[range.upperBound - 1] == UInt8(ascii: "/"))
  }
}
