// A program for tests of queues: plain Python, one request at a time, which a signal ends at once.

import Foundation
import TestSupport

/// What runs behind a claimed URL, and what it tells of itself.
enum PlainApplication {
  static let python = "/usr/bin/python3"

  /// Answers with "PID USER DIRECTORY LABEL"; a path that ends in "/grow" first takes 64 MiB, one in
  /// "/slow" a moment, one in "/sleep/N" so many seconds, one in "/exit" ends it.
  static let source = """
    import os, socket, time
    listener = socket.socket(fileno=3)
    listener.setblocking(True)
    kept = []
    while True:
      connection = listener.accept()[0]
      head = b""
      while b"\\r\\n\\r\\n" not in head:
        part = connection.recv(65536)
        if not part: break
        head += part
      words = head.split(b" ")
      path = words[1] if len(words) > 1 else b""
      if path.endswith(b"/grow"): kept.append(bytearray(b"x" * (64 << 20)))
      if path.endswith(b"/slow"): time.sleep(0.3)
      if b"/sleep/" in path: time.sleep(float(path.split(b"/")[-1]))
      if path.endswith(b"/exit"): os._exit(3)
      text = "%d %d %s %s\\n" % (os.getpid(), os.geteuid(), os.getcwd(), os.environ.get("LABEL"))
      body = text.encode()
      connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Type: text/plain\\r\\nCache-Control: no-store"
        b"\\r\\nConnection: close\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
      connection.close()
    """

  /// The command that runs it.
  static let command = [python, "-u", "-c", source]

  /// The answer's words.
  struct Answer: Equatable {
    let process: Int32
    let user: Int
    let directory: String
    let label: String

    init?(_ response: Response?) {
      guard let response, response.status == 200 else { return nil }
      let words = response.text.dropLast().split(separator: " ").map(String.init)
      guard words.count == 4, let process = Int32(words[0]), let user = Int(words[1]) else {
        return nil
      }
      self.process = process
      self.user = user
      directory = words[2]
      label = words[3]
    }
  }
}

extension TestServer {
  /// What the application behind a path says of itself; nil when it does not answer.
  func application(_ target: String = "/app/x") -> PlainApplication.Answer? {
    PlainApplication.Answer(try? get(target))
  }

  /// The same as soon as workers know of it: the master tells them a moment after it has said so.
  func firstAnswer() -> PlainApplication.Answer? {
    var answer: PlainApplication.Answer?
    _ = eventually {
      answer = application()
      return answer != nil
    }
    return answer
  }
}

/// Clients that ask again and again, at once, until they are told to stop.
final class RequestLoop: @unchecked Sendable {
  private let lock = NSLock()
  private let port: UInt16
  private let target: String
  private let process: @Sendable (Response) -> Int32?
  private var isOver = false
  private var running = 0
  private var answers: [Int32: Int] = [:]
  private var problems: [String] = []

  /// `process`: which one has answered; nil: that was no answer of the application.
  init(
    _ server: TestServer, _ target: String = "/app/x", clients: Int = 4,
    process: @escaping @Sendable (Response) -> Int32? = { PlainApplication.Answer($0)?.process }
  ) {
    self.process = process
    port = server.port
    self.target = target
    running = clients
    for _ in 0..<clients { Thread.detachNewThread { [self] in ask() } }
  }

  private func ask() {
    while !lock.withLock({ isOver }) {
      let response = Result {
        try Conversation(to: "127.0.0.1", port: port).get(target, method: "GET", host: "localhost")
      }
      lock.withLock {
        switch response {
        case .success(let response):
          if let process = process(response) {
            answers[process, default: 0] += 1
          } else {
            problems.append("\(response.status) \(response.text)")
          }
        case .failure(let error): problems.append("\(error)")
        }
      }
    }
    lock.withLock { running -= 1 }
  }

  /// How many answers each process gave so far.
  var counts: [Int32: Int] { lock.withLock { answers } }

  /// What was no answer of the application, after the last client has ended.
  func stop() -> [String] {
    lock.withLock { isOver = true }
    _ = eventually(milliseconds: 20_000) { lock.withLock { running == 0 } }
    return lock.withLock { problems }
  }
}
