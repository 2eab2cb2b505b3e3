// A session on the server's control socket, as ring3app(7) describes it.

import Platform

/// Why a session came to nothing, in the server's words.
package struct SessionFailure: Error {
  package let message: String
  /// The exit code that goes with it.
  package let code: Int32
  /// The server is gone, or none is there: it may go well a moment later.
  package let isPassing: Bool
}

/// One answer: its lines, and the descriptor that came with it.
typealias SessionAnswer = (lines: [String], descriptor: Descriptor?)

/// What was claimed lasts as long as this object. Requests are sent ahead and their answers taken
/// when they come: a server that is busy with something else keeps nobody from looking after
/// processes.
final class ServerSession {
  static let unreachable: Int32 = 69
  private static let answerMilliseconds: Int64 = 5_000
  private static let answerBytesMax = 1 << 20

  typealias Outcome = Result<SessionAnswer, SessionFailure>

  private struct Request {
    let deadline: Int64
    /// A socket comes with its answer.
    let takesDescriptor: Bool
    let take: (Outcome) -> Void
  }

  let connection: Descriptor
  /// What the server understands.
  private(set) var abilities = ServerAbilities()
  /// From which the programs accept their requests; nil before `open` is done.
  private(set) var listener: Descriptor?
  /// Events that came between answers: "demand shop".
  private var events: [String] = []
  private var warnings: [String] = []
  /// Bytes behind the last whole line.
  private var input: [UInt8] = []
  /// Sent and not answered yet, the oldest first.
  private var requests: [Request] = []
  /// Of the answer that has begun.
  private var lines: [String] = []
  private var lent: Descriptor?

  /// Connects, no more.
  init(path: String) throws(SessionFailure) {
    do throws(SystemError) {
      connection = try UnixSocket.connect(path: path)
    } catch {
      throw SessionFailure(
        message: "no server answers at '\(path)': \(SystemError.text(of: error.code))",
        code: Self.unreachable, isPassing: true)
    }
  }

  /// When the oldest request that waits for its answer has waited for too long.
  var nextDeadline: Int64? { requests.first?.deadline }
  var isAnswered: Bool { requests.isEmpty }

  /// Begins a session, claims prefixes for a queue, and takes the queue's socket. No process
  /// accepts yet. `kept`: the socket that an earlier server had lent; true when the queue has it
  /// again, so that what accepts from it may go on.
  func open(
    _ settings: ProgramSettings, bringing kept: Descriptor?,
    then done: @escaping (Result<Bool, SessionFailure>) -> Void
  ) {
    send(["session", "1"]) { [self] outcome in
      do throws(SessionFailure) {
        let words = try outcome.get().lines.first?.split(separator: " ").map(String.init) ?? []
        abilities = ServerAbilities(words: words.dropFirst())
      } catch {
        return done(.failure(error))
      }
      claim(settings, bringing: kept, then: done)
    }
  }

  /// Whose the queue is comes first: of whoever the programs run as, not of root, who runs those
  /// of many.
  private func claim(
    _ settings: ProgramSettings, bringing kept: Descriptor?,
    then done: @escaping (Result<Bool, SessionFailure>) -> Void
  ) {
    var steps: [[String]] = []
    if let user = settings.user, abilities.knowsOwners { steps.append(["owner", user]) }
    ask(steps[...]) { [self] failure in
      if let failure { return done(.failure(failure)) }
      claimQueue(settings, bringing: kept, then: done)
    }
  }

  private func claimQueue(
    _ settings: ProgramSettings, bringing kept: Descriptor?,
    then done: @escaping (Result<Bool, SessionFailure>) -> Void
  ) {
    let queue = settings.queue
    var steps: [[String]] = []
    let attach = ["attach", queue] + (abilities.countsProcesses ? ["--processes=0"] : [])
    let register =
      settings.prefixes.isEmpty ? [] : [["register"] + settings.prefixes + ["--queue=\(queue)"]]
    if abilities.hasQueueSettings {
      // Before the first request comes. What a predecessor of this session had is its own.
      let isNew = !settings.sharesQueue && kept == nil && abilities.knowsOwners
      steps = [["queue", queue] + settings.queueWords + (isNew ? ["--new"] : []), attach]
    } else {
      steps = register + [attach]
    }
    if abilities.canWatch { steps.append(["watch"]) }
    if abilities.hasQueueSettings { steps += register }
    // Before the queue is made with a socket of its own. A server that cannot take it says so, and
    // makes another one.
    if let kept, abilities.countsProcesses { send(attach, lending: kept) { _ in } }
    ask(steps[...]) { [self] failure in
      if let failure { return done(.failure(failure)) }
      guard let listener else {
        return done(
          .failure(
            SessionFailure(
              message: "the server lent no socket", code: Self.unreachable, isPassing: false)))
      }
      done(.success(isSame(kept, listener)))
    }
  }

  /// One after the other, up to the first refusal: what is to be refused must not have claimed
  /// anything for somebody else's processes meanwhile.
  private func ask(_ steps: ArraySlice<[String]>, then done: @escaping (SessionFailure?) -> Void) {
    guard let words = steps.first else { return done(nil) }
    send(words) { [self] outcome in
      switch outcome {
      case .failure(let refusal): done(refusal)
      case .success(let answer):
        if words[0] == "attach" { listener = answer.descriptor }
        if words[0] == "register" { warnings += answer.lines }
        ask(steps.dropFirst(), then: done)
      }
    }
  }

  /// What the server said of registrations since it was asked last: "warning: nothing listens …".
  func takeWarnings() -> [String] {
    defer { warnings = [] }
    return warnings
  }

  private func isSame(_ kept: Descriptor?, _ lent: Descriptor) -> Bool {
    guard let kept, let old = try? File.facts(kept), let new = try? File.facts(lent) else {
      return false
    }
    return old.isSameFile(as: new)
  }

  /// Sends one request; its answer is taken by `advance`. What cannot be sent fails as whatever is
  /// not answered does: when its time has come.
  func send(
    _ words: [String], lending socket: Descriptor? = nil, take: @escaping (Outcome) -> Void
  ) {
    let deadline = Clock.monotonicMilliseconds() + Self.answerMilliseconds
    let takesDescriptor = ["attach", "connect"].contains(words[0])
    requests.append(Request(deadline: deadline, takesDescriptor: takesDescriptor, take: take))
    let bytes = Array((words.joined(separator: "\t") + "\n").utf8)
    if let socket {
      _ = try? MessageSocket(connection).send(bytes, descriptors: [socket])
    } else {
      _ = UnixSocket.sendAll(connection, bytes)
    }
  }

  /// Takes what has come: answers, and events, which are returned. Throws when the session has
  /// ended, or an answer has not come in time.
  func advance() throws(SessionFailure) -> [String] {
    while try receive() { try takeLines() }
    if let due = nextDeadline, due <= Clock.monotonicMilliseconds() { throw ended() }
    defer { events = [] }
    return events
  }

  /// Waits for the answers to all that was asked: for whom nothing else is to be done meanwhile.
  func awaitAnswers() throws(SessionFailure) {
    guard let poller = try? Poller(batchMax: 1),
      (try? poller.add(connection.number, token: 0, interest: .readable)) != nil
    else { throw ended() }
    while let due = nextDeadline {
      let now = Clock.monotonicMilliseconds()
      guard due > now else { throw ended() }
      _ = poller.wait(timeoutMilliseconds: Int32(clamping: due - now))
      while try receive() { try takeLines() }
    }
  }

  /// Nobody waits for answers any more.
  func forget() { requests = [] }

  private func takeLines() throws(SessionFailure) {
    while let end = input.firstIndex(of: UInt8(ascii: "\n")) {
      let line = String(decoding: input[..<end], as: UTF8.self)
      input.removeFirst(end + 1)
      switch line.first {
      case "!": events.append(String(line.dropFirst(2)))
      case "x":
        guard !requests.isEmpty else { throw ended() }
        answer(code: Int32(line.dropFirst(2)) ?? Self.unreachable)
      default: lines.append(String(line.dropFirst(2)))
      }
    }
  }

  /// The oldest request's answer is whole.
  private func answer(code: Int32) {
    let request = requests.removeFirst()
    let said = lines
    lines = []
    guard code == 0 else {
      let message = said.joined(separator: "\n")
      return request.take(
        .failure(SessionFailure(message: message, code: code, isPassing: false)))
    }
    // What came without one may have been read together with the next answer, which brought it.
    let descriptor = request.takesDescriptor ? lent : nil
    if request.takesDescriptor { lent = nil }
    request.take(.success((said, descriptor)))
  }

  /// False: nothing more is there.
  private func receive() throws(SessionFailure) -> Bool {
    guard input.count < Self.answerBytesMax else { throw ended() }
    switch try? MessageSocket(connection).receive() {
    case .message(let bytes, let descriptors):
      input += bytes
      lent = descriptors.first ?? lent
      return true
    case .wouldBlock: return false
    case .closed, nil: throw ended()
    }
  }

  func ended() -> SessionFailure {
    SessionFailure(
      message: "the server ended the session without an answer", code: Self.unreachable,
      isPassing: true)
  }
}
