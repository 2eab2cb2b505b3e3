// Floods, each ended with its word; honest connections, never; and the ways a connection ends.

import HTTP2
import Platform
import Testing

@Suite struct `abuse and ends` {
  /// Repeats frames until the session fails or the rounds are over; how often it was done.
  private func flood(
    _ peer: Peer, rounds: Int = 5000, _ frames: (Int32) -> [Frame]
  ) -> Int {
    for round in 0..<rounds {
      peer.receive(frames(Int32(round)).flatMap(\.bytes))
      if peer.session.failure != nil { return round }
      _ = peer.produce()
    }
    return rounds
  }

  private func expectEnd(_ peer: Peer, _ failure: HTTP2Failure) {
    #expect(peer.session.failure == failure)
    let last = peer.produce().last
    #expect(last?.type == Frame.goAway && last?.code == failure.code.rawValue)
    #expect(peer.session.isDone && !peer.session.hasOutput)
  }

  static let unanswered: [(HTTP2Failure, Frame)] = [
    (.settingsFlood, settingsFrame()),
    (.pingFlood, Frame(type: Frame.ping, payload: [UInt8](repeating: 0, count: 8))),
    (.windowUpdateFlood, windowFrame(0, 1)),
    (.priorityFlood, Frame(type: 2, stream: 5, payload: [0, 0, 0, 1, 9])),
    (.priorityFlood, Frame(type: Frame.priorityUpdate, payload: [0, 0, 0, 5])),
    (.unknownFrameFlood, Frame(type: 0x77, stream: 3, payload: [1, 2, 3])),
    (.rapidReset, resetFrame(1)),
    (.emptyFrameFlood, dataFrame(1, "")),
    (.emptyFrameFlood, Frame(type: 0, flags: 8, stream: 1, payload: [2, 0, 0])),
  ]

  @Test(arguments: unanswered)
  func `a flood of one kind of frame ends the connection`(_ failure: HTTP2Failure, _ frame: Frame) {
    let peer = Peer()
    peer.send(requestFrame(1, ends: false))
    #expect(flood(peer) { _ in [frame] } <= 1001)
    expectEnd(peer, failure)
  }

  @Test func `streams opened to be reset end the connection`() {
    let peer = Peer()
    let count = flood(peer) { [requestFrame(1 + 2 * $0), resetFrame(1 + 2 * $0)] }
    #expect(count >= 100 && count <= 200)
    expectEnd(peer, .rapidReset)
  }

  @Test func `resets that the peer provokes count as its own`() {
    let peer = Peer()
    let count = flood(peer) { [requestFrame(1 + 2 * $0), windowFrame(1 + 2 * $0, 0)] }
    #expect(count <= 201)
    #expect(peer.session.failure == .rapidReset || peer.session.failure == .protocolError)
    let other = Peer()
    let length = [("content-length", "5")]
    _ = flood(other) {
      [requestFrame(1 + 2 * $0, length, ends: false), dataFrame(1 + 2 * $0, "123456")]
    }
    #expect(other.session.failure == .rapidReset)
  }

  @Test func `malformed requests without end are not borne`() {
    let peer = Peer()
    #expect(flood(peer) { [requestFrame(1 + 2 * $0, [("X", "y")])] } <= 201)
    #expect(peer.session.failure == .emptyFrameFlood || peer.session.failure == .rapidReset)
  }

  @Test func `more streams than allowed are refused, and soon not borne`() {
    var settings = HTTP2Settings()
    settings.concurrentStreamsMax = 3
    let peer = Peer(settings)
    peer.receive((0..<5).flatMap { requestFrame(1 + 2 * $0).bytes })
    #expect(peer.requests.count == 3)
    #expect(peer.produce().filter { $0.type == Frame.reset && $0.code == 7 }.count == 2)
    _ = flood(peer) { [requestFrame(101 + 2 * $0)] }
    #expect(peer.session.failure != nil && peer.session.openStreamCount <= 3)
  }

  @Test func `header blocks in many frames end the connection`() {
    let peer = Peer()
    var head = requestFrame(1)
    head.flags = 1
    peer.send(head)
    let count = flood(peer) { _ in [Frame(type: Frame.continuation, stream: 1)] }
    #expect(count == HTTP2Limits().continuationsMax)
    expectEnd(peer, .continuationFlood)
  }

  @Test func `a peer that takes no answers is ended`() {
    var settings = HTTP2Settings()
    settings.limits.pings = HTTP2Budget(burst: 5000, perSecond: 0, perWork: 0)
    let peer = Peer(settings)
    let ping = Frame(type: Frame.ping, payload: [UInt8](repeating: 0, count: 8))
    for _ in 0..<500 { peer.send(ping) }
    expectEnd(peer, .outboundFlood)
  }

  @Test func `memory is bounded, and its end is the session's`() {
    var settings = HTTP2Settings()
    settings.limits.memoryBytesMax = 50_000
    let peer = Peer(settings)
    peer.receive((0..<100).flatMap { requestFrame(1 + 2 * $0).bytes })
    for stream in peer.requests {
      let line = "X: \(stream.id)\(String(repeating: "~", count: 2000))\r\n"
      peer.respond(stream, bytes: 10, head: "HTTP/1.1 200 OK\r\n\(line)\r\n")
    }
    #expect(peer.session.failure == .memory && peer.session.isDone)
    #expect(peer.session.memoryBytes <= 52_000)
  }

  @Test func `answers that nobody takes are bounded while only bodies come`() {
    let peer = Peer()
    peer.send(requestFrame(1, ends: false))
    _ = peer.produce()
    let data = Frame(type: Frame.data, stream: 1, payload: [UInt8](repeating: 1, count: 16_000))
    for _ in 0..<5000 where peer.session.failure == nil { peer.send(data) }
    expectEnd(peer, .outboundFlood)
  }

  @Test func `settings that are repeated in one frame end the connection`() {
    let peer = Peer()
    peer.send(settingsFrame((0..<32).map { (4, Int32($0)) }))
    #expect(peer.session.failure == nil)
    peer.send(settingsFrame((0..<33).map { (4, Int32($0)) }))
    expectEnd(peer, .settingsFlood)
  }

  @Test func `ends of streams that are over are not free`() {
    let peer = Peer()
    peer.answerBytes = 0
    peer.send(requestFrame(1))
    _ = peer.produce()
    #expect(flood(peer) { _ in [dataFrame(1, "", ends: true)] } <= 201)
    expectEnd(peer, .emptyFrameFlood)
    let padded = Peer()
    padded.answerBytes = 0
    padded.send(requestFrame(1))
    _ = padded.produce()
    let frame = Frame(type: 0, flags: 9, stream: 1, payload: [0])
    #expect(flood(padded) { _ in [frame] } <= 201)
    expectEnd(padded, .emptyFrameFlood)
  }

  @Test func `a long honest connection never trips`() {
    let peer = Peer()
    peer.answerBytes = 1000
    let ping = Frame(type: Frame.ping, payload: [UInt8](repeating: 0, count: 8))
    let count = flood(peer, rounds: 3000) {
      let stream = 1 + 4 * $0
      return [
        requestFrame(stream), windowFrame(0, 1000), windowFrame(stream, 1000),
        requestFrame(stream + 2), resetFrame(stream + 2), ping,
      ]
    }
    #expect(count == 3000 && peer.session.failure == nil)
    #expect(peer.session.openStreamCount == 0)
  }

  @Test func `what a burst of streams needed is given back when all is quiet`() {
    let peer = Peer()
    peer.answerBytes = 0
    peer.session.tick(second: 1)
    for round in 0..<3 {
      peer.receive((0..<100).flatMap { requestFrame(Int32(1 + 2 * (100 * round + $0))).bytes })
      _ = peer.produce()
      #expect(peer.session.memoryBytes > 5000 && peer.session.openStreamCount == 0)
      peer.session.tick(second: Int64(2 + round))
      #expect(peer.session.memoryBytes < 3000)
    }
    #expect(peer.closed.count == 300 && peer.session.failure == nil)
  }

  @Test func `time pays into the budgets`() {
    let peer = Peer()
    let settings = settingsFrame()
    for second in 1...200 {
      peer.session.tick(second: Int64(second))
      peer.send(settings)
      _ = peer.produce()
    }
    #expect(peer.session.failure == nil)
  }

  // MARK: Ends

  @Test func `an orderly end takes two steps and serves what is under way`() {
    let peer = Peer()
    peer.send(requestFrame(1))
    peer.session.beginShutdown()
    let notice = peer.produce().last
    #expect(notice?.type == Frame.goAway && notice?.code == 0)
    #expect(notice?.payload.prefix(4) == [0x7f, 0xff, 0xff, 0xff])
    peer.send(requestFrame(3))
    #expect(peer.requests.count == 2)
    peer.session.finishShutdown()
    #expect(peer.produce().last?.payload.prefix(4) == [0, 0, 0, 3])
    peer.send(requestFrame(5))
    #expect(peer.requests.count == 2 && !peer.session.isDone)
    for stream in peer.requests { peer.respond(stream, bytes: 4) }
    #expect(peer.produce().filter(\.endsStream).count == 2)
    #expect(peer.session.isDone && peer.session.failure == nil)
  }

  @Test func `the final end is at once`() {
    let peer = Peer()
    peer.send(requestFrame(1))
    peer.respond(peer.requests[0], bytes: 10)
    peer.session.terminate(.settingsTimeout)
    let frames = peer.produce()
    #expect(frames.last?.type == Frame.goAway && frames.last?.code == 4)
    #expect(peer.session.failure == .terminated && peer.session.isDone)
    let late = requestFrame(3).bytes
    let taken = peer.session.receive(late.rawSpan)
    #expect(taken == late.count)
    #expect(peer.session.nextEvent() == nil)
  }

  @Test func `the peer's farewell is seen`() {
    let peer = Peer()
    peer.send(Frame(type: Frame.goAway, payload: [UInt8](repeating: 0, count: 8)))
    #expect(peer.session.peerIsLeaving && peer.session.isDone)
  }

  static let wrong: [(String, HTTP2Failure, [UInt8])] = [
    ("§4.2 frame size", .frameSize, [0, 0x40, 1, 0, 0, 0, 0, 0, 1]),
    ("§5.1 DATA on an idle stream", .protocolError, dataFrame(9, "x").bytes),
    ("§5.1.1 even stream", .protocolError, requestFrame(2).bytes),
    ("§6.5 SETTINGS on a stream", .protocolError, Frame(type: 4, stream: 1).bytes),
    (
      "§6.6 PUSH_PROMISE", .protocolError,
      Frame(type: 5, flags: 4, stream: 1, payload: word(2)).bytes
    ),
    ("§6.7 PING of 7", .frameSize, Frame(type: 6, payload: [UInt8](repeating: 0, count: 7)).bytes),
    ("§6.9.1 window overflow", .flowControl, windowFrame(0, .max).bytes),
    ("§6.10 stray CONTINUATION", .protocolError, Frame(type: 9, flags: 4, stream: 1).bytes),
    (
      "RFC 7541 bad index", .compression,
      Frame(type: 1, flags: 5, stream: 1, payload: [0xff, 9]).bytes
    ),
    ("§8.1 half closed", .streamClosed, (requestFrame(1).bytes + dataFrame(1, "x").bytes)),
  ]

  @Test(arguments: wrong)
  func `a broken rule ends the connection with its code`(
    _ name: String, _ failure: HTTP2Failure, _ bytes: [UInt8]
  ) {
    let peer = Peer()
    peer.receive(bytes)
    let last = peer.produce().last
    #expect(last?.type == Frame.goAway, "\(name)")
    #expect(peer.session.failure == failure && peer.session.isDone, "\(name)")
  }

  @Test func `the preface is known from its first bytes`() {
    func match(_ bytes: [UInt8]) -> HTTP2PrefaceMatch {
      HTTP2Session.isPrefaceBeginning(bytes.rawSpan)
    }
    #expect(match(preface) == .yes && match(preface + [1]) == .yes)
    #expect(match([]) == .needMore && match(Array("PRI *".utf8)) == .needMore)
    #expect(match(Array("PRI / HTTP".utf8)) == .no && match(Array("GET".utf8)) == .no)
    let peer = Peer(greets: false)
    peer.receive([UInt8]("GET / HTTP/1.1\r\n\r\n".utf8))
    #expect(peer.session.failure == .preface)
  }

  @Test func `a thousand mutations of a conversation stay within bounds`() {
    var generator = SystemRandomNumberGenerator()
    let bytes =
      [
        settingsFrame(), requestFrame(1), requestFrame(3, [("cookie", "a")], ends: false),
        dataFrame(3, "abc", ends: true), windowFrame(0, 9), requestFrame(5), resetFrame(5),
      ].flatMap(\.bytes)
    for _ in 0..<1000 {
      let peer = Peer(outputBytes: 4096, greets: false)
      peer.answerBytes = 3000
      var mutated = bytes
      for _ in 0..<Int.random(in: 1...5, using: &generator) {
        mutated[Int.random(in: 0..<mutated.count, using: &generator)] =
          UInt8.random(in: 0...255, using: &generator)
      }
      peer.receive(preface + mutated)
      for _ in 0..<20 where peer.session.hasOutput {
        peer.output.removeAll()
        peer.session.produce(into: peer.output, bodies: peer.bodies)
        peer.takeEvents()
      }
      #expect(!peer.session.hasOutput && peer.session.memoryBytes < 200_000)
    }
  }
}
