// Child processes: fork with one thread only, reap, signal, run a command beside us.

import CLinux
import Glibc

/// How a process ended.
package enum ProcessEnd: Equatable, Sendable, CustomStringConvertible {
  case exited(Int32)
  case killed(signal: Int32)

  /// "exited with code 1", "killed by signal 9 (Killed)"
  package var description: String {
    switch self {
    case .exited(let code): return "exited with code \(code)"
    case .killed(let signal):
      let name = unsafe strsignal(signal).map { unsafe String(cString: $0) } ?? "unknown"
      return "killed by signal \(signal) (\(name))"
    }
  }
}

/// Children of this process. Process identifiers are plain numbers.
package enum ChildProcess {
  package enum Side: Equatable, Sendable {
    case child
    case parent(child: Int32)
  }

  /// This process and its parent. getpid(2), getppid(2).
  package static var currentIdentifier: Int32 { getpid() }
  package static var parentIdentifier: Int32 { getppid() }

  /// fork(2). Traps when this process has more than one thread: a lock held by another thread
  /// would stay locked in the child for ever.
  package static func fork() throws(SystemError) -> Side {
    precondition(threadCount == 1, "fork with more than one thread")
    // What C's streams still hold must not be written twice.
    _ = fflush(nil)
    let child = try systemCall("fork") { ring3_fork_process() }
    return child == 0 ? .child : .parent(child: child)
  }

  /// The number of threads of this process; 1 where /proc is not mounted. /proc/self/task.
  package static var threadCount: Int {
    guard let directory = unsafe opendir("/proc/self/task") else { return 1 }
    defer { unsafe closedir(directory) }
    var count = 0
    while let entry = unsafe readdir(directory) {
      // "." and ".." are no threads.
      if unsafe entry.pointee.d_name.0 != CChar(UInt8(ascii: ".")) { count += 1 }
    }
    return max(1, count)
  }

  /// One child that has ended, if there is one. waitpid(2), WNOHANG.
  package static func reap() -> (identifier: Int32, end: ProcessEnd)? {
    reap(-1, WNOHANG)
  }

  /// Waits for that child; nil if it is not ours.
  package static func wait(for identifier: Int32) -> ProcessEnd? {
    reap(identifier, 0)?.end
  }

  /// Whether that child has ended; nil while it runs.
  package static func poll(_ identifier: Int32) -> ProcessEnd? {
    reap(identifier, WNOHANG)?.end
  }

  private static func reap(
    _ identifier: Int32, _ options: CInt
  ) -> (identifier: Int32, end: ProcessEnd)? {
    var status: CInt = 0
    while true {
      let child = unsafe waitpid(identifier, &status, options)
      if child > 0 {
        let signal = status & 0x7f
        return (child, signal == 0 ? .exited(status >> 8 & 0xff) : .killed(signal: signal))
      }
      if child == 0 || ring3_errno() != EINTR { return nil }
    }
  }

  /// kill(2); false when there is no such process or it is not ours to signal.
  @discardableResult
  package static func signal(_ identifier: Int32, _ signal: Int32) -> Bool {
    precondition(identifier > 0, "0 and negative numbers are process groups")
    return kill(identifier, signal) == 0
  }

  /// Whether a process of that number exists, ours or not.
  package static func exists(_ identifier: Int32) -> Bool {
    kill(identifier, 0) == 0 || ring3_errno() == EPERM
  }

  /// _exit(2): no handlers run, nothing inherited is flushed twice.
  package static func exit(_ code: Int32) -> Never { _exit(code) }

  /// Leaves the terminal and the process group. setsid(2).
  package static func startSession() { _ = setsid() }

  /// In a fresh child: closes every descriptor above 2 that is not in `kept`. Numbers that are not
  /// open do not matter. close_range(2).
  package static func closeDescriptors(except kept: [CInt]) {
    var first: CUnsignedInt = 3
    for number in Set(kept).sorted() where number >= 3 {
      let number = CUnsignedInt(number)
      if number > first { _ = ring3_close_range(first, number - 1) }
      first = number + 1
    }
    _ = ring3_close_range(first, CUnsignedInt.max)
  }

  /// Points standard output and error at a log, and input at /dev/null, for what is started from
  /// here.
  package static func redirect(to log: Descriptor) {
    let null = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
    if null >= 0 {
      _ = dup2(null, 0)
      if null > 0 { _ = close(null) }
    }
    for stream: CInt in 1...2 where stream != log.number { _ = dup2(log.number, stream) }
  }

  /// Points standard input, output and error at /dev/null: a daemon leaves the terminal.
  package static func redirectToNull() {
    let null = unsafe open("/dev/null", O_RDWR | O_CLOEXEC)
    guard null >= 0 else { return }
    for stream: CInt in 0...2 { _ = dup2(null, stream) }
    if null > 2 { _ = close(null) }
  }

  /// Starts a program with its output and errors going into a pipe; the read end is non-blocking.
  package static func run(
    _ path: String, _ arguments: [String]
  ) throws(SystemError) -> (identifier: Int32, output: Descriptor) {
    let (readEnd, writeEnd) = try Pipe.open()
    let strings = CStringArray([path] + arguments)
    switch try fork() {
    case .child:
      ring3_signals_reset()
      _ = unsafe ring3_exec(path, strings.pointers, writeEnd.number)
      _exit(127)
    case .parent(let child):
      return (child, readEnd)
    }
  }
}

extension ChildProcess {
  /// Runs a program to its end; returns how it ended and what it wrote (errors too).
  package static func output(
    _ path: String, _ arguments: [String]
  ) throws(SystemError) -> (end: ProcessEnd, output: [UInt8]) {
    let (process, pipe) = try run(path, arguments)
    let poller = try Poller(batchMax: 1)
    try poller.add(pipe.number, token: 0, interest: .readable)
    var output: [UInt8] = []
    reading: while true {
      switch UnixSocket.receive(pipe, byteCountMax: 65_536) {
      case .bytes(let bytes): output += bytes
      case .wouldBlock: _ = poller.wait(timeoutMilliseconds: -1)
      case .closed: break reading
      }
    }
    return (wait(for: process) ?? .exited(127), output)
  }
}

extension Descriptor {
  /// A second descriptor of a standard stream, close-on-exec. fcntl(2), F_DUPFD_CLOEXEC.
  package static func duplicate(of standardStream: CInt) throws(SystemError) -> Descriptor {
    precondition((0...2).contains(standardStream))
    // A stream that is closed is an operating error here, not a bug of ours.
    let number = fcntl(standardStream, F_DUPFD_CLOEXEC, 3)
    if number < 0 {
      throw SystemError(code: ring3_errno(), operation: "dup", subject: "\(standardStream)")
    }
    return Descriptor(adopting: number)
  }
}

/// Pipes and whole reads of them.
package enum Pipe {
  /// Both ends close-on-exec, the read end non-blocking. pipe(2).
  package static func open() throws(SystemError) -> (read: Descriptor, write: Descriptor) {
    var numbers: (CInt, CInt) = (-1, -1)
    _ = try systemCall("pipe") {
      unsafe withUnsafeMutableBytes(of: &numbers) {
        unsafe pipe($0.assumingMemoryBound(to: CInt.self).baseAddress)
      }
    }
    let ends = (Descriptor(adopting: numbers.0), Descriptor(adopting: numbers.1))
    try ends.0.setCloseOnExec(true)
    try ends.1.setCloseOnExec(true)
    _ = try systemCall("fcntl") { fcntl(ends.0.number, F_SETFL, O_NONBLOCK) }
    return ends
  }
}

/// A C argument vector that lives as long as this object.
@safe final class CStringArray {
  let pointers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
  private let count: Int

  init(_ strings: [String]) {
    count = strings.count
    unsafe pointers = .allocate(capacity: strings.count + 1)
    for (index, string) in strings.enumerated() {
      unsafe (pointers + index).initialize(to: strdup(string))
    }
    unsafe (pointers + count).initialize(to: nil)
  }

  deinit {
    for index in 0..<count { unsafe free(pointers[index]) }
    unsafe pointers.deallocate()
  }
}
