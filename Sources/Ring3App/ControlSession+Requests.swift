// What a session can ask for, each by a name of its own.

extension ControlSession {
  /// Below the server's limit of a line, with room for the rest of it.
  private static let prefixBytesMax = 32_768

  /// Claims prefixes, whose requests go to a queue; the queue is made if there is none of this
  /// name. All of them are claimed, or none.
  ///
  /// A reservation must let this user listen, unless it is root or the server's own user. A queue
  /// belongs to the user who named it first, and is there as long as a session uses it.
  ///
  /// - Parameters:
  ///   - prefixes: such as `http://+:8080/shop/`; they end in `/`.
  ///   - queue: letters, digits, `-`, `_` and `.`.
  ///   - handsOff: clients' connections come themselves, see ``HandedConnection``; that is a right
  ///     of its own.
  public func register(
    _ prefixes: [String], queue: String, handsOff: Bool = false
  ) throws(ControlError) {
    let options = ["--queue=\(queue)"] + (handsOff ? ["--handoff"] : [])
    var done: [String] = []
    do throws(ControlError) {
      for part in Self.parts(prefixes) {
        try ask(["register"] + part + options)
        done += part
      }
    } catch {
      for part in Self.parts(done) { _ = try? ask(["unregister"] + part) }
      throw error
    }
  }

  /// Gives prefixes back, up to the first that is not registered by this session.
  public func unregister(_ prefixes: [String]) throws(ControlError) {
    for part in Self.parts(prefixes) { try ask(["unregister"] + part) }
  }

  /// Gives everything back; the session goes on.
  public func unregisterAll() throws(ControlError) { try ask(["unregister", "--all"]) }

  /// Borrows a queue's listening socket: each connection that is accepted from it carries one
  /// HTTP/1.1 request, or many with ``QueueProperties/keepsConnections``.
  ///
  /// - Parameters:
  ///   - queue: one that a session has named in ``register(_:queue:handsOff:)``, of the same user.
  ///   - processes: how many processes accept for this session from now on.
  ///   - earlier: the socket of this queue that an earlier session was lent. If the server was
  ///     started anew and has no such queue, it is brought back with what waits in the socket.
  public func attach(
    _ queue: String, processes: Int = 1, bringingBack earlier: LentSocket? = nil
  ) throws(ControlError) -> LentSocket {
    var words = ["attach", queue]
    if processes != 1 {
      try require("processes")
      words.append("--processes=\(processes)")
    }
    return try borrow(words, with: earlier)
  }

  /// Says how many processes of this session accept from a queue now. With none, its requests wait
  /// until some do, here or in another session.
  public func setProcesses(_ count: Int, of queue: String) throws(ControlError) {
    try require("processes")
    try ask(["processes", queue, "\(count)"])
  }

  /// Makes a queue if there is none of this name, and sets its properties. For its owner only.
  public func configure(
    _ queue: String, _ properties: QueueProperties
  ) throws(ControlError) {
    try require("queue")
    try ask(["queue", queue] + properties.words)
  }

  /// Lets requests of a queue be answered with 503 (`AppOffline`), until ``takeOnline(_:)`` or the
  /// end of this session, as long as no process accepts from it.
  public func takeOffline(_ queue: String) throws(ControlError) {
    try require("offline")
    try ask(["offline", queue])
  }

  /// Takes back what ``takeOffline(_:)`` has said.
  public func takeOnline(_ queue: String) throws(ControlError) {
    try require("online")
    try ask(["online", queue])
  }

  /// From now on events come: see ``nextEvent()``.
  public func watch() throws(ControlError) {
    try require("watch")
    try ask(["watch"])
  }

  /// What a queue does at this moment, and has done.
  public func statistics(of queue: String) throws(ControlError) -> QueueStatistics {
    try require("statistics")
    let answer = try ask(["statistics", queue])
    guard let statistics = QueueStatistics(answer.output.joined()) else {
      throw ControlError(
        .notUnderstood, "the server's statistics are none: '\(answer.output.joined())'", code: 2)
    }
    return statistics
  }

  /// A fresh connection to a queue's listening socket, which whoever accepts gets as any other: to
  /// see whether an application still answers.
  public func connect(to queue: String) throws(ControlError) -> LentSocket {
    try require("connect")
    return try borrow(["connect", queue])
  }

  private static func parts(_ prefixes: [String]) -> [[String]] {
    var parts: [[String]] = []
    var byteCount = prefixBytesMax
    for prefix in prefixes {
      byteCount += prefix.utf8.count + 1
      if byteCount > prefixBytesMax {
        parts.append([])
        byteCount = prefix.utf8.count + 1
      }
      parts[parts.count - 1].append(prefix)
    }
    return parts
  }
}
