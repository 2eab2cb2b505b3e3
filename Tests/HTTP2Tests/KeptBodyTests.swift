// Bodies of requests that somebody wants: whole, in order, and never more than the windows say.

import HTTP2
import Platform
import Testing

/// What a client that keeps the rules may still send.
final class Windows {
  var connection: Int
  let connectionMax: Int
  var streams: [Int32: Int] = [:]
  let initial: Int

  init(initial: Int = 65_535) {
    self.initial = initial
    // RFC 9113 §6.9.2: SETTINGS do not change it; a session opens it to as much as one stream's.
    connectionMax = max(initial, 65_535)
    connection = connectionMax
  }

  func left(_ stream: Int32) -> Int { min(connection, streams[stream] ?? initial) }

  func spend(_ stream: Int32, _ count: Int) {
    connection -= count
    streams[stream, default: initial] -= count
  }

  /// Takes WINDOW_UPDATE; false if one gave more than was spent.
  func read(_ frames: [Frame]) -> Bool {
    for frame in frames where frame.type == Frame.windowUpdate {
      let count = frame.payload.reduce(0) { $0 << 8 | Int($1) }
      if frame.stream == 0 {
        connection += count
      } else {
        streams[frame.stream, default: initial] += count
      }
      guard connection <= connectionMax, streams[frame.stream] ?? 0 <= initial else { return false }
    }
    return true
  }
}

@Suite struct `kept bodies` {
  private func keeping(_ settings: HTTP2Settings = HTTP2Settings()) -> Peer {
    let peer = Peer(settings)
    peer.keepsBodies = true
    return peer
  }

  /// Bytes of which no two parts are alike.
  private func bytes(_ count: Int, seed: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: ($0 &+ seed &* 7919) &* 2_654_435_761 >> 16) }
  }

  private func frame(
    _ stream: Int32, _ payload: some Sequence<UInt8>, ends: Bool = false, padding: Int? = nil
  ) -> Frame {
    guard let padding else {
      return Frame(type: 0, flags: ends ? 1 : 0, stream: stream, payload: Array(payload))
    }
    return Frame(
      type: 0, flags: ends ? 9 : 8, stream: stream,
      payload: [UInt8(padding)] + payload + [UInt8](repeating: 0, count: padding))
  }

  /// Sends as much as the windows allow in frames of 16,000; how much that was.
  private func fill(_ peer: Peer, _ stream: Int32, _ windows: Windows) -> Int {
    var sent = 0
    while windows.left(stream) > 0 {
      let count = min(windows.left(stream), 16_000)
      windows.spend(stream, count)
      sent += count
      peer.send(frame(stream, [UInt8](repeating: 7, count: count)))
      let frames = peer.produce()
      #expect(windows.read(frames))
    }
    return sent
  }

  @Test func `a body is kept from its first byte, also beside its head`() {
    let peer = keeping()
    peer.send(
      requestFrame(1, ends: false), dataFrame(1, "hel"), requestFrame(3, ends: false),
      dataFrame(3, "x"), dataFrame(1, "lo", ends: true))
    #expect(peer.bodyBytes == [1: 5, 3: 1] && peer.ended == [1])
    #expect(peer.session.bodyByteCount(of: peer.requests[0]) == 5)
    #expect(peer.take(peer.requests[0], upTo: 4) == Array("hell".utf8))
    #expect(peer.take(peer.requests[0]) == Array("o".utf8))
    #expect(peer.take(peer.requests[0]).isEmpty && peer.take(peer.requests[1]) == [0x78])
    #expect(peer.session.keptBodyBytes == (0, 0))
  }

  @Test func `a body that was let go cannot be kept any more`() {
    let peer = Peer()
    peer.send(requestFrame(1, ends: false), dataFrame(1, "x"), requestFrame(3, ends: false))
    #expect(!peer.session.keepBody(of: peer.requests[0]))
    #expect(peer.session.keepBody(of: peer.requests[1]))
    peer.send(dataFrame(1, "y"), dataFrame(3, "z"))
    #expect(peer.take(peer.requests[0]).isEmpty && peer.take(peer.requests[1]) == [0x7a])
    peer.send(resetFrame(3))
    #expect(!peer.session.keepBody(of: peer.requests[1]))
  }

  @Test func `a client waits until its bytes are taken, and nobody waits with it`() {
    let peer = keeping()
    let windows = Windows()
    peer.send(requestFrame(1, ends: false), requestFrame(3, ends: false))
    #expect(fill(peer, 1, windows) == 65_535)
    #expect(windows.streams[1] == 0 && windows.connection > 30_000)
    for _ in 0..<10 {
      #expect(fill(peer, 3, windows) > 30_000)
      #expect(!peer.take(peer.requests[1]).isEmpty)
      #expect(windows.read(peer.produce()))
    }
    #expect(windows.streams[1] == 0)
    #expect(peer.take(peer.requests[0], upTo: 20_000).count == 20_000)
    #expect(windows.read(peer.produce()) && windows.streams[1] == 0)
    #expect(peer.take(peer.requests[0], upTo: 20_000).count == 20_000)
    #expect(peer.session.hasOutput)
    #expect(windows.read(peer.produce()) && windows.streams[1] == 40_000)
    #expect(fill(peer, 1, windows) == 40_000 && peer.session.failure == nil)
  }

  @Test func `a small window holds from the acknowledgement on, not before`() {
    var settings = HTTP2Settings()
    settings.windowBytes = 16_384
    let peer = keeping(settings)
    // RFC 9113 §6.9.3: a client may have begun with what is usual.
    let bytes = bytes(17_384, seed: 1)
    peer.send(
      requestFrame(1, ends: false), frame(1, bytes.prefix(16_384)), frame(1, bytes.suffix(1000)))
    #expect(peer.session.failure == nil && peer.closed.isEmpty)
    peer.send(Frame(type: Frame.settings, flags: 1), frame(1, [1]))
    let resets = peer.produce().filter { $0.type == Frame.reset }
    #expect(resets.map(\.code) == [3])
    peer.send(requestFrame(3, ends: false), frame(3, bytes.prefix(16_384)))
    #expect(peer.take(peer.requests[1]) == Array(bytes.prefix(16_384)))
    #expect(peer.produce().contains { $0.type == Frame.windowUpdate && $0.stream == 3 })
    peer.send(frame(3, bytes.prefix(16_000)))
    #expect(peer.session.failure == nil && peer.take(peer.requests[1]).count == 16_000)
  }

  @Test func `whoever sends beyond the window loses the stream`() {
    let peer = keeping()
    let windows = Windows()
    peer.send(requestFrame(1, ends: false))
    _ = fill(peer, 1, windows)
    peer.send(dataFrame(1, "x"))
    let resets = peer.produce().filter { $0.type == Frame.reset }
    #expect(resets.map(\.code) == [3] && peer.closed.map(\.byUs) == [false])
    #expect(peer.session.keptBodyBytes == (0, 0) && peer.session.failure == nil)
  }

  @Test func `all bodies together are bounded, whatever the number of streams`() {
    var settings = HTTP2Settings()
    settings.limits.keptBodyBytesMax = 200_000
    let peer = keeping(settings)
    let windows = Windows()
    for index in 0..<20 {
      peer.send(requestFrame(Int32(1 + 2 * index), ends: false))
      _ = fill(peer, Int32(1 + 2 * index), windows)
    }
    #expect(windows.connection == 0)
    let kept = peer.session.keptBodyBytes
    #expect(kept.waiting >= 200_000 && kept.waiting <= 265_535)
    #expect(kept.reserved <= kept.waiting + 20 * 2 * 16_384)
    // Whatever is taken, dropped or reset gives room again.
    _ = peer.take(peer.requests[0])
    peer.session.dropBody(of: peer.requests[1])
    peer.send(resetFrame(5))
    #expect(windows.read(peer.produce()))
    #expect(windows.connection > 30_000 && fill(peer, 1, windows) > 30_000)
    for stream in peer.requests { _ = peer.take(stream) }
    #expect(windows.read(peer.produce()))
    #expect(windows.connection > 32_767 && peer.session.keptBodyBytes == (0, 0))
  }

  @Test func `frames of one byte do not cost more than their bytes`() {
    let peer = keeping()
    peer.send(requestFrame(1, ends: false))
    let frames = (0..<5000).flatMap { frame(1, [UInt8($0 % 251)]).bytes }
    peer.receive(frames)
    #expect(peer.session.keptBodyBytes == (5000, 4096 + 16_384))
    #expect(peer.take(peer.requests[0]) == (0..<5000).map { UInt8($0 % 251) })
    #expect(peer.session.keptBodyBytes == (0, 0))
  }

  @Test func `many bodies in pieces of any size come whole and in order`() {
    for window in [1024, 10_000, 65_535, 300_000] {
      var settings = HTTP2Settings()
      settings.windowBytes = window
      settings.limits.keptBodyBytesMax = 50_000
      let peer = keeping(settings)
      let windows = Windows(initial: window)
      peer.send(Frame(type: Frame.settings, flags: 1))
      let wanted = (0..<15).map { bytes(Int.random(in: 0...200_000), seed: $0) }
      var sent = [Int](repeating: 0, count: wanted.count)
      var got = [[UInt8]](repeating: [], count: wanted.count)
      for index in wanted.indices {
        windows.streams[Int32(1 + 2 * index)] = window
        peer.send(requestFrame(Int32(1 + 2 * index), ends: false))
      }
      var rounds = 0
      while got.map(\.count) != wanted.map(\.count) || peer.ended.count < wanted.count {
        rounds += 1
        guard rounds < 100_000, peer.session.failure == nil else { break }
        if let index = wanted.indices.filter({ sent[$0] <= wanted[$0].count }).randomElement() {
          sent[index] += send(wanted[index], from: sent[index], index, peer, windows)
        }
        let index = Int.random(in: wanted.indices)
        got[index] += peer.take(peer.requests[index], upTo: Int.random(in: 1...40_000))
        #expect(windows.read(peer.produce()))
        let waiting = peer.session.keptBodyBytes.waiting
        #expect(waiting <= 50_000 + windows.connectionMax && waiting <= 15 * window)
      }
      #expect(got == wanted && peer.session.keptBodyBytes == (0, 0), "window \(window)")
      #expect(peer.session.failure == nil && peer.closed.isEmpty, "window \(window)")
      #expect(windows.connection > windows.connectionMax / 2, "window \(window)")
    }
  }

  /// One frame, if the windows allow, cut anywhere, padded or not; its bytes, and one more for the
  /// end of the body.
  private func send(
    _ body: [UInt8], from start: Int, _ index: Int, _ peer: Peer, _ windows: Windows
  ) -> Int {
    let stream = Int32(1 + 2 * index)
    let padding = Bool.random() ? Int.random(in: 0...200) : nil
    let overhead = padding.map { $0 + 1 } ?? 0
    let room = min(windows.left(stream), 16_384) - overhead
    let left = body.count - start
    guard room > 0 || left == 0 && room >= 0 else { return 0 }
    let count = min(left, Int.random(in: min(1, room)...max(1, room)))
    let ends = count == left
    windows.spend(stream, count + overhead)
    var rest = frame(stream, body[start..<start + count], ends: ends, padding: padding).bytes[...]
    while !rest.isEmpty {
      let part = rest.prefix(Int.random(in: 1...9000))
      peer.receive(Array(part))
      rest = rest.dropFirst(part.count)
    }
    return ends ? count + 1 : count
  }

  // MARK: Ends

  @Test func `a body dropped in the middle is let go from then on`() {
    let peer = keeping()
    let windows = Windows()
    peer.send(requestFrame(1, ends: false))
    _ = fill(peer, 1, windows)
    _ = peer.take(peer.requests[0], upTo: 1000)
    peer.session.dropBody(of: peer.requests[0])
    #expect(peer.session.keptBodyBytes == (0, 0))
    #expect(windows.read(peer.produce()) && windows.streams[1] == 65_535)
    for _ in 0..<10 {
      peer.send(frame(1, [UInt8](repeating: 1, count: 16_000)))
      windows.spend(1, 16_000)
      #expect(windows.read(peer.produce()) && peer.take(peer.requests[0]).isEmpty)
    }
    peer.send(dataFrame(1, "", ends: true))
    #expect(peer.ended == [1] && peer.bodyBytes[1] == 65_535 + 160_000)
    #expect(!peer.session.keepBody(of: peer.requests[0]))
  }

  @Test func `a reset frees what waits, whoever resets`() {
    let peer = keeping()
    let windows = Windows()
    for round in 0..<20 {
      let stream = Int32(1 + 2 * round)
      peer.send(requestFrame(stream, ends: false))
      let half = frame(stream, [UInt8](repeating: 1, count: 10_000))
      windows.spend(stream, 10_000)
      peer.receive(Array(half.bytes.prefix(6000)))
      #expect(peer.session.keptBodyBytes.waiting > 5000)
      if round % 2 == 0 {
        // In the middle of a frame; the rest of it still comes.
        #expect(peer.session.reset(peer.requests[round], .cancel))
        #expect(peer.session.keptBodyBytes == (0, 0))
        if round % 4 == 0 { #expect(windows.read(peer.produce())) }
        peer.receive(Array(half.bytes.dropFirst(6000)))
      } else {
        peer.receive(Array(half.bytes.dropFirst(6000)))
        peer.send(resetFrame(stream))
      }
      #expect(peer.session.keptBodyBytes == (0, 0))
      #expect(windows.read(peer.produce()) && peer.take(peer.requests[round]).isEmpty)
    }
    // Twenty times 10,000 bytes left no dent in the connection's window.
    #expect(windows.connection > 32_767 && peer.session.failure == nil)
    #expect(peer.closed.count == 20)
  }

  @Test func `a body of another length than it said resets the stream and frees it`() {
    let peer = keeping()
    let windows = Windows()
    for round in 0..<20 {
      let stream = Int32(1 + 2 * round)
      peer.send(
        requestFrame(stream, [("content-length", "6000")], ends: false),
        frame(stream, [UInt8](repeating: 1, count: 5000)))
      let isShort = round % 2 == 0
      let last = frame(stream, [UInt8](repeating: 1, count: isShort ? 999 : 5000), ends: isShort)
      peer.send(last)
      windows.spend(stream, 5000 + last.payload.count)
      let frames = peer.produce()
      #expect(windows.read(frames))
      #expect(frames.filter { $0.type == Frame.reset }.map(\.code) == [1])
      #expect(peer.session.keptBodyBytes == (0, 0) && peer.ended.isEmpty)
    }
    #expect(windows.connection > 32_767 && peer.closed.allSatisfy { !$0.completed })
    peer.send(
      requestFrame(101, [("content-length", "3")], ends: false), dataFrame(101, "abc", ends: true))
    #expect(peer.ended == [101] && peer.take(peer.requests[20]) == Array("abc".utf8))
  }

  @Test func `a session that ends leaves nothing kept that can be sent`() {
    let peer = keeping()
    peer.send(requestFrame(1, ends: false), dataFrame(1, "abc"))
    peer.session.terminate(.internalError)
    #expect(peer.take(peer.requests[0]) == Array("abc".utf8))
    peer.session.dropBody(of: peer.requests[0])
    let frames = peer.produce()
    #expect(frames.last?.type == Frame.goAway && peer.session.isDone)
  }

  // MARK: Answers that come first

  @Test func `behind a whole response nothing of the request is kept`() {
    let peer = keeping()
    let windows = Windows()
    peer.send(requestFrame(1, ends: false))
    #expect(fill(peer, 1, windows) == 65_535)
    peer.respond(peer.requests[0], bytes: 3)
    let frames = peer.produce()
    #expect(frames.contains { $0.type == Frame.data && $0.endsStream })
    #expect(peer.session.keptBodyBytes == (0, 0) && peer.take(peer.requests[0]).isEmpty)
    // The client may go on for a while, as if its bytes were read.
    #expect(windows.read(frames + peer.produce()) && windows.streams[1] == 65_535)
    peer.send(frame(1, [1, 2, 3], ends: true))
    #expect(peer.closed.map(\.completed) == [true] && peer.session.counters.resetsSent == 0)
  }

  @Test(arguments: [true, false])
  func `a client that does not end what was answered is told so in peace`(keeps: Bool) {
    let peer = Peer()
    peer.keepsBodies = keeps
    peer.session.tick(second: 10)
    peer.send(requestFrame(1, ends: false), dataFrame(1, "x"), requestFrame(3, ends: false))
    peer.respond(peer.requests[0], bytes: 3)
    #expect(!peer.produce().contains { $0.type == Frame.reset })
    for second in 11...12 {
      peer.session.tick(second: Int64(second))
      #expect(!peer.session.hasOutput)
    }
    peer.session.tick(second: 13)
    // RFC 9113 §8.1
    let frames = peer.produce()
    #expect(frames.map(\.type) == [Frame.reset] && frames.map(\.code) == [0])
    #expect(peer.closed.map(\.completed) == [true] && peer.closed.map(\.byUs) == [true])
    // The other one has not been answered: it may take its time.
    for second in 14...30 { peer.session.tick(second: Int64(second)) }
    #expect(!peer.session.hasOutput && peer.session.openStreamCount == 1)
  }

  @Test func `trailers stay with a kept body`() {
    let peer = Peer()
    peer.keepsBodies = true
    let fields = [("x-sum", "6"), ("grpc-timeout", "1 s")]
    // Two streams at once, and a block that is cut anywhere.
    peer.send(requestFrame(1, ends: false), requestFrame(3, ends: false), dataFrame(1, "abc"))
    let block = headersFrame(1, fields)
    for byte in block.bytes { peer.receive([byte]) }
    peer.send(dataFrame(3, "d"))
    #expect(peer.ended == [1] && peer.session.counters.trailers == 1)
    #expect(peer.take(peer.requests[0]) == Array("abc".utf8))
    let text = String(decoding: peer.session.takeTrailers(of: peer.requests[0]), as: UTF8.self)
    #expect(text == "x-sum: 6\r\ngrpc-timeout: 1 s\r\n")
    #expect(peer.session.takeTrailers(of: peer.requests[0]).isEmpty)
    peer.send(headersFrame(3, Array(repeating: ("x", "y"), count: 200)))
    #expect(peer.ended == [1, 3] && peer.session.takeTrailers(of: peer.requests[1]).isEmpty)
    // What is no longer wanted takes them along.
    peer.send(requestFrame(5, ends: false), headersFrame(5, fields))
    peer.session.dropBody(of: peer.requests[2])
    #expect(peer.session.takeTrailers(of: peer.requests[2]).isEmpty)
  }
}
