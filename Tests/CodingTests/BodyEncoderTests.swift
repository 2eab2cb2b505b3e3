// Bodies coded in every manner of steps, and decoded again by the libraries' decoders.

import Coding
import HTTP
import Platform
import TestSupport
import Testing

/// Reproducible bytes.
private struct Bytes {
  private var state: UInt64

  init(seed: UInt64) { state = seed &* 2_862_933_555_777_941_757 &+ 3_037_000_493 }

  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state >> 33
  }

  /// Bytes without any order: no coding makes them shorter.
  static func noise(_ count: Int) -> [UInt8] {
    var bytes = Bytes(seed: 7)
    return (0..<count).map { _ in UInt8(truncatingIfNeeded: bytes.next()) }
  }

  /// Something like markup.
  static func text(_ count: Int) -> [UInt8] {
    let words = ["<p class=\"a\">", "the ", "server ", "answers ", "at once", "</p>\n", "42 "]
      .map { Array($0.utf8) }
    var bytes = Bytes(seed: 3)
    var text: [UInt8] = []
    while text.count < count { text += words[Int(bytes.next() % UInt64(words.count))] }
    return Array(text.prefix(count))
  }
}

private let coders: [(ContentCoding, Int)] = [
  (.gzip, 1), (.gzip, 6), (.gzip, 9), (.br, 0), (.br, 1), (.br, 5), (.br, 9), (.br, 11),
  (.zstd, 1), (.zstd, 3), (.zstd, 12), (.zstd, 19),
]

/// All that `encoder` makes of a body that comes in pieces and leaves through a small buffer.
private func encode(
  _ body: [UInt8], by encoder: BodyEncoder, piece: Int, room: Int, flushes: Bool = false
) -> [UInt8]? {
  let output = ByteBuffer(capacity: room)
  var coded: [UInt8] = []
  var start = 0
  repeat {
    var end = min(start + piece, body.count)
    let goal: EncodingGoal = end == body.count ? .end : flushes ? .flush : .more
    while true {
      let step = encoder.encode(Array(body[start..<end]).rawSpan, into: output, goal)
      start += step.consumed
      coded += output.copy(0..<output.count)
      output.removeAll()
      if step.outcome == .failed { return nil }
      if step.outcome == .done { return start == body.count ? coded : nil }
      if step.outcome == .ready { break }
      end = max(start, end)
    }
  } while true
}

@Suite struct `a body encoder` {
  @Test func `gives what the library's decoder makes the body of again`() throws {
    let bodies = [
      [], [0x61], Bytes.text(300), Bytes.text(200_000), Bytes.noise(100_000),
      [UInt8](repeating: 0x20, count: 300_000),
    ]
    for (coding, level) in coders {
      let encoder = try #require(BodyEncoder(coding, level: level))
      var isFirst = true
      for body in bodies {
        let pool = EncoderPool(memoryBytesMax: 64 << 20)
        let encoder = isFirst ? encoder : try #require(pool.take(coding, level: level))
        isFirst = false
        let coded = try #require(encode(body, by: encoder, piece: 50_000, room: 4096))
        #expect(coded.count <= BodyEncoder.outputBytesMax(body.count))
        let decoded = ContentDecoder.decode(coded, coding: coding.token.description)
        #expect(decoded == .init(bytes: body, isWhole: true), "\(coding) \(level) \(body.count)")
      }
    }
  }

  @Test(arguments: [1, 2, 7, 64, 5000]) func `takes any pieces and any room`(size: Int) throws {
    let body = Bytes.text(700) + Bytes.noise(100)
    for (coding, level) in coders {
      for flushes in [false, true] {
        let encoder = try #require(BodyEncoder(coding, level: level, byteCountHint: 800))
        let room = size == 5000 ? BodyEncoder.roomBytesMin : max(BodyEncoder.roomBytesMin, size)
        let coded = try #require(
          encode(body, by: encoder, piece: size, room: room, flushes: flushes))
        let decoded = ContentDecoder.decode(coded, coding: coding.token.description)
        #expect(decoded == .init(bytes: body, isWhole: true), "\(coding) \(level) \(flushes)")
      }
    }
  }

  @Test func `a flush makes all that came before decodable`() throws {
    let pieces = (0..<20).map { Array("event \($0): something happened\n\n".utf8) }
    for (coding, level) in coders {
      let encoder = try #require(BodyEncoder(coding, level: level))
      let output = ByteBuffer(capacity: 65_536)
      var sent: [UInt8] = []
      for piece in pieces {
        sent += piece
        let step = encoder.encode(piece.rawSpan, into: output, .flush)
        #expect(step.outcome == .ready && step.consumed == piece.count)
        let decoded = ContentDecoder.decode(
          output.copy(0..<output.count), coding: coding.token.description)
        #expect(decoded == .init(bytes: sent, isWhole: false), "\(coding) \(level)")
        // Nothing new: nothing to be said.
        #expect(encoder.encode([UInt8]().rawSpan, into: output, .flush).outcome == .ready)
      }
      #expect(encoder.encode([UInt8]().rawSpan, into: output, .end).outcome == .done)
      let decoded = ContentDecoder.decode(
        output.copy(0..<output.count), coding: coding.token.description)
      #expect(decoded == .init(bytes: sent, isWhole: true))
    }
  }

  @Test func `without room it only says so`() throws {
    for (coding, level) in coders {
      let encoder = try #require(BodyEncoder(coding, level: level))
      let output = ByteBuffer(capacity: 1)
      output.append(0)
      let step = encoder.encode(Bytes.text(10).rawSpan, into: output, .more)
      #expect(step.outcome == .full && step.consumed == 0 && step.produced == 0)
    }
  }

  @Test func `a body that is shorter or longer than was said is coded all the same`() throws {
    let body = Bytes.text(30_000)
    for (coding, level) in coders {
      for hint in [Int.min, -1, 0, 1, 200_000, Int.max] {
        let encoder = try #require(BodyEncoder(coding, level: level, byteCountHint: hint))
        let coded = try #require(encode(body, by: encoder, piece: 7000, room: 3000))
        let decoded = ContentDecoder.decode(coded, coding: coding.token.description)
        #expect(decoded == .init(bytes: body, isWhole: true), "\(coding) \(level) \(hint)")
      }
    }
  }

  @Test func `its memory is bounded by what it says`() throws {
    let body = Bytes.text(600_000) + Bytes.noise(100_000)
    for (coding, levels) in [
      (ContentCoding.gzip, [1, 6, 9]), (.br, [1, 3, 5, 6, 7, 8, 9, 11]),
      (.zstd, [1, 3, 4, 12, 13, 19]),
    ] {
      for level in levels {
        for hint in [nil, body.count, 65_536] {
          let encoder = try #require(BodyEncoder(coding, level: level, byteCountHint: hint))
          _ = try #require(encode(body, by: encoder, piece: 65_536, room: 65_536))
          let max = EncoderBounds.memoryBytesMax(coding, level: level, byteCountHint: hint)
          #expect(encoder.memoryBytes <= max, "\(coding) \(level) \(hint ?? -1)")
        }
      }
    }
  }

  @Test func `identity has none, and levels out of range are brought into it`() throws {
    #expect(BodyEncoder(.identity, level: 1) == nil)
    #expect(try #require(BodyEncoder(.gzip, level: 99)).level == 9)
    #expect(try #require(BodyEncoder(.br, level: -3)).level == 0)
    #expect(try #require(BodyEncoder(.zstd, level: 22)).level == 19)
  }
}

@Suite struct `a pool of encoders` {
  @Test func `gives an encoder again that codes as if it were new`() throws {
    let pool = EncoderPool(memoryBytesMax: 64 << 20)
    for (coding, level) in coders {
      let first = try #require(pool.take(coding, level: level))
      let coded = try #require(
        encode(Bytes.text(70_000), by: first, piece: 10_000, room: 1000))
      let memory = first.memoryBytes
      pool.give(first)
      // One that was left in the middle of a body, and of a flush.
      let second = try #require(pool.take(coding, level: level))
      #expect(first === second)
      let output = ByteBuffer(capacity: 1)
      _ = second.encode(Bytes.noise(70_000).rawSpan, into: output, .flush)
      pool.give(second)
      let third = try #require(pool.take(coding, level: level))
      #expect(encode(Bytes.text(70_000), by: third, piece: 10_000, room: 1000) == coded)
      #expect(third.memoryBytes <= 2 * memory)
      pool.give(third)
    }
  }

  @Test func `has no more at work than its memory allows`() throws {
    let bytes = EncoderBounds.memoryBytesMax(.gzip, level: 6)
    let pool = EncoderPool(memoryBytesMax: 3 * bytes)
    let taken = (0..<3).compactMap { _ in pool.take(.gzip, level: 6) }
    #expect(taken.count == 3)
    #expect(pool.take(.gzip, level: 6) == nil)
    for encoder in taken { pool.give(encoder) }
    #expect(pool.take(.gzip, level: 6) != nil)
    #expect(pool.take(.identity, level: 6) == nil)
  }
}
