// One process's work: making entries of every kind.

import Cache
import Platform

extension Labourer {
  func begin(_ page: Page, _ edition: Edition, isKnown: Bool, asOf: UInt64) -> CacheFill? {
    var facts = EntryFacts()
    facts.fingerprint = UInt64(edition.number) | UInt64(edition.variant) << 32
    facts.checks = edition.version
    facts.fileStamp = store.fileStamp(Page.filePath(page.file).rawSpan)
    let key = page.key
    let head = edition.head
    let selector = Page.selector(edition.variant)
    let labels = page.labels
    return timed(.beginFill) {
      var entry = CacheEntryHead(
        key: key.rawSpan, hash: store.hash(key.rawSpan), facts: facts, head: head.rawSpan,
        validated: 0, asOf: asOf)
      entry.selector = selector.rawSpan
      entry.labels = labels.rawSpan
      return store.beginFill(entry, bodyByteCount: isKnown ? edition.byteCount : nil)
    }
  }

  /// Writes a body block by block; false when there is no room.
  func write(_ edition: Edition, _ fill: CacheFill) -> Bool {
    var block = edition.block
    var position = 0
    // Straight into the store's memory, or by its own hand.
    let isDirect = chance.below(2) == 0
    while position < edition.byteCount {
      let index = position / Edition.blockBytes
      Edition.number(&block, index)
      let count = min(Edition.blockBytes, edition.byteCount - position)
      let bytes = block
      let isWritten = timed(.write) {
        isDirect
          ? put(bytes, count, at: position, fill)
          : store.write(bytes.rawSpan.extracting(0..<count), at: position, of: fill)
      }
      guard isWritten else { return false }
      position += count
      if index & 63 == 0 { doom.holding() }
    }
    return true
  }

  private func put(_ bytes: [UInt8], _ count: Int, at position: Int, _ fill: CacheFill) -> Bool {
    var done = 0
    while done < count {
      guard let room = store.room(for: fill, at: position + done) else { return false }
      let part = min(room.count, count - done)
      store.region.copyIn(bytes.rawSpan.extracting(done..<done + part), at: room.offset)
      done += part
    }
    return true
  }

  // MARK: Small entries

  /// Follows another spelling to its page, or stores it.
  func useAlias(of page: Page) {
    let asOf = store.generation
    let floors = ledger.floors(page)
    let raw = page.spelling(chance.below(Page.spellingCount))
    let rawHash = store.hash(raw.rawSpan)
    let key = page.key
    let hash = store.hash(key.rawSpan)
    guard let alias = timed(.lookUp, { store.lookUp(raw.rawSpan, hash: rawHash) }) else {
      var facts = EntryFacts()
      facts.fingerprint = UInt64(page.number)
      timed(.insertAlias) {
        _ = store.insertAlias(
          rawKey: raw.rawSpan, rawHash: rawHash, canonicalKey: key.rawSpan, canonicalHash: hash,
          facts: facts, validated: 0, asOf: asOf)
      }
      return
    }
    ledger.note(.aliases)
    guard store.facts(alias).kind == .alias, store.facts(alias).fingerprint == UInt64(page.number)
    else { return ledger.complain(.wrongAlias, slot: slot, [UInt64(page.number)]) }
    guard store.standing(alias) == .good else {
      timed(.drop) { _ = store.drop(alias) }
      return
    }
    doom.holding()
    guard let hit = timed(.follow, { store.follow(alias) }) else { return }
    doom.holding()
    use(hit, page, floors)
  }

  /// Reads a negative answer, or stores it.
  func useNegative(of page: Page) {
    let asOf = store.generation
    let key = page.absentKey
    let hash = store.hash(key.rawSpan)
    let body = Array("nothing under page \(page.number)".utf8)
    guard let hit = timed(.lookUp, { store.lookUp(key.rawSpan, hash: hash) }) else {
      var facts = EntryFacts()
      facts.kind = .negative
      facts.status = 404
      facts.fingerprint = UInt64(page.number)
      let head = Array("Cache-Control: no-store\r\n".utf8)
      timed(.insertNegative) {
        let entry = CacheEntryHead(
          key: key.rawSpan, hash: hash, facts: facts, head: head.rawSpan, validated: 0, asOf: asOf)
        _ = store.insertNegative(entry, body: body.rawSpan)
      }
      return
    }
    ledger.note(.negatives)
    let range = store.extent(hit, 0)
    guard store.facts(hit).fingerprint == UInt64(page.number), range.count == body.count,
      store.region.equal(at: range.offset, to: body.rawSpan)
    else { return ledger.complain(.wrongNegative, slot: slot, [UInt64(page.number)]) }
    if store.standing(hit) != .good { timed(.drop) { _ = store.drop(hit) } }
  }
}
