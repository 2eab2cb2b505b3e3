// Header compression beside another library's: what one writes the other reads, over many blocks.

import HTTP2
import Platform
import Testing

@Suite struct `HPACK` {
  /// Names and values of which many come again.
  private func field(_ generator: inout SystemRandomNumberGenerator) -> (String, String) {
    let names = [
      "accept", "user-agent", "x-a", "x-bb", "x-trace-id", "cache-control", "etag", "referer",
      "accept-language", "if-none-match",
    ]
    let kind = Int.random(in: 0..<10, using: &generator)
    let name = names[Int.random(in: 0..<names.count, using: &generator)]
    if kind == 0 { return (name, "") }
    if kind < 6 { return (name, "value \(Int.random(in: 0..<5, using: &generator))") }
    let count = Int.random(in: 1...(kind == 9 ? 3000 : 60), using: &generator)
    let scalars = (0..<count).map { index in
      let byte = UInt8.random(in: 0x21...0x7e, using: &generator)
      // White space not at the ends.
      return Character(Unicode.Scalar(index % 7 == 3 && index < count - 1 ? 0x20 : byte))
    }
    return (name, String(scalars))
  }

  @Test func `what a client's encoder writes is read, block after block`() {
    var generator = SystemRandomNumberGenerator()
    for tableBytes in [4096, 200, 0] {
      let peer = Peer()
      peer.answerBytes = 0
      let encoder = ClientEncoder(tableBytes: tableBytes)
      for round in 0..<400 {
        if round % 50 == 49 {
          encoder.changeTable([0, 64, 500, 4096][Int.random(in: 0..<4, using: &generator)])
        }
        let extra = (0..<Int.random(in: 0...12, using: &generator)).map { _ in field(&generator) }
        let path = "/\(Int.random(in: 0..<40, using: &generator))"
        let fields = usual.map { $0.0 == ":path" ? (":path", path) : $0 } + extra
        let stream = Int32(1 + 2 * round)
        peer.send(
          Frame(type: Frame.headers, flags: 5, stream: stream, payload: encoder.encode(fields)))
        let wanted =
          "GET \(path) HTTP/1.1\r\nhost: a.example\r\n"
          + extra.map { "\($0.0): \($0.1)\r\n" }.joined() + "\r\n"
        #expect(peer.texts.last == wanted && peer.session.failure == nil)
        guard peer.texts.last == wanted else { return }
        _ = peer.produce()
      }
    }
  }

  @Test func `what is written a client's decoder reads, block after block`() {
    var generator = SystemRandomNumberGenerator()
    let peer = Peer()
    let decoder = ClientDecoder()
    for round in 0..<600 {
      let stream = Int32(1 + 2 * round)
      peer.send(requestFrame(stream))
      let extra = (0..<Int.random(in: 0...12, using: &generator)).map { _ in field(&generator) }
      let status = [200, 204, 206, 304, 404, 418, 500][Int.random(in: 0..<7, using: &generator)]
      let lines = extra.map { "\($0.0.uppercased()):\($0.1)\r\n" }.joined()
      peer.respond(peer.requests[round], bytes: 0, head: "HTTP/1.1 \(status) X\r\n\(lines)\r\n")
      let block = peer.produce().filter { $0.stream == stream && $0.type != Frame.reset }
        .flatMap(\.payload)
      let wanted = [":status: \(status)"] + extra.map { "\($0.0): \($0.1)" }
      #expect(decoder.decode(block) == wanted)
      guard peer.session.failure == nil else { return }
    }
  }

  @Test func `the same head becomes few bytes, and is written right each time`() {
    let peer = Peer()
    let decoder = ClientDecoder()
    let head = "HTTP/1.1 200 OK\r\nServer: Ring3\r\nContent-Length: 5\r\nX-A: b\r\n\r\n"
    var sizes: [Int] = []
    for round in 0..<6 {
      let stream = Int32(1 + 2 * round)
      peer.send(requestFrame(stream))
      peer.respond(peer.requests[round], bytes: 0, head: head)
      let frame = peer.produce().first { $0.stream == stream }
      let block = frame?.payload ?? []
      sizes.append(block.count)
      #expect(
        decoder.decode(block)
          == [":status: 200", "server: Ring3", "content-length: 5", "x-a: b"])
    }
    #expect(sizes[0] > 15 && sizes[1...].allSatisfy { $0 <= 7 })
  }

  @Test func `the peer's table size is obeyed and said`() {
    let peer = Peer()
    let decoder = ClientDecoder()
    let head = "HTTP/1.1 200 OK\r\nX-A: b\r\n\r\n"
    var round: Int32 = 0
    for size: Int32 in [4096, 0, 100, 0, 4096, 1 << 20, 30] {
      peer.send(settingsFrame([(1, 0), (1, size)]))
      decoder.changeTable(0)
      decoder.changeTable(Int(size))
      for _ in 0..<3 {
        peer.send(requestFrame(1 + 2 * round))
        peer.respond(peer.requests[Int(round)], bytes: 0, head: head)
        let block = peer.produce().first { $0.stream == 1 + 2 * round }?.payload
        #expect(decoder.decode(block ?? []) == [":status: 200", "x-a: b"])
        round += 1
      }
    }
  }

  static let broken: [(String, [UInt8])] = [
    ("§2.3.3 index 0", [0x80]),
    ("§2.3.3 beyond the tables", [0xbe]),
    ("§5.1 a number that never ends", [0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00]),
    ("§5.1 cut off", [0xff]),
    ("§5.2 a string longer than the block", [0x40, 0x05, 0x61]),
    ("§5.2 no value", [0x40, 0x01, 0x61]),
    ("§5.2 padding of zeros", [0x40, 0x81, 0x1e, 0x00]),
    ("§5.2 padding of a byte", [0x40, 0x82, 0x1f, 0xff, 0x00]),
    ("§5.2 the mark of the end", [0x40, 0x84, 0xff, 0xff, 0xff, 0xff, 0x00]),
    ("§6.3 a table larger than allowed", [0x3f, 0xe2, 0x1f]),
    ("§4.2 a size behind a field", [0x82, 0x20]),
  ]

  @Test(arguments: broken)
  func `a block that breaks a rule of RFC 7541 ends the connection`(
    _ name: String, _ block: [UInt8]
  ) {
    let peer = Peer()
    peer.send(Frame(type: Frame.headers, flags: 5, stream: 1, payload: block))
    #expect(peer.session.failure == .compression, "\(name)")
    #expect(peer.produce().last?.code == 9 && peer.session.isDone, "\(name)")
  }

  @Test func `every byte has a code, and is read back`() {
    let huffman = HuffmanCode()
    let input = ByteBuffer(capacity: 1 << 16)
    let coded = ByteBuffer(capacity: 1 << 18)
    let output = ByteBuffer(capacity: 1 << 16)
    for round in 0..<300 {
      for buffer in [input, coded, output] { buffer.removeAll() }
      for index in 0..<round {
        input.append(round < 256 ? UInt8(round) : UInt8(truncatingIfNeeded: index &* 31))
      }
      huffman.encode(input.bytes, into: coded)
      let byteCount = huffman.codedByteCount(input.bytes)
      let isRead = huffman.decode(coded.bytes, into: output)
      #expect(isRead && coded.count == byteCount)
      #expect(output.copy(0..<output.count) == input.copy(0..<input.count))
      // RFC 7541 §5.2: less than a byte of padding, all ones.
      coded.append(0xff)
      let isReadAgain = huffman.decode(coded.bytes, into: output)
      #expect(!isReadAgain)
    }
  }
}
