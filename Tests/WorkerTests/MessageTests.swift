// What processes say to each other survives the way there, and garbage is refused.

import Configuration
import Platform
import Testing

@testable import Worker

@Suite struct `Messages between processes` {
  @Test func `an order arrives as it was sent`() {
    let orders: [WorkerOrder] = [
      .serve([1, 2, 0xffff_ffff]), .leave([]), .successor, .predecessor, .drain(ending: []),
      .drain(ending: [7, 8]),
      .resume(epoch: 0x0102_0304),
      .reopenLogs, .quit(milliseconds: 5000), .stop,
    ]
    for order in orders { #expect(WorkerOrder(bytes: order.bytes) == order) }
    for kind in [CacheOrder.Kind.put, .get, .putFragment, .getFragment] {
      for policy in [KeepPolicy.own, .untilInvalidated, .seconds(60)] {
        var order = CacheOrder(kind, owner: "http://+:8080/shop/ 1000 shop")
        order.isSecure = true
        order.port = 8080
        order.host = "example.com"
        order.target = "/shop/a?b"
        order.byteCount = 1 << 40
        order.policy = policy
        order.asOf = .max
        order.offset = 7
        order.length = kind == .get ? 0 : nil
        order.fields = kind == .put ? ["Accept-Language: de", "X:"] : []
        #expect(WorkerOrder(bytes: WorkerOrder.cache(order).bytes) == .cache(order))
      }
    }
    for text in ["", "no", "seconds:", "seconds:0", "seconds:-1", "seconds:15552001", "none "] {
      #expect(KeepPolicy(text) == nil)
    }
    #expect(WorkerOrder(bytes: [14]) == nil)
    #expect(WorkerOrder(bytes: []) == nil)
    #expect(WorkerOrder(bytes: [99]) == nil)
    #expect(WorkerOrder(bytes: [8]) == nil)
  }

  @Test func `a report arrives as it was sent`() {
    let reports: [WorkerReport] = [
      .ready, .serving([3, 4]), .drained, .retiring, .failed("no such file"),
      .namespaceWanted, .namespaceTaken(generation: 1 << 40 | 7),
    ]
    for report in reports { #expect(WorkerReport(bytes: report.bytes) == report) }
    #expect(WorkerReport(bytes: [0]) == nil)
    #expect(WorkerReport(bytes: [8, 1, 2, 3, 4]) == nil)
  }

  @Test func `handed connections arrive with their clients and counts`() throws {
    let connections = [
      HandedConnection(
        listener: 7, requestCount: 3,
        client: SocketAddress(try #require(IPAddress("192.0.2.7")), port: 50_000)),
      HandedConnection(
        listener: 8, requestCount: 0,
        client: SocketAddress(try #require(IPAddress("2001:db8::1")), port: 1)),
    ]
    let message = HandoverMessage.connections(connections)
    #expect(HandoverMessage(bytes: message.bytes) == message)
    let acknowledgement = HandoverMessage.acknowledged(count: 2)
    #expect(HandoverMessage(bytes: acknowledgement.bytes) == acknowledgement)
  }

  @Test func `a hand-over packet that was cut is refused`() {
    let whole = HandoverMessage.connections([
      HandedConnection(
        listener: 1, requestCount: 2, client: SocketAddress(IPAddress(v4: 1), port: 3))
    ]).bytes
    for count in 3..<whole.count {
      #expect(HandoverMessage(bytes: Array(whole.prefix(count))) == nil)
    }
    #expect(HandoverMessage(bytes: [2] + whole.dropFirst()) == nil)
  }
}

@Suite struct `The word of an entry that moves` {
  @Test func `it keeps epoch, site and time apart`() {
    let word = ValidatedWord(epoch: 0x3_ffff, site: 0x2_0001, ticks: 0xfff_ffff)
    #expect(word.epoch == 0x3_ffff)
    #expect(word.site == 0x2_0001)
    #expect(word.age(at: 0xfff_ffff) == 0)
  }

  @Test func `an age is counted over the wrap`() {
    let word = ValidatedWord(epoch: 1, site: 0, ticks: 0xfff_fffe)
    #expect(word.age(at: 0x1000_0003) == 5)
  }
}

@Suite struct `A line of an access log` {
  private func line(
    _ record: ExchangeRecord, _ summary: RequestSummary, combined: Bool
  ) -> String {
    var bytes: [UInt8] = []
    AccessLogLine.append(
      record, summary, time: Array("[t]".utf8), format: combined ? .combined : .common, to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  @Test func `it counts the body's bytes, and a dash for none`() {
    var record = ExchangeRecord(site: 0, status: 200, second: 0)
    record.byteCount = 120
    record.headByteCount = 100
    let summary = RequestSummary(
      client: SocketAddress(IPAddress(v4: 0x7f00_0001), port: 1),
      requestLine: Array("GET / HTTP/1.1".utf8))
    #expect(
      line(record, summary, combined: false) == "127.0.0.1 - - [t] \"GET / HTTP/1.1\" 200 20\n")
    record.byteCount = 100
    #expect(line(record, summary, combined: false).hasSuffix(" 200 -\n"))
  }

  @Test func `what a client wrote cannot break out of its quotes or its line`() {
    let record = ExchangeRecord(site: 0, status: 400, second: 0)
    let summary = RequestSummary(
      client: SocketAddress(IPAddress(v4: 1), port: 1),
      requestLine: Array("GET /\"\\\n\u{7f}".utf8), referer: nil, userAgent: Array("a\tb".utf8))
    #expect(
      line(record, summary, combined: true)
        == "0.0.0.1 - - [t] \"GET /\\\"\\\\\\x0a\\x7f\" 400 - \"-\" \"a\\x09b\"\n")
  }
}
