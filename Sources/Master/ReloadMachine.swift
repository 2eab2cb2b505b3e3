// Who asked for a reload and what they are told: a pure state machine that coalesces requests.

/// Who waits for an answer.
package enum Requester: Hashable, Sendable {
  /// A client of the control socket, by serial number.
  case client(UInt64)
  /// SIGHUP: nobody waits, the log tells.
  case signal
}

/// How a reload ended.
package enum ReloadOutcome: Equatable, Sendable {
  /// The generation serves; the text is the report.
  case serves(generation: UInt32)
  /// Nothing was changed; the text is all diagnostics.
  case refused(String)
}

package enum ReloadAction: Equatable, Sendable {
  /// Load, check and launch now; then call `loaded` or `finished`.
  case load
  case answer([Requester], ReloadOutcome)
}

/// One reload at a time. A request during a reload may have been made after the file was read, so
/// it is covered by one following reload; any number of them by the same one.
package struct ReloadMachine: Equatable, Sendable {
  package private(set) var isReloading = false
  private var covered: [Requester] = []
  private var waiting: [Requester] = []

  package init() {}

  package mutating func requested(by requester: Requester) -> [ReloadAction] {
    if isReloading {
      waiting.append(requester)
      return []
    }
    isReloading = true
    covered = [requester]
    return [.load]
  }

  /// A reload that nobody asked for occupies the machine (start, automatic return).
  package mutating func began() {
    isReloading = true
    covered = []
  }

  /// The reload under way has ended, one way or the other.
  package mutating func finished(_ outcome: ReloadOutcome) -> [ReloadAction] {
    guard isReloading else { return [] }
    let answered = covered
    covered = waiting
    waiting = []
    isReloading = !covered.isEmpty
    var actions: [ReloadAction] = answered.isEmpty ? [] : [.answer(answered, outcome)]
    if isReloading { actions.append(.load) }
    return actions
  }

  /// The server stops: everybody is told.
  package mutating func abandoned(_ reason: String) -> [ReloadAction] {
    let all = covered + waiting
    covered = []
    waiting = []
    isReloading = false
    return all.isEmpty ? [] : [.answer(all, .refused(reason))]
  }

  /// A client that went away is not answered; its reload goes on.
  package mutating func forget(_ requester: Requester) {
    covered.removeAll { $0 == requester }
    waiting.removeAll { $0 == requester }
    // `isReloading` stays: a reload under way goes on, and one that only this client wanted is
    // skipped by `finished`.
  }
}
