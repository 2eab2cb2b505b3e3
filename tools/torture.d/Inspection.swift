// What must be true of a store when nobody works in it any more.

import Cache
import Platform

struct Inspection {
  let store: CacheStore
  let ledger: Ledger
  /// Entries that were there at the start of the inspection.
  private(set) var entryCount = 0
  private(set) var faults: [String] = []

  /// A process slot that no labourer has.
  private static let slot = Ledger.slotCount

  init(_ store: CacheStore, _ ledger: Ledger) {
    self.store = store
    self.ledger = ledger
  }

  /// Looks at the books, at each entry, drops them all and looks again.
  mutating func run() {
    store.attach(processSlot: Inspection.slot)
    defer { store.clearProcessSlot(Inspection.slot) }
    settle()
    faults += store.checkInvariants()
    let statistics = store.statistics
    entryCount = statistics.entries
    expect(
      statistics.usedBytes + statistics.freeBytes == statistics.arenaBytes,
      "allocated and free are not all")
    expect(statistics.retired == 0, "\(statistics.retired) entries stay retired")
    expect(statistics.pinnedBytes == 0, "\(statistics.pinnedBytes) bytes stay pinned")
    expect(statistics.damaged == 0, "\(statistics.damaged) entries were damaged")
    for number in 0..<Page.count { look(Page(number: number)) }
    store.release()
    settle()
    faults += store.checkInvariants()
    let left = store.statistics
    // With no entry left, what is in use is a fill's that nobody reclaimed, or nobody's.
    expect(left.usedBytes == 0, "\(left.usedBytes) bytes stay in use without an entry")
    expect(left.entries + left.retired == 0, "entries stay")
    works()
  }

  private mutating func expect(_ isTrue: Bool, _ otherwise: String) {
    if !isTrue { faults.append(otherwise) }
  }

  /// Lets every shard free what was left.
  private func settle() {
    for _ in 0..<1000 {
      for _ in 0..<store.shardCount { store.tidy() }
      if store.statistics.retired == 0 { break }
    }
  }

  /// Each entry of a page: right, not good if it was invalidated; then dropped.
  private mutating func look(_ page: Page) {
    let key = page.key
    let hash = store.hash(key.rawSpan)
    let floors = ledger.floors(page)
    for variant in 0..<page.variantCount {
      let selector = Page.selector(variant)
      guard let hit = store.lookUp(key.rawSpan, selector: selector.rawSpan, hash: hash) else {
        continue
      }
      if store.standing(hit) == .good, store.claimedEdition(hit).version <= floors.hard {
        faults.append("page \(page.number) is good in spite of a hard invalidation")
      }
      expect(store.isRight(hit, page), "page \(page.number), variant \(variant) has wrong bytes")
      store.drop(hit)
    }
    for index in 0..<Page.spellingCount { drop(page.spelling(index)) }
    drop(page.absentKey)
  }

  private func drop(_ key: [UInt8]) {
    if let hit = store.lookUp(key.rawSpan, hash: store.hash(key.rawSpan)) { store.drop(hit) }
  }

  /// A body is stored, found and dropped.
  private mutating func works() {
    let labourer = Labourer(store, ledger, slot: Inspection.slot - 1, fate: .spared, seed: 1)
    let page = Page(number: 1)
    let edition = Edition(
      number: 1, variant: 0, version: ledger.newVersion(), byteCount: 300_000)
    let fill = labourer.begin(page, edition, isKnown: true, asOf: store.generation)
    guard let fill, labourer.write(edition, fill), store.publish(fill) else {
      faults.append("the store takes nothing any more")
      return
    }
    let key = page.key
    let hit = store.lookUp(key.rawSpan, hash: store.hash(key.rawSpan))
    expect(hit.map { store.isRight($0, page) } ?? false, "what was stored last is not found")
    if let hit { store.drop(hit) }
    store.release()
    settle()
    expect(store.statistics.usedBytes == 0, "the last entry stays")
  }
}
