// The connection below a session: sends a request, waits for its answer, keeps the events.

/// One connection. Knows lines and time-outs; `ControlSession` knows what they mean.
struct Wire: Sendable {
  /// Of one request. The server's own limit.
  static let requestBytesMax = 65_536

  let connection: LentSocket
  private let timeout: Duration
  private var reader = AnswerReader()
  private var answers: [ControlAnswer] = []
  private var events: [ControlEvent] = []
  /// What came with the last answer.
  var lent: LentSocket?
  /// Why it is over.
  private(set) var failure: ControlError?
  private let place: ControlSocket

  init(_ socket: ControlSocket, timeout: Duration) throws(ControlError) {
    let number = System.connect(path: socket.path)
    guard number >= 0 else {
      throw ControlError(.unreachable, "no server answers at '\(socket.path)': \(System.failure)")
    }
    connection = LentSocket(adopting: number)
    place = socket
    self.timeout = timeout
  }

  /// No more is asked and read.
  mutating func end(_ reason: ControlError) {
    guard failure == nil else { return }
    failure = reason
    lent = nil
    System.shutDown(connection.descriptor)
  }

  /// Sends one request, maybe with a socket beside it, and waits for its answer.
  mutating func ask(
    _ words: [String], with socket: LentSocket? = nil
  ) throws(ControlError) -> ControlAnswer {
    let request = try Self.line(words)
    if let failure { throw failure }
    let deadline = ContinuousClock.now + timeout
    do throws(ControlError) {
      try send(request, with: socket, until: deadline)
      while answers.isEmpty {
        if try receive() { continue }
        try wait(until: deadline, writable: false)
      }
    } catch {
      end(error)
      throw error
    }
    let answer = answers.removeFirst()
    if let refusal = ControlError(code: answer.code, errors: answer.errors) {
      lent = nil
      throw refusal
    }
    return answer
  }

  /// The next event that is here.
  mutating func nextEvent() throws(ControlError) -> ControlEvent? {
    do throws(ControlError) {
      while events.isEmpty {
        if let failure { throw failure }
        guard try receive() else { return nil }
      }
    } catch {
      end(error)
      throw error
    }
    return events.removeFirst()
  }

  /// A request's bytes: words separated by tabs, one line.
  static func line(_ words: [String]) throws(ControlError) -> [UInt8] {
    for word in words where word.isEmpty || word.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) {
      throw ControlError(
        .local, "'\(word)' cannot be sent: a word has letters, and no control characters")
    }
    let line = Array((words.joined(separator: "\t") + "\n").utf8)
    guard !words.isEmpty, line.count <= requestBytesMax else {
      throw ControlError(
        .local, "a request has 1 to \(requestBytesMax) bytes, not \(line.count)")
    }
    return line
  }

  private func send(
    _ bytes: [UInt8], with socket: LentSocket?, until deadline: ContinuousClock.Instant
  ) throws(ControlError) {
    var rest = bytes[...]
    var numbers = socket.map { [$0.descriptor] } ?? []
    while !rest.isEmpty {
      guard let count = System.send(connection.descriptor, rest, with: numbers) else {
        throw ControlError(.ended, "the server ended the session")
      }
      rest = rest.dropFirst(count)
      if count > 0 { numbers = [] }
      if count == 0 { try wait(until: deadline, writable: true) }
    }
    // Its number had to be valid until it was sent.
    withExtendedLifetime(socket) {}
  }

  /// Takes what is here; false if nothing is.
  private mutating func receive() throws(ControlError) -> Bool {
    switch System.receive(connection.descriptor) {
    case .wouldBlock: return false
    case .closed(let reason): throw ControlError(.ended, reason)
    case .bytes(let bytes, let numbers):
      for number in numbers { lent = LentSocket(adopting: number) }
      do throws(AnswerReader.Garbage) {
        for item in try reader.take(bytes) {
          switch item {
          case .answer(let answer): answers.append(answer)
          case .event(let event): events.append(event)
          }
        }
      } catch {
        throw ControlError(.ended, "'\(place.path)' is no server of ours: \(error.message)")
      }
      return true
    }
  }

  private func wait(
    until deadline: ContinuousClock.Instant, writable: Bool
  ) throws(ControlError) {
    let left = ContinuousClock.now.duration(to: deadline)
    let milliseconds = Int32(clamping: Int64(left / .milliseconds(1)) + 1)
    guard left > .zero,
      System.wait(connection.descriptor, writable: writable, milliseconds: milliseconds)
        || ContinuousClock.now < deadline
    else {
      throw ControlError(.timedOut, "the server at '\(place.path)' did not answer in time")
    }
  }
}
