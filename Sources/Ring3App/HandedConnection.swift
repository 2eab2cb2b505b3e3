// Connections of clients that the server gives to an application, and requests that one
// application gives to another.

/// A client's own connection, given to an application that has registered a prefix with `handsOff`.
///
/// Ring3 has read and routed the first request; from here on no byte of the connection goes through
/// it, this request's answer and all that follows, be it for whatever URL. That needs a right of
/// its own in a reservation, for a whole host and port in clear text.
///
/// ```swift
/// // `connection` was accepted from the queue's listening socket.
/// let handed = try HandedConnection(from: connection)
/// // … answer on handed.client; its first bytes are handed.received …
/// close(connection)   // free for the next one
/// ```
public struct HandedConnection: Sendable {
  /// The client's connection; non-blocking.
  public let client: LentSocket
  /// What was read from it: the whole head of the first request, maybe more.
  public let received: [UInt8]
  /// Who the client is.
  public let clientAddress: String

  private static let preambleBytesMax = 256
  private static let receivedBytesMax = 16 << 20

  /// Takes the client's connection that comes over one of the queue's.
  ///
  /// - Parameters:
  ///   - connection: accepted from the queue's listening socket. It stays the caller's; closing it
  ///     tells the server that the application is free for another.
  ///   - timeout: how long to wait for the whole of it.
  public init(from connection: CInt, timeout: Duration = .seconds(5)) throws(ControlError) {
    let deadline = ContinuousClock.now + timeout
    var bytes: [UInt8] = []
    var client: LentSocket?
    var preamble: Preamble?
    while preamble.map({ bytes.count < $0.byteCount }) ?? true {
      switch System.receive(connection) {
      case .closed(let reason): throw ControlError(.ended, reason)
      case .wouldBlock:
        guard ContinuousClock.now < deadline else {
          throw ControlError(.timedOut, "a connection that is handed over did not come in time")
        }
        _ = System.wait(connection, writable: false, milliseconds: 100)
      case .bytes(let more, let numbers):
        for number in numbers { client = LentSocket(adopting: number) }
        bytes += more
      }
      if preamble == nil { preamble = try Preamble(bytes) }
    }
    guard let client, let preamble else {
      throw ControlError(.ended, "no connection came with what the server sent")
    }
    self.client = client
    received = Array(bytes[preamble.endOffset..<preamble.byteCount])
    clientAddress = preamble.clientAddress
  }

  /// "ring3-handoff 1 COUNT ADDRESS LF"
  struct Preamble: Equatable {
    let clientAddress: String
    let endOffset: Int
    /// Of itself, and of what was read.
    let byteCount: Int

    /// nil: more is to come.
    init?(_ bytes: [UInt8]) throws(ControlError) {
      let line = bytes.prefix(preambleBytesMax).prefix { $0 != UInt8(ascii: "\n") }
      if line.count == bytes.count && line.count < preambleBytesMax { return nil }
      let words = String(decoding: line, as: UTF8.self).split(separator: " ")
      guard words.count == 4, words[0] == "ring3-handoff", words[1] == "1",
        let count = Int(words[2]), (0...receivedBytesMax).contains(count)
      else {
        throw ControlError(
          .local, "this connection carries a request, not a client: 'handsOff' was not registered")
      }
      clientAddress = String(words[3])
      endOffset = line.count + 1
      byteCount = endOffset + count
    }
  }
}

/// How an application gives a request to the application of another queue and is out of the way: it
/// answers with this field, and no body.
///
/// The other queue is of the same user, or takes requests of this one
/// (``QueueProperties/delegators``). A request whose body is too long to be sent a second time
/// cannot be given away.
public enum Delegation {
  /// `Ring3-Delegate`
  public static let fieldName = "Ring3-Delegate"

  /// The field's value.
  ///
  /// - Parameters:
  ///   - queue: whose application is to answer.
  ///   - path: path and query that it is asked for, if not the same.
  public static func fieldValue(queue: String, path: String? = nil) -> String {
    path.map { "\(queue) \($0)" } ?? queue
  }
}
