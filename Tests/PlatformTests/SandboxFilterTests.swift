// The seccomp program, run by an interpreter of its own: what it decides, and what it looks at.

import CLinux
import Testing

@testable import Platform

/// One call as the kernel shows it to a filter.
private struct Call {
  var number: UInt32
  var architecture = ring3_filter_architecture()
  var arguments: [UInt64] = [0, 0, 0, 0, 0, 0]
  var instruction: UInt64 = 0x5555_0000_1234

  func word(at offset: Int) -> UInt32 {
    switch offset {
    case RING3_FILTER_NUMBER: return number
    case RING3_FILTER_ARCHITECTURE: return architecture
    case RING3_FILTER_INSTRUCTION: return UInt32(truncatingIfNeeded: instruction)
    case RING3_FILTER_INSTRUCTION + 4: return UInt32(instruction >> 32)
    default:
      let place = offset - RING3_FILTER_ARGUMENTS
      let value = arguments[place / 8]
      return UInt32(truncatingIfNeeded: place % 8 == 0 ? value : value >> 32)
    }
  }
}

/// What a program said, and whether it looked at more than number and architecture: the kernel then
/// asks it anew each time.
private struct Decision: Equatable {
  let action: UInt32
  let isConstant: Bool
}

private func run(_ program: [sock_filter], _ call: Call) -> Decision? {
  var place = 0
  var value: UInt32 = 0
  var isConstant = true
  while program.indices.contains(place) {
    let step = program[place]
    place += 1
    func jump(_ condition: Bool) { place += Int(condition ? step.jt : step.jf) }
    switch Int(step.code) {
    case RING3_FILTER_LOAD:
      if Int(step.k) >= RING3_FILTER_INSTRUCTION { isConstant = false }
      value = call.word(at: Int(step.k))
    case RING3_FILTER_IF_EQUAL: jump(value == step.k)
    case RING3_FILTER_IF_AT_LEAST: jump(value >= step.k)
    case RING3_FILTER_IF_ANY_BIT: jump(value & step.k != 0)
    case RING3_FILTER_JUMP: place += Int(step.k)
    case RING3_FILTER_RETURN: return Decision(action: step.k, isConstant: isConstant)
    default: return nil
    }
  }
  return nil
}

@Suite struct `the filter of system calls` {
  private let allow = ring3_filter_allow()
  private let trap = ring3_filter_trap()

  @Test(arguments: SandboxKind.allCases)
  func `it allows what stands in the table and nothing else`(_ kind: SandboxKind) {
    let rules = AllowedCall.rules(of: kind)
    let program = SeccompFilter(refusal: .trap).program(rules)
    for number in UInt32(0)..<1024 {
      let rule = rules.first { $0.number == number }
      let decision = run(program, Call(number: number))
      if case .all(let checks) = rule?.check {
        #expect(run(program, Call(number: number))?.action == trap, "\(checks)")
        continue
      }
      switch rule?.check {
      case .some(.none):
        #expect(decision == Decision(action: allow, isConstant: true), "\(number)")
      case nil: #expect(decision == Decision(action: trap, isConstant: true), "\(number)")
      case .without(let argument, let bits):
        for bit in (0..<32).map({ UInt32(1) << $0 }) {
          var call = Call(number: number)
          call.arguments[argument] = UInt64(bit)
          #expect(run(program, call)?.action == (bit & bits == 0 ? allow : trap))
        }
      case .among(let argument, let values):
        for value in Array(0..<100) + values.map(UInt64.init) {
          var call = Call(number: number)
          call.arguments[argument] = value
          let isMember = values.contains { UInt64($0) == value }
          #expect(run(program, call)?.action == (isMember ? allow : trap))
        }
      case .all: break
      }
    }
  }

  @Test func `of several checks each has to pass`() {
    let check = ArgumentCheck.all([
      .among(argument: 0, values: [2, 10, 16]), .without(argument: 1, bits: 4),
      .among(argument: 2, values: [0]),
    ])
    let rules = [40, 41, 42].map { FilterRule(number: $0, check: $0 == 41 ? check : .none) }
    let program = SeccompFilter(refusal: .trap).program(rules)
    for family in UInt64(0)..<20 {
      for kind in UInt64(0)..<8 {
        for number in UInt64(0)..<3 {
          var call = Call(number: 41)
          call.arguments = [family, kind, number, 9, 9, 9]
          let passes = [2, 10, 16].contains(family) && kind & 4 == 0 && number == 0
          #expect(run(program, call)?.action == (passes ? allow : trap))
        }
      }
    }
  }

  @Test func `another architecture is killed, the x32 ABI is refused`() {
    let program = SeccompFilter(refusal: .trap).program(AllowedCall.rules(of: .worker))
    for number in UInt32(0)..<512 {
      // AUDIT_ARCH_I386
      let foreign = Call(number: number, architecture: 0x4000_0003)
      #expect(run(program, foreign)?.action == ring3_filter_kill())
      #expect(run(program, Call(number: number | 0x4000_0000))?.action == trap)
    }
    #expect(run(program, Call(number: .max))?.action == trap)
  }

  @Test func `to report, calls from the one passage are let through`() {
    let passage: UInt64 = 0x7f12_3456_789a
    let rules = AllowedCall.rules(of: .worker)
    let program = SeccompFilter(refusal: .trapUnlessFrom(passage)).program(rules)
    for number in UInt32(0)..<512 {
      let isConstant = rules.contains { $0.number == number && $0.check == .none }
      let passing = run(program, Call(number: number, instruction: passage))
      #expect(passing?.action == allow)
      #expect(passing?.isConstant == isConstant)
      if isConstant { continue }
      var call = Call(number: number, instruction: passage ^ 1 << 40)
      call.arguments = Array(repeating: UInt64(UInt32.max), count: 6)
      #expect(run(program, call)?.action == trap)
    }
  }

  @Test(arguments: [0, 1, 2, 3, 300, 500])
  func `a table of any length makes a program`(_ count: Int) {
    let rules = (0..<count).map {
      FilterRule(number: UInt32($0 * 2), check: .among(argument: 0, values: [1, 2, 3]))
    }
    let program = SeccompFilter(refusal: .trap).program(rules)
    // BPF_MAXINSNS
    #expect(program.count <= 4096 || count > 400)
    for number in UInt32(0)..<1100 {
      var call = Call(number: number)
      call.arguments[0] = 2
      let isListed = number % 2 == 0 && number / 2 < count
      #expect(run(program, call)?.action == (isListed ? allow : trap))
    }
  }

  @Test func `each row says why, and no kind has a call twice`() {
    for row in AllowedCall.table { #expect(!row.reason.isEmpty && !row.kinds.isEmpty) }
    for kind in SandboxKind.allCases {
      let names = AllowedCall.table(of: kind).map { $0.name }
      #expect(Set(names).count == names.count)
      // What must never be there; only some talk to others of their own accord.
      let calling: [String]
      switch kind {
      case .fetcher, .resolver: calling = []
      case .proxyWorker, .unixProxyWorker, .checker: calling = ["bind", "ioctl"]
      case .worker, .helper, .watcher: calling = ["socket", "connect", "bind", "ioctl"]
      }
      let forbidden =
        [
          "execve", "execveat", "fork", "vfork", "clone", "clone3", "ptrace", "kill", "prctl",
          "rt_sigaction", "seccomp", "setuid", "io_uring_setup", "bpf", "mount", "unshare", "setns",
          "process_vm_writev", "open_by_handle_at", "listen", "accept", "pidfd_getfd",
        ] + calling
      #expect(Set(names).isDisjoint(with: forbidden))
    }
  }

  @Test func `every name in the table is a system call of some architecture`() {
    // What arm64 never had; everything else is known everywhere.
    let old: Set = ["epoll_wait", "poll", "dup2", "readlink"]
    for row in AllowedCall.table where !old.contains(row.name) {
      #expect(SystemCall.number(row.name) != nil, "\(row.name)")
    }
    #expect(SystemCall.title(-1) == "an unknown system call")
    #expect(SystemCall.title(9999) == "call 9999")
    let execve = SystemCall.number("execve").map { Int32($0) } ?? 0
    #expect(SystemCall.title(execve) == "execve (\(execve))")
  }
}

@Suite struct `the level of a sandbox` {
  @Test func `it survives the way through shared memory`() {
    var level = SandboxLevel()
    level.mode = .on
    level.callCount = 51
    level.landlockVersion = 7
    level.hasNoNewPrivileges = true
    level.isHidden = true
    level.hasNoCapabilities = true
    level.restrictsFiles = true
    level.restrictsTCP = true
    level.restrictsSignals = true
    #expect(SandboxLevel(word: level.word) == level)
    #expect(level.description == "seccomp (51 calls), Landlock ABI 7 (files, TCP, signals)")
    #expect(level.shortcomings.isEmpty)
    level.restrictsSignals = false
    #expect(SandboxLevel(word: level.word) == level)
    #expect(level.shortcomings.count == 1)
    level.mode = .report
    #expect(level.description.hasPrefix("report only: "))
  }

  @Test func `a kernel that has nothing is told in full`() {
    var level = SandboxLevel()
    level.mode = .on
    #expect(level.description == "nothing that this kernel has")
    #expect(level.shortcomings.count == 5)
    #expect(SandboxLevel().description == "off")
    #expect(SandboxLevel().shortcomings.isEmpty)
    #expect(SandboxLevel().word != 0)
  }
}
