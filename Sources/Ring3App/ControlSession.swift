// One connection to the control socket: requests, answers, and what comes between them.

import Synchronization

/// A session on the server's control socket.
///
/// What a session registers is its own, and ends with it, however it ends: when ``close()`` is
/// called, when the last reference goes, or when this process dies. A session does not come back;
/// ``Claim`` makes new ones by itself when the server begins anew, and is what most applications
/// want.
///
/// Each request waits for its answer, which takes the server well below a millisecond unless it is
/// busy, and at most the time-out that was given. Any thread may ask; answers come in order.
public final class ControlSession: Sendable {
  /// The version of the words that this library speaks.
  public static let version = 1

  /// What the server can do, by the names of its requests: `register`, `attach`, `queue`, ….
  public let capabilities: Set<String>
  /// Readable when there may be events, or the session has ended: then ask ``nextEvent()`` until
  /// nothing comes. For `poll(2)` and its kind; never read from it.
  public let descriptor: CInt
  private let wire: Mutex<Wire>

  /// Begins a session.
  ///
  /// - Parameters:
  ///   - socket: where the server is.
  ///   - timeout: how long to wait for each answer.
  public init(
    _ socket: ControlSocket = .standard, timeout: Duration = .seconds(5)
  ) throws(ControlError) {
    var wire = try Wire(socket, timeout: timeout)
    let answer = try wire.ask(["session", "\(Self.version)"])
    let words = answer.output.first?.split(separator: " ").map(String.init) ?? []
    capabilities = Set(words.dropFirst())
    descriptor = wire.connection.descriptor
    self.wire = Mutex(wire)
  }

  /// Ends the session: all that it has registered is given back. Requests fail from now on.
  public func close() {
    wire.withLock { $0.end(ControlError(.ended, "the session was closed")) }
  }

  /// Whether the session has ended.
  public var hasEnded: Bool { wire.withLock { $0.failure != nil } }

  /// The next event that has come; nil if there is none now. Never waits.
  ///
  /// Events come after ``watch()``. Fails when the session has ended, as soon as all events that
  /// came before are taken.
  public func nextEvent() throws(ControlError) -> ControlEvent? {
    try wire.withLock { (wire) throws(ControlError) in try wire.nextEvent() }
  }

  /// Sends a request as it is, and returns its answer: for what this library has no name for.
  ///
  /// - Parameter words: no word is empty or holds a tab, a line feed or other control characters.
  @discardableResult
  public func ask(_ words: [String]) throws(ControlError) -> ControlAnswer {
    try wire.withLock { (wire) throws(ControlError) in
      let answer = try wire.ask(words)
      // One that nobody has asked for.
      wire.lent = nil
      return answer
    }
  }

  /// The same, for an answer that brings a socket; one may go with the request.
  func borrow(
    _ words: [String], with socket: LentSocket? = nil
  ) throws(ControlError) -> LentSocket {
    try wire.withLock { (wire) throws(ControlError) in
      _ = try wire.ask(words, with: socket)
      guard let lent = wire.lent else {
        throw ControlError(.refused, "the server lent no socket for '\(words[0])'")
      }
      wire.lent = nil
      return lent
    }
  }

  /// Fails, in words for people, if this server is too old for a request.
  func require(_ capability: String) throws(ControlError) {
    guard capabilities.contains(capability) else {
      let known = capabilities.sorted().joined(separator: ", ")
      throw ControlError(
        .notUnderstood, "this server cannot do '\(capability)'; it can \(known)", code: 2)
    }
  }
}
