// An application of a test's own that speaks FastCGI: it answers with the test's bytes.

import Foundation

/// Notes the variables of each request, and sends what a closure makes of them to its standard
/// output, in one record. One request a connection, one thread each.
package final class FastCGIOrigin: @unchecked Sendable {
  package typealias Answer = @Sendable ([String: String]) -> String

  package let port: UInt16
  private let listener = TestListener()
  private let lock = NSLock()
  private var received: [[String: String]] = []

  package init(_ answer: @escaping Answer) {
    port = listener.port
    let listener = listener
    Thread.detachNewThread { [weak self] in
      while let peer = listener.accept() {
        Thread.detachNewThread { [weak self] in
          if let variables = FastCGIOrigin.variables(peer) {
            self?.note(variables)
            peer.send(
              FastCGIOrigin.record(6, Array(answer(variables).utf8)) + FastCGIOrigin.record(6, [])
                + FastCGIOrigin.record(3, [UInt8](repeating: 0, count: 8)))
          }
          peer.close()
        }
      }
    }
  }

  deinit { listener.end() }

  /// The variables of all requests so far, in the order of their arrival.
  package var requests: [[String: String]] { lock.withLock { received } }

  private func note(_ variables: [String: String]) {
    lock.withLock { received.append(variables) }
  }

  private static func record(_ type: UInt8, _ content: [UInt8]) -> [UInt8] {
    [1, type, 0, 1, UInt8(content.count >> 8), UInt8(content.count & 255), 0, 0] + content
  }

  /// Reads a request up to the end of its body.
  private static func variables(_ peer: TestPeer) -> [String: String]? {
    var buffer: [UInt8] = []
    var pairs: [UInt8] = []
    func take(_ count: Int) -> [UInt8]? {
      while buffer.count < count {
        let more = peer.receive()
        if more.isEmpty { return nil }
        buffer += more
      }
      defer { buffer.removeFirst(count) }
      return Array(buffer[..<count])
    }
    while true {
      guard let head = take(8) else { return nil }
      let count = Int(head[4]) << 8 | Int(head[5])
      guard let content = take(count + Int(head[6])) else { return nil }
      if head[1] == 4 { pairs += content[..<count] }
      if head[1] == 5, count == 0 { return named(pairs) }
    }
  }

  private static func named(_ pairs: [UInt8]) -> [String: String] {
    var variables: [String: String] = [:]
    var index = 0
    func length() -> Int {
      guard pairs[index] >= 128 else {
        index += 1
        return Int(pairs[index - 1])
      }
      index += 4
      return pairs[index - 4..<index].reduce(0) { $0 << 8 | Int($1) } & 0x7fff_ffff
    }
    while index < pairs.count {
      let nameCount = length()
      let valueCount = length()
      let name = String(decoding: pairs[index..<index + nameCount], as: UTF8.self)
      index += nameCount
      variables[name] = String(decoding: pairs[index..<index + valueCount], as: UTF8.self)
      index += valueCount
    }
    return variables
  }
}
