// Credits of request queues: never too many, none lost, and the oldest request first.

import Configuration
import Foundation
import Platform
import Testing

@testable import Worker

private let own = QueueReference(slot: 0, serial: 1, user: 0)

/// A worker as far as a queue is concerned.
private struct Process {
  let slot: Int
  var waiting: [UInt64] = []
  var credits: [Int] = []

  mutating func arrive(_ ticket: UInt64, _ board: QueueBoard) {
    waiting.append(ticket)
    tell(board)
  }

  func tell(_ board: QueueBoard) {
    board.setWaiting(
      0, slot: slot, count: waiting.count, bytes: waiting.count, oldest: waiting.first ?? 0)
  }

  /// What a worker does when it is woken; how many of its requests went to the application.
  mutating func advance(_ board: QueueBoard) -> [UInt64] {
    var gone: [UInt64] = []
    while let first = waiting.first, let credit = board.takeCredit(own, slot: slot, ticket: first) {
      gone.append(waiting.removeFirst())
      credits.append(credit)
      tell(board)
    }
    return gone
  }
}

@Suite struct `credits of a queue` {
  private func board(_ credits: Int, slots: Int = 4) throws -> QueueBoard {
    let board = try QueueBoard(wakers: nil)
    for slot in 0..<slots { board.open(slot: slot) }
    board.open(own, QueueOptions())
    board.setCredits(0, credits)
    return board
  }

  @Test func `there are as many as the processes of the application can take`() throws {
    let board = try board(2)
    let first = try #require(board.takeCredit(own, slot: 0, ticket: 1))
    let second = try #require(board.takeCredit(own, slot: 1, ticket: 2))
    #expect(first != second)
    #expect(board.takeCredit(own, slot: 2, ticket: 3) == nil)
    #expect(board.active(0) == 2)
    #expect(!board.giveBack(own, first, slot: 0))
    #expect(board.takeCredit(own, slot: 2, ticket: 3) != nil)
    // Fewer than are in use: the next one waits until enough have come back.
    board.setCredits(0, 1)
    _ = board.giveBack(own, second, slot: 1)
    #expect(board.takeCredit(own, slot: 3, ticket: 4) == nil)
    board.setCredits(0, 0)
    #expect(board.takeCredit(own, slot: 3, ticket: 4) == nil)
  }

  @Test func `a process is idle beyond the request that is on its way`() throws {
    let board = try board(1)
    // Of two workers with one URL one fetches, but has not yet taken the credit.
    #expect(!board.hasIdleProcess(0))
    _ = try #require(board.takeCredit(own, slot: 0, ticket: 1))
    #expect(!board.hasIdleProcess(0))
    board.setCredits(0, 2)
    #expect(board.hasIdleProcess(0))
    _ = try #require(board.takeCredit(own, slot: 1, ticket: 2))
    #expect(!board.hasIdleProcess(0))
  }

  @Test func `who is dead holds none, and who is taken for dead gives back none`() throws {
    let board = try board(1)
    let credit = try #require(board.takeCredit(own, slot: 0, ticket: 1))
    board.clear(slot: 0, living: [1, 2, 3])
    #expect(board.active(0) == 0)
    let other = try #require(board.takeCredit(own, slot: 1, ticket: 2))
    #expect(credit == other)
    _ = board.giveBack(own, credit, slot: 0)
    #expect(board.active(0) == 1)
  }

  @Test func `whoever came first goes first, over all processes`() throws {
    let board = try board(1)
    let credit = try #require(board.takeCredit(own, slot: 0, ticket: 1))
    var early = Process(slot: 2)
    var late = Process(slot: 1)
    early.arrive(5, board)
    late.arrive(6, board)
    #expect(board.oldest(0)?.slot == 2)
    _ = board.giveBack(own, credit, slot: 0)
    #expect(late.advance(board).isEmpty)
    #expect(early.advance(board) == [5])
    #expect(late.advance(board).isEmpty)
    _ = board.giveBack(own, early.credits[0], slot: 2)
    #expect(late.advance(board) == [6])
    // With room for everybody nobody waits for anybody.
    board.setCredits(0, 4)
    early.arrive(7, board)
    #expect(board.takeCredit(own, slot: 3, ticket: 8) != nil)
  }

  @Test func `wherever one is looked for first, each is found once and the turn is kept`() throws {
    let board = try board(3)
    var taken: Set<Int> = []
    for start in [2, 2, 9] {
      taken.insert(try #require(board.takeCredit(own, slot: 0, ticket: 1, near: start)))
    }
    #expect(taken == [0, 1, 2])
    for start in 0...3 {
      #expect(board.takeCredit(own, slot: 0, ticket: 1, near: start) == nil)
    }
    // One is free, and for whoever came before.
    var early = Process(slot: 2)
    early.arrive(5, board)
    _ = board.giveBack(own, 1, slot: 0)
    #expect(board.takeCredit(own, slot: 1, ticket: 6, near: 1) == nil)
    // Two are: one is left for who came later.
    _ = board.giveBack(own, 2, slot: 0)
    #expect(board.takeCredit(own, slot: 1, ticket: 6, near: 2) != nil)
    #expect(early.advance(board) == [5])
  }

  @Test func `a queue has an end, in requests and in bytes`() throws {
    let board = try board(0)
    var options = QueueOptions()
    options.lengthMax = 2
    options.bytesMax = 10
    board.setOptions(0, options)
    #expect(!board.isFull(0, adding: 10))
    #expect(board.isFull(0, adding: 11))
    board.setWaiting(0, slot: 0, count: 1, bytes: 3, oldest: 1)
    #expect(!board.isFull(0, adding: 7))
    #expect(board.isFull(0, adding: 8))
    board.setWaiting(0, slot: 1, count: 1, bytes: 0, oldest: 1)
    #expect(board.isFull(0, adding: 0))
  }

  @Test func `a request that nobody is there for is told to the master once`() throws {
    let board = try board(0)
    #expect(board.takeDemands().isEmpty)
    board.noteDemand(0)
    board.noteDemand(0)
    #expect(board.takeDemands() == [0])
    board.noteDemand(0)
    #expect(board.takeDemands().isEmpty)
    board.setCredits(0, 1)
    board.noteDemand(0)
    #expect(board.takeDemands().isEmpty)
    // The last process goes while somebody waits.
    board.setWaiting(0, slot: 0, count: 1, bytes: 1, oldest: 1)
    board.setCredits(0, 0)
    #expect(board.takeDemands() == [0])
  }

  @Test func `another queue in the same place begins with nothing`() throws {
    let board = try board(3)
    board.count(.served, own, slot: 1)
    board.close(0)
    #expect(board.serial(0) == 0 && board.state(0) == .gone)
    board.open(QueueReference(slot: 0, serial: 2, user: 0), QueueOptions())
    #expect(board.credits(0) == 0 && board.total(.served, 0) == 0 && board.state(0) == .enabled)
  }

  @Test(arguments: UInt64(1)...40)
  func `whatever happens, no credit is lost and none is idle while somebody waits`(
    seed: UInt64
  ) throws {
    var random = SeededGenerator(seed: seed)
    var limit = 3
    let board = try board(limit)
    var processes = (0..<4).map { Process(slot: $0) }
    var ticket: UInt64 = 1
    for _ in 0..<400 {
      let who = Int.random(in: 0..<4, using: &random)
      switch Int.random(in: 0..<10, using: &random) {
      case 0..<4:
        ticket += 1
        processes[who].arrive(ticket, board)
      case 4..<7:
        if let credit = processes[who].credits.popLast() {
          _ = board.giveBack(own, credit, slot: who)
        }
      case 7:
        processes[who] = Process(slot: who)
        board.clear(slot: who, living: [0, 1, 2, 3])
      case 8:
        limit = Int.random(in: 0..<6, using: &random)
        board.setCredits(0, limit)
      default:
        if !processes[who].waiting.isEmpty {
          processes[who].waiting.removeFirst()
          processes[who].tell(board)
        }
      }
      // Everybody is woken, in any order, until nothing changes any more.
      var goes = true
      while goes {
        goes = false
        for place in processes.indices.shuffled(using: &random) {
          let others = processes.filter { $0.slot != place }.flatMap(\.waiting)
          let free = limit - processes.reduce(0) { $0 + $1.credits.count }
          let gone = processes[place].advance(board)
          goes = goes || !gone.isEmpty
          if let last = gone.last {
            #expect(others.count { $0 < last } + gone.count <= free, "the order")
          }
        }
      }
      let held = processes.flatMap(\.credits)
      #expect(Set(held).count == held.count)
      #expect(board.active(0) == held.count)
      if held.count < limit { #expect(processes.allSatisfy { $0.waiting.isEmpty }) }
    }
  }
}

/// xorshift64*: the same numbers for the same seed.
private struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 | 1 }
  mutating func next() -> UInt64 {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return state &* 0x2545_f491_4f6c_dd1d
  }
}
