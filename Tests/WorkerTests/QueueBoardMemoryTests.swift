// The memory of the board of queues: who can write it, and who else goes on with it.

import Configuration
import Glibc
import Platform
import Testing

@testable import Worker

private let own = QueueReference(slot: 0, serial: 1, user: 0)

@Suite struct `the board of queues` {
  private func board() throws -> QueueBoard {
    let board = try QueueBoard(wakers: nil)
    for slot in 0..<4 { board.open(slot: slot) }
    board.open(own, QueueOptions())
    board.setCredits(0, 1)
    return board
  }

  @Test func `is gone on with by another image, credits and all`() throws {
    let board = try board()
    let credit = try #require(board.takeCredit(own, slot: 1, ticket: 1))
    let files = try #require(board.files)
    let next = try #require(try QueueBoard(wakers: nil, inherited: files))
    next.open(slot: 4)
    // The application has brought its socket back.
    next.open(own, QueueOptions())
    next.setCredits(0, 1)
    #expect(next.active(0) == 1)
    #expect(next.takeCredit(own, slot: 4, ticket: 2) == nil)
    _ = board.giveBack(own, credit, slot: 1)
    #expect(next.takeCredit(own, slot: 4, ticket: 2) != nil)
    #expect(board.takeCredit(own, slot: 1, ticket: 3) == nil)
    // What an old worker asks for, the new master hears of.
    next.clear(slot: 4, living: [1])
    next.setCredits(0, 0)
    board.noteDemand(0)
    #expect(next.takeDemands() == [0])
  }

  @Test func `lets a worker change what is its own, and nothing that the master says`() throws {
    let board = try board()
    #expect(
      TestChild.signal {
        board.becomeReader()
        _ = board.takeCredit(own, slot: 1, ticket: 1)
        board.setWaiting(0, slot: 1, count: 2, bytes: 3, oldest: 4)
      } == nil)
    #expect(board.active(0) == 1 && board.waiting(0).count == 2)
    let attempts: [(QueueBoard) -> Void] = [
      { $0.setCredits(0, 9) }, { $0.open(slot: 9) }, { $0.setState(0, .disabled) },
      { $0.rules.shown.storeRelaxed64(9, at: 0) },
    ]
    for attempt in attempts {
      let signal = TestChild.signal {
        board.becomeReader()
        attempt(board)
      }
      #expect(signal == SIGSEGV)
    }
    #expect(board.credits(0) == 1 && board.state(0) == .enabled)
  }
}
