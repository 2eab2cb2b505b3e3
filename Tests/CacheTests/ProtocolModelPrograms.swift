// Readers, writers, the master and the recovery of the modelled store, made of the real protocol.

import Testing

@testable import Cache

/// The modelled segment: 32 places, each a word.
enum ModelPlace {
  /// Names the entry; and names the alias of it, where there is one. A word is only the unit: as if
  /// all entries had the same tag, which is the worst case.
  static let index = 0
  static let aliasIndex = 1
  static let indexWords = [index, aliasIndex]
  static let slotsUsed = 2
  static let mutex = 3
  /// hazard, aliasHazard, pinsHigh, one ledger place, and a word that stays 1; two slots.
  static let slots = 4
  static let slotStride = 5
  static let slotOnes = [8, 13]
  static let holdWords = [4, 5, 6, 7, 9, 10, 11, 12]

  static let units = 1...3
  /// What an entry's bytes are, `scribble` for those of free memory, where free lists have links.
  static func content(_ unit: Int) -> Int { 13 + unit }
  static func unit(ofContent place: Int) -> Int? {
    units.contains(place - 13) ? place - 13 : nil
  }
  static let scribble = 0
  static let sealed = 1
  /// What the allocator believes of a unit, guarded by the mutex.
  static func state(_ unit: Int) -> Int { 16 + unit }
  static let free = 0
  static let used = 1
  static let retired = 2

  static let holds = HoldTable(
    slotsUsed: slotsUsed, first: HoldPlaces(hazard: 4, aliasHazard: 5, pinsHigh: 6, pins: 7),
    stride: slotStride, pinCount: 1)
  /// The same words, looked at in orders in which holds do not move.
  static let aliasFirst = HoldTable(
    slotsUsed: slotsUsed, first: HoldPlaces(hazard: 5, aliasHazard: 4, pinsHigh: 6, pins: 7),
    stride: slotStride, pinCount: 1)
  static let ledgerFirst = HoldTable(
    slotsUsed: slotsUsed, first: HoldPlaces(hazard: 7, aliasHazard: 5, pinsHigh: 8, pins: 4),
    stride: slotStride, pinCount: 1)

  /// What a place is, for people.
  static func name(_ place: Int) -> String {
    switch place {
    case index: return "the index word"
    case aliasIndex: return "the alias's index word"
    case slotsUsed: return "slotsUsed"
    case slots..<slots + 2 * slotStride:
      let words = ["hazard", "aliasHazard", "pinsHigh", "pin", "one"]
      return "\(words[(place - slots) % slotStride]) of slot \((place - slots) / slotStride)"
    case 14...16: return "the bytes of unit \(place - 13)"
    case 17...19: return "the state of unit \(place - 16)"
    default: return "place \(place)"
    }
  }

  /// Unit 1 in the index; with `alias`, unit 2 as its alias.
  static func start(slots: Int = 2, alias: Bool = false) -> [Int: Int] {
    var memory = [index: 1, content(1): sealed, state(1): used, slotsUsed: slots]
    for place in slotOnes { memory[place] = 1 }
    if alias {
      memory[aliasIndex] = 2
      memory[content(2)] = sealed
      memory[state(2)] = used
    }
    return memory
  }
}

extension ModelMemory {
  /// `lookUp`'s loop about one index word: the unit held, 0 for none.
  func lookUp(at index: Int, hazard: Int) throws(Interruption) -> Int {
    var word = UInt64(try perform(.load(index)))
    for _ in 0..<2 where word != 0 {
      let again = try hold(UInt32(word), namedAt: index, hazard: hazard)
      if again == word { return Int(word) }
      word = again
    }
    return 0
  }

  /// Reads a held entry.
  func read(_ unit: Int, _ locals: inout Locals) throws(Interruption) {
    let content = try perform(.load(ModelPlace.content(unit)))
    if content != ModelPlace.sealed { locals.readWrong = true }
  }

  /// Gives a unit back: its first words become a free list's links.
  func free(_ unit: Int) throws(Interruption) {
    try perform(.store(ModelPlace.content(unit), ModelPlace.scribble))
    try perform(.store(ModelPlace.state(unit), ModelPlace.free))
  }
}

/// Readers.
enum Reader {
  private static func look(_ places: HoldPlaces) -> Stage {
    Stage { memory, locals throws(Interruption) in
      locals.unit = try memory.lookUp(at: ModelPlace.index, hazard: places.hazard)
      locals.holds = locals.unit == 0 ? 0 : 1 << locals.unit
    }
  }

  private static let read = Stage { memory, locals throws(Interruption) in
    if locals.unit != 0 { try memory.read(locals.unit, &locals) }
  }

  private static func letGo(_ places: HoldPlaces) -> Stage {
    Stage { memory, locals throws(Interruption) in
      try memory.letGo(hazard: places.hazard)
      locals.holds = 0
    }
  }

  /// Looks up, reads, lets go. `entering`: in a slot that was never in use.
  static func plain(_ slot: Int, entering: Bool = false) -> [Stage] {
    let places = ModelPlace.holds.places(slot)
    return (entering ? enter(slot) : []) + [look(places), read, letGo(places)]
  }

  private static func enter(_ slot: Int) -> [Stage] {
    [
      Stage { memory, _ throws(Interruption) in
        try memory.enterHolders(processSlot: slot, in: ModelPlace.holds)
      }
    ]
  }

  /// Looks up, pins, looks up once more and lets go of that, reads what is pinned, unpins.
  static func pinning(_ slot: Int) -> [Stage] {
    let places = ModelPlace.holds.places(slot)
    return [
      look(places),
      Stage { memory, locals throws(Interruption) in
        if locals.unit != 0 { try memory.pinHeld(UInt32(locals.unit), place: 0, in: places) }
      },
      Stage { memory, _ throws(Interruption) in
        _ = try memory.lookUp(at: ModelPlace.index, hazard: places.hazard)
      },
      Stage { memory, _ throws(Interruption) in try memory.letGo(hazard: places.hazard) },
      read,
      Stage { memory, locals throws(Interruption) in
        guard locals.unit != 0 else { return }
        locals.holds = 0
        try memory.unpin(place: 0, high: 0, in: places)
      },
    ]
  }

  /// Does not look again after publishing: wrong.
  static func trusting(_ slot: Int) -> [Stage] {
    let places = ModelPlace.holds.places(slot)
    return [
      Stage { memory, locals throws(Interruption) in
        locals.unit = try memory.perform(.load(ModelPlace.index))
        guard locals.unit != 0 else { return }
        _ = try memory.hold(UInt32(locals.unit), namedAt: ModelPlace.index, hazard: places.hazard)
        locals.holds = 1 << locals.unit
      },
      read, letGo(places),
    ]
  }

  /// Comes to be looked at only after its first hold: wrong.
  static func enteringLate(_ slot: Int) -> [Stage] {
    let places = ModelPlace.holds.places(slot)
    return [look(places)] + enter(slot) + [read, letGo(places)]
  }

  /// Lets go before it pins: wrong.
  static func pinningLate(_ slot: Int) -> [Stage] {
    let places = ModelPlace.holds.places(slot)
    return [
      look(places),
      Stage { memory, locals throws(Interruption) in
        try memory.letGo(hazard: places.hazard)
        if locals.unit != 0 { try memory.pinHeld(UInt32(locals.unit), place: 0, in: places) }
      },
      read,
    ]
  }

  /// Holds the alias, moves that hold, holds the entry, reads the alias's bytes meanwhile.
  static func following(_ slot: Int) -> [Stage] {
    let places = ModelPlace.holds.places(slot)
    return [
      Stage { memory, locals throws(Interruption) in
        locals.unit = try memory.lookUp(at: ModelPlace.aliasIndex, hazard: places.hazard)
        locals.holds = locals.unit == 0 ? 0 : 1 << locals.unit
      },
      Stage { memory, locals throws(Interruption) in
        guard locals.unit != 0 else { return }
        try memory.moveHold(ofAlias: UInt32(locals.unit), to: places.aliasHazard)
      },
      Stage { memory, locals throws(Interruption) in
        guard locals.unit != 0 else { return }
        let entry = try memory.lookUp(at: ModelPlace.index, hazard: places.hazard)
        if entry != 0 { locals.holds |= 1 << entry }
        try memory.read(locals.unit, &locals)
        let alias = locals.unit
        locals.unit = entry
        try memory.letGo(hazard: places.aliasHazard)
        if entry != alias { locals.holds &= ~(1 << alias) }
      },
      read, letGo(places),
    ]
  }
}

/// Writers, and what they do for the dead. All between `lock` and `unlock`.
struct Writer {
  /// Where it looks for holds.
  var holds = ModelPlace.holds
  /// Recovery without them: wrong.
  var recoveryIgnoresHolds = false

  private static let lock = Stage { memory, locals throws(Interruption) in
    locals.ownerDied = try memory.perform(.lock) == 1
  }

  private static let unlock = Stage { memory, _ throws(Interruption) in try memory.perform(.unlock)
  }

  /// Frees a unit that no index word names, or leaves it to a later sweep.
  private func retire(_ unit: Int, _ memory: ModelMemory) throws(Interruption) {
    if try memory.isHeld(UInt32(unit), in: holds) {
      try memory.perform(.store(ModelPlace.state(unit), ModelPlace.retired))
    } else {
      try memory.free(unit)
    }
  }

  /// What is in the index or held stays, all else becomes free.
  private var recover: [Stage] {
    [
      Stage { memory, locals throws(Interruption) in
        guard locals.ownerDied else { return }
        var found = 0
        for place in ModelPlace.indexWords {
          found |= 1 << (try memory.perform(.loadGuarded(place)))
        }
        locals.found = found & ~1
      },
      Stage { memory, locals throws(Interruption) in
        guard locals.ownerDied else { return }
        let named = locals.found
        var held = 0
        if !recoveryIgnoresHolds {
          _ = try memory.anyHold(in: holds) { unit in
            held |= 1 << Int(unit)
            return false
          }
        }
        locals.found = named << 4 | held & ~named
      },
      Stage { memory, locals throws(Interruption) in
        guard locals.ownerDied else { return }
        for unit in ModelPlace.units {
          if locals.found >> 4 & 1 << unit != 0 {
            try memory.perform(.store(ModelPlace.state(unit), ModelPlace.used))
          } else if locals.found & 1 << unit != 0,
            try memory.perform(.loadGuarded(ModelPlace.content(unit))) == ModelPlace.sealed
          {
            try memory.perform(.store(ModelPlace.state(unit), ModelPlace.retired))
          } else {
            try memory.free(unit)
          }
        }
        locals = Locals()
      },
    ]
  }

  private var sweep: [Stage] {
    ModelPlace.units.map { unit in
      Stage { memory, locals throws(Interruption) in
        let state = try memory.perform(.loadGuarded(ModelPlace.state(unit)))
        if state == ModelPlace.retired { try retire(unit, memory) }
      }
    }
  }

  /// A free unit with another entry's bytes in it.
  private static let fill = Stage { memory, locals throws(Interruption) in
    locals.unit = 0
    for unit in ModelPlace.units {
      let state = try memory.perform(.loadGuarded(ModelPlace.state(unit)))
      guard state == ModelPlace.free else { continue }
      locals.unit = unit
      try memory.perform(.store(ModelPlace.state(unit), ModelPlace.used))
      try memory.perform(.store(ModelPlace.content(unit), ModelPlace.sealed))
      break
    }
  }

  private func setIndex(_ index: Int, emptying: Bool) -> Stage {
    Stage { memory, locals throws(Interruption) in
      let old = try memory.perform(.loadGuarded(index))
      guard emptying ? old != 0 : locals.unit != 0 else {
        locals.unit = 0
        return
      }
      try memory.setIndexWord(emptying ? 0 : UInt64(locals.unit), at: index)
      locals.unit = old
    }
  }

  /// Of what an index word named.
  private var retireOld: Stage {
    Stage { memory, locals throws(Interruption) in
      if locals.unit != 0 { try retire(locals.unit, memory) }
      locals.unit = 0
    }
  }

  /// Takes an entry out and puts another in, where there is room; in the same memory when nobody
  /// holds it.
  func reusing(_ index: Int = ModelPlace.index) -> [Stage] {
    [Writer.lock] + recover + sweep + [setIndex(index, emptying: true), retireOld]
      + [Writer.fill, setIndex(ModelPlace.index, emptying: false), retireOld, Writer.unlock]
  }

  /// Puts an entry in the place of an older one, `times` times.
  func replacing(times: Int = 1) -> [Stage] {
    var stages = [Writer.lock] + recover + sweep
    for _ in 0..<times {
      stages += [Writer.fill, setIndex(ModelPlace.index, emptying: false), retireOld]
    }
    return stages + [Writer.unlock]
  }

  /// The last to come: two sweeps after all others have ended, so that the second meets what the
  /// first one's recovery found.
  func last() -> [Stage] {
    let wait = Stage { memory, _ throws(Interruption) in try memory.perform(.awaitOthers) }
    return [wait, Writer.lock] + recover + sweep + [Writer.unlock]
  }

  /// The master, about a process in a slot.
  static func master(of process: Int, slot: Int) -> [Stage] {
    [
      Stage { memory, _ throws(Interruption) in try memory.perform(.awaitEnd(process)) },
      Stage { memory, _ throws(Interruption) in
        let places = ModelPlace.holds.places(slot)
        try memory.clearHolds(places, pinCount: ModelPlace.holds.pinCount)
      },
    ]
  }
}
