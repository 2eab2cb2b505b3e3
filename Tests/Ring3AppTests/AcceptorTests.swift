// Connections that are accepted beside others, and what becomes of them when one stops.

import TestSupport
import Testing

@testable import Ring3App

@Suite struct `acceptors` {
  @Test func `nothing that was accepted is lost when one of two stops`() async throws {
    let listener = TestListener()
    let acceptors = (0..<2).map { _ in
      Acceptor(LentSocket(adopting: listener.nonBlockingDuplicate()))
    }
    let clients = try (0..<200).map { _ in try ClientSocket(port: listener.port) }
    // The first has some of them, delivered or on their way, when it is told to stop.
    var taken: [LentSocket] = []
    for await connection in acceptors[0].connections {
      taken.append(connection)
      if taken.count == 5 { acceptors[0].stop() }
    }
    for await connection in acceptors[1].connections {
      taken.append(connection)
      if taken.count == clients.count { acceptors[1].stop() }
    }
    #expect(taken.count == clients.count)
    #expect(Set(taken.map(\.descriptor)).count == clients.count)
    listener.end()
  }

  @Test func `whoever no longer reads accepts no more`() async throws {
    let listener = TestListener()
    let socket = LentSocket(adopting: listener.nonBlockingDuplicate())
    let acceptor = Acceptor(socket)
    let reader = Task { for await _ in acceptor.connections {} }
    reader.cancel()
    await reader.value
    // Its watch ends at once, though not at this very moment.
    try await Task.sleep(for: .milliseconds(50))
    let client = try ClientSocket(port: listener.port)
    guard case .accepted(let number) = System.accept(socket.descriptor) else {
      Issue.record("the connection was not left to others")
      return
    }
    _ = LentSocket(adopting: number)
    _ = client
    listener.end()
  }
}
