// The session of an application: begun, lost and begun again, and what is asked in it.

import Platform

extension ProgramKeeper {
  /// Begins a session, and waits until it has: nothing is to be looked after yet.
  func open() throws(SessionFailure) {
    try beginSession()
    try opening?.awaitAnswers()
    if let openFailure { throw openFailure }
    // What came between answers is not announced by the socket any more.
    sessionIsReady()
  }

  /// The same without waiting, again and again if need be.
  func openSoon() { openAt = Clock.monotonicMilliseconds() }

  private func beginSession() throws(SessionFailure) {
    openAt = .max
    let fresh = try ServerSession(path: surroundings.socketPath)
    do throws(SystemError) {
      try surroundings.poller.add(
        fresh.connection.number, token: token(Self.sessionKind), interest: .readable)
    } catch {
      throw SessionFailure(message: "\(error)", code: 71, isPassing: false)
    }
    opening = fresh
    fresh.open(settings, bringing: listener) { [self] result in
      switch result {
      case .success(let keepsSocket): opened(keepsSocket: keepsSocket)
      case .failure(let failure): notOpened(failure)
      }
    }
  }

  private func opened(keepsSocket: Bool) {
    guard let fresh = opening else { return }
    opening = nil
    session = fresh
    openPause = Self.openMilliseconds.lowerBound
    toldPhase = nil
    listener = fresh.listener
    for line in fresh.takeWarnings() { log(.warn, line) }
    statisticsTurn = nil
    isClaiming = false
    if !toldProblem.isEmpty { log(.notice, "the URLs are claimed again") }
    toldProblem = ""
    feed(.opened(fresh.abilities, keepsSocket: keepsSocket))
  }

  private func notOpened(_ failure: SessionFailure) {
    openFailure = failure
    dropOpening()
    // Many applications come back at the same time; not all at the same moment.
    openAt = Clock.monotonicMilliseconds() + Int64.random(in: openPause / 2...openPause)
    openPause = min(openPause * 2, Self.openMilliseconds.upperBound)
    if failure.message != toldProblem, toldProblem.isEmpty || !failure.isPassing {
      // Who waits for it tells it himself.
      if startsAlone { log(.error, "the URLs are not claimed yet: \(failure.message)") }
      toldProblem = failure.message
    }
  }

  func dropOpening() {
    guard let ended = opening else { return }
    surroundings.poller.remove(ended.connection.number)
    ended.forget()
    opening = nil
  }

  func openAgain() {
    openAt = .max
    guard !isLeaving else { return }
    startsAlone = true
    do throws(SessionFailure) {
      try beginSession()
    } catch {
      notOpened(error)
    }
  }

  func sessionIsReady() {
    guard let current = session ?? opening else { return }
    do throws(SessionFailure) {
      for event in try current.advance() {
        let words = event.split(separator: " ")
        guard words.count == 2, words[1] == settings.queue else { continue }
        switch words[0] {
        case "demand": feed(.demand)
        case "recycle": feed(.recycle)
        default: break
        }
      }
      closeWhenDone()
    } catch {
      if opening === current { notOpened(error) } else { sessionEnded() }
    }
  }

  /// Asks for what it does not have yet, and later again if it is refused.
  func claim() {
    claimAt = .max
    // A session that begins asks for everything.
    guard let session, !isLeaving else { return unclaimed.removeAll() }
    guard !unclaimed.isEmpty, !isClaiming else { return }
    let asked = unclaimed
    isClaiming = true
    session.send(["register"] + asked + ["--queue=\(settings.queue)"]) { [self] outcome in
      isClaiming = false
      switch outcome {
      case .success(let answer):
        for line in answer.lines { log(.warn, line) }
        unclaimed.removeAll { asked.contains($0) }
        claim()
      case .failure(let failure):
        claimAt = Clock.monotonicMilliseconds() + Self.claimMilliseconds
        log(.error, failure.message)
      }
    }
  }

  func sessionEnded() {
    guard let ended = session else { return }
    surroundings.poller.remove(ended.connection.number)
    ended.forget()
    session = nil
    endPing()
    if !isLeaving {
      toldProblem = "the server ended the session"
      log(.error, "the server ended the session; trying to claim the URLs again")
      openSoon()
    }
    feed(.lost)
  }

  /// What was asked last is still answered, lest somebody finds the URLs claimed.
  func closeWhenDone() {
    guard machine.phase == .finished, let session, session.isAnswered else { return }
    surroundings.poller.remove(session.connection.number)
    self.session = nil
  }

  func ask(_ words: [String]) {
    session?.send(words) { [self] outcome in
      if case .failure(let failure) = outcome { log(.error, failure.message) }
    }
  }

  /// Numbers from before the server was told something are of no use: a request may have gone to a
  /// process since.
  func askStatistics() {
    guard let session, statisticsTurn != turn else { return }
    let asked = turn
    statisticsTurn = asked
    session.send(["statistics", settings.queue]) { [self] outcome in
      if statisticsTurn == asked { statisticsTurn = nil }
      switch outcome {
      case .success(let answer):
        // Whoever asked is still to be told.
        guard asked == turn else { return askStatistics() }
        guard let statistics = answer.lines.first.flatMap({ QueueStatistics(json: $0) })
        else { return }
        feed(.statistics(statistics))
      case .failure(let failure): log(.error, failure.message)
      }
    }
  }
}
