// Invalidation by name: what is meant is met, what is not meant is not, and nothing slips through.

import Platform
import Testing

@testable import Cache

/// A stored response's names.
private struct Page {
  var host = "example.org"
  var port = 80
  var addressClass: UInt8 = 0
  var target = "/docs/guide/a.html"
  var labels: [String] = []
  var fileStamp: UInt32 = 0

  static func authority(_ port: Int) -> [UInt8] { [1, UInt8(port >> 8), UInt8(port & 255)] }

  var key: [UInt8] {
    [1] + Page.authority(port) + [UInt8](repeating: addressClass, count: 8)
      + Array("\(host)\0\(target)".utf8)
  }
}

private func resource(_ target: String, host: String = "example.org", port: Int = 80)
  -> CacheTarget
{
  .resource(
    authority: Page.authority(port), host: Array(host.utf8), target: Array(target.utf8))
}

private func subtree(_ path: String, host: String = "example.org", port: Int = 80) -> CacheTarget {
  .subtree(authority: Page.authority(port), host: Array(host.utf8), path: Array(path.utf8))
}

extension CacheStore {
  fileprivate func begin(_ page: Page, selector: [UInt8] = [], asOf: UInt64? = nil) -> CacheFill? {
    let key = page.key
    let labels = Array(page.labels.map { $0 + "\0" }.joined().utf8)
    let head = Array("ETag: \"1\"\r\n".utf8)
    var facts = EntryFacts()
    facts.fileStamp = page.fileStamp
    var entry = CacheEntryHead(
      key: key.rawSpan, hash: hash(key.rawSpan), facts: facts, head: head.rawSpan, validated: 0,
      asOf: asOf ?? generation)
    entry.selector = selector.rawSpan
    entry.labels = labels.rawSpan
    return beginFill(entry, bodyByteCount: 0)
  }

  fileprivate func find(_ page: Page) -> CacheHit? {
    let key = page.key
    return lookUp(key.rawSpan, hash: hash(key.rawSpan))
  }

  @discardableResult
  fileprivate func put(_ page: Page, selector: [UInt8] = []) -> Bool {
    guard let fill = begin(page, selector: selector) else { return false }
    return publish(fill)
  }

  /// What the stamps say now; nil when it is not stored.
  fileprivate func standing(_ page: Page, selector: [UInt8]? = nil) -> CacheStanding? {
    let key = page.key
    let hash = hash(key.rawSpan)
    let found =
      if let selector {
        lookUp(key.rawSpan, selector: selector.rawSpan, hash: hash)
      } else { lookUp(key.rawSpan, hash: hash) }
    guard let found else { return nil }
    defer { release() }
    let peeked = peekStanding(found)
    let standing = standing(found)
    #expect(peeked == standing)
    return standing
  }
}

@Suite struct CacheStampsTests {
  private static let page = Page(labels: ["news", "front"], fileStamp: 77)

  /// Each kind of name that means the page.
  private static let meant: [CacheTarget] = [
    .everything, .host(Array("example.org".utf8)), resource("/docs/guide/a.html"), subtree("/"),
    subtree("/docs/"), subtree("/docs/guide/"), .label(Array("news".utf8)),
    .label(Array("front".utf8)), .file(77),
  ]
  /// Names that come close.
  private static let notMeant: [CacheTarget] = [
    .host(Array("example.or".utf8)), .host(Array("www.example.org".utf8)), .host([]),
    resource("/docs/guide/a.htm"), resource("/docs/guide/"), resource("/docs/guide/a.html?"),
    resource("/docs/guide/a.html", port: 81), resource("/docs/guide/a.html", host: "other.org"),
    subtree("/doc/"), subtree("/docs/guide/a.html/"), subtree("/guide/"), subtree("/docs/g/"),
    subtree("/docs/", host: "other.org"), subtree("/docs/", port: 8080),
    .label(Array("new".utf8)), .label(Array("newsfront".utf8)), .label([]), .file(78),
  ]

  @Test(arguments: meant, [false, true])
  func `every kind of name meets what it means`(target: CacheTarget, isHard: Bool) throws {
    let store = try CacheStore.small()
    store.put(Self.page)
    #expect(store.standing(Self.page) == .good)
    store.invalidate(target, hard: isHard)
    #expect(store.standing(Self.page) == (isHard ? .gone : .stale))
    // Until it is made anew.
    #expect(store.standing(Self.page) == (isHard ? .gone : .stale))
    store.put(Self.page)
    #expect(store.standing(Self.page) == .good)
    #expect(store.settled() == [])
  }

  @Test(arguments: notMeant, [false, true])
  func `a name that comes close meets nothing`(target: CacheTarget, isHard: Bool) throws {
    let store = try CacheStore.small()
    store.put(Self.page)
    store.invalidate(target, hard: isHard)
    #expect(store.standing(Self.page) == .good)
  }

  @Test(arguments: meant, [false, true])
  func `a fill that began before an invalidation is never published`(
    target: CacheTarget, isHard: Bool
  ) throws {
    let store = try CacheStore.small()
    let fill = try #require(store.begin(Self.page))
    store.invalidate(target, hard: isHard)
    #expect(!store.publish(fill))
    #expect(store.standing(Self.page) == nil)
    #expect(store.statistics.refusedInvalidated == 1)
    // Also when it began to store only after, but had looked at its origin before.
    let before = store.generation
    store.invalidate(target, hard: isHard)
    let late = try #require(store.begin(Self.page, asOf: before))
    #expect(!store.publish(late))
    #expect(store.settled() == [])
  }

  @Test(arguments: notMeant)
  func `a fill is published whatever else is invalidated`(target: CacheTarget) throws {
    let store = try CacheStore.small()
    let fill = try #require(store.begin(Self.page))
    store.invalidate(target, hard: true)
    #expect(store.publish(fill))
    #expect(store.standing(Self.page) == .good)
  }

  @Test func `a prefix ends at whole segments`() throws {
    let store = try CacheStore.small()
    let inside = ["/a/", "/a/b", "/a/b/c", "/a/?q=/x"]
    let outside = ["/a", "/ab", "/ab/c", "/b/a/", "/", "/?x=/a/"]
    for target in inside + outside { store.put(Page(target: target)) }
    store.invalidate(subtree("/a/"), hard: false)
    for target in inside { #expect(store.standing(Page(target: target)) == .stale, "\(target)") }
    for target in outside { #expect(store.standing(Page(target: target)) == .good, "\(target)") }
  }

  @Test func `a query is part of the resource and of no directory`() throws {
    let store = try CacheStore.small()
    let plain = Page(target: "/a")
    let query = Page(target: "/a?x=/b/c")
    store.put(plain)
    store.put(query)
    store.invalidate(subtree("/a?x=/b/"), hard: true)
    #expect(store.standing(query) == .good)
    store.invalidate(resource("/a?x=/b/c"), hard: true)
    #expect(store.standing(query) == .gone)
    #expect(store.standing(plain) == .good)
    store.put(query)
    store.invalidate(resource("/a"), hard: true)
    #expect(store.standing(query) == .good)
    #expect(store.standing(plain) == .gone)
  }

  @Test func `a resource is met in all variants and address classes`() throws {
    let store = try CacheStore.small()
    let here = Page(addressClass: 0)
    let there = Page(addressClass: 9)
    for page in [here, there] {
      store.put(page)
      store.put(page, selector: [1])
    }
    store.invalidate(resource(here.target), hard: false)
    for page in [here, there] {
      #expect(store.standing(page, selector: []) == .stale)
      #expect(store.standing(page, selector: [1]) == .stale)
    }
  }

  @Test func `other hosts and ports are untouched`() throws {
    let store = try CacheStore.small()
    let pages = [Page(), Page(host: "other.org"), Page(port: 8080), Page(host: "")]
    for page in pages { store.put(page) }
    store.invalidate(subtree("/"), hard: false)
    #expect(pages.map { store.standing($0) } == [.stale, .good, .good, .good])
    store.invalidate(.host(Array("example.org".utf8)), hard: true)
    #expect(pages.map { store.standing($0) } == [.gone, .good, .gone, .good])
    store.invalidate(.everything, hard: false)
    #expect(pages.map { store.standing($0) } == [.gone, .stale, .gone, .stale])
  }

  @Test func `what was begun before a walk is not published behind it`() throws {
    let store = try CacheStore.small()
    let asOf = store.generation
    store.put(Page(target: "/kept"))
    let open = try #require(store.begin(Page(target: "/open")))
    store.refuseOlderFills()
    #expect(!store.publish(open))
    let late = try #require(store.begin(Page(target: "/late"), asOf: asOf))
    #expect(!store.publish(late))
    #expect(store.put(Page(target: "/after")))
    #expect(store.standing(Page(target: "/kept")) == .good)
    #expect(store.statistics.refusedInvalidated == 2)
    #expect(store.statistics.entries == 2)
  }

  @Test func `what is good is noted, and looked at again after each invalidation`() throws {
    let store = try CacheStore.small()
    store.put(Self.page)
    let hit = try #require(store.find(Self.page))
    #expect(store.isKnownGood(hit))
    store.invalidate(.label(Array("other".utf8)), hard: true)
    #expect(!store.isKnownGood(hit))
    #expect(store.peekStanding(hit) == .good)
    #expect(!store.isKnownGood(hit))
    #expect(store.standing(hit) == .good)
    #expect(store.isKnownGood(hit))
    store.invalidate(.file(77), hard: false)
    #expect(!store.isKnownGood(hit))
    #expect(store.standing(hit) == .stale)
    #expect(!store.isKnownGood(hit))
  }

  @Test func `a stale entry is good again once it was compared, a gone one never`() throws {
    let store = try CacheStore.small()
    store.put(Self.page)
    let hit = try #require(store.find(Self.page))
    let before = store.generation
    store.invalidate(.host(Array("example.org".utf8)), hard: false)
    // A comparison that began before the invalidation proves nothing.
    store.confirm(hit, asOf: before)
    #expect(store.standing(hit) == .stale)
    store.confirm(hit, asOf: store.generation)
    #expect(store.standing(hit) == .good)
    store.confirm(hit, asOf: before)
    #expect(store.standing(hit) == .good)
    store.invalidate(.host(Array("example.org".utf8)), hard: true)
    store.invalidate(.host(Array("example.org".utf8)), hard: false)
    #expect(store.standing(hit) == .gone)
  }
}

extension CacheProcessTests {
  @Suite struct StampsFromManyProcesses {
    @Test func `invalidations of several processes at once are all met`() throws {
      let store = try CacheStore.small()
      let processes = 3
      let rounds = 400
      let pages = (0..<processes).map { Page(host: "host\($0).org", labels: ["tag\($0)"]) }
      for page in pages { store.put(page) }
      let before = store.generation
      let children = (0..<processes).map { number in
        TestProcess.fork {
          store.attach(processSlot: 10 + number)
          for round in 0..<rounds {
            // Each makes its own page anew, and invalidates it: it must never seem good after.
            while !store.put(pages[number]) { TestProcess.pause(microseconds: 50) }
            let target: CacheTarget =
              round % 2 == 0
              ? .label(Array("tag\(number)".utf8)) : .host(Array("host\(number).org".utf8))
            store.invalidate(target, hard: round % 3 == 0)
            let expected: CacheStanding = round % 3 == 0 ? .gone : .stale
            guard let hit = store.find(pages[number]), store.standing(hit) == expected
            else { fatalError("round \(round) of process \(number)") }
            store.release()
          }
        }
      }
      for child in children { #expect(TestProcess.wait(child) == 0) }
      for number in 0..<processes { store.clearProcessSlot(10 + number) }
      #expect(store.generation == before + UInt64(rounds * processes))
      for page in pages {
        let standing = store.standing(page)
        #expect(standing == .stale || standing == .gone)
      }
      #expect(store.settled() == [])
    }
  }
}
