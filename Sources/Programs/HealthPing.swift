// A health ping: one GET on a connection to the queue's own socket, past the queue.

import Platform

/// Asks and waits for a status line, without ever blocking.
final class HealthPing {
  private static let statusBytes = 12

  let socket: Descriptor
  var deadline: Int64
  private let question: [UInt8]
  private var sent = 0
  private var received: [UInt8] = []

  /// What `advance` found.
  enum Outcome: Equatable {
    case waits
    case passed
    case failed(String)
  }

  /// `socket` is connected.
  init(_ socket: Descriptor, path: String, deadline: Int64) {
    self.socket = socket
    self.deadline = deadline
    question = Array(
      "GET \(path) HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Ring3\r\nConnection: close\r\n\r\n"
        .utf8)
  }

  /// What is waited for.
  var interest: Interest { sent < question.count ? .writable : .readable }

  func advance() -> Outcome {
    while sent < question.count {
      guard let count = UnixSocket.send(socket, question[sent...]) else {
        return .failed("the connection was closed")
      }
      if count == 0 { return .waits }
      sent += count
    }
    while received.count < Self.statusBytes {
      // Without descriptors: closing those of strangers can take for ever.
      switch UnixSocket.receive(socket, byteCountMax: 4096) {
      case .bytes(let bytes): received += bytes
      case .wouldBlock: return .waits
      case .closed: return .failed("the connection was closed without an answer")
      }
    }
    return Self.judge(received)
  }

  /// "HTTP/1.1 200": 2xx and 3xx are well.
  static func judge(_ answer: [UInt8]) -> Outcome {
    let line = String(decoding: answer.prefix(statusBytes), as: UTF8.self)
    guard line.hasPrefix("HTTP/1."), let status = Int(line.dropFirst(9)) else {
      return .failed("the answer is not HTTP")
    }
    return (200...399).contains(status) ? .passed : .failed("status \(status)")
  }
}
