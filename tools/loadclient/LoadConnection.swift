// One keep-alive connection of the load test: sends requests, compares every byte that comes back.

import TestSupport

/// How a connection went wrong.
enum LoadFault: Error {
  /// The server ended or reset it.
  case ended
  /// What came is not what the file holds; the text says where.
  case wrong(String)
}

final class LoadConnection {
  let socket: ClientSocket
  let localPort: UInt16
  /// Requests sent or being sent whose responses are not complete, oldest first.
  private(set) var outstanding: [Expectation] = []
  /// Whether a worker that held this connection was killed: its end is then no fault.
  var isDoomed = false
  /// When the next request is due, milliseconds; clients think for different times.
  var nextRequestAt: Int64 = 0
  /// When the oldest outstanding request was sent.
  private(set) var waitingSince: Int64 = 0

  private var output: ArraySlice<UInt8> = []
  private var input = [UInt8](repeating: 0, count: 256 * 1024)
  private var head: [UInt8] = []
  /// Bytes of the body that were compared; nil while the head is not complete.
  private var bodyOffset: Int?

  init(port: UInt16) throws {
    socket = try ClientSocket(port: port, timeoutMilliseconds: 5000)
    localPort = socket.localPort
  }

  var wantsOutput: Bool { !output.isEmpty }

  /// Queues requests (several are pipelined) and sends what the kernel takes.
  func ask(_ expectations: [Expectation], now: Int64) throws {
    outstanding += expectations
    output += expectations.flatMap(\.request)
    waitingSince = now
    try flush()
  }

  func flush() throws {
    while !output.isEmpty {
      do {
        guard let sent = try socket.sendSome(output) else { return }
        output = output.dropFirst(sent)
      } catch {
        throw LoadFault.ended
      }
    }
  }

  /// Takes what has arrived; returns how many responses became complete.
  func receive(now: Int64) throws -> Int {
    var completed = 0
    for _ in 0..<4 {
      let count: Int
      do {
        guard let received = try socket.receiveSome(into: &input) else { break }
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
