// Pins: entries held while slow clients take them.

import Platform

/// Holding an entry beyond `release`.
extension CacheStore {
  /// Keeps a held entry beyond `release`. nil when the ledger is full or all processes together
  /// would exceed `pinnedBytesMax`: copy the rest of the body instead. Pins of one entry share one
  /// place, so a thousand slow readers of one body cost it once.
  package func pin(_ hit: CacheHit) -> CachePin? {
    guard let processSlot else { return nil }
    let slot = CacheGeometry.slotOffset(processSlot)
    let unit = entryUnit(hit.offset)
    var free: Int?
    for index in 0..<SlotLayout.pinCount {
      if pinShares[index] == 0 {
        if free == nil { free = index }
      } else if region.loadRelaxed64(at: slot + SlotLayout.pins + index * 8) == UInt64(unit) {
        pinShares[index] += 1
        return CachePin(hit: hit, ledgerIndex: index)
      }
    }
    let bytes = heldBytes(hit.offset)
    guard let free, pinnedBytes + bytes <= pinnedBytesMax else {
      count(.pinsRefused)
      return nil
    }
    let mine = region.loadRelaxed64(at: slot + SlotLayout.pinnedBytes)
    region.storeRelaxed64(mine + UInt64(bytes), at: slot + SlotLayout.pinnedBytes)
    region.pinHeld(unit, place: free, in: CacheGeometry.holdTable.places(processSlot))
    pinShares[free] = 1
    return CachePin(hit: hit, ledgerIndex: free)
  }

  /// Ends a pin; once for each.
  package func unpin(_ pin: CachePin) {
    guard let processSlot else { return }
    let slot = CacheGeometry.slotOffset(processSlot)
    precondition(pinShares[pin.ledgerIndex] > 0, "unpinned twice")
    pinShares[pin.ledgerIndex] -= 1
    guard pinShares[pin.ledgerIndex] == 0 else { return }
    let mine = region.loadRelaxed64(at: slot + SlotLayout.pinnedBytes)
    let bytes = UInt64(heldBytes(pin.hit.offset))
    region.storeRelaxed64(mine - min(mine, bytes), at: slot + SlotLayout.pinnedBytes)
    var high = SlotLayout.pinCount
    while high > 0 && pinShares[high - 1] == 0 { high -= 1 }
    region.unpin(
      place: pin.ledgerIndex, high: high, in: CacheGeometry.holdTable.places(processSlot))
  }

  /// Bytes pinned by all processes now.
  var pinnedBytes: Int {
    var sum = 0
    for index in 0..<Int(region.loadAcquire32(at: HeaderLayout.slotsUsed)) {
      let slot = CacheGeometry.slotOffset(index)
      sum += Int(clamping: region.loadRelaxed64(at: slot + SlotLayout.pinnedBytes))
    }
    return sum
  }

  /// Arena bytes of a published entry's run, table and extents.
  func heldBytes(_ entry: Int) -> Int {
    var units = runUnits(entry) + tableUnits(entry)
    for index in 0..<count16(entry, EntryLayout.extentCount) {
      units += unitsNeeded(extent(CacheHit(offset: entry), index).count)
    }
    return units << ArenaLayout.unitShift
  }
}
