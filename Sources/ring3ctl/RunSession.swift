// A session on the server's control socket, as ring3ctl(8) describes it under SESSIONS.

import Platform

/// Why a session came to nothing, in the server's words.
struct SessionFailure: Error {
  let message: String
  /// The exit code that goes with it.
  let code: Int32
  /// It may go well a moment later: no server answers, or it is just starting.
  let isPassing: Bool
}

/// What was claimed lasts as long as this object.
final class RunSession {
  private static let unreachable: Int32 = 69
  private static let answerMilliseconds: Int32 = 5_000

  let connection: Descriptor
  /// From which the programs accept their requests.
  private(set) var listener: Descriptor

  /// Claims prefixes for a queue, and takes the queue's socket.
  init(path: String, prefixes: [String], queue: String) throws(SessionFailure) {
    do throws(SystemError) {
      connection = try UnixSocket.connect(path: path)
    } catch {
      throw SessionFailure(
        message: "no server answers at '\(path)': \(SystemError.text(of: error.code))",
        code: Self.unreachable, isPassing: true)
    }
    listener = connection
    _ = try ask(["session", "1"])
    _ = try ask(["register"] + prefixes + ["--queue=\(queue)"])
    guard let socket = try ask(["attach", queue]) else {
      throw SessionFailure(
        message: "the server lent no socket", code: Self.unreachable, isPassing: false)
    }
    listener = socket
  }

  /// Gives back what was claimed: new requests go elsewhere from now on.
  func giveBack() { _ = try? ask(["unregister", "--all"]) }

  /// One request; the descriptor that came with its answer.
  private func ask(_ words: [String]) throws(SessionFailure) -> Descriptor? {
    let request = Array((words.joined(separator: "\t") + "\n").utf8)
    guard UnixSocket.sendAll(connection, request) else { throw ended() }
    var answer: [UInt8] = []
    var lent: Descriptor?
    while true {
      let (bytes, descriptors) = try receive()
      answer += bytes
      lent = descriptors.first ?? lent
      guard answer.last == UInt8(ascii: "\n") else { continue }
      let lines = answer.split(separator: UInt8(ascii: "\n")).map {
        String(decoding: $0, as: UTF8.self)
      }
      guard let last = lines.last, last.first == "x" else { continue }
      let code = Int32(last.dropFirst(2)) ?? Self.unreachable
      if code == 0 { return lent }
      let words = lines.dropLast().map { String($0.dropFirst(2)) }
      throw SessionFailure(
        message: words.joined(separator: "\n"), code: code, isPassing: false)
    }
  }

  private func receive() throws(SessionFailure) -> ([UInt8], [Descriptor]) {
    while true {
      switch try? MessageSocket(connection).receive() {
      case .message(let bytes, let descriptors): return (bytes, descriptors)
      case .wouldBlock where waitsForMore: continue
      default: throw ended()
      }
    }
  }

  /// Whether more has come in time.
  private var waitsForMore: Bool {
    guard let poller = try? Poller(batchMax: 1),
      (try? poller.add(connection.number, token: 0, interest: .readable)) != nil
    else { return false }
    return poller.wait(timeoutMilliseconds: Self.answerMilliseconds) > 0
  }

  private func ended() -> SessionFailure {
    SessionFailure(
      message: "the server ended the session", code: Self.unreachable, isPassing: true)
  }
}
