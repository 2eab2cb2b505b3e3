// Connections to applications that wait for their next request, and bodies in parts.

import Configuration
import Platform
import Testing

@testable import Worker

@Suite struct `passing requests on` {
  private func connection(_ number: CInt) -> UpstreamConnection {
    UpstreamConnection(
      descriptor: number, token: UInt64(number), member: 0, queue: nil, interest: .readable)
  }

  private func pool() -> UpstreamPool {
    UpstreamPool(
      ProxyMember(
        name: "http://x", scheme: .http, address: .host(name: "x", port: 80), authority: "x",
        path: ""))
  }

  @Test func `the connection used last is taken first, but not in the turn it became idle`() {
    let pool = pool()
    for number: CInt in [1, 2] { pool.putAside(connection(number), turn: 1) }
    for number: CInt in [3, 4] { pool.putAside(connection(number), turn: 2) }
    var taken: [CInt] = []
    // epoll has not been asked about 3 and 4 yet: the others come first.
    while let next = pool.takeIdle(turn: 2) { taken.append(next.descriptor) }
    #expect(taken == [2, 1, 4, 3])
    #expect(pool.idleCount == 0)
  }

  @Test func `a connection that waits can leave from any place, and only once`() {
    let pool = pool()
    let connections = (1...4).map { connection(CInt($0)) }
    for connection in connections { pool.putAside(connection, turn: 1) }
    for index in [1, 3, 3] { pool.remove(connections[index]) }
    #expect(connections.map(\.isIdle) == [true, false, true, false])
    #expect(pool.idleCount == 2)
    #expect(pool.takeIdle(turn: 2)?.descriptor == 3)
    #expect(pool.takeIdle(turn: 2)?.descriptor == 1)
    #expect(pool.takeIdle(turn: 2) == nil)
  }

  @Test func `parts of a body keep their order, and empty ones are none`() {
    var parts: BodyParts = [3..<3, 4..<6]
    #expect(Array(parts) == [4..<6])
    parts.append(6..<6)
    parts.append(8..<9)
    parts.append(10..<13)
    #expect(Array(parts) == [4..<6, 8..<9, 10..<13])
    #expect(parts.byteCount == 6)
    #expect(BodyParts(2..<2).isEmpty)
  }
}
