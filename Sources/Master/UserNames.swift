// Names of users and groups for people, remembered for a while: the database may be on a network,
// and while it is asked the master does nothing else.

import Platform

/// A bounded memory of names.
struct UserNames {
  static let countMax = 1_000
  static let milliseconds: Int64 = 60_000
  /// The database is asked so often for one answer; what is beyond is shown as "#number".
  static let questionsMax = 64

  private struct Key: Hashable {
    let isGroup: Bool
    let number: UInt32
  }
  private var names: [Key: (name: String, until: Int64)] = [:]
  private var questions = 0

  /// Another answer begins.
  mutating func begin() { questions = 0 }

  mutating func user(
    _ number: UInt32, now: Int64 = Clock.monotonicMilliseconds(),
    ask: (UInt32) -> String = Privileges.name(ofUser:)
  ) -> String {
    name(Key(isGroup: false, number: number), now, ask)
  }

  mutating func group(
    _ number: UInt32, now: Int64 = Clock.monotonicMilliseconds(),
    ask: (UInt32) -> String = Privileges.name(ofGroup:)
  ) -> String {
    name(Key(isGroup: true, number: number), now, ask)
  }

  private mutating func name(_ key: Key, _ now: Int64, _ ask: (UInt32) -> String) -> String {
    if let known = names[key], known.until > now { return known.name }
    guard questions < Self.questionsMax else { return "#\(key.number)" }
    questions += 1
    let name = ask(key.number)
    if names.count >= Self.countMax { names = [:] }
    names[key] = (name, now + Self.milliseconds)
    return name
  }
}
