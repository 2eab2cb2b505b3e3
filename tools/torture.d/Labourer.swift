// One process's work: everything the store can do, at random, every byte looked at.

import Cache
import Platform

/// A kind of operation, for the report.
enum Operation: UInt64 {
  case lookUp = 1
  case standing, beginFill, write, publish, abandon, drop, pin, unpin, follow, insertAlias
  case insertNegative, invalidate, confirm, tidy, walk

  /// Microseconds of processor time that are too many. A walk looks at all of a shard; anything
  /// else may have to make a shard sound again, and find its pages mapped first.
  var processorMicrosecondsMax: UInt64 { self == .walk ? 2_000_000 : 250_000 }
}

final class Labourer {
  let store: CacheStore
  let ledger: Ledger
  let slot: Int
  let doom: Doom
  var chance: Chance
  private var pins: [(pin: CachePin, page: Page)] = []
  private var openFills: [CacheFill] = []
  /// Bytes of the largest body.
  private let byteCountMax: Int
  /// Microseconds of wall time that are too many for one operation of who was not stopped.
  static let wallMicrosecondsMax: Int64 = 1_000_000

  init(_ store: CacheStore, _ ledger: Ledger, slot: Int, fate: Fate, seed: UInt64) {
    self.store = store
    self.ledger = ledger
    self.slot = slot
    chance = Chance(seed: seed)
    doom = Doom(fate, ledger, slot: slot, &chance)
    byteCountMax = min(1 << 20, store.objectBytesMax)
  }

  /// One operation, timed.
  func timed<T>(_ operation: Operation, _ body: () -> T) -> T {
    let stops = ledger.stops(slot)
    let wall = Clock.monotonicMicroseconds()
    let start = Clock.processNanoseconds()
    let result = body()
    let used = UInt64(max(0, Clock.processNanoseconds() - start)) / 1000
    let passed = Clock.monotonicMicroseconds() - wall
    if operation != .walk { ledger.noteOperation(microseconds: used) }
    if used > operation.processorMicrosecondsMax {
      ledger.complain(.tooMuchProcessorTime, slot: slot, [operation.rawValue, used])
    }
    if passed > Labourer.wallMicrosecondsMax, ledger.stops(slot) == stops {
      // On a busy machine others may simply have had their turn.
      let queued = OwnProcess.queuedMicroseconds()
      if UInt64(passed) > queued + UInt64(Labourer.wallMicrosecondsMax) {
        ledger.complain(.tooLong, slot: slot, [operation.rawValue, UInt64(passed), queued])
      }
    }
    return result
  }

  func step() {
    ledger.note(.operations)
    let page = somePage()
    switch chance.below(1000) {
    case 0..<640: visit(page)
    case 640..<760: replace(page)
    case 760..<840: useAlias(of: page)
    case 840..<900: useNegative(of: page)
    case 900..<940: invalidate(page)
    case 940..<960: _ = timed(.tidy) { store.tidy() }
    case 960..<998: visit(Page(number: Page.manyVariants))
    default: if chance.below(40) == 0 { walk() }
    }
    if chance.below(4) > 0 { store.release() }
    if pins.count > 3 || (!pins.isEmpty && chance.below(8) == 0) { unpinOne() }
    if openFills.count > 4 || (!openFills.isEmpty && chance.below(16) == 0) {
      let fill = openFills.removeFirst()
      timed(.abandon) { store.abandon(fill) }
    }
    if !pins.isEmpty || !openFills.isEmpty { doom.holding() }
  }

  /// Lets go of everything, as a process does that ends in order.
  func finish() {
    store.release()
    while !pins.isEmpty { unpinOne() }
    for fill in openFills { store.abandon(fill) }
    openFills.removeAll()
  }

  private func somePage() -> Page {
    Page(number: chance.below(chance.below(3) == 0 ? Page.hotCount : Page.count))
  }

  // MARK: Reading

  /// Looks a page up, in any of its variants or one of them, and fills it when it is not there.
  private func visit(_ page: Page) {
    let variant = chance.below(page.variantCount)
    let floors = ledger.floors(page)
    let key = page.key
    let hash = store.hash(key.rawSpan)
    let selector = Page.selector(variant)
    let isChosen = page.variantCount > 1 && chance.below(4) > 0
    let found = timed(.lookUp) {
      isChosen
        ? store.lookUp(key.rawSpan, selector: selector.rawSpan, hash: hash)
        : store.lookUp(key.rawSpan, hash: hash)
    }
    guard let hit = found else { return fill(page, variant) }
    doom.holding()
    use(hit, page, floors)
  }

  /// Does with a held entry what a worker does, and more.
  func use(_ hit: CacheHit, _ page: Page, _ floors: (soft: UInt32, hard: UInt32)) {
    let asOf = store.generation
    let seen = store.validated(hit)
    switch timed(.standing, { store.standing(hit) }) {
    case .gone:
      timed(.drop) { _ = store.drop(hit) }
      return
    case .stale:
      guard chance.below(3) > 0 else {
        timed(.drop) { _ = store.drop(hit) }
        return
      }
      // As after a look at the origin: the note of it first, so that nobody sees it missing.
      let version = UInt64(ledger.newVersion())
      var old = store.validated(hit)
      while old < version, !store.setValidated(hit, from: old, to: version) {
        old = store.validated(hit)
      }
      timed(.confirm) { store.confirm(hit, asOf: asOf) }
    case .good:
      let version = store.facts(hit).checks
      if version <= floors.hard {
        complain(.invalidatedButGood, page, version, floors.hard)
      }
      if max(UInt64(version), seen, store.validated(hit)) <= UInt64(floors.soft) {
        complain(.staleButGood, page, version, floors.soft)
      }
    }
    ledger.note(.hits)
    check(hit, page)
    switch chance.below(24) {
    case 0: timed(.drop) { _ = store.drop(hit) }
    case 1, 2: pin(hit, page)
    case 3:
      // A slow look: whoever replaces it meanwhile must leave it alone.
      OwnProcess.pause(microseconds: chance.below(2000))
      check(hit, page)
    default: break
    }
  }

  private func complain(_ complaint: Complaint, _ page: Page, _ version: UInt32, _ least: UInt32) {
    ledger.complain(
      complaint, slot: slot, [UInt64(page.number), UInt64(version), UInt64(least)])
  }

  private func check(_ hit: CacheHit, _ page: Page) {
    guard !store.isRight(hit, page) else { return }
    let edition = store.claimedEdition(hit)
    ledger.complain(
      .wrongBytes, slot: slot,
      [UInt64(page.number), UInt64(edition.variant), UInt64(edition.version)])
  }

  // MARK: Pins

  private func pin(_ hit: CacheHit, _ page: Page) {
    guard let pin = timed(.pin, { store.pin(hit) }) else { return }
    ledger.note(.pins)
    pins.append((pin, page))
    doom.holding()
  }

  private func unpinOne() {
    let last = pins.remove(at: chance.below(pins.count))
    check(last.pin.hit, last.page)
    timed(.unpin) { store.unpin(last.pin) }
  }

  // MARK: Other operations

  private func invalidate(_ page: Page) {
    let (number, target) = Target.one(of: page, &chance, store)
    let hard = chance.below(2) == 0
    // What has this version or a lower one noted the generation before this moment.
    let version = ledger.version
    timed(.invalidate) { store.invalidate(target, hard: hard) }
    ledger.raiseFloor(number, hard: hard, to: version)
    ledger.note(.invalidations)
  }

  /// Everything at once, while others work.
  private func walk() {
    ledger.note(.walks)
    let faults = timed(.walk) { store.checkInvariants() }.filter { !$0.hasSuffix("stays locked") }
    if !faults.isEmpty { ledger.complain(.invariants, slot: slot, [UInt64(faults.count)]) }
    let statistics = store.statistics
    if statistics.usedBytes < 0 || statistics.freeBytes > statistics.arenaBytes {
      ledger.complain(.invariants, slot: slot, [0])
    }
  }

  private func replace(_ page: Page) {
    fill(page, chance.below(page.variantCount))
  }

  /// Fills a page's variant, of which the store learns the length before or only at the end.
  private func fill(_ page: Page, _ variant: Int) {
    // In this order: see `invalidate`.
    let asOf = store.generation
    let most = chance.below(12) == 0 ? byteCountMax : 20_000
    let edition = Edition(
      number: page.number, variant: variant, version: ledger.newVersion(),
      byteCount: chance.spread(200, most))
    let isKnown = chance.below(3) > 0
    guard let fill = begin(page, edition, isKnown: isKnown, asOf: asOf) else { return }
    ledger.note(.fills)
    let isWhole = write(edition, fill)
    doom.holding()
    switch chance.below(16) {
    case _ where !isWhole: timed(.abandon) { store.abandon(fill) }
    case 0: timed(.abandon) { store.abandon(fill) }
    case 1 where openFills.count < 8: openFills.append(fill)
    default:
      let isPublished = timed(.publish) {
        store.publish(fill, bodyByteCount: isKnown ? nil : edition.byteCount)
      }
      if isPublished { ledger.note(.publishes) }
    }
  }
}
