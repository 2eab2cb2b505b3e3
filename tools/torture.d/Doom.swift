// How a process is to end: decided at its start, carried out by itself at a counted moment.

import Cache

/// What lies ahead of a process.
enum Fate: CaseIterable {
  /// Nothing until the round ends: what it does must never take long.
  case spared
  /// Whatever the overseer sends.
  case outside
  /// Dies before a store to a shard's books.
  case inSection
  /// Dies before such a store while it makes a shard sound again.
  case inRecovery
  /// Dies between two operations, with all that it holds.
  case holding
  /// Stops before such a store, and goes on when the overseer says so.
  case stopsInSection
}

/// Counts the moments at which a process might end, and ends it at the chosen one.
final class Doom {
  private let ledger: Ledger
  private let slot: Int
  private var fate: Fate
  /// Moments that are survived.
  private var left: Int

  init(_ fate: Fate, _ ledger: Ledger, slot: Int, _ chance: inout Chance) {
    self.fate = fate
    self.ledger = ledger
    self.slot = slot
    switch fate {
    case .spared, .outside: left = 0
    // An operation is some ten moments, a recovery some thousands.
    case .inSection, .stopsInSection: left = chance.spread(1, 4000)
    case .inRecovery: left = chance.spread(1, 2500)
    case .holding: left = chance.spread(1, 400)
    }
  }

  /// Before a store to a shard's books.
  func inside(_ store: CacheStore) {
    switch fate {
    case .inSection where !store.isRecovering:
      guard isDue() else { return }
      ledger.note(.deathsInSections)
      OwnProcess.die()
    case .inRecovery where store.isRecovering:
      guard isDue() else { return }
      ledger.note(.deathsInSections)
      ledger.note(.deathsInRecoveries)
      OwnProcess.die()
    case .stopsInSection:
      guard isDue() else { return }
      fate = .outside
      ledger.note(.stopsInSections)
      ledger.announceOwnStop(slot)
      OwnProcess.stop()
    default: return
    }
  }

  /// Between two operations, while something is held.
  func holding() {
    guard fate == .holding, isDue() else { return }
    ledger.note(.deathsHolding)
    OwnProcess.die()
  }

  private func isDue() -> Bool {
    left -= 1
    return left < 0
  }
}
