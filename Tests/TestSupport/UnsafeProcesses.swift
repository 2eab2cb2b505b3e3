// Child programs with deadlines, for tests and tools that start the real server.

import Glibc

/// How a process ended.
package enum Ending: Equatable, CustomStringConvertible {
  case exited(Int32)
  case signalled(Int32)

  package var description: String {
    switch self {
    case .exited(let code): return "exit code \(code)"
    case .signalled(let number): return "signal \(number)"
    }
  }
}

/// A program started with posix_spawn(3), its output in a file. Whoever drops it without having
/// seen its end kills it, so that a failed test leaves nothing behind.
package final class ChildProgram {
  package let pid: Int32
  private var ending: Ending?

  /// Starts `arguments[0]` (a path), standard input empty, output and errors appended to
  /// `outputPath`.
  package init(
    _ arguments: [String], outputPath: String = "/dev/null", environment: [String: String] = [:]
  ) throws(SocketFailure) {
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    unsafe posix_spawn_file_actions_addopen(
      &actions, 1, outputPath, O_WRONLY | O_CREAT | O_APPEND, 0o644)
    unsafe posix_spawn_file_actions_adddup2(&actions, 1, 2)
    // A thread of the tests' may have signals blocked, which not every program changes.
    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    unsafe sigemptyset(&none)
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    let words = unsafe arguments.map { unsafe strdup($0) } + [nil]
    let settings =
      unsafe inheritedEnvironment(adding: environment).map { unsafe strdup($0) } + [nil]
    defer { unsafe (words + settings).forEach { unsafe free($0) } }
    var child: pid_t = 0
    let code = unsafe posix_spawn(
      &child, arguments[0], &actions, &attributes, words, settings)
    guard code == 0 else { throw .failed(operation: "posix_spawn \(arguments[0])", errno: code) }
    pid = child
  }

  deinit {
    guard end() == nil else { return }
    kill(pid, SIGKILL)
    _ = wait(milliseconds: 5000)
  }

  /// kill(2), unless it is known to have ended.
  package func signal(_ number: Int32) {
    if ending == nil { kill(pid, number) }
  }

  /// How it ended, nil while it runs.
  package func end() -> Ending? {
    if ending != nil { return ending }
    var status: Int32 = 0
    guard unsafe waitpid(pid, &status, WNOHANG) == pid else { return nil }
    ending = status & 0x7f == 0 ? .exited(status >> 8 & 0xff) : .signalled(status & 0x7f)
    return ending
  }

  /// Waits for its end; nil when the time is up.
  package func wait(milliseconds: Int) -> Ending? {
    let deadline = monotonicMilliseconds() + Int64(milliseconds)
    while true {
      if let ending = end() { return ending }
      if monotonicMilliseconds() > deadline { return nil }
      pause(milliseconds: 5)
    }
  }
}

private func inheritedEnvironment(adding added: [String: String]) -> [String] {
  var settings: [String] = []
  var place = unsafe environ
  while let entry = unsafe place.pointee {
    let setting = unsafe String(cString: entry)
    if added[String(setting.prefix { $0 != "=" })] == nil { settings.append(setting) }
    unsafe place += 1
  }
  return settings + added.map { "\($0.key)=\($0.value)" }
}

/// Signals by name, for callers without glibc.
package enum Signal {
  package static var hangUp: Int32 { SIGHUP }
  package static var interrupt: Int32 { SIGINT }
  package static var quit: Int32 { SIGQUIT }
  package static var kill: Int32 { SIGKILL }
  package static var user1: Int32 { SIGUSR1 }
  package static var user2: Int32 { SIGUSR2 }
  package static var terminate: Int32 { SIGTERM }
  package static var stop: Int32 { SIGSTOP }
  package static var `continue`: Int32 { SIGCONT }
}

/// kill(2) of a process that is not our child: a worker. Whether it existed.
@discardableResult
package func send(signal: Int32, toProcess pid: Int32) -> Bool {
  precondition(pid > 1, "not one process")
  return kill(pid, signal) == 0
}

/// Raises the limit of open files to what is allowed; returns it.
@discardableResult
package func raiseOpenFileLimit() -> Int {
  var limit = rlimit()
  unsafe getrlimit(__rlimit_resource_t(7), &limit)  // RLIMIT_NOFILE, an enum Swift cannot pass.
  limit.rlim_cur = limit.rlim_max
  unsafe setrlimit(__rlimit_resource_t(7), &limit)
  return Int(limit.rlim_cur)
}

/// What a symbolic link says, nil when it is none or gone.
package func linkTarget(_ path: String) -> String? {
  var text = [CChar](repeating: 0, count: 512)
  let count = unsafe readlink(path, &text, text.count)
  guard count >= 0 else { return nil }
  return String(decoding: text.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
}

/// The real path of the running program.
package func ownExecutable() -> String { linkTarget("/proc/self/exe") ?? "" }

/// The effective user.
package func isRoot() -> Bool { geteuid() == 0 }

/// rename(2).
@discardableResult
package func moveOver(_ old: String, _ new: String) -> Bool { unsafe rename(old, new) == 0 }

/// Writes out what print(_:) has buffered, for whoever reads our pipe.
package func flushOutput() { fflush(nil) }
