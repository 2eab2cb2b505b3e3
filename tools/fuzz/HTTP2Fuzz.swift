// A libFuzzer target for HTTP/2: bytes in pieces, every request answered, the text of each parsed.

import HTTP
import HTTP2
import Platform

/// A body for each slot; how it behaves is told by the input.
private final class Bodies: HTTP2BodySource {
  var left: [Int: Int] = [:]
  var mood = 0

  func appendBody(
    of stream: HTTP2Stream, to output: ByteBuffer, upTo byteCountMax: Int
  ) -> HTTP2BodyStep {
    precondition(byteCountMax > 0 && byteCountMax <= 16_384 && output.free >= byteCountMax)
    let slot = Int(stream.slot)
    mood += 1
    if mood % 7 == 0 { return .deferred }
    if mood % 41 == 0 { return .failed }
    let rest = left[slot] ?? 0
    let count = min(rest, byteCountMax, 1 + mood * 997 % 20_000)
    for _ in 0..<count { output.append(0x61) }
    left[slot] = rest - count
    return rest == count ? .end : .more
  }
}

/// What must hold whatever arrives; a broken invariant traps, which libFuzzer reports.
private final class Invariants {
  static let trailers = [UInt8]("X-Sum: 1\r\nA:b\r\n".utf8)
  /// libFuzzer calls from one thread.
  nonisolated(unsafe) static let workspace = HTTP2Workspace(headerListBytesMax: 4096)
  let session: HTTP2Session
  let bodies = Bodies()
  let output = ByteBuffer(capacity: 8192)
  let parser = RequestParser(limits: RequestLimits(headerBytesMax: 16_384))
  var open: [Int32: HTTP2Stream] = [:]
  /// Streams whose bodies are kept.
  var kept: Set<HTTP2Stream> = []
  let taken = ByteBuffer(capacity: 4096)

  init(windowBytes: Int) {
    var settings = HTTP2Settings()
    settings.headerListBytesMax = 4096
    settings.concurrentStreamsMax = 10
    settings.limits.memoryBytesMax = 512 << 10
    settings.limits.keptBodyBytesMax = 4096
    settings.windowBytes = windowBytes
    session = HTTP2Session(settings: settings, workspace: Invariants.workspace)
  }

  /// The first byte of the input says how the rest is cut.
  func run(_ data: [UInt8], hasPreface: Bool) {
    let step = Int(data.first ?? 0) + 1
    bodies.mood = step
    var input: [UInt8] = hasPreface ? Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) : []
    input += data.dropFirst()
    var start = 0
    while start < input.count && !session.isDone {
      let end = min(input.count, start + step)
      let piece = Array(input[start..<end])
      let taken = session.receive(piece.rawSpan)
      precondition(taken >= 0 && taken <= piece.count)
      precondition(taken > 0 || session.nextEvent() != nil, "no progress")
      start += taken
      takeEvents()
      if end % 3 != 0 { produce() }
      if end % 11 == 0 { session.tick(second: Int64(end)) }
    }
    session.beginShutdown()
    produce()
    session.finishShutdown()
    produce()
    session.terminate(.cancel)
    produce()
    precondition(session.isDone)
    checkBodies()
    precondition(session.memoryBytes <= (512 << 10) + 65_536)
  }

  private func produce() {
    for _ in 0..<50 where session.hasOutput {
      for stream in open.values { session.resume(stream) }
      let count = session.produce(into: output, bodies: bodies)
      precondition(count >= 0 && output.count == count)
      output.removeAll()
      takeEvents()
    }
    output.removeAll()
  }

  private func takeEvents() {
    while let event = session.nextEvent() {
      switch event {
      case .request(let request):
        precondition(open.updateValue(request.stream, forKey: request.stream.slot) == nil)
        check(request)
        if request.bodyFollows, request.stream.id / 2 % 3 > 0 {
          precondition(session.keepBody(of: request.stream))
          kept.insert(request.stream)
        } else {
          answer(request.stream)
        }
      case .headTooLarge(let stream, _, _):
        precondition(open.updateValue(stream, forKey: stream.slot) == nil)
        answer(stream)
      case .body(let stream, let count):
        precondition(count >= 0 && open[stream.slot] == stream)
        if kept.contains(stream) { use(stream, count) }
      case .bodyEnded(let stream):
        precondition(open[stream.slot] == stream)
        if kept.contains(stream) { answer(stream) }
      case .closed(let stream, _, _, _):
        precondition(open.removeValue(forKey: stream.slot) == stream)
        kept.remove(stream)
        precondition(session.bodyByteCount(of: stream) == 0)
      }
    }
    precondition(open.count == session.openStreamCount && open.count <= 10)
    checkBodies()
  }

  /// Takes some of a body, or gives it up, or answers before its end.
  private func use(_ stream: HTTP2Stream, _ count: Int) {
    switch (count + Int(stream.id)) % 16 {
    case 0: session.dropBody(of: stream)
    case 1: answer(stream)
    case 2: session.reset(stream, .cancel)
    case 3..<9:
      let waiting = session.bodyByteCount(of: stream)
      let byteCount = session.takeBody(of: stream, into: taken, upTo: count)
      precondition(byteCount == min(waiting, count, taken.capacity))
      precondition(session.bodyByteCount(of: stream) == waiting - byteCount)
      taken.removeAll()
    default: break
    }
  }

  private func checkBodies() {
    let (waiting, reserved) = session.keptBodyBytes
    precondition(waiting == kept.reduce(0) { $0 + session.bodyByteCount(of: $1) })
    precondition(waiting <= 4096 + 200_000 && (waiting > 0) == (reserved > 0))
  }

  /// The text is one head, of just these lines, or one that the parser refuses.
  private func check(_ request: HTTP2Request) {
    let heads = Invariants.workspace.heads
    let text = heads.bytes.extracting(request.head)
    var head = RequestHead(fieldCapacity: 1)
    switch parser.parse(text, into: &head) {
    case .complete:
      precondition(head.headByteCount == text.byteCount)
      precondition(head.fieldCount == request.fieldCount)
    case .needMore: preconditionFailure("a head without an end")
    case .rejected: break
    }
  }

  private func answer(_ stream: HTTP2Stream) {
    let kind = Int(stream.id / 2 % 8)
    if kind == 7 {
      session.reset(stream, .refusedStream)
      return
    }
    let head = Invariants.workspace.responseHead
    head.append(Array("HTTP/1.1 200 OK\r\nDate: x\r\nConnection: close\r\nA:b\r\n\r\n".utf8))
    bodies.left[Int(stream.slot)] = kind * kind * 4000
    session.respond(to: stream, bodyFollows: kind > 0)
    if kind % 3 == 1 { session.prefer(stream, urgency: kind, isIncremental: kind > 3) }
    if kind % 3 == 2 { session.setTrailers(Invariants.trailers.rawSpan, of: stream) }
  }
}

/// Called by libFuzzer with each input.
@_cdecl("LLVMFuzzerTestOneInput")
package func fuzzHTTP2(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let data = unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
  let windowBytes = [65_535, 1024, 200_000][data.count % 3]
  Invariants(windowBytes: windowBytes).run(data, hasPreface: true)
  if data.count > 30 && data[1] == 0x50 {
    Invariants(windowBytes: windowBytes).run(data, hasPreface: false)
  }
  return 0
}
