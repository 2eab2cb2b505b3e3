// Locking this process in, for good, before it reads a byte from outside.

import CLinux
import Glibc

package enum Sandbox {
  /// Gives up all that a process of this kind does not need; everything must be open and set up.
  /// What the kernel cannot do is left out: the level that was reached stands on the plan's board.
  /// In this order, since each step needs what the next forbids: capabilities, no_new_privs and no
  /// inspection, Landlock, seccomp. User and groups must have been changed before.
  @discardableResult
  package static func enter(_ plan: SandboxPlan) -> SandboxLevel {
    var level = SandboxLevel()
    level.mode = plan.mode
    defer { plan.board.set(level, plan.kind) }
    guard plan.mode != .off else { return level }
    // Log lines carry local time: its rules are in a file that cannot be opened later.
    tzset()
    level.hasNoCapabilities = ring3_keep_capabilities(0) == 0
    // Whoever has a report made wants to look.
    let hardened = ring3_sandbox_harden(plan.mode == .on ? 1 : 0)
    level.isHidden = hardened & 1 != 0
    level.hasNoNewPrivileges = hardened & 2 != 0
    // Landlock has no way to tell without refusing.
    if plan.mode == .on { restrictFiles(plan, &level) }
    level.callCount = filterCalls(plan)
    return level
  }

  private static func restrictFiles(_ plan: SandboxPlan, _ level: inout SandboxLevel) {
    guard
      let limits = try? Landlock.enforce(
        readable: plan.readablePaths, connectPorts: plan.connectPorts)
    else { return }
    level.landlockVersion = limits.version
    level.restrictsFiles = true
    level.restrictsTCP = limits.restrictsTCP
    level.restrictsSignals = limits.restrictsSignals
  }

  /// How many calls are left; 0 when there is no filter.
  private static func filterCalls(_ plan: SandboxPlan) -> Int {
    let rules = AllowedCall.rules(of: plan.kind)
    let filter: SeccompFilter
    switch plan.mode {
    case .off: return 0
    case .on: filter = SeccompFilter(refusal: .trap)
    case .report: filter = SeccompFilter(refusal: .trapUnlessFrom(ring3_sandbox_passage()))
    }
    let program = filter.program(rules)
    let watched = unsafe ring3_sandbox_watch(
      plan.board.memory, plan.kind.rawValue, plan.mode == .on ? 1 : 0)
    guard watched == 0 else { return 0 }
    return unsafe ring3_sandbox_filter(program, program.count) == 0 ? rules.count : 0
  }
}

extension ProcessEnd {
  /// Whether a system call was refused, for which the kernel ends a process with SIGSYS.
  package var isRefusedCall: Bool { self == .killed(signal: SIGSYS) }
}
