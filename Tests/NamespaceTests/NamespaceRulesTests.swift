// Who may reserve and register what.

import Testing

@testable import Namespace

private let root = Principal(user: 0, groups: [0], isAdministrator: true)
private let ann = Principal(user: 1, groups: [100], isAdministrator: false)
private let bob = Principal(user: 2, groups: [100], isAdministrator: false)
private let cat = Principal(user: 3, groups: [100, 200], isAdministrator: false)
private let eve = Principal(user: 5, groups: [], isAdministrator: false)

private func reservation(
  _ prefix: String, _ holders: [Principal], _ rights: NamespaceRights = .listen
) throws -> Reservation {
  Reservation(try UrlPrefix(prefix), holders.map { NamespaceGrant(.user($0.user), rights) })
}

extension NamespaceBook {
  fileprivate mutating func register(
    _ prefix: String, by principal: Principal, owner: UInt64 = 1
  ) throws {
    try register(UrlPrefix(prefix), by: principal, owner: owner, queue: "q")
  }
}

/// R1 and R2 of the published examples: A and C listen below "+:80/vroot/subdir/", B listens and
/// delegates below "adatum.com:80/vroot/".
private func published() throws -> NamespaceBook {
  var book = NamespaceBook()
  try book.reserve(reservation("http://+:80/vroot/subdir/", [ann, cat]), by: root)
  try book.reserve(
    reservation("http://adatum.com:80/vroot/", [bob], [.listen, .delegate]), by: root)
  return book
}

@Suite struct `the published access rules` {
  @Test func `the administrator reserves`() throws {
    #expect(try published().added.count == 2)
  }

  @Test func `whom a reservation does not name may not register below it`() throws {
    var book = try published()
    #expect(throws: NamespaceRefusal.self) {
      try book.register("http://+:80/vroot/subdir/", by: bob)
    }
  }

  @Test func `a reservation reaches what lies below it`() throws {
    var book = try published()
    try book.register("http://adatum.com:80/vroot/subdir/", by: bob)
  }

  @Test func `a right in one bucket is none in another`() throws {
    var book = try published()
    #expect(throws: NamespaceRefusal.self) {
      try book.register("http://adatum.com:80/vroot/subdir/", by: cat)
    }
  }

  @Test func `whom a reservation names may register it`() throws {
    var book = try published()
    try book.register("http://+:80/vroot/subdir/", by: ann)
  }

  @Test func `who delegates reserves for others`() throws {
    var book = try published()
    try book.reserve(
      reservation("http://adatum.com:80/vroot/subdir/otherdir/", [cat]), by: bob)
    try book.register("http://adatum.com:80/vroot/subdir/otherdir/", by: cat)
  }

  @Test func `who does not delegate reserves for nobody`() throws {
    var book = try published()
    #expect(throws: NamespaceRefusal.self) {
      try book.reserve(
        reservation("http://adatum.com:80/vroot/subdir/otherdir/", [eve]), by: ann)
    }
  }

  @Test func `what nobody reserved is the administrator's`() throws {
    var book = try published()
    let prefix = try UrlPrefix("http://adatum.com:80/newroot/")
    #expect(throws: NamespaceRefusal.implicitlyReserved(prefix)) {
      try book.reserve(Reservation(prefix, []), by: ann)
    }
  }
}

@Suite struct `the rules of reservations and registrations` {
  @Test func `groups count, also supplementary ones`() throws {
    var book = NamespaceBook()
    let prefix = try UrlPrefix("http://+:80/g/")
    try book.reserve(Reservation(prefix, [NamespaceGrant(.group(200), .listen)]), by: root)
    try book.register("http://+:80/g/", by: cat)
    #expect(
      throws: NamespaceRefusal.mayNotListen(try UrlPrefix("http://+:80/g/x/"), reservedAs: prefix)
    ) {
      try book.register("http://+:80/g/x/", by: bob)
    }
  }

  @Test func `the longest reservation decides, and inherits nothing`() throws {
    var book = NamespaceBook()
    try book.reserve(
      reservation("http://+:80/a/", [ann], [.listen, .delegate]), by: root)
    try book.reserve(reservation("http://+:80/a/b/", [bob]), by: ann)
    #expect(throws: NamespaceRefusal.self) { try book.register("http://+:80/a/b/c/", by: ann) }
    try book.register("http://+:80/a/b/c/", by: bob)
    // Its equal does not count as what lies above it.
    #expect(throws: NamespaceRefusal.self) {
      try book.release(UrlPrefix("http://+:80/a/b/"), by: bob)
    }
    try book.release(UrlPrefix("http://+:80/a/b/"), by: ann)
    #expect(throws: NamespaceRefusal.self) {
      try book.release(UrlPrefix("http://+:80/a/"), by: ann)
    }
  }

  @Test func `delegating is not listening`() throws {
    var book = NamespaceBook()
    try book.reserve(reservation("http://+:80/a/", [ann], .delegate), by: root)
    #expect(throws: NamespaceRefusal.self) { try book.register("http://+:80/a/", by: ann) }
    #expect(throws: NamespaceRefusal.self) { try book.register("http://+:80/a/b/", by: ann) }
  }

  @Test func `the same prefix twice is refused, in another bucket it is not`() throws {
    var book = NamespaceBook()
    try book.register("http://+:80/vroot/", by: root)
    #expect(throws: NamespaceRefusal.alreadyRegistered(try UrlPrefix("http://+:80/vroot/"))) {
      try book.register("http://+:80/vroot/", by: root, owner: 2)
    }
    try book.register("http://www.x:80/vroot/", by: root)
    try book.reserve(reservation("http://+:80/vroot/", []), by: root)
    #expect(throws: NamespaceRefusal.alreadyReserved(try UrlPrefix("http://+:80/vroot/"))) {
      try book.reserve(reservation("http://+:80/vroot/", [ann]), by: root)
    }
    try book.reserve(reservation("http://+:80/vroot/", [ann]), by: root, replaces: true)
    #expect(book.added.values.first?.grants.count == 1)
  }

  @Test func `a port has one scheme`() throws {
    var book = NamespaceBook()
    try book.register("http://+:80/a/", by: root)
    let other = try UrlPrefix("https://x.example:80/b/")
    #expect(throws: NamespaceRefusal.otherScheme(other)) {
      try book.reserve(Reservation(other, []), by: root)
    }
    try book.unregister(UrlPrefix("http://+:80/a/"), owner: 1)
    try book.reserve(Reservation(other, []), by: root)
    #expect(throws: NamespaceRefusal.self) { try book.register("http://+:80/a/", by: root) }
    // What a listener speaks comes before everything.
    book.configure([], listens: [80: [.http], 443: [.https]])
    try book.register("http://+:80/a/", by: root)
    #expect(throws: NamespaceRefusal.self) { try book.register("http://+:443/a/", by: root) }
    // Two addresses may speak different ones on one port.
    book.configure([], listens: [443: [.http, .https]])
    #expect(book.isListenedOn(port: 443) && !book.isListenedOn(port: 80))
    try book.register("http://192.0.2.1:443/a/", by: root)
    try book.register("https://192.0.2.2:443/a/", by: root)
  }

  @Test func `only its own connection ends a registration`() throws {
    var book = NamespaceBook()
    let prefix = try UrlPrefix("http://+:80/a/")
    try book.register("http://+:80/a/", by: root, owner: 7)
    #expect(throws: NamespaceRefusal.notRegistered(prefix)) {
      try book.unregister(prefix, owner: 8)
    }
    try book.unregister(prefix, owner: 7)
    #expect(book.isEmpty)
  }

  @Test func `the configuration's reservations stand above those that were added`() throws {
    var book = NamespaceBook()
    let prefix = try UrlPrefix("http://+:80/a/")
    try book.reserve(reservation("http://+:80/a/", [ann]), by: root)
    book.configure([try reservation("http://+:80/a/", [bob])], listens: [:])
    #expect(throws: NamespaceRefusal.self) { try book.register("http://+:80/a/", by: ann) }
    #expect(throws: NamespaceRefusal.configured(prefix)) { try book.release(prefix, by: root) }
    #expect(throws: NamespaceRefusal.configured(prefix)) {
      try book.reserve(Reservation(prefix, []), by: root, replaces: true)
    }
    book.configure([], listens: [:])
    try book.register("http://+:80/a/", by: ann)
  }

  @Test func `a snapshot holds each prefix once`() throws {
    var book = NamespaceBook()
    book.configure([try reservation("http://+:80/a/", [ann])], listens: [:])
    try book.reserve(reservation("http://+:80/a/b/", [ann]), by: root)
    try book.register("http://+:80/a/", by: ann)
    let snapshot = book.snapshot(
      queues: [NamespaceQueue(name: "q", slot: 0, serial: 7, user: ann.user)], generation: 3)
    #expect(snapshot.entryCount == 2 && snapshot.generation == 3)
    #expect(snapshot.entries.map(\.queue) == [0, -1])
  }

  @Test func `long prefixes are taken as long as there is room`() throws {
    var book = NamespaceBook()
    let long = String(repeating: "a", count: 2000)
    #expect(throws: NamespaceRefusal.noRoom) {
      for number in 0..<10_000 { try book.register("http://+:80/\(long)/\(number)/", by: root) }
    }
    #expect(book.registrations.count > 4000)
    _ = book.unregisterAll(owner: 1)
    try book.register("http://+:80/\(long)/", by: root)
  }

  @Test func `ten thousand prefixes come and go`() throws {
    var book = NamespaceBook()
    try book.reserve(reservation("http://+:80/a/", [ann]), by: root)
    for number in 0..<10_000 { try book.register("http://+:80/a/\(number)/b/", by: ann) }
    #expect(
      book.snapshot(queues: [NamespaceQueue(name: "q", slot: 0, serial: 7, user: 7)], generation: 1)
        .entryCount == 10_001)
    #expect(book.unregisterAll(owner: 2) == 0)
    #expect(book.unregisterAll(owner: 1) == 10_000)
    #expect(book.registrations.isEmpty)
  }
}
