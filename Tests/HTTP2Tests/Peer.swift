// A session under test, with what a worker would do around it.

import HTTP
import HTTP2
import Platform

/// Bodies of given lengths, by stream number.
final class TestBodies: HTTP2BodySource {
  var left: [Int32: Int] = [:]
  var deferred: Set<Int32> = []
  var failing: Set<Int32> = []
  var partMax = Int.max

  func appendBody(
    of stream: HTTP2Stream, to output: ByteBuffer, upTo byteCountMax: Int
  ) -> HTTP2BodyStep {
    if failing.contains(stream.id) { return .failed }
    if deferred.contains(stream.id) { return .deferred }
    let rest = left[stream.id] ?? 0
    let count = min(rest, byteCountMax, partMax)
    output.append([UInt8](repeating: UInt8(truncatingIfNeeded: stream.id), count: count))
    left[stream.id] = rest - count
    return rest == count ? .end : .more
  }
}

final class Peer {
  let workspace: HTTP2Workspace
  let session: HTTP2Session
  let bodies = TestBodies()
  let output: ByteBuffer
  var requests: [HTTP2Stream] = []
  var texts: [String] = []
  var tooLarge: [HTTP2Stream] = []
  var bodyBytes: [Int32: Int] = [:]
  var ended: [Int32] = []
  var closed: [(stream: HTTP2Stream, completed: Bool, code: UInt32, byUs: Bool)] = []
  var bodyFollows: [Int32: Bool] = [:]
  /// Whether the strict parser of HTTP/1.1 took every head, with as many lines.
  var parserAgrees = true
  /// Answer each request at once with a body of so many bytes; nil: leave it.
  var answerBytes: Int?
  /// Have each request's body kept.
  var keepsBodies = false

  init(
    _ settings: HTTP2Settings = HTTP2Settings(), outputBytes: Int = 1 << 20,
    workspace: HTTP2Workspace = HTTP2Workspace(), greets: Bool = true
  ) {
    self.workspace = workspace
    session = HTTP2Session(settings: settings, workspace: workspace)
    output = ByteBuffer(capacity: outputBytes)
    if greets {
      receive(preface + settingsFrame().bytes)
      _ = produce()
    }
  }

  func send(_ frames: Frame...) { receive(frames.flatMap(\.bytes)) }

  func receive(_ bytes: [UInt8]) {
    var start = 0
    while start < bytes.count {
      let rest = Array(bytes[start...])
      start += session.receive(rest.rawSpan)
      takeEvents()
    }
  }

  func takeEvents() {
    while let event = session.nextEvent() {
      switch event {
      case .request(let request): note(request)
      case .headTooLarge(let stream, _, _): tooLarge.append(stream)
      case .body(let stream, let count): bodyBytes[stream.id, default: 0] += count
      case .bodyEnded(let stream): ended.append(stream.id)
      case .closed(let stream, let completed, let code, let byUs):
        closed.append((stream, completed, code, byUs))
      }
    }
  }

  private func note(_ request: HTTP2Request) {
    requests.append(request.stream)
    if keepsBodies { session.keepBody(of: request.stream) }
    bodyFollows[request.stream.id] = request.bodyFollows
    let heads = workspace.heads
    texts.append(String(decoding: heads.copy(request.head), as: UTF8.self))
    var head = RequestHead(fieldCapacity: 1)
    if case .complete = RequestParser().parse(heads.bytes.extracting(request.head), into: &head),
      head.fieldCount == request.fieldCount, head.headByteCount == request.head.count
    {
    } else {
      parserAgrees = false
    }
    if let bytes = answerBytes { respond(request.stream, bytes: bytes) }
  }

  @discardableResult
  func respond(_ stream: HTTP2Stream, bytes: Int, head: String? = nil) -> Bool {
    let text = head ?? "HTTP/1.1 200 OK\r\nContent-Length: \(bytes)\r\n\r\n"
    workspace.responseHead.append(Array(text.utf8))
    bodies.left[stream.id] = bytes
    return session.respond(to: stream, bodyFollows: bytes > 0)
  }

  /// Takes what waits of a kept body, or the beginning of it.
  func take(_ stream: HTTP2Stream, upTo byteCountMax: Int = .max) -> [UInt8] {
    let buffer = ByteBuffer(capacity: min(byteCountMax, 1 << 20))
    let count = session.takeBody(of: stream, into: buffer, upTo: byteCountMax)
    return buffer.copy(0..<count)
  }

  /// One call's frames.
  func produce() -> [Frame] {
    output.removeAll()
    session.produce(into: output, bodies: bodies)
    takeEvents()
    return Frame.read(output.copy(0..<output.count)) ?? [Frame(type: 0xff)]
  }
}
