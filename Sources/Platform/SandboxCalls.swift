// The one table of system calls that sandboxed processes may make, each with its reason.

import Glibc

/// One row: who may make a call, and why.
package struct AllowedCall: Sendable {
  /// As in syscalls(2); one that this architecture lacks is passed over.
  package let name: String
  package let kinds: SandboxKinds
  package let check: ArgumentCheck
  package let reason: String

  init(
    _ name: String, _ kinds: SandboxKinds, _ check: ArgumentCheck = .none, for reason: String
  ) {
    self.name = name
    self.kinds = kinds
    self.check = check
    self.reason = reason
  }

  /// The rows of a kind.
  package static func table(of kind: SandboxKind) -> [AllowedCall] {
    table.filter { $0.kinds.contains(kind.set) }
  }

  /// The rules of a kind on this architecture. Each call has one row per kind: two would be two
  /// decisions about one number.
  static func rules(of kind: SandboxKind) -> [FilterRule] {
    table(of: kind).compactMap { row in
      guard let number = SystemCall.number(row.name) else { return nil }
      return FilterRule(number: number, check: row.check)
    }
  }

  /// A new kind of process is a new case of `SandboxKind` and its name in these rows.
  package static var table: [AllowedCall] {
    loop + network + messages + files + memory + ownProcess
  }

  // MARK: Waiting

  private static let loop = [
    AllowedCall("epoll_wait", .all, for: "waits for events"),
    AllowedCall("epoll_pwait", .all, for: "the same where epoll_wait is missing"),
    AllowedCall("epoll_ctl", .all, for: "a connection or channel comes, goes, or waits for room"),
    AllowedCall("clock_gettime", .all, for: "the time, where the vDSO has none"),
    AllowedCall("clock_nanosleep", .watcher, for: "rests between batches of events"),
    AllowedCall("nanosleep", .watcher, for: "the same in older C libraries"),
    AllowedCall("poll", .helper, for: "waits a little for a worker to read its reply"),
    AllowedCall("ppoll", .helper, for: "the same where poll is missing"),
    AllowedCall("restart_syscall", .all, for: "the kernel goes on with a wait after a stop"),
  ]

  // MARK: Clients

  private static let network = [
    AllowedCall("accept4", .worker, for: "takes a client from a listener of the master's"),
    AllowedCall("recvfrom", .worker, for: "receives from a client"),
    AllowedCall("sendto", .worker, for: "encrypted records to a client"),
    AllowedCall("sendfile", .worker, for: "sends a large file"),
    AllowedCall("shutdown", .worker, for: "ends sending before a connection is closed"),
    AllowedCall("setsockopt", .worker, for: "TCP_NODELAY and TCP_CORK of a connection"),
    AllowedCall("getsockname", .worker, for: "the address that a client came to"),
  ]

  // MARK: The master and siblings

  private static let messages = [
    AllowedCall("recvmsg", .all, for: "packets with descriptors, of master, helpers, siblings"),
    AllowedCall(
      "sendmsg", [.worker, .helper], for: "the same the other way; several pieces to a client"),
    AllowedCall("close", .all, for: "a connection, file or channel is done with"),
    AllowedCall("dup2", .worker, for: "a reopened log takes its old number"),
    AllowedCall("dup3", .worker, for: "the same where dup2 is missing"),
    AllowedCall(
      "fcntl", .all,
      .among(
        argument: 1,
        values: [F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC].map { UInt32($0) }),
      for: "flags of descriptors that arrived; nothing that locks, notifies or sends signals"),
  ]

  // MARK: Files

  private static let files = [
    AllowedCall("openat2", [.worker, .helper], for: "content, within its root"),
    AllowedCall("openat", .all, for: "the same on older kernels; what Landlock lets be read"),
    AllowedCall("faccessat2", [.worker, .helper], for: "whose doing a refusal was"),
    AllowedCall("fstat", .all, for: "facts of an open file"),
    AllowedCall("newfstatat", .all, for: "the same, as newer C libraries do it"),
    AllowedCall("fstatfs", [.worker, .helper], for: "whether reading may wait for a device"),
    AllowedCall("readlinkat", .all, for: "where a symbolic link leads"),
    AllowedCall("readlink", .all, for: "the same"),
    AllowedCall("preadv2", .worker, for: "reads content that is in memory, without waiting"),
    AllowedCall("pread64", [.worker, .helper], for: "reads content"),
    AllowedCall("read", .watcher, for: "events of inotify"),
    AllowedCall("write", .all, for: "log lines; what the run time says before it aborts"),
    AllowedCall("writev", .all, for: "the same in pieces"),
    AllowedCall("readahead", .helper, for: "brings a file into memory"),
    AllowedCall("getdents64", .helper, for: "directory listings"),
    AllowedCall("lseek", .helper, for: "directory listings"),
    AllowedCall("memfd_create", .helper, for: "a listing's page, to hand it to the worker"),
    AllowedCall("pwrite64", .helper, for: "writes that page"),
    AllowedCall("inotify_init1", .watcher, for: "begins to watch, and again after a failure"),
    AllowedCall("inotify_add_watch", .watcher, for: "watches a directory on the way to a file"),
    AllowedCall("inotify_rm_watch", .watcher, for: "watches it no more"),
  ]

  // MARK: Memory

  private static let memory = [
    AllowedCall(
      "mmap", .all, .without(argument: 2, bits: UInt32(PROT_EXEC)),
      for: "the allocator; never code: patterns were compiled by the master"),
    AllowedCall(
      "mprotect", .all, .without(argument: 2, bits: UInt32(PROT_EXEC)),
      for: "the allocator grows a heap; never code"),
    AllowedCall("munmap", .all, for: "the allocator"),
    AllowedCall("mremap", .all, for: "the allocator; keeps what the memory may be used for"),
    AllowedCall("brk", .all, for: "the allocator"),
    AllowedCall("madvise", .all, for: "the allocator gives memory back"),
    AllowedCall("mincore", .worker, for: "whether a file's next part is in memory"),
    AllowedCall(
      "futex", .all, for: "mutexes of the cache, left by the dead too; what is set up only once"),
  ]

  // MARK: Itself

  private static var ownProcess: [AllowedCall] {
    let own = UInt32(bitPattern: getpid())
    return [
      AllowedCall("getpid", .all, for: "its own number, for abort"),
      AllowedCall("gettid", .all, for: "its own number, for abort and mutexes"),
      AllowedCall("getppid", [.helper, .watcher], for: "whether the master lives"),
      AllowedCall("getrandom", .all, for: "hash seeds and cryptography"),
      AllowedCall(
        "tgkill", .all, .among(argument: 0, values: [own]), for: "abort; nobody else's process"),
      AllowedCall("rt_sigprocmask", .all, for: "abort"),
      AllowedCall("rt_sigreturn", .all, for: "the end of a signal's handler"),
      AllowedCall("exit_group", .all, for: "leaves"),
    ]
  }
}
