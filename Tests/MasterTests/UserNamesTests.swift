// Names for people are asked for seldom, however long the list.

import Testing

@testable import Master

@Suite struct `names of users` {
  @Test func `each is asked for once in a while, and not too many for one answer`() {
    var names = UserNames()
    var asked: [UInt32] = []
    func look(_ number: UInt32, _ now: Int64) -> String {
      names.user(number, now: now) { number in
        asked.append(number)
        return "u\(number)"
      }
    }
    for _ in 0..<1_000 { #expect(look(1, 0) == "u1") }
    #expect(asked == [1])
    #expect(look(1, UserNames.milliseconds) == "u1")
    #expect(asked == [1, 1])
    names.begin()
    for number in 0..<10_000 as Range<UInt32> {
      let name = look(number, UserNames.milliseconds)
      // What is known costs no question.
      let isAsked = number <= UInt32(UserNames.questionsMax)
      #expect(name == (isAsked ? "u\(number)" : "#\(number)"))
    }
    #expect(asked.count == 2 + UserNames.questionsMax)
    names.begin()
    #expect(look(5_000, UserNames.milliseconds) == "u5000")
    #expect(names.group(1, now: 0) { _ in "g" } == "g")
  }

  @Test func `no more are remembered than there is room for`() {
    var names = UserNames()
    var count = 0
    for number in 0..<5_000 as Range<UInt32> {
      names.begin()
      _ = names.user(number, now: 0) { _ in
        count += 1
        return "x"
      }
    }
    #expect(count == 5_000)
    names.begin()
    _ = names.user(0, now: 0) { _ in
      count += 1
      return "x"
    }
    #expect(count == 5_001)
  }
}
