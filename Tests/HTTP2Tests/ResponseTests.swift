// Responses: heads, bodies, flow control, priorities and the ways a stream ends.

import HTTP2
import Platform
import Testing

@Suite struct `responses` {
  @Test func `a head becomes fields, without those of the connection`() throws {
    let peer = Peer()
    peer.send(requestFrame(1))
    let head =
      "HTTP/1.1 200 OK\r\nDate: now\r\nConnection: close\r\nKeep-Alive: x\r\n"
      + "Transfer-Encoding: chunked\r\nUpgrade: h2c\r\nX-Empty:\r\nServer:  r3\r\n\r\n"
    #expect(peer.respond(peer.requests[0], bytes: 0, head: head))
    let frame = try #require(peer.produce().first { $0.type == Frame.headers })
    #expect(frame.endsStream)
    #expect(
      ClientDecoder().decode(frame.payload)
        == [":status: 200", "date: now", "x-empty: ", "server: r3"])
    #expect(peer.closed.map(\.completed) == [true] && peer.session.openStreamCount == 0)
    #expect(!peer.respond(peer.requests[0], bytes: 0))
  }

  @Test(arguments: ["HTTP/1.1 200", "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/1.1 101 S\r\n\r\n", "", "x\n"])
  func `a head that is none resets the stream`(_ head: String) {
    let peer = Peer()
    peer.send(requestFrame(1))
    #expect(!peer.respond(peer.requests[0], bytes: 0, head: head))
    #expect(peer.produce().contains { $0.type == Frame.reset && $0.code == 2 })
    #expect(peer.closed.map(\.byUs) == [true])
  }

  @Test func `an interim response comes before the final one`() {
    let peer = Peer()
    peer.send(requestFrame(1, ends: false))
    peer.respond(peer.requests[0], bytes: 0, head: "HTTP/1.1 100 Continue\r\n\r\n")
    peer.respond(peer.requests[0], bytes: 3)
    let frames = peer.produce().filter { $0.stream == 1 && $0.type <= 1 }
    #expect(frames.map(\.type) == [1, 1, 0] && frames.map(\.endsStream) == [false, false, true])
  }

  @Test func `a body is cut into frames and ends with the last`() {
    let peer = Peer(outputBytes: 8192)
    peer.send(settingsFrame([(4, 1 << 20)]), windowFrame(0, 1 << 20), requestFrame(1))
    peer.respond(peer.requests[0], bytes: 100_000)
    var body: [UInt8] = []
    var frames: [Frame] = []
    while peer.session.hasOutput {
      let more = peer.produce()
      #expect(!more.isEmpty)
      frames += more
      body += more.filter { $0.type == Frame.data }.flatMap(\.payload)
    }
    #expect(body == [UInt8](repeating: 1, count: 100_000))
    #expect(frames.last?.endsStream == true && peer.closed.map(\.completed) == [true])
  }

  @Test(arguments: [0, 3, 100_000])
  func `trailers end a stream behind its body`(_ byteCount: Int) throws {
    let peer = Peer()
    let decoder = ClientDecoder()
    peer.send(settingsFrame([(4, 1 << 20)]), windowFrame(0, 1 << 20))
    for stream: Int32 in [1, 3] {
      peer.send(requestFrame(stream))
      let request = try #require(peer.requests.last)
      peer.workspace.responseHead.append(Array("HTTP/1.1 200 OK\r\n\r\n".utf8))
      peer.bodies.left[stream] = byteCount
      #expect(peer.session.respond(to: request, bodyFollows: true))
      let lines = Array("X-Sum: 6\r\ngrpc-status:0\r\n".utf8)
      let isTaken = peer.session.setTrailers(lines.rawSpan, of: request)
      #expect(isTaken)
      let frames = peer.produce().filter { $0.stream == stream }
      #expect(frames.first.map { decoder.decode($0.payload) } == [":status: 200"])
      #expect(frames.filter { $0.type == Frame.data }.allSatisfy { !$0.endsStream })
      let last = try #require(frames.last)
      #expect(last.type == Frame.headers && last.endsStream)
      #expect(decoder.decode(last.payload) == ["x-sum: 6", "grpc-status: 0"])
      #expect(peer.closed.last?.completed == true)
      let isTakenLate = peer.session.setTrailers(lines.rawSpan, of: request)
      #expect(!isTakenLate)
    }
    // The next one has none.
    peer.send(requestFrame(5))
    peer.respond(peer.requests[2], bytes: 3)
    #expect(peer.produce().last { $0.stream == 5 }?.type == Frame.data)
  }

  @Test func `a frame that does not fit is continued in the next buffer`() {
    let peer = Peer(outputBytes: 4096)
    peer.send(requestFrame(1))
    let lines = (0..<20).map { "X-\($0): \(String(repeating: "~", count: 900))\r\n" }.joined()
    peer.respond(peer.requests[0], bytes: 10, head: "HTTP/1.1 200 OK\r\n\(lines)\r\n")
    var bytes: [UInt8] = []
    while peer.session.hasOutput {
      peer.output.removeAll()
      #expect(peer.session.produce(into: peer.output, bodies: peer.bodies) > 0)
      bytes += peer.output.copy(0..<peer.output.count)
    }
    let types = Frame.read(bytes)?.map(\.type)
    #expect(types?.suffix(3) == [Frame.headers, Frame.continuation, Frame.data])
  }

  @Test func `a peer that opens no window holds the body, and that is seen`() {
    let peer = Peer()
    peer.send(settingsFrame([(4, 10)]), requestFrame(1), requestFrame(3))
    peer.respond(peer.requests[0], bytes: 30)
    #expect(peer.produce().filter { $0.type == Frame.data }.map(\.payload.count) == [10])
    #expect(peer.session.isBlockedByPeer && !peer.session.hasOutput)
    peer.send(windowFrame(1, 20))
    #expect(!peer.session.isBlockedByPeer && peer.session.hasOutput)
    #expect(peer.produce().last?.endsStream == true && !peer.session.isBlockedByPeer)
  }

  @Test func `the connection's window bounds all streams together`() {
    let peer = Peer()
    peer.send(requestFrame(1), requestFrame(3))
    for stream in peer.requests { peer.respond(stream, bytes: 60_000) }
    let sent = peer.produce().filter { $0.type == Frame.data }.map(\.payload.count).reduce(0, +)
    #expect(sent == 65_535 && peer.session.isBlockedByPeer)
    peer.send(windowFrame(0, 60_000))
    #expect(peer.produce().last?.endsStream == true && peer.session.openStreamCount == 0)
  }

  @Test func `a deferred body goes on when it is resumed`() {
    let peer = Peer()
    peer.send(requestFrame(1))
    peer.bodies.deferred = [1]
    peer.respond(peer.requests[0], bytes: 5)
    #expect(peer.produce().last?.type == Frame.headers)
    #expect(!peer.session.hasOutput && !peer.session.isBlockedByPeer)
    peer.bodies.deferred = []
    #expect(peer.session.resume(peer.requests[0]) && !peer.session.resume(peer.requests[0]))
    #expect(peer.produce().map(\.payload.count) == [5])
    #expect(!peer.session.resume(peer.requests[0]))
  }

  @Test func `a body that fails resets its stream alone`() {
    let peer = Peer()
    peer.send(requestFrame(1), requestFrame(3))
    peer.bodies.failing = [1]
    for stream in peer.requests { peer.respond(stream, bytes: 5) }
    let frames = peer.produce()
    #expect(frames.contains { $0.type == Frame.reset && $0.stream == 1 && $0.code == 2 })
    #expect(frames.contains { $0.type == Frame.data && $0.stream == 3 && $0.endsStream })
    #expect(peer.session.failure == nil)
  }

  @Test func `a whole response to an unfinished request ends in peace`() {
    let peer = Peer()
    peer.send(requestFrame(1, ends: false))
    peer.respond(peer.requests[0], bytes: 3)
    // Not at once: a client may forget an answer that comes together with a reset.
    #expect(peer.produce().last?.type == Frame.data)
    var frames: [Frame] = []
    for _ in 0..<70 {
      peer.send(dataFrame(1, String(repeating: "x", count: 16_000)))
      frames += peer.produce()
    }
    #expect(frames.filter { $0.type == Frame.reset }.map(\.code) == [0])
    #expect(peer.closed.map(\.completed) == [true])
    #expect(peer.session.failure == nil)
  }

  @Test func `the bytes of a body that nobody wants open the windows again`() {
    let peer = Peer()
    peer.send(requestFrame(1, ends: false))
    let part = String(repeating: "x", count: 16_384)
    for _ in 0..<20 {
      peer.send(dataFrame(1, part))
      _ = peer.produce()
    }
    #expect(peer.session.failure == nil && peer.bodyBytes == [1: 20 * 16_384])
  }

  // MARK: Priorities

  private func order(_ priorities: [String], _ peer: Peer = Peer()) -> [Int32] {
    peer.send(settingsFrame([(4, 1 << 20)]), windowFrame(0, 1 << 20))
    for (index, priority) in priorities.enumerated() {
      peer.send(requestFrame(Int32(1 + 2 * index), [("priority", priority)]))
    }
    for stream in peer.requests { peer.respond(stream, bytes: 50_000) }
    return peer.produce().filter { $0.type == Frame.data }.map(\.stream)
  }

  private func compact(_ streams: [Int32]) -> [Int32] {
    streams.reduce(into: []) { if $0.last != $1 { $0.append($1) } }
  }

  @Test func `streams that are not incremental follow each other`() {
    #expect(compact(order(["u=3", "u=3", "u=3"])) == [1, 3, 5])
  }

  @Test func `incremental streams take turns`() {
    #expect(order(["i", "i", "i"]).prefix(6).elementsEqual([1, 3, 5, 1, 3, 5]))
  }

  @Test func `one that is not incremental takes turns with those that are`() {
    #expect(order(["u=3", "i", "u=3", "i"]).prefix(8).elementsEqual([1, 3, 1, 7, 1, 3, 1, 5]))
  }

  @Test func `a stream that had to wait is again before those behind it`() {
    let peer = Peer()
    peer.send(settingsFrame([(4, 1 << 20)]), windowFrame(0, 1 << 20))
    peer.send(requestFrame(1), requestFrame(3), requestFrame(5))
    for stream in peer.requests { peer.respond(stream, bytes: 50_000) }
    peer.bodies.deferred = [1, 3]
    peer.output.removeAll()
    let short = ByteBuffer(capacity: 20_000)
    peer.session.produce(into: short, bodies: peer.bodies)
    peer.bodies.deferred = []
    peer.session.resume(peer.requests[1])
    peer.session.resume(peer.requests[0])
    let order = peer.produce().filter { $0.type == Frame.data }.map(\.stream)
    #expect(compact(order) == [1, 3, 5])
  }

  @Test func `the more urgent comes first`() {
    #expect(compact(order(["u=5", "u=1", "u=3"])) == [3, 5, 1])
  }

  @Test func `PRIORITY_UPDATE changes the order, before a stream and while it lasts`() {
    let peer = Peer()
    func update(_ stream: Int32, _ value: String) -> Frame {
      Frame(type: Frame.priorityUpdate, payload: word(stream) + Array(value.utf8))
    }
    peer.send(update(5, "u=0"))
    peer.send(settingsFrame([(4, 1 << 20)]), windowFrame(0, 1 << 20))
    peer.send(requestFrame(1), requestFrame(3), requestFrame(5))
    peer.send(update(3, "u=1"))
    for stream in peer.requests { peer.respond(stream, bytes: 50_000) }
    let order = peer.produce().filter { $0.type == Frame.data }.map(\.stream)
    #expect(compact(order) == [5, 3, 1])
  }

  @Test func `a priority is taken once, and only if it is short`() {
    let peer = Peer()
    peer.send(settingsFrame([(4, 1 << 20)]), windowFrame(0, 1 << 20))
    peer.send(requestFrame(1), requestFrame(3, [("priority", "u=5"), ("priority", "u=0")]))
    let long = Array(repeating: "a", count: 2000).joined(separator: ",")
    peer.send(requestFrame(5, [("priority", "\(long),u=0")]), requestFrame(7, [("te", "Trailers")]))
    for stream in peer.requests { peer.respond(stream, bytes: 50_000) }
    let order = peer.produce().filter { $0.type == Frame.data }.map(\.stream)
    #expect(compact(order) == [1, 5, 7, 3])
  }

  @Test func `the server's own preference comes before the client's`() {
    let peer = Peer()
    peer.send(settingsFrame([(4, 1 << 20)]), windowFrame(0, 1 << 20))
    peer.send(requestFrame(1, [("priority", "u=0")]), requestFrame(3))
    peer.session.prefer(peer.requests[0], urgency: 7, isIncremental: false)
    for stream in peer.requests { peer.respond(stream, bytes: 50_000) }
    #expect(compact(peer.produce().filter { $0.type == Frame.data }.map(\.stream)) == [3, 1])
  }

  @Test func `our SETTINGS say what was configured`() {
    var settings = HTTP2Settings()
    settings.concurrentStreamsMax = 7
    settings.windowBytes = 70_000
    let peer = Peer(settings, greets: false)
    let frame = peer.produce()[0]
    #expect(frame.type == Frame.settings && frame.payload.starts(with: [0, 3, 0, 0, 0, 7]))
    #expect(frame.payload.suffix(6) == [0, 9, 0, 0, 0, 1])
    #expect(!peer.session.settingsAcknowledged)
    peer.receive(preface + settingsFrame().bytes)
    peer.send(Frame(type: Frame.settings, flags: 1))
    #expect(peer.session.settingsAcknowledged)
  }
}
