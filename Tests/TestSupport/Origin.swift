// An application of a test's own: a real server in a thread, whose answers are the test's bytes.

import Foundation

/// A request as an origin received it.
package struct OriginRequest: Sendable {
  package let line: String
  package let fields: [(name: String, value: String)]
  package var body: [UInt8] = []
  /// Lines behind a chunked body.
  package var trailers: [String] = []
  /// Of the connection, from 1; and of the request on it.
  package let connection: Int
  package let ordinal: Int

  package var method: String { String(line.prefix { $0 != " " }) }
  package var target: String {
    line.split(separator: " ").dropFirst().first.map(String.init) ?? ""
  }
  package var text: String { String(decoding: body, as: UTF8.self) }

  /// The first field of that name, without case.
  package subscript(_ name: String) -> String? {
    fields.first { $0.name.lowercased() == name.lowercased() }?.value
  }

  package func values(_ name: String) -> [String] {
    fields.filter { $0.name.lowercased() == name.lowercased() }.map { $0.value }
  }
}

/// A server whose answers are written by a closure, one thread a connection. It counts what it got.
package final class Origin: @unchecked Sendable {
  /// Answers a request on a peer; false: the connection is over.
  package typealias Answer = @Sendable (OriginRequest, TestPeer) -> Bool

  package let port: UInt16
  private let listener: TestListener
  private let lock = NSLock()
  private var received: [OriginRequest] = []
  private var connectionCount = 0
  private var peers: [TestPeer] = []

  /// `readsBody` false: the closure reads the body itself, from the peer, behind what of it is in
  /// the request already.
  package init(port: UInt16 = 0, readsBody: Bool = true, _ answer: @escaping Answer) {
    listener = TestListener(port: port)
    self.port = listener.port
    let listener = listener
    Thread.detachNewThread { [weak self] in
      while let peer = listener.accept() {
        guard let number = self?.enter(peer) else { return }
        Thread.detachNewThread { [weak self] in
          Origin.serve(peer, number, readsBody, answer) { self?.note($0) }
          peer.close()
        }
      }
    }
  }

  /// A response of 200 with a length, and further fields.
  package convenience init(text: String, fields: [String] = []) {
    self.init { _, peer in peer.send(Origin.response(text, fields: fields)) }
  }

  deinit { end() }

  /// Closes everything: who connects now is refused.
  package func end() {
    listener.end()
    for peer in lock.withLock({ peers }) { peer.close() }
  }

  /// All requests so far, in the order of their arrival.
  package var requests: [OriginRequest] { lock.withLock { received } }
  package var connections: Int { lock.withLock { connectionCount } }

  package static func response(
    _ text: String, status: String = "200 OK", fields: [String] = []
  ) -> String {
    (["HTTP/1.1 \(status)", "Content-Length: \(text.utf8.count)"] + fields + ["", text])
      .joined(separator: "\r\n")
  }

  private func enter(_ peer: TestPeer) -> Int {
    lock.withLock {
      connectionCount += 1
      peers.append(peer)
      return connectionCount
    }
  }

  private func note(_ request: OriginRequest) { lock.withLock { received.append(request) } }

  private static func serve(
    _ peer: TestPeer, _ number: Int, _ readsBody: Bool, _ answer: Answer,
    _ note: (OriginRequest) -> Void
  ) {
    var buffer: [UInt8] = []
    var ordinal = 0
    while true {
      guard let end = endOfHead(&buffer, peer) else { return }
      ordinal += 1
      let lines = String(decoding: buffer[..<end], as: UTF8.self).components(separatedBy: "\r\n")
      buffer.removeFirst(end)
      var request = OriginRequest(
        line: lines[0],
        fields: lines.dropFirst().compactMap { line in
          guard let colon = line.firstIndex(of: ":") else { return nil }
          let value = line[line.index(after: colon)...]
          return (String(line[..<colon]), value.trimmingCharacters(in: .whitespaces))
        }, connection: number, ordinal: ordinal)
      if readsBody {
        guard readBody(&request, &buffer, peer) else { return }
      } else {
        request.body = buffer
        buffer = []
      }
      note(request)
      guard answer(request, peer) else { return }
    }
  }

  /// The byte behind the first empty line.
  private static func endOfHead(_ buffer: inout [UInt8], _ peer: TestPeer) -> Int? {
    let mark = Array("\r\n\r\n".utf8)
    while true {
      if buffer.count >= 4,
        let place = (0...buffer.count - 4).first(where: { buffer[$0...].starts(with: mark) })
      {
        return place + 4
      }
      let more = peer.receive()
      if more.isEmpty { return nil }
      buffer += more
    }
  }

  private static func readBody(
    _ request: inout OriginRequest, _ buffer: inout [UInt8], _ peer: TestPeer
  ) -> Bool {
    func fill(_ count: Int) -> Bool {
      while buffer.count < count {
        let more = peer.receive()
        if more.isEmpty { return false }
        buffer += more
      }
      return true
    }
    if let length = request["Content-Length"].flatMap({ Int($0) }) {
      guard fill(length) else { return false }
      request.body = Array(buffer[..<length])
      buffer.removeFirst(length)
    } else if request["Transfer-Encoding"] != nil {
      func line() -> String? {
        while !buffer.contains(10) { guard fill(buffer.count + 1) else { return nil } }
        let line = buffer.prefix { $0 != 13 }
        buffer.removeFirst(line.count + 2)
        return String(decoding: line, as: UTF8.self)
      }
      while let size = line().flatMap({ Int($0, radix: 16) }), size > 0 {
        guard fill(size + 2) else { return false }
        request.body += buffer[..<size]
        buffer.removeFirst(size + 2)
      }
      while let trailer = line() {
        if trailer.isEmpty { return true }
        request.trailers.append(trailer)
      }
      return false
    }
    return true
  }
}
