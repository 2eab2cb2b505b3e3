// From the table of allowed calls to a program that the kernel runs before each call.

import CLinux

/// What an argument must be for a call to be allowed. Only its low 32 bits are looked at: of these
/// arguments the kernel takes an int, or looks at no higher bit.
package enum ArgumentCheck: Equatable, Sendable {
  /// Whatever they are. The kernel remembers such a decision in a bitmap and runs no filter then.
  case none
  /// None of these bits is set.
  case without(argument: Int, bits: UInt32)
  /// One of these values.
  case among(argument: Int, values: [UInt32])
  /// Each of these.
  case all([ArgumentCheck])
}

/// One allowed call with its number.
struct FilterRule: Equatable {
  let number: UInt32
  let check: ArgumentCheck
}

/// Writes seccomp programs (classic BPF).
struct SeccompFilter {
  /// What is done with a call that is on no list.
  enum Refusal {
    case trap
    /// Trapped unless the call comes from where trapped calls are done all the same.
    case trapUnlessFrom(UInt64)
  }

  let refusal: Refusal

  /// The program for these rules, whose numbers must differ.
  func program(_ rules: [FilterRule]) -> [sock_filter] {
    let sorted = rules.sorted { $0.number < $1.number }
    precondition(zip(sorted, sorted.dropFirst()).allSatisfy { $0.number < $1.number })
    // Numbers mean something else on another architecture: a 32-bit call from a 64-bit process.
    let architecture = [
      load(RING3_FILTER_ARCHITECTURE),
      ifEqual(ring3_filter_architecture(), 1, 0),
      end(ring3_filter_kill()),
      load(RING3_FILTER_NUMBER),
    ]
    return architecture + search(sorted[...])
  }

  // MARK: Pieces

  /// Halves the numbers until one is left. Calls of the x32 ABI have numbers above all others.
  private func search(_ rules: ArraySlice<FilterRule>) -> [sock_filter] {
    guard let first = rules.first else { return refuse }
    if rules.count == 1 {
      let body = allow(first.check)
      return skipping(unless: ifEqual(first.number, 0, 0), body) + refuse
    }
    let middle = rules.startIndex + rules.count / 2
    let below = search(rules[..<middle])
    let above = search(rules[middle...])
    return skipping(below, ifAtLeast: rules[middle].number) + above
  }

  /// `body` if the condition holds; else what comes behind it.
  private func skipping(unless condition: sock_filter, _ body: [sock_filter]) -> [sock_filter] {
    precondition(body.count < 256)
    var condition = condition
    condition.jt = 0
    condition.jf = UInt8(body.count)
    return [condition] + body
  }

  /// Conditional jumps reach 255 instructions; beyond that an unconditional one is jumped to.
  private func skipping(_ body: [sock_filter], ifAtLeast number: UInt32) -> [sock_filter] {
    if body.count < 256 {
      return [
        sock_filter(
          code: code(RING3_FILTER_IF_AT_LEAST), jt: UInt8(body.count), jf: 0, k: number)
      ] + body
    }
    return [
      sock_filter(code: code(RING3_FILTER_IF_AT_LEAST), jt: 0, jf: 1, k: number),
      sock_filter(
        code: code(RING3_FILTER_JUMP), jt: 0, jf: 0, k: UInt32(body.count)),
    ] + body
  }

  private func allow(_ check: ArgumentCheck) -> [sock_filter] {
    let allowed = [end(ring3_filter_allow())]
    return check == .none ? allowed : guarding(allowed, by: check) + refuse
  }

  /// `body` if the arguments pass; else what comes behind it.
  private func guarding(_ body: [sock_filter], by check: ArgumentCheck) -> [sock_filter] {
    precondition(body.count < 256)
    switch check {
    case .none: return body
    case .without(let argument, let bits):
      let test = sock_filter(
        code: code(RING3_FILTER_IF_ANY_BIT), jt: UInt8(body.count), jf: 0, k: bits)
      return [loadArgument(argument), test] + body
    case .among(let argument, let values):
      precondition((1..<256).contains(values.count))
      let last = values.count - 1
      let tests = values.enumerated().map { index, value in
        ifEqual(value, UInt8(last - index), index == last ? UInt8(body.count) : 0)
      }
      return [loadArgument(argument)] + tests + body
    case .all(let checks): return checks.reversed().reduce(body) { guarding($0, by: $1) }
    }
  }

  private var refuse: [sock_filter] {
    let trap = end(ring3_filter_trap())
    guard case .trapUnlessFrom(let address) = refusal else { return [trap] }
    return [
      load(RING3_FILTER_INSTRUCTION), ifEqual(UInt32(truncatingIfNeeded: address), 0, 3),
      load(RING3_FILTER_INSTRUCTION + 4),
      ifEqual(UInt32(truncatingIfNeeded: address >> 32), 0, 1),
      end(ring3_filter_allow()), trap,
    ]
  }

  private func loadArgument(_ index: Int) -> sock_filter {
    load(RING3_FILTER_ARGUMENTS + index * 8)
  }

  private func load(_ offset: Int) -> sock_filter {
    sock_filter(code: code(RING3_FILTER_LOAD), jt: 0, jf: 0, k: UInt32(offset))
  }

  private func ifEqual(_ value: UInt32, _ yes: UInt8, _ no: UInt8) -> sock_filter {
    sock_filter(code: code(RING3_FILTER_IF_EQUAL), jt: yes, jf: no, k: value)
  }

  private func end(_ action: UInt32) -> sock_filter {
    sock_filter(code: code(RING3_FILTER_RETURN), jt: 0, jf: 0, k: action)
  }

  private func code(_ value: Int) -> UInt16 { UInt16(value) }
}
