// Data in both directions: large, in pieces, to sockets that take little.

import COpenSSL
import Platform
import Testing

@testable import TLS

@Suite struct `transfers` {
  static func pattern(_ count: Int) -> [UInt8] { (0..<count).map { UInt8($0 % 251) } }

  @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
  func `a large body arrives whole through a socket that takes little`(wire: CInt) throws {
    var offer = ClientOffer()
    (offer.versionMin, offer.versionMax) = (wire, wire)
    let pair = try TestPair(try Data.context(), offer, socketBytes: 8_192)
    try #require(pair.run())
    let body = Self.pattern(3 << 20)
    let piece = ByteBuffer(capacity: body.count)
    piece.append(body)
    var (sent, blocked, arrived) = (0, 0, [UInt8]())
    while sent < body.count || pair.session.hasUnsent {
      let output = OutputVector()
      output.append(piece, from: sent, count: body.count - sent)
      if sent == body.count {
        _ = pair.session.flush()
      } else {
        switch pair.session.send(output, now: 5_000) {
        case .sent(let count): sent += count
        case .wouldBlock: blocked += 1
        case .broken: Issue.record("broken")
        }
      }
      #expect(TestClient.hasNoErrors)
      if blocked % 3 == 0 {
        pair.client.pull()
        arrived += pair.client.read()
      }
      if case .broken = pair.session.flush() { break }
    }
    pair.client.pull()
    arrived += pair.client.read()
    #expect(arrived == body && blocked > 0)
  }

  @Test func `pieces of any size arrive in order`() throws {
    let pair = try TestPair(try Data.context())
    try #require(pair.run())
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<60 {
      let output = OutputVector()
      var buffers: [ByteBuffer] = []
      var wanted: [UInt8] = []
      for _ in 0..<Int.random(in: 1...12, using: &generator) {
        let size = [1, 9, 300, 4_095, 4_096, 5_000, 16_384, 40_000].randomElement() ?? 1
        let bytes = Self.pattern(size).map { $0 &+ UInt8(buffers.count) }
        let buffer = ByteBuffer(capacity: size)
        buffer.append(bytes)
        buffers.append(buffer)
        wanted += bytes
        output.append(buffer)
      }
      guard case .sent(let count) = pair.session.send(output, now: Int64.random(in: 0...9_999))
      else {
        Issue.record("not sent")
        return
      }
      #expect(count <= wanted.count && count > 0)
      var arrived: [UInt8] = []
      while arrived.count < count {
        pair.client.pull()
        arrived += pair.client.read()
        _ = pair.session.flush()
      }
      #expect(arrived == Array(wanted[..<count]))
    }
  }

  /// The sizes of the records in what came.
  func records(_ bytes: [UInt8]) -> [Int] {
    var (sizes, offset): ([Int], Int) = ([], 0)
    while offset + 5 <= bytes.count {
      let size = Int(bytes[offset + 3]) << 8 | Int(bytes[offset + 4])
      // 17 in TLS 1.3: the type and the tag.
      sizes.append(size - 17)
      offset += 5 + size
    }
    return sizes
  }

  @Test func `a head and a small body are one record, a long one begins with small records`()
    throws
  {
    let pair = try TestPair(try Data.context())
    try #require(pair.run())
    func send(_ sizes: [Int], now: Int64) -> [Int] {
      let output = OutputVector()
      var buffers: [ByteBuffer] = []
      for size in sizes {
        let buffer = ByteBuffer(capacity: size)
        buffer.append(Self.pattern(size))
        output.append(buffer)
        buffers.append(buffer)
      }
      _ = pair.session.send(output, now: now)
      var all: [UInt8] = []
      while let more = pair.client.pull(), !more.isEmpty { all += more }
      _ = pair.client.read()
      return records(all)
    }
    #expect(send([300, 1_024], now: 10_000) == [1_324])
    #expect(send([300, 20_000], now: 10_001) == [4_096, 16_204])
    // After a second without a send.
    let burst = send([300, 40_000], now: 20_000)
    #expect(burst.prefix(12).allSatisfy { $0 == 1_369 } && burst.dropFirst(12).first == 16_384)
    #expect(burst.reduce(0, +) == 40_300)
    #expect(send([300, 1_024], now: 30_000) == [1_324])
  }

  @Test func `what is already read is told and nothing is read twice`() throws {
    let pair = try TestPair(try Data.context())
    try #require(pair.run())
    for size in [10, 20, 30] { pair.client.write(Self.pattern(size)) }
    pair.client.push()
    let small = ByteBuffer(capacity: 15)
    #expect(pair.session.receive(into: small) == .received(15))
    #expect(pair.session.hasBufferedInput)
    #expect(pair.received().count == 45)
    #expect(!pair.session.hasBufferedInput)
    #expect(pair.session.receive(into: pair.buffer) == .wouldBlock)
  }

  @Test func `a client that renews keys without end and reads nothing is held`() throws {
    var offer = ClientOffer()
    offer.versionMin = TLS1_3_VERSION
    let pair = try TestPair(try Data.context(), offer, socketBytes: 4_608)
    try #require(pair.run())
    var isHeld = false
    for _ in 0..<200_000 where !isHeld {
      pair.client.updateKeys()
      pair.client.write([1])
      isHeld = !pair.client.push()
      while case .received = pair.session.receive(into: pair.buffer) { pair.buffer.removeAll() }
      #expect(pair.session.unsent.count < 200_000)
      try #require(pair.session.failure == nil)
    }
    #expect(isHeld && TestClient.hasNoErrors)
  }
}
