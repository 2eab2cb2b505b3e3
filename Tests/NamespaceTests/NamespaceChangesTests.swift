// What a change of the namespace costs, and who may make how many.

import Testing

@testable import Namespace

private let root = Principal(user: 0, groups: [0], isAdministrator: true)
private let ann = Principal(user: 1, groups: [100], isAdministrator: false)

private let queues = [
  NamespaceQueue(name: "q", slot: 0, serial: 1, user: 0),
  NamespaceQueue(name: "r", slot: 1, serial: 2, user: 0),
]

@Suite struct `changes of the namespace` {
  @Test func `what is taken back is no change`() throws {
    var book = NamespaceBook()
    let prefix = try UrlPrefix("http://+:80/a/")
    #expect(book.changedUsers(queues: queues) == nil)
    try book.register(prefix, by: root, owner: 1, queue: "q")
    #expect(book.changedUsers(queues: queues) == [0])
    #expect(book.changes.users == [0] && !book.changes.isUrgent)
    try book.unregister(prefix, owner: 1)
    #expect(book.changes.isAny && book.changedUsers(queues: queues) == nil)
    book.forgetChanges()
    #expect(!book.changes.isAny)
    // Given back and taken again by somebody else, for another queue.
    try book.register(prefix, by: root, owner: 1, queue: "q")
    _ = book.takeSnapshot(queues: queues, generation: 1)
    try book.unregister(prefix, owner: 1)
    try book.register(prefix, by: root, owner: 2, queue: "q")
    #expect(book.changedUsers(queues: queues) == nil)
    let other = [NamespaceQueue(name: "q", slot: 0, serial: 9, user: 0)]
    #expect(book.changedUsers(queues: other) == [0])
    try book.unregister(prefix, owner: 2)
    try book.register(prefix, by: root, owner: 2, queue: "r")
    #expect(book.changedUsers(queues: queues) == [0])
    // By another user, whose queue has the same name.
    _ = book.takeSnapshot(queues: queues, generation: 2)
    try book.unregister(prefix, owner: 2)
    let deputy = Principal(user: 7, groups: [], isAdministrator: true)
    try book.register(prefix, by: deputy, owner: 3, queue: "r")
    let both = queues + [NamespaceQueue(name: "r", slot: 2, serial: 3, user: 7)]
    #expect(book.changedUsers(queues: both) == [7])
    #expect(book.takeSnapshot(queues: both, generation: 3).entries.first?.queue == 2)
  }

  @Test func `the configuration's and an administrator's reservations do not wait`() throws {
    var book = NamespaceBook()
    let reservation = Reservation(
      try UrlPrefix("http://+:80/a/"), [NamespaceGrant(.user(1), [.listen, .delegate])])
    book.configure([reservation], listens: [:])
    #expect(book.changes.isUrgent && book.changedUsers(queues: []) == [])
    _ = book.takeSnapshot(queues: [], generation: 1)
    book.configure([reservation], listens: [:])
    #expect(!book.changes.isAny)
    try book.reserve(Reservation(UrlPrefix("http://+:80/a/b/"), []), by: ann)
    #expect(!book.changes.isUrgent && book.changes.users == [1])
    try book.reserve(Reservation(UrlPrefix("http://+:80/c/"), []), by: root)
    #expect(book.changes.isUrgent)
  }

  @Test func `a snapshot made of changes is the one made of everything`() throws {
    var book = NamespaceBook()
    var generator = SystemRandomNumberGenerator()
    let hosts = ["+", "*", "a.test", "*.a.test", "b.a.test", "192.0.2.1", "[::1]"]
    let paths = ["/", "/a/", "/a/b/", "/a/b/c/", "/ab/", "/b/"]
    for round in 0..<60 {
      for _ in 0..<Int.random(in: 0..<12, using: &generator) {
        let host = hosts.randomElement(using: &generator) ?? "+"
        let path = paths.randomElement(using: &generator) ?? "/"
        let prefix = try UrlPrefix("http://\(host):\(Bool.random() ? 80 : 81)\(path)")
        let name = Bool.random(using: &generator) ? "q" : "r"
        switch Int.random(in: 0..<4, using: &generator) {
        case 0:
          try? book.register(
            prefix, by: root, owner: UInt64(round % 3), queue: name, handsOff: Bool.random())
        case 1: try? book.unregister(prefix, owner: UInt64(round % 3))
        case 2: try? book.reserve(Reservation(prefix, []), by: root)
        default: try? book.release(prefix, by: root)
        }
      }
      if round % 20 == 19 { _ = book.unregisterAll(owner: UInt64(round % 3)) }
      let whole = book.snapshot(queues: queues, generation: UInt64(round))
      let made = book.takeSnapshot(queues: queues, generation: UInt64(round))
      #expect(made.bytes == whole.bytes)
      #expect(NamespaceSnapshot(bytes: made.bytes)?.entryCount == whole.entryCount)
    }
  }

  @Test func `one change among ten thousand prefixes compares a few of them`() throws {
    var order = NamespaceOrder()
    func placed(_ number: Int, _ standing: NamespaceStanding) throws -> PlacedPrefix {
      PlacedPrefix(
        key: NamespaceSnapshot.SortKey(try UrlPrefix("http://+:80/many/\(number)/")),
        standing: standing)
    }
    order.update(
      try (0..<10_000).map {
        try placed($0, .registered(queue: QueueKey(user: 0, name: "q"), handsOff: false))
      })
    #expect(order.placed.count == 10_000)
    for standing in [
      NamespaceStanding.registered(queue: QueueKey(user: 0, name: "q"), handsOff: false), .nothing,
    ] {
      var comparisons = 0
      order.update([try placed(77_777, standing)]) { left, right in
        comparisons += 1
        return left < right
      }
      // Its place is found by halving: nothing is sorted again.
      #expect(comparisons <= 16)
      #expect(order.placed.count == (standing == .nothing ? 10_000 : 10_001))
    }
  }

  @Test func `a connection's registrations are found without a look at all others`() throws {
    var book = NamespaceBook()
    for number in 0..<100 {
      try book.register(
        UrlPrefix("http://+:80/\(number)/"), by: root, owner: UInt64(number % 10), queue: "q")
    }
    #expect(book.registrations(of: 3).count == 10)
    try book.unregister(UrlPrefix("http://+:80/3/"), owner: 3)
    #expect(book.registrations(of: 3).count == 9)
    #expect(book.unregisterAll(owner: 3) == 9)
    #expect(book.unregisterAll(owner: 3) == 0)
    #expect(book.registrations.count == 90 && book.registrations(of: 3).isEmpty)
  }
}

@Suite struct `one user's share of the namespace` {
  private func book() throws -> NamespaceBook {
    var book = NamespaceBook()
    try book.reserve(
      Reservation(
        UrlPrefix("http://+:80/a/"), [NamespaceGrant(.user(1), [.listen, .delegate])]),
      by: root)
    return book
  }

  @Test func `registrations`() throws {
    var book = try book()
    let limit = NamespaceBook.registrationsPerUserMax
    for number in 0..<limit {
      try book.register(UrlPrefix("http://+:80/a/\(number)/"), by: ann, owner: 1, queue: "q")
    }
    #expect(throws: NamespaceRefusal.tooManyOfUser(limit, of: "registrations")) {
      try book.register(UrlPrefix("http://+:80/a/x/"), by: ann, owner: 2, queue: "q")
    }
    try book.register(UrlPrefix("http://+:80/b/"), by: root, owner: 3, queue: "q")
    try book.unregister(UrlPrefix("http://+:80/a/7/"), owner: 1)
    try book.register(UrlPrefix("http://+:80/a/x/"), by: ann, owner: 2, queue: "q")
  }

  @Test func `long prefixes`() throws {
    var book = try book()
    let long = String(repeating: "a", count: 2000)
    #expect(throws: NamespaceRefusal.noRoomOfUser) {
      for number in 0..<10_000 {
        try book.register(
          UrlPrefix("http://+:80/a/\(long)/\(number)/"), by: ann, owner: 1, queue: "q")
      }
    }
    try book.register(UrlPrefix("http://+:80/\(long)/"), by: root, owner: 2, queue: "q")
    _ = book.unregisterAll(owner: 1)
    try book.register(UrlPrefix("http://+:80/a/\(long)/"), by: ann, owner: 1, queue: "q")
  }

  @Test func `reservations, also over a restart`() throws {
    var book = try book()
    let limit = NamespaceBook.reservationsPerUserMax
    for number in 0..<limit {
      try book.reserve(Reservation(UrlPrefix("http://+:80/a/\(number)/"), []), by: ann)
    }
    let text = ReservationFile.text(book.added.values)
    var restored = NamespaceBook()
    restored.restore(try ReservationFile.parse(text))
    #expect(ReservationFile.text(restored.added.values) == text)
    for var book in [book, restored] {
      let more = try UrlPrefix("http://+:80/a/x/")
      #expect(throws: NamespaceRefusal.tooManyOfUser(limit, of: "reservations")) {
        try book.reserve(Reservation(more, []), by: ann)
      }
      // His own in its place is not one more; an administrator's is not his any more.
      let first = try UrlPrefix("http://+:80/a/0/")
      try book.reserve(
        Reservation(first, [NamespaceGrant(.user(2), .listen)]), by: ann, replaces: true)
      try book.reserve(Reservation(first, []), by: root, replaces: true)
      try book.reserve(Reservation(more, []), by: ann)
      try book.release(more, by: ann)
      try book.reserve(Reservation(more, []), by: ann)
    }
  }
}

@Suite struct `paces of users` {
  @Test func `the first ones are quick, then each waits longer, up to a second`() {
    var paces = UserPaces(freeCount: 4, pauseMicroseconds: 5_000)
    var now: Int64 = 1_000_000
    var pauses: [Int64] = []
    for _ in 0..<16 {
      #expect(paces.nextAt(7) <= now)
      paces.count(7, now: now)
      pauses.append(paces.nextAt(7) - now)
      now = paces.nextAt(7)
    }
    #expect(pauses[..<4] == [5_000, 5_000, 5_000, 5_000])
    #expect(pauses[4..<10] == [10_000, 20_000, 40_000, 80_000, 160_000, 320_000])
    #expect(pauses.allSatisfy { $0 <= UserPaces.slowMicrosecondsMax })
    #expect(pauses.last ?? 0 >= 640_000)
    // Nobody else waits for him.
    #expect(paces.nextAt(8) == 0)
    #expect(paces.nextAt([7, 8]) == 0)
    // Who was calm for a while is quick again.
    now += 60_000_000
    paces.count(7, now: now)
    #expect(paces.nextAt(7) == now + 5_000)
  }

  @Test func `a pause of its own size between calm changes`() {
    var paces = UserPaces(freeCount: 4, pauseMicroseconds: 5_000)
    for second in 0..<100 as Range<Int64> {
      let now = second * 1_000_000
      paces.count(1, now: now)
      #expect(paces.nextAt(1) == now + 5_000)
    }
  }

  @Test func `users who were long ago are forgotten`() {
    var paces = UserPaces(freeCount: 4, pauseMicroseconds: 0)
    for user in 0..<10_000 as Range<UInt32> { paces.count(user, now: Int64(user) * 100_000) }
    #expect(paces.userCount <= 512)
  }
}
