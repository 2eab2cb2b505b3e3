// Forked processes for tests that share memory. The one unsafe file of these tests.

import CLinux
import Glibc

enum TestChild {
  /// Runs `body` in a child of this one's memory, which then waits to be killed.
  static func fork(_ body: () -> Void) -> Int32 {
    let process = ring3_fork()
    precondition(process >= 0, "fork")
    guard process == 0 else { return process }
    // Not an orphan for long when the test itself is killed.
    alarm(60)
    // Other tests wait for theirs to close.
    for number in 3..<CInt(1024) { close(number) }
    body()
    while true { pause() }
  }

  /// The signal that ended a child that ran `body`; nil: it came to the end of it.
  static func signal(ending body: () -> Void) -> Int32? {
    let process = ring3_fork()
    precondition(process >= 0, "fork")
    if process == 0 {
      alarm(60)
      body()
      _exit(0)
    }
    var status: Int32 = 0
    while unsafe waitpid(process, &status, 0) < 0 && errno == EINTR {}
    return status & 0x7f == 0 ? nil : status & 0x7f
  }

  static func kill(_ process: Int32) {
    _ = Glibc.kill(process, SIGKILL)
    var status: Int32 = 0
    while unsafe waitpid(process, &status, 0) < 0 && errno == EINTR {}
  }
}
