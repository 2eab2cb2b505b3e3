// Forked processes for tests: made, killed, waited for. The one unsafe file of these tests.

import CLinux
import Glibc

enum TestProcess {
  /// Runs `body` in a child, which ends with it. The child has only this thread and, beyond the
  /// standard ones, only the descriptor it is told to keep: other tests wait for theirs to close.
  static func fork(keeping kept: Int32 = -1, _ body: () -> Void) -> Int32 {
    let pid = ring3_fork()
    precondition(pid >= 0, "fork")
    guard pid == 0 else { return pid }
    for number in 3..<Int32(1024) where number != kept { close(number) }
    // Not an orphan when the test itself is killed.
    alarm(60)
    body()
    _exit(0)
  }

  static func kill(_ pid: Int32) { _ = Glibc.kill(pid, SIGKILL) }

  static func stop(_ pid: Int32) { _ = Glibc.kill(pid, SIGSTOP) }

  static func resume(_ pid: Int32) { _ = Glibc.kill(pid, SIGCONT) }

  /// Waits for a child's end; 0 when it ended by itself without error.
  @discardableResult
  static func wait(_ pid: Int32) -> Int32 {
    var status: Int32 = 0
    while unsafe waitpid(pid, &status, 0) < 0 && errno == EINTR {}
    return status
  }

  static func pause(microseconds: UInt32) { usleep(microseconds) }

  static var pid: Int32 { getpid() }
}
