// Whether processes that do not answer a health ping are dead, or at work.

extension ProgramMachine {
  /// What a queue said when a ping began, and when it failed, tells one from the other.
  struct PingLook: Equatable, Sendable {
    /// All were at work when it was sent.
    var wasBusy = false
    /// It had no answer; judged when the queue's numbers have come.
    var unanswered: String?
    /// It is still waited for.
    var isOpen = false
  }

  mutating func pinged(_ result: ProgramPing.Result) {
    let wasPinging = isPinging
    isPinging = false
    guard wasPinging, let ping = settings.ping else { return }
    pingAt = now + ping.intervalMilliseconds
    switch result {
    case .passed: pingFailures = 0
    case .failed(let reason): pingFailed(reason)
    case .unanswered(let reason): judgePing(reason, isOpen: false)
    case .late: judgePing("no answer in time", isOpen: true)
    }
  }

  private mutating func judgePing(_ reason: String, isOpen: Bool) {
    // Meanwhile nobody is given anything: that says nothing.
    if rest != nil { return }
    guard abilities.tellsStatistics else { return pingFailed(reason) }
    pingLook.unanswered = reason
    pingLook.isOpen = isOpen
    actions.append(.askStatistics)
  }

  /// The queue's numbers at a ping's beginning, or after it was not answered.
  mutating func lookForPing(_ statistics: QueueStatistics) {
    let isBusy = statistics.credits > 0 && statistics.active >= statistics.credits
    if !isBusy || statistics.served != (lastServed ?? statistics.served) {
      lastProgressAt = now
      progressFailed = statistics.failed
    }
    if isPinging, isBusy { pingLook.wasBusy = true }
    guard let reason = pingLook.unanswered, let ping = settings.ping else { return }
    pingLook.unanswered = nil
    // All have work: no wonder. Unless nothing comes of it: a request had no answer in time.
    let isExcused =
      (isBusy || pingLook.wasBusy) && statistics.failed == progressFailed
      && now - lastProgressAt < ping.busyMilliseconds
    guard isExcused else { return pingFailed(reason) }
    // The same one is waited for: those given up would have to be accepted, too.
    isPinging = pingLook.isOpen
  }

  private mutating func pingFailed(_ reason: String) {
    guard let ping = settings.ping else { return }
    pingFailures += 1
    note(.warn, "ping \(pingFailures) of \(ping.failuresMax) failed: \(reason)\(whoHangs)")
    guard pingFailures >= ping.failuresMax else { return }
    pingFailures = 0
    let isOne = processes.count == 1
    recycle(isOne ? "it does not answer" : "not all of them answer", hangs: true)
    // It is as if all of them had crashed.
    noteFailure()
  }

  /// All accept from one socket: who has taken a ping, or would have, nobody can know of several.
  private var whoHangs: String {
    let numbers = processes.map { "\($0)" }
    return numbers.count == 1
      ? " (process \(numbers[0]))"
      : " (one of the processes \(numbers.joined(separator: ", ")): they share a socket, so it"
        + " cannot be told which)"
  }
}
