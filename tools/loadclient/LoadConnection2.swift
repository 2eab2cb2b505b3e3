// One connection of HTTP/2: several streams at a time, every byte of each compared.

import TestSupport

final class LoadConnection2: LoadConnection {
  let channel: any ByteChannel
  private let engine = HTTP2Engine(initialWindow: 100_000)
  private let scheme: String
  private var waiting: [(stream: Int, expected: Expectation)] = []
  var isDoomed = false
  var nextRequestAt: Int64 = 0
  private(set) var waitingSince: Int64 = 0
  private var input = [UInt8](repeating: 0, count: 256 * 1024)

  init(_ channel: any ByteChannel, scheme: String) {
    self.channel = channel
    self.scheme = scheme
  }

  var outstanding: [Expectation] { waiting.map(\.expected) }
  var isLeaving: Bool { engine.goAway != nil }
  var wantsOutput: Bool { !engine.output.isEmpty }

  func ask(_ expectations: [Expectation], now: Int64) throws {
    for expected in expectations {
      let fields = HTTP2Engine.requestFields(
        expected.target, method: expected.method, authority: expected.host, scheme: scheme)
      waiting.append((engine.request(fields), expected))
    }
    waitingSince = now
    try flush()
  }

  func flush() throws {
    while !engine.output.isEmpty {
      do {
        guard let sent = try channel.sendSome(engine.output[...]) else { return }
        engine.output.removeFirst(sent)
      } catch {
        // The server may have said goodbye: that is still to be read.
        return engine.output.removeAll()
      }
    }
  }

  func receive(now: Int64) throws -> Int {
    var completed = 0
    var rounds = 0
    while rounds < 4 || channel.hasPending {
      rounds += 1
      let count: Int
      do {
        guard let received = try channel.receiveSome(into: &input) else { break }
        count = received
      } catch {
        throw LoadFault.ended
      }
      guard count > 0 else { throw LoadFault.ended }
      do {
        try engine.receive(input[..<count])
      } catch {
        throw LoadFault.wrong("\(error)")
      }
      engine.journal.removeAll(keepingCapacity: true)
      completed += try settle(now: now)
      try flush()
    }
    return completed
  }

  /// Compares what is whole.
  private func settle(now: Int64) throws -> Int {
    var completed = 0
    for (stream, expected) in waiting {
      guard let answer = engine.answers[stream], answer.isOver else { continue }
      // Not looked at by the server: another connection will ask something else (RFC 9113 §8.7).
      if answer.resetCode == .refusedStream { continue }
      guard let head = answer.head, answer.isWhole else {
        throw LoadFault.wrong("\(expected.description) was reset")
      }
      guard head.status == 200, head["content-length"] == String(expected.body.count) else {
        throw LoadFault.wrong("status \(head.status) or length for \(expected.description)")
      }
      guard answer.body == (expected.isHead ? [] : expected.body) else {
        throw LoadFault.wrong("wrong bytes in \(expected.description)")
      }
      completed += 1
    }
    let last = engine.goAway?.lastStream ?? .max
    waiting.removeAll { stream, _ in
      let isOver = engine.answers[stream]?.isOver ?? true
      if isOver || stream > last { engine.answers[stream] = nil }
      return isOver || stream > last
    }
    if completed > 0 { waitingSince = now }
    return completed
  }
}
