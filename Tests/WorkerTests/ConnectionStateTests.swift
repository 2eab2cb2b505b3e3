// The connection's machine, event by event, without sockets.

import HTTP
import Testing

@testable import Worker

@Suite struct `A connection's machine` {
  private func working(keepAlive: Bool = true, hasBody: Bool = false) -> ConnectionState {
    var state = ConnectionState()
    state.requestBegun(keepAlive: keepAlive, hasBody: hasBody)
    return state
  }

  @Test func `a request answered in one turn leaves the connection idle`() {
    var state = working()
    #expect(state.responseEnded(bufferedCount: 0, reason: .completed) == .awaitRequest)
    #expect(state.phase == .idle)
    #expect(state.isMovable)
  }

  @Test func `a pipelined request is parsed before anything else`() {
    var state = working()
    state.draining = true
    #expect(state.responseEnded(bufferedCount: 7, reason: .completed) == .parseBuffered)
  }

  @Test func `a draining connection moves as soon as it is idle`() {
    var state = ConnectionState()
    #expect(state.drain() == .handOver)
    state = working()
    #expect(state.drain() == .none)
    #expect(state.responseEnded(bufferedCount: 0, reason: .completed) == .handOver)
  }

  @Test func `a connection with half a head is not moved`() {
    var state = ConnectionState()
    state.headBegun()
    #expect(state.drain() == .none)
    #expect(!state.isMovable)
  }

  @Test func `the last response lingers, so that no reset destroys it`() {
    var state = working(keepAlive: false)
    #expect(state.responseEnded(bufferedCount: 0, reason: .completed) == .linger)
    #expect(state.peerClosed() == .close(.clientClosed))
    #expect(state.phase == .closed)
  }

  @Test func `an unwanted body is read before the next request`() {
    var state = working(hasBody: true)
    #expect(state.responseEnded(bufferedCount: 3, reason: .completed) == .discardBody)
    #expect(state.discardEnded(bufferedCount: 0) == .awaitRequest)
  }

  @Test func `a client that closes its sending side still gets its answer`() {
    var state = working()
    #expect(state.peerClosed() == .none)
    #expect(state.responseEnded(bufferedCount: 0, reason: .completed) == .close(.completed))
  }

  @Test func `a client that closes in the middle of a head is gone`() {
    var state = ConnectionState()
    state.headBegun()
    #expect(state.peerClosed() == .close(.clientReset))
  }

  @Test func `each phase has its own end when its deadline passes`() {
    var idle = ConnectionState()
    #expect(idle.deadlinePassed() == .close(.timerConnectionIdle))
    var head = ConnectionState()
    head.headBegun()
    #expect(head.deadlinePassed() == .refuse(status: 408, .timerHeaderWait))
    #expect(head.closesAfterResponse)
    var sending = working()
    sending.responseBegun()
    #expect(sending.deadlinePassed() == .close(.timerSend))
    var body = working(hasBody: true)
    _ = body.responseEnded(bufferedCount: 0, reason: .completed)
    #expect(body.deadlinePassed() == .close(.timerEntityBody))
    var waiting = working()
    #expect(waiting.deadlinePassed() == .none)
  }

  @Test func `an encrypted connection stays in its process, and its next answer is its last`() {
    var state = ConnectionState()
    state.handshakeBegun()
    #expect(state.drain() == .none)
    state.handshakeEnded()
    #expect(state.isIdle && !state.isMovable)
    #expect(state.drain() == .none)
    state.requestBegun(keepAlive: false, hasBody: false)
    #expect(state.responseEnded(bufferedCount: 0, reason: .completed) == .linger)
  }

  @Test func `a handshake that takes too long has a reason of its own`() {
    var state = ConnectionState()
    state.handshakeBegun()
    #expect(state.deadlinePassed() == .close(.timerHandshake))
    state = ConnectionState()
    state.handshakeBegun()
    #expect(state.peerClosed() == .close(.clientReset))
  }

  @Test func `streams of HTTP/2 have deadlines of their own, and a lost connection is one`() {
    var state = ConnectionState()
    state.multiplexed()
    #expect(!state.isIdle && !state.isMovable)
    #expect(state.deadlinePassed() == .none)
    #expect(state.drain() == .none)
    #expect(state.peerClosed() == .close(.clientClosed))
  }

  @Test func `nothing happens to a closed connection`() {
    var state = ConnectionState()
    _ = state.broken()
    #expect(state.phase == .closed)
    #expect(state.broken() == .none)
    #expect(state.peerClosed() == .none)
    #expect(state.deadlinePassed() == .none)
  }
}
