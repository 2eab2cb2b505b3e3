// Forked processes for tests: made, killed, waited for. The one unsafe file of these tests.

import CLinux
import Glibc

enum TestProcess {
  /// Runs `body` in a child, which ends with it. The child has only this thread and, beyond the
  /// standard ones, only the descriptor it is told to keep: other tests wait for theirs to close.
  static func fork(keeping kept: Int32 = -1, _ body: () -> Void) -> Int32 {
    fork(keeping: [kept], body)
  }

  static func fork(keeping kept: Set<Int32>, _ body: () -> Void) -> Int32 {
    let pid = ring3_fork()
    precondition(pid >= 0, "fork")
    guard pid == 0 else { return pid }
    // First: not an orphan when the test itself is killed, nor when it was forked amid a lock.
    alarm(60)
    for number in 3..<Int32(1024) where !kept.contains(number) { close(number) }
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

  /// In a child that is getting on: another minute until it counts as an orphan.
  static func extendLife() { alarm(60) }
}

extension TestProcess {
  /// Bytes of a file that have memory or disk behind them; 0 when there is no such file. stat(2).
  static func allocatedBytes(_ path: String) -> Int {
    var facts = stat()
    guard unsafe stat(path, &facts) == 0 else { return 0 }
    return Int(facts.st_blocks) * 512
  }

  /// Files of this process may not grow beyond that; to try is an error, not a signal.
  /// setrlimit(2).
  static func limitFileBytes(_ byteCount: Int) {
    signal(SIGXFSZ, SIG_IGN)
    var limit = rlimit(rlim_cur: rlim_t(byteCount), rlim_max: rlim_t(byteCount))
    unsafe setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
  }

  /// Gives this process a /dev/shm of its own, of that size; false where that is not allowed.
  /// unshare(2), mount(2).
  static func ownSharedMemory(_ byteCount: Int) -> Bool {
    // Glibc's module does not show it.
    typealias Unshare = @convention(c) (Int32) -> Int32
    guard let symbol = unsafe dlsym(nil, "unshare") else { return false }
    let unshare = unsafe unsafeBitCast(symbol, to: Unshare.self)
    let newMounts: Int32 = 0x20000
    let recursivePrivate: UInt = 0x4000 | 0x40000
    guard unshare(newMounts) == 0, unsafe mount("none", "/", nil, recursivePrivate, nil) == 0
    else { return false }
    return unsafe "size=\(byteCount)".withCString { options in
      unsafe mount("tmpfs", "/dev/shm", "tmpfs", 0, options) == 0
    }
  }
}
