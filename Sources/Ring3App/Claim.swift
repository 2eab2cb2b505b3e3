// A claim of URLs that renews itself: what an application holds as long as it serves.

import Synchronization

/// What happened to a ``Claim``.
public enum ClaimEvent: Sendable {
  /// Accept requests from this socket from now on. It is the first event, and comes again after
  /// the server has begun anew, be it with the same socket under another number: what still waits
  /// in the one before it is to be answered, then that one can go.
  case attached(LentSocket)
  /// A request waits, and no process of the queue accepts. Told once, until one does.
  case demand
  /// An operator wants the processes of the queue replaced: start another, then drain and end.
  case recycle
  /// The session has ended, or cannot be renewed for this reason. It is tried again and again by
  /// itself; the same reason is told once. Go on answering meanwhile.
  case lost(ControlError)
}

/// URLs that are claimed for this application as long as the object lives, over every end of a
/// session: when the server is restarted or upgraded, the claim connects again, registers again,
/// attaches again, and hands out the new listening socket.
///
/// There is no thread in it. Whoever has a loop of his own waits for ``descriptor`` to be readable
/// and asks ``nextEvent()`` until nothing comes; with Swift's concurrency there is ``events``.
///
/// ```swift
/// let claim = try Claim(.init(prefixes: ["http://+:8080/shop/"], queue: "shop"))
/// for await event in claim.events {
///   if case .attached(let socket) = event { serve(socket) }
/// }
/// ```
public final class Claim: Sendable {
  /// What is claimed, and how it is served.
  public struct Terms: Sendable, Hashable {
    /// Such as `http://+:8080/shop/`. With none, the claim only joins a queue that another process
    /// of this user has made.
    public var prefixes: [String]
    /// The queue that the requests go to.
    public var queue: String
    /// How many processes accept for this claim.
    public var processes: Int
    /// Whether clients' connections come themselves; see ``HandedConnection``.
    public var handsOff: Bool
    /// What the queue is to be like.
    public var properties: QueueProperties

    /// Names what is claimed.
    public init(
      prefixes: [String], queue: String, processes: Int = 1, handsOff: Bool = false,
      properties: QueueProperties = QueueProperties()
    ) {
      self.prefixes = prefixes
      self.queue = queue
      self.processes = processes
      self.handsOff = handsOff
      self.properties = properties
    }
  }

  struct State: Sendable {
    var terms: Terms
    var isOffline = false
    var session: ControlSession?
    var listener: LentSocket?
    var events: [ClaimEvent] = []
    var isClosed = false
    /// When the next attempt is due, and how long after it another.
    var retryAt: ContinuousClock.Instant?
    var delay = Claim.delayMin
    /// Why there is no session, as it was told.
    var reason: ControlError?
  }

  static let delayMin: Duration = .milliseconds(20)
  static let delayMax: Duration = .seconds(2)

  /// The queue that the requests go to.
  public let queue: String
  /// Readable when ``nextEvent()`` has something to say or to do: for `poll(2)` and its kind. It is
  /// the same as long as the claim lives; never read from it.
  public var descriptor: CInt { alarm.descriptor }

  let socket: ControlSocket
  let timeout: Duration
  let alarm: Alarm
  let state: Mutex<State>

  /// Claims URLs, or throws what the server says to it.
  ///
  /// - Parameters:
  ///   - terms: what is claimed.
  ///   - socket: where the server is.
  ///   - timeout: how long to wait for each answer of the server.
  public init(
    _ terms: Terms, at socket: ControlSocket = .standard, timeout: Duration = .seconds(5)
  ) throws(ControlError) {
    self.socket = socket
    self.timeout = timeout
    queue = terms.queue
    alarm = try Alarm()
    state = Mutex(State(terms: terms))
    try state.withLock { (state) throws(ControlError) in
      try open(&state)
      setAlarm(state)
    }
  }

  /// The session that holds the claim now; nil while there is none. For requests that a claim has
  /// no name for.
  public var session: ControlSession? { state.withLock { $0.session } }

  /// The socket to accept requests from, the one of the last ``ClaimEvent/attached(_:)``.
  public var listener: LentSocket? { state.withLock { $0.listener } }

  /// Whether ``close()`` was called.
  public var isClosed: Bool { state.withLock { $0.isClosed } }

  /// What has happened; nil if there is nothing now. Looks after the session, too, so it is to be
  /// asked whenever ``descriptor`` is readable.
  ///
  /// It waits only to renew a session, and then for the server's answers.
  public func nextEvent() -> ClaimEvent? {
    state.withLock { state in
      if !state.isClosed && state.events.isEmpty { lookAfter(&state) }
      let event = state.events.isEmpty ? nil : state.events.removeFirst()
      setAlarm(state)
      return event
    }
  }

  /// Ends the claim: its URLs are given back, the session ends, and so do ``events``. Sockets that
  /// were handed out stay usable.
  public func close() {
    state.withLock { state in
      guard !state.isClosed else { return }
      state.isClosed = true
      state.events = []
      drop(&state)
      state.listener = nil
      setAlarm(state)
    }
  }

  // MARK: What is wanted, now and after each renewal

  /// Says how many processes accept for this claim. With none, requests wait in the queue, and
  /// ``ClaimEvent/demand`` tells when one does.
  public func setProcesses(_ count: Int) throws(ControlError) {
    try change({ $0.terms.processes = count }) { (session, queue) throws(ControlError) in
      try session.setProcesses(count, of: queue)
    }
  }

  /// Sets properties of the queue; what is nil stays as it is.
  public func configure(_ properties: QueueProperties) throws(ControlError) {
    try change({ $0.terms.properties.take(properties) }) {
      (session, queue) throws(ControlError) in
      try session.configure(queue, properties)
    }
  }

  /// Lets requests be answered with 503 (`AppOffline`), as long as no process accepts from the
  /// queue: say so by ``setProcesses(_:)``.
  public func takeOffline() throws(ControlError) {
    try change({ $0.isOffline = true }) { (session, queue) throws(ControlError) in
      try session.takeOffline(queue)
    }
  }

  /// Takes back what ``takeOffline()`` has said.
  public func takeOnline() throws(ControlError) {
    try change({ $0.isOffline = false }) { (session, queue) throws(ControlError) in
      try session.takeOnline(queue)
    }
  }

  /// Gives the URLs back: new requests for them go elsewhere. Those that are in the queue are still
  /// to be answered.
  public func giveBack() throws(ControlError) {
    try change({ $0.terms.prefixes = [] }) { (session, _) throws(ControlError) in
      try session.unregisterAll()
    }
  }

  /// What the queue does now, and has done.
  public func statistics() throws(ControlError) -> QueueStatistics {
    guard let session else { throw ControlError(.ended, "there is no session now") }
    return try session.statistics(of: queue)
  }

  /// Does it now if there is a session, and keeps it in mind for the next, unless it was refused.
  private func change(
    _ note: @Sendable (inout State) -> Void,
    _ ask: @Sendable (ControlSession, String) throws(ControlError) -> Void
  ) throws(ControlError) {
    try state.withLock { (state) throws(ControlError) in
      do throws(ControlError) {
        if let session = state.session { try ask(session, state.terms.queue) }
      } catch {
        guard error.isPassing else { throw error }
      }
      note(&state)
      setAlarm(state)
    }
  }
}

extension QueueProperties {
  /// Takes over what another one sets.
  mutating func take(_ other: QueueProperties) {
    length = other.length ?? length
    byteCountMax = other.byteCountMax ?? byteCountMax
    ageSeconds = other.ageSeconds ?? ageSeconds
    verbosity = other.verbosity ?? verbosity
    keepsConnections = other.keepsConnections ?? keepsConnections
    concurrency = other.concurrency ?? concurrency
    group = other.group ?? group
    delegators = other.delegators ?? delegators
  }
}
