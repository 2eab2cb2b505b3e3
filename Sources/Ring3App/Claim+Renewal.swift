// How a claim is made, noticed to be lost, and made again.

extension Claim {
  /// Makes a session and claims everything in it; the new socket is told as an event.
  func open(_ state: inout State) throws(ControlError) {
    let terms = state.terms
    let session = try ControlSession(socket, timeout: timeout)
    if session.capabilities.contains("watch") { try session.watch() }
    let kept = try bringBack(state.listener, session, terms)
    if !terms.properties.words.isEmpty { try session.configure(terms.queue, terms.properties) }
    if !terms.prefixes.isEmpty {
      try session.register(terms.prefixes, queue: terms.queue, handsOff: terms.handsOff)
    }
    let listener: LentSocket
    if let kept {
      listener = kept
    } else {
      listener = try session.attach(terms.queue, processes: terms.processes)
    }
    if state.isOffline { try session.takeOffline(terms.queue) }
    guard alarm.watch(session.descriptor) else {
      throw ControlError(.local, "the session cannot be waited for: \(System.failure)")
    }
    state.session = session
    state.listener = listener
    state.retryAt = nil
    state.delay = Claim.delayMin
    state.reason = nil
    state.events.append(.attached(listener))
  }

  /// The socket of the session before: a server that was started anew goes on with it, so that not
  /// even what waits in it is lost.
  private func bringBack(
    _ earlier: LentSocket?, _ session: ControlSession, _ terms: Terms
  ) throws(ControlError) -> LentSocket? {
    guard let earlier else { return nil }
    do throws(ControlError) {
      return try session.attach(
        terms.queue, processes: terms.processes, bringingBack: earlier)
    } catch {
      // Another configuration, or the place is taken: a new queue is made.
      if error.isPassing { throw error }
      return nil
    }
  }

  /// Takes what the session says, and renews it when it is due.
  func lookAfter(_ state: inout State) {
    do throws(ControlError) {
      while let event = try state.session?.nextEvent() { note(event, &state) }
    } catch {
      drop(&state)
      state.reason = error
      state.events.append(.lost(error))
      // At once: a server that was upgraded is there already.
      state.retryAt = .now
    }
    guard let retryAt = state.retryAt, retryAt <= .now else { return }
    do throws(ControlError) {
      try open(&state)
    } catch {
      // Many applications come back at the same time; not all at the same moment.
      state.retryAt = .now + state.delay * Double.random(in: 0.5...1)
      state.delay = min(state.delay * 2, Claim.delayMax)
      if error.message != state.reason?.message {
        state.reason = error
        state.events.append(.lost(error))
      }
    }
  }

  private func note(_ event: ControlEvent, _ state: inout State) {
    switch event {
    case .demand(queue): state.events.append(.demand)
    case .recycle(queue): state.events.append(.recycle)
    // Of a queue that the application uses by the session itself, or unknown.
    default: break
    }
  }

  func drop(_ state: inout State) {
    guard let session = state.session else { return }
    alarm.forget(session.descriptor)
    session.close()
    state.session = nil
  }

  /// The descriptor is readable as long as there is something to take or to do.
  func setAlarm(_ state: State) {
    if !state.events.isEmpty || state.isClosed {
      alarm.set(after: .zero)
    } else {
      alarm.set(after: state.retryAt.map { ContinuousClock.now.duration(to: $0) })
    }
  }
}
