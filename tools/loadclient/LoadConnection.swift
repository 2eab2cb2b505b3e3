// One keep-alive connection of HTTP/1.1: sends requests, compares every byte that comes back.

import TestSupport

/// How a connection went wrong.
enum LoadFault: Error {
  /// The server ended or reset it.
  case ended
  /// What came is not what the file holds; the text says where.
  case wrong(String)
}

/// One connection of the load test, whatever it speaks.
protocol LoadConnection: AnyObject {
  var channel: any ByteChannel { get }
  /// Requests sent or being sent whose responses are not complete, oldest first.
  var outstanding: [Expectation] { get }
  /// Whether a worker that held this connection was killed: its end is then no fault.
  var isDoomed: Bool { get set }
  /// The server has said that it takes no more requests here: the end is then no fault either.
  var isLeaving: Bool { get }
  /// When the next request is due, milliseconds; clients think for different times.
  var nextRequestAt: Int64 { get set }
  /// When the oldest outstanding request was sent.
  var waitingSince: Int64 { get }
  var wantsOutput: Bool { get }

  /// Queues requests (several are pipelined) and sends what the kernel takes.
  func ask(_ expectations: [Expectation], now: Int64) throws
  func flush() throws
  /// Takes what has arrived; returns how many responses became complete.
  func receive(now: Int64) throws -> Int
}

extension LoadConnection {
  var localPort: UInt16 { channel.socket.localPort }
}

final class LoadConnection1: LoadConnection {
  let channel: any ByteChannel
  private(set) var outstanding: [Expectation] = []
  var isDoomed = false
  private(set) var isLeaving = false
  var nextRequestAt: Int64 = 0
  private(set) var waitingSince: Int64 = 0

  private var output: ArraySlice<UInt8> = []
  private var input = [UInt8](repeating: 0, count: 256 * 1024)
  private var head: [UInt8] = []
  /// Bytes of the body that were compared; nil while the head is not complete.
  private var bodyOffset: Int?

  init(_ channel: any ByteChannel) { self.channel = channel }

  var wantsOutput: Bool { !output.isEmpty }

  func ask(_ expectations: [Expectation], now: Int64) throws {
    outstanding += expectations
    output += expectations.flatMap(\.request)
    waitingSince = now
    try flush()
  }

  func flush() throws {
    while !output.isEmpty {
      do {
        guard let sent = try channel.sendSome(output) else { return }
        output = output.dropFirst(sent)
      } catch {
        throw LoadFault.ended
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
      completed += try take(input[..<count], now: now)
    }
    return completed
  }

  private func take(_ bytes: ArraySlice<UInt8>, now: Int64) throws -> Int {
    var rest = bytes
    var completed = 0
    while !rest.isEmpty || isComplete {
      if isComplete {
        outstanding.removeFirst()
        bodyOffset = nil
        waitingSince = now
        completed += 1
        continue
      }
      guard let expected = outstanding.first else {
        throw LoadFault.wrong("\(rest.count) bytes that nobody asked for")
      }
      if bodyOffset == nil {
        try takeHead(&rest, of: expected)
      } else {
        try takeBody(&rest, of: expected)
      }
    }
    return completed
  }

  private var isComplete: Bool {
    guard let bodyOffset, let expected = outstanding.first else { return false }
    return expected.isHead || bodyOffset == expected.body.count
  }

  private func takeHead(_ rest: inout ArraySlice<UInt8>, of expected: Expectation) throws {
    while let byte = rest.popFirst() {
      head.append(byte)
      guard byte == 10, head.suffix(4) == [13, 10, 13, 10] else { continue }
      guard let parsed = ResponseHead(head.dropLast(4)) else {
        throw LoadFault.wrong("a malformed head for \(expected.description)")
      }
      guard parsed.status == 200 else {
        throw LoadFault.wrong("status \(parsed.status) for \(expected.description)")
      }
      guard parsed["Content-Length"] == String(expected.body.count) else {
        throw LoadFault.wrong(
          "Content-Length \(parsed["Content-Length"] ?? "missing") for \(expected.description)")
      }
      if parsed.closes { isLeaving = true }
      head.removeAll(keepingCapacity: true)
      bodyOffset = 0
      return
    }
    if head.count > 8192 { throw LoadFault.wrong("an endless head for \(expected.description)") }
  }

  private func takeBody(_ rest: inout ArraySlice<UInt8>, of expected: Expectation) throws {
    let offset = bodyOffset ?? 0
    let count = min(rest.count, expected.body.count - offset)
    guard rest.prefix(count).elementsEqual(expected.body[offset..<(offset + count)]) else {
      throw LoadFault.wrong("wrong bytes after \(offset) in \(expected.description)")
    }
    rest = rest.dropFirst(count)
    bodyOffset = offset + count
  }
}
