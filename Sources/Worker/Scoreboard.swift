// Counters and heartbeats of all processes, in memory that every one of them can read.

import HTTP
import Platform

/// What a worker counts. Each process writes only its own slot, so relaxed loads and stores
/// suffice and no count needs a locked instruction.
package enum Counter: Int, CaseIterable, Sendable {
  case connectionsAccepted = 8
  case requests = 9
  case bytesSent = 10
  /// Answered from shared memory.
  case cacheHits = 11
  /// Files copied into shared memory.
  case cacheFills = 12
  /// Entries found old, compared with their file, and kept.
  case cacheRevalidations = 13
  /// Files that were served without being stored: too large, too young, cache busy or full.
  case cacheBypasses = 14
  case connectionsHandedOver = 15
  case connectionsTakenOver = 16
  case errors = 17
  /// PCRE2 match limits that were exceeded.
  case patternLimits = 18
  /// Opens and reads that a helper did.
  case helperRequests = 19
  // Why the first look into the cache did not answer a request; each is counted for one reason.
  /// Nothing is stored under its URL, as it was spelled.
  case missesAbsent = 20
  /// Only other variants are stored: RFC 9211 calls it vary-miss.
  case missesVariant = 21
  /// Found under an older routing epoch: routed again.
  case missesEpoch = 22
  /// Not compared with its file for `CacheStaticRevalidate`.
  case missesAge = 23
  /// Invalidated softly: compared with its origin first.
  case missesSoft = 24
  /// Invalidated for good, or damaged.
  case missesHard = 25
  /// Who may see it depends on the client.
  case missesClient = 26
  /// Not looked for: another method than GET and HEAD, a request body, a target that is no path or
  /// too long.
  case missesRequest = 27
  /// TLS handshakes that succeeded, and how many of them resumed an earlier session.
  case handshakes = 28
  case handshakesResumed = 29
  case http2Connections = 30

  /// The reasons of misses, each with the word that stands for it.
  package static let misses: [(counter: Counter, word: String)] = [
    (.missesAbsent, "absent"), (.missesVariant, "variant"), (.missesEpoch, "epoch"),
    (.missesAge, "age"), (.missesSoft, "soft"), (.missesHard, "hard"), (.missesClient, "client"),
    (.missesRequest, "request"),
  ]

  /// As shown by `ring3ctl status`.
  package var name: String { "\(self)" }
}

/// A table of 256 process slots, 1 KiB each, in an anonymous shared mapping made by the master. The
/// counts of a process that is gone are kept in one slot more, so that sums never go back.
package final class Scoreboard: Sendable {
  package static let slotCount = 256
  private static let slotBytes = 1024
  private static let departed = slotCount
  private static let heartbeatWord = 0
  private static let openWord = 1
  private static let generationWord = 2
  private static let reasonWords = 32..<128

  private let region: SharedRegion

  package init() throws(SystemError) {
    region = try SharedRegion(anonymous: (Scoreboard.slotCount + 1) * Scoreboard.slotBytes)
  }

  @inline(__always)
  private func offset(_ slot: Int, _ word: Int) -> Int {
    slot &* Scoreboard.slotBytes &+ word &* 8
  }

  /// A sign of life: monotonic milliseconds.
  package func beat(slot: Int, now: Int64) {
    region.storeRelaxed64(UInt64(bitPattern: now), at: offset(slot, Scoreboard.heartbeatWord))
  }

  /// Monotonic milliseconds of the last sign of life; 0 before the first.
  package func heartbeat(slot: Int) -> Int64 {
    Int64(bitPattern: region.loadRelaxed64(at: offset(slot, Scoreboard.heartbeatWord)))
  }

  @inline(__always)
  package func add(_ amount: Int = 1, to counter: Counter, slot: Int) {
    let place = offset(slot, counter.rawValue)
    region.storeRelaxed64(region.loadRelaxed64(at: place) &+ UInt64(amount), at: place)
  }

  /// Counts the end of an exchange or connection.
  @inline(__always)
  package func ended(_ reason: EndReason, slot: Int) {
    let place = offset(slot, Scoreboard.reasonWords.lowerBound + Int(reason.rawValue))
    region.storeRelaxed64(region.loadRelaxed64(at: place) &+ 1, at: place)
  }

  package func setOpenConnections(_ count: Int, slot: Int) {
    region.storeRelaxed64(UInt64(count), at: offset(slot, Scoreboard.openWord))
  }

  package func openConnections(slot: Int) -> Int {
    Int(region.loadRelaxed64(at: offset(slot, Scoreboard.openWord)))
  }

  package func value(of counter: Counter, slot: Int) -> UInt64 {
    region.loadRelaxed64(at: offset(slot, counter.rawValue))
  }

  /// The sum over all processes, living and gone.
  package func total(_ counter: Counter) -> UInt64 {
    (0...Scoreboard.slotCount).reduce(0) { $0 &+ value(of: counter, slot: $1) }
  }

  /// The sum over all processes, living and gone.
  package func total(_ reason: EndReason) -> UInt64 {
    let word = Scoreboard.reasonWords.lowerBound + Int(reason.rawValue)
    return (0...Scoreboard.slotCount).reduce(0) {
      $0 &+ region.loadRelaxed64(at: offset($1, word))
    }
  }

  /// Moves the counts of a process that is gone to the departed and clears its slot. By the master
  /// only, after the process has been reaped.
  package func clear(slot: Int) {
    let counted = Counter.allCases.map(\.rawValue) + Array(Scoreboard.reasonWords)
    for word in counted {
      let sum = offset(Scoreboard.departed, word)
      let count = region.loadRelaxed64(at: offset(slot, word))
      region.storeRelaxed64(region.loadRelaxed64(at: sum) &+ count, at: sum)
    }
    for word in 0..<Scoreboard.slotBytes / 8 { region.storeRelaxed64(0, at: offset(slot, word)) }
  }
}
