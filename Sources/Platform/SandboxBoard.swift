// What processes leave in shared memory about their sandbox: what stopped them, how far they got.

import CLinux
import Glibc

/// A system call that ended a process, or would have.
package struct RefusedCall: Equatable, Sendable {
  /// Its number on this architecture; -1: unknown.
  package let number: Int32
  /// The first three arguments.
  package let arguments: [UInt64]

  package init(number: Int32, arguments: [UInt64] = []) {
    self.number = number
    self.arguments = arguments
  }

  /// "execve (59)"
  package var name: String { SystemCall.title(number) }

  /// "mprotect (10), arguments 0x7f0000001000 0x1000 0x7"
  package var description: String {
    let words = arguments.map { "0x" + String($0, radix: 16) }
    return words.isEmpty ? name : "\(name), arguments \(words.joined(separator: " "))"
  }
}

/// Names and numbers of system calls on this architecture.
package enum SystemCall {
  /// nil: this architecture has no such call.
  package static func number(_ name: String) -> UInt32? {
    UInt32(exactly: unsafe ring3_call_number(name))
  }

  /// "execve (59)"; "call 999" for one that is newer than this program.
  package static func title(_ number: Int32) -> String {
    guard number >= 0 else { return "an unknown system call" }
    guard let name = unsafe ring3_call_name(number) else { return "call \(number)" }
    return unsafe "\(String(cString: name)) (\(number))"
  }
}

/// One page that the master makes and all its children write to. What stands there was written by
/// processes that may have been taken over: it is for the log and for `ring3ctl status`.
@safe
package final class SandboxBoard: @unchecked Sendable {
  let memory: UnsafeMutableRawPointer

  package init() throws(SystemError) {
    let size = Int(RING3_BOARD_BYTES)
    let address = unsafe mmap(
      nil, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
    guard let address = unsafe address, unsafe address != MAP_FAILED else {
      throw SystemError(code: ring3_errno(), operation: "mmap")
    }
    unsafe memory = address
  }

  deinit { unsafe munmap(memory, Int(RING3_BOARD_BYTES)) }

  /// The call for which a process was ended, as far as it is known.
  package func refusal(of process: Int32) -> RefusedCall? {
    var found = ring3_refusal()
    guard unsafe ring3_board_refusal(memory, process, &found) != 0 else { return nil }
    let arguments = [found.arguments.0, found.arguments.1, found.arguments.2]
    return RefusedCall(number: found.call, arguments: arguments)
  }

  /// Changes whenever `reported` has grown.
  package var reportedCount: UInt32 { unsafe ring3_board_reported_count(memory) }

  /// The calls that were refused to a kind of process, or would have been.
  package func reported(_ kind: SandboxKind) -> [RefusedCall] {
    (0..<UInt32(RING3_BOARD_CALLS)).filter {
      unsafe ring3_board_is_reported(memory, kind.rawValue, $0) != 0
    }.map { RefusedCall(number: Int32($0)) }
  }

  /// What the last process of a kind has reached; nil before the first.
  package func level(_ kind: SandboxKind) -> SandboxLevel? {
    let word = unsafe ring3_board_level(memory, kind.rawValue)
    return word == 0 ? nil : SandboxLevel(word: word)
  }

  func set(_ level: SandboxLevel, _ kind: SandboxKind) {
    unsafe ring3_board_set_level(memory, kind.rawValue, level.word)
  }

  /// Raised when the paths that may be read have changed.
  package var version: UInt32 { unsafe ring3_board_version(memory) }
  package func raiseVersion() { unsafe ring3_board_raise_version(memory) }
}
