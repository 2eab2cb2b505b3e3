// Programs of others: starting them with a listening socket, and what becomes of their processes.

import CLinux
import Glibc

/// A program that is to find a listening socket as its descriptor 3, as systemd's socket activation
/// has it (LISTEN_FDS, LISTEN_PID; sd_listen_fds(3)).
package struct ProgramStart: Sendable {
  /// The file, and what follows its name.
  package var path: String
  package var arguments: [String]
  /// All of it, but for what makes the socket known.
  package var environment: [String: String]
  /// nil: where we are.
  package var directory: String?
  /// nil: who we are. Only root can be somebody else.
  package var identity: Identity?
  /// Where it writes to; nil: where we do.
  package var output: Descriptor?

  package init(path: String, arguments: [String], environment: [String: String]) {
    self.path = path
    self.arguments = arguments
    self.environment = environment
  }

  /// Starts it in a session of its own; the kernel kills it when we end. Returns when it has been
  /// executed, after five seconds at most.
  package func start(lending listener: Descriptor) throws(SystemError) -> Int32 {
    precondition(ChildProcess.threadCount == 1, "fork with more than one thread")
    var variables = environment
    variables["LISTEN_FDNAMES"] = nil
    variables["LISTEN_FDS"] = "1"
    // Room for the digits of any process.
    variables["LISTEN_PID"] = "0000000000"
    let words = CStringArray([path] + arguments)
    let settings = CStringArray(variables.map { "\($0.key)=\($0.value)" })
    let file = CStringArray([path, directory ?? ""])
    let groups = identity.map { Privileges.supplementaryGroups($0) } ?? []
    var step: CInt = 0
    let child = unsafe groups.withUnsafeBufferPointer { groups in
      var program = unsafe ring3_program()
      unsafe program.path = UnsafePointer(file.pointers[0])
      unsafe program.arguments = UnsafePointer(words.pointers)
      unsafe program.environment = UnsafePointer(settings.pointers)
      unsafe program.directory = directory == nil ? nil : UnsafePointer(file.pointers[1])
      unsafe program.listener = listener.number
      unsafe program.output = output?.number ?? -1
      if let identity {
        unsafe program.has_identity = 1
        unsafe program.user = identity.user
        unsafe program.group = identity.group
        unsafe program.groups = groups.baseAddress
        unsafe program.group_count = groups.count
      }
      return unsafe ring3_program_start(&program, &step)
    }
    let code = ring3_errno()
    withExtendedLifetime((words, settings, file, listener, output)) {}
    guard child < 0 else { return child }
    switch step {
    case CInt(RING3_STEP_IDENTITY):
      let user = identity.map { $0.userName ?? "#\($0.user)" }
      throw SystemError(code: code, operation: "become user", subject: user ?? "")
    case CInt(RING3_STEP_DIRECTORY):
      throw SystemError(code: code, operation: "enter", subject: directory ?? "")
    case CInt(RING3_STEP_EXEC): throw SystemError(code: code, operation: "run", subject: path)
    default: throw SystemError(code: code, operation: "fork")
    }
  }
}

extension ChildProcess {
  /// One child that has ended, if there is one; what it has started itself and left in its process
  /// group is told to end (SIGTERM). Children of ours have groups of their own: `ProgramStart`.
  package static func reapGroup() -> (identifier: Int32, end: ProcessEnd)? {
    let child = ring3_ended_child()
    guard child > 0 else { return nil }
    // While it is not reaped nobody else can have its number.
    _ = kill(-child, SIGTERM)
    return poll(child).map { (child, $0) }
  }

  /// kill(2) of a child's process group, and of the child.
  package static func signalGroup(_ identifier: Int32, _ signal: Int32) {
    precondition(identifier > 1, "one group, not all processes")
    _ = kill(-identifier, signal)
    _ = kill(identifier, signal)
  }

  /// Bytes of memory that the processes of each process group have resident, added up: pages that
  /// several of them share count several times. proc_pid_stat(5).
  package static func residentBytesByGroup() -> [Int32: Int] {
    var sums: [Int32: Int] = [:]
    let page = sysconf(CInt(_SC_PAGESIZE))
    guard let directory = try? File.open(Array("/proc".utf8), for: [.read, .directory]),
      let names = try? DirectoryReader.names(
        in: directory, countMax: 100_000, where: { (0x31...0x39).contains($0[0]) }
      ).names
    else { return [:] }
    for name in names {
      guard let file = try? File.open(name + Array("/stat".utf8), in: directory, for: .read),
        case .bytes(let text) = UnixSocket.receive(file, byteCountMax: 4096),
        let (group, pages) = parseStatus(text)
      else { continue }
      sums[group, default: 0] += pages * page
    }
    return sums
  }

  /// "PID (COMMAND) STATE PPID PGRP …": the process group, and field 24, pages in memory. The
  /// command may hold anything.
  static func parseStatus(_ text: [UInt8]) -> (group: Int32, pages: Int)? {
    guard let end = text.lastIndex(of: UInt8(ascii: ")")) else { return nil }
    let fields = text[(end + 1)...].split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") }
    guard fields.count > 21, let group = Int32(String(decoding: fields[2], as: UTF8.self)),
      let pages = Int(String(decoding: fields[21], as: UTF8.self))
    else { return nil }
    return (group, max(0, pages))
  }
}
