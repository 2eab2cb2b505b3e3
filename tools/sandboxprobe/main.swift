// Tries forbidden things from inside the sandbox, for the tests: the server's own binaries hold
// nothing that could. Prints what became of each act.
//
// Usage: sandboxprobe KIND on|report DIRECTORY ACT…
// KIND is a case of SandboxKind; DIRECTORY is what the sandbox lets be read. Every act
// is tried by a process of its own, which locks itself in by the same function and the same table
// as the server's processes. One line for each: "ACT: stopped by CALL", "ACT: refused by the
// sandbox", "ACT: ERRNO", "ACT: done", with "; reported CALL…" behind it.

import Glibc
import Platform

/// syscall(2), which is variadic: by its address. Arguments that are left out are 0.
typealias RawCall = @convention(c) (Int, Int, Int, Int, Int, Int, Int) -> Int

func rawCall(_ number: Int, _ arguments: Int...) -> Int {
  guard let address = unsafe dlsym(nil, "syscall") else { fatalError("no syscall(2)") }
  let call = unsafe unsafeBitCast(address, to: RawCall.self)
  let all = arguments + Array(repeating: 0, count: 6 - arguments.count)
  return call(number, all[0], all[1], all[2], all[3], all[4], all[5])
}

/// By name, so that it is the right number on each architecture.
func call(_ name: String, _ arguments: Int...) -> CInt {
  guard let number = SystemCall.number(name) else { return ENOSYS }
  let all = arguments + Array(repeating: 0, count: 6 - arguments.count)
  let result = rawCall(Int(number), all[0], all[1], all[2], all[3], all[4], all[5])
  return result == -1 ? Glibc.errno : 0
}

/// Opens a path as content is opened; 255: nothing but the sandbox forbids it.
func open(_ path: String, _ purpose: OpenPurpose = .read) -> CInt {
  do {
    _ = try File.open(Array(path.utf8), for: purpose)
    return 0
  } catch {
    return error.code == SystemError.sandboxed ? 255 : error.code
  }
}

/// What a fetcher may connect to here; nobody listens.
let probePort: UInt16 = 1

/// As a worker opens a connection to a server behind it.
let streamKind = Int(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)

func forward(port: UInt16) -> CInt {
  switch Stream.connect(to: SocketAddress(IPAddress(v4: 0x7f00_0001), port: port)) {
  case .connected: return 0
  case .inProgress(let number): return Stream.connectError(number)?.code ?? 0
  case .queueFull: return EAGAIN
  case .refused(let error), .exhausted(let error): return error.code
  }
}

/// What stands ready before the sandbox closes.
struct Ready {
  let directory: String
  let socket = Glibc.socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
  /// Of a page that may be read and written.
  let address = unsafe Int(
    bitPattern: mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
  let parent = getppid()

  /// connect(2) to a port of this machine, or bind(2).
  func network(_ name: String, port: UInt16) -> CInt {
    var target = sockaddr_in()
    target.sin_family = sa_family_t(AF_INET)
    target.sin_port = port.bigEndian
    target.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return unsafe withUnsafePointer(to: &target) {
      call(name, Int(socket), Int(bitPattern: $0), MemoryLayout<sockaddr_in>.size)
    }
  }

  /// A call with a path as its first argument.
  func path(_ name: String, _ path: String, at index: Int = 0, _ rest: Int...) -> CInt {
    unsafe path.withCString { text in
      var arguments = [Int](repeating: Int(AT_FDCWD), count: index)
      arguments.append(Int(bitPattern: text))
      arguments += rest + [0, 0, 0]
      return call(name, arguments[0], arguments[1], arguments[2], arguments[3])
    }
  }
}

/// Every act, by name; an errno, or 0 when it could be done.
let acts: [String: (Ready) -> CInt] = [
  "execve": { $0.path("execve", "/bin/true") },
  "fork": { _ in call("clone", Int(SIGCHLD)) },
  "clone3": { _ in call("clone3") },
  "ptrace": { _ in call("ptrace", 0) },
  "process_vm_readv": { call("process_vm_readv", Int($0.parent)) },
  "kill-master": { call("kill", Int($0.parent), 0) },
  "tgkill-master": { call("tgkill", Int($0.parent), Int($0.parent), 0) },
  "connect": { $0.network("connect", port: 9) },
  "bind": { $0.network("bind", port: 0) },
  "listen": { call("listen", Int($0.socket), 1) },
  "socket-inet": { _ in call("socket", Int(AF_INET), 1) },
  "socket-unix": { _ in call("socket", Int(AF_UNIX), 1) },
  "stream-inet": { _ in call("socket", Int(AF_INET), streamKind) },
  "stream-unix": { _ in call("socket", Int(AF_UNIX), streamKind) },
  "datagram-inet": { _ in call("socket", Int(AF_INET), Int(SOCK_DGRAM.rawValue)) },
  "peer": { call("getsockopt", Int($0.socket), Int(SOL_SOCKET), Int(SO_PEERCRED)) },
  "socket-netlink": { _ in call("socket", Int(AF_NETLINK), 3) },
  "socket-audit": { _ in call("socket", Int(AF_NETLINK), 3, 9) },
  "socket-packet": { _ in call("socket", Int(AF_PACKET), 3) },
  "connect-allowed": { $0.network("connect", port: probePort) },
  "forward": { _ in forward(port: probePort) },
  "forward-elsewhere": { _ in forward(port: 9) },
  "resolve": { _ in
    // Two addresses: they are put in order, with the kernel's help.
    let outcome = Result { () throws(OutgoingFailure) in
      try OutgoingExchange.run(
        host: "localhost", port: probePort, sending: [], byteCountMax: 1,
        deadline: Clock.monotonicMilliseconds() + 1_000, isComplete: { _ in true })
    }
    // Nobody listens there: it has been resolved and tried.
    if case .failure(let failure) = outcome, failure.text.hasPrefix("cannot be reached") {
      return failure.text.hasSuffix(SystemError.text(of: ECONNREFUSED)) ? 0 : EACCES
    }
    return EIO
  },
  "names": { _ in
    let addresses = try? NameResolver.addresses(of: "localhost", port: 80)
    return addresses?.isEmpty == false ? 0 : EIO
  },
  "open-shadow": { _ in open("/etc/shadow") },
  "open-passwd": { _ in open("/etc/passwd") },
  "openat-passwd": { $0.path("openat", "/etc/passwd", at: 1, Int(O_RDONLY)) },
  "openat-hosts": { $0.path("openat", "/etc/hosts", at: 1, Int(O_RDONLY)) },
  "open-device": { _ in open("/dev/null") },
  "open-own-memory": { _ in open("/proc/self/mem") },
  "open-content": { open($0.directory + "/content") },
  "list-content": { open($0.directory, [.read, .directory]) },
  "write-content": { $0.path("openat", $0.directory + "/content", at: 1, Int(O_WRONLY)) },
  "create-file": {
    $0.path("openat", $0.directory + "/new", at: 1, Int(O_WRONLY | O_CREAT), 0o600)
  },
  "remove-content": { $0.path("unlinkat", $0.directory + "/content", at: 1) },
  "mprotect-exec": { call("mprotect", $0.address, 4096, Int(PROT_READ | PROT_EXEC)) },
  "mprotect-write": { call("mprotect", $0.address, 4096, Int(PROT_READ | PROT_WRITE)) },
  "mmap-exec": { _ in
    call("mmap", 0, 4096, Int(PROT_READ | PROT_EXEC), Int(MAP_PRIVATE | MAP_ANONYMOUS), -1)
  },
  "pkey_mprotect": { call("pkey_mprotect", $0.address, 4096, Int(PROT_EXEC), -1) },
  "fcntl-lock": { call("fcntl", Int($0.socket), Int(F_SETOWN), Int($0.parent)) },
  "ioctl": { call("ioctl", Int($0.socket), 0x5421) },
  "rt_sigaction": { _ in call("rt_sigaction", Int(SIGSYS), 0, 0, 8) },
  "prctl-dumpable": { _ in call("prctl", 4, 1) },
  "setuid": { _ in call("setuid", 0) },
  "unshare": { _ in call("unshare", 0x1000_0000) },
  "mount": { $0.path("mount", "none") },
  "chroot": { $0.path("chroot", "/") },
  "bpf": { _ in call("bpf") },
  "io_uring_setup": { _ in call("io_uring_setup", 1) },
  "userfaultfd": { _ in call("userfaultfd", 0) },
  "perf_event_open": { _ in call("perf_event_open") },
  "keyctl": { _ in call("keyctl", 0) },
  "inotify_init1": { _ in call("inotify_init1", 0) },
  "memfd_create": { $0.path("memfd_create", "probe") },
  "getdents64": { call("getdents64", Int($0.socket)) == ENOTDIR ? 0 : Glibc.errno },
  "other-abi": { _ in rawCall(0x4000_0000 + 39) == -1 ? Glibc.errno : 0 },
  "abort": { _ in abort() },
  "trap": { _ in
    let none: [Int] = []
    return CInt(none.count == getpid() ? 0 : none[Int(getpid())])
  },
]

/// In a fresh child: locks itself in, tries, ends with the errno.
func attempt(_ act: (Ready) -> CInt, _ plan: SandboxPlan, _ directory: String) -> Never {
  let ready = Ready(directory: directory)
  // As the master's children do: no handlers of the run time's own.
  SignalSource.resetInChild()
  NameResolver.useBuiltIn()
  Sandbox.enter(plan)
  ChildProcess.exit(act(ready))
}

func outcome(_ process: Int32, _ plan: SandboxPlan) -> String {
  let end = ChildProcess.wait(for: process)
  let reported = plan.mode == .report ? plan.board.reported(plan.kind).map { $0.name } : []
  let suffix = reported.isEmpty ? "" : "; reported " + reported.joined(separator: ", ")
  switch end {
  case .exited(0): return "done" + suffix
  case .exited(255): return "refused by the sandbox" + suffix
  case .exited(let code): return SystemError.text(of: code) + suffix
  case .killed where end?.isRefusedCall == true:
    return "stopped by " + (plan.board.refusal(of: process)?.name ?? "nobody knows what")
  case .some(let end): return end.description
  case nil: return "lost"
  }
}

@MainActor func run(_ words: [String]) throws {
  let kinds = Dictionary(uniqueKeysWithValues: SandboxKind.allCases.map { ("\($0)", $0) })
  let modes = Dictionary(uniqueKeysWithValues: SandboxMode.allCases.map { ($0.word, $0) })
  guard words.count > 3, let kind = kinds[words[0]], let mode = modes[words[1]] else {
    print("usage: sandboxprobe KIND on|report DIRECTORY ACT…")
    ChildProcess.exit(2)
  }
  let resolving: Set<SandboxKind> = [.fetcher, .resolver]
  let calling: Set<SandboxKind> = [.fetcher, .proxyWorker, .unixProxyWorker, .checker]
  for name in words[3...] {
    guard let act = acts[name] else {
      print("\(name): no such act")
      continue
    }
    let plan = SandboxPlan(
      kind: kind, mode: mode,
      readablePaths: [Array(words[2].utf8)]
        + (resolving.contains(kind) ? NameResolver.paths : []),
      connectPorts: calling.contains(kind) ? [probePort] : [], board: try SandboxBoard())
    switch try ChildProcess.fork() {
    case .child: attempt(act, plan, words[2])
    case .parent(let process): print("\(name): \(outcome(process, plan))")
    }
  }
}

try run(Array(CommandLine.arguments.dropFirst()))
