// The one table of system calls that sandboxed processes may make, each with its reason.

import CLinux
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
    loop + network + servers + resolver + messages + files + memory + ownProcess
  }

  // MARK: Waiting

  private static let loop = [
    AllowedCall("epoll_wait", .all, for: "waits for events"),
    AllowedCall("epoll_pwait", .all, for: "the same where epoll_wait is missing"),
    AllowedCall("epoll_ctl", .all, for: "a connection or channel comes, goes, or waits for room"),
    AllowedCall("clock_gettime", .all, for: "the time, where the vDSO has none"),
    AllowedCall("time", .workers, for: "the same, which OpenSSL asks for"),
    AllowedCall("clock_nanosleep", .watcher, for: "rests between batches of events"),
    AllowedCall("nanosleep", .watcher, for: "the same in older C libraries"),
    AllowedCall(
      "poll", [.helper, .fetcher, .resolver],
      for: "waits a little for a worker to read its reply; for a responder, for DNS"),
    AllowedCall("ppoll", [.helper, .fetcher, .resolver], for: "the same where poll is missing"),
    AllowedCall("restart_syscall", .all, for: "the kernel goes on with a wait after a stop"),
  ]

  // MARK: Clients

  private static let network = [
    AllowedCall("accept4", .workers, for: "takes a client from a listener of the master's"),
    AllowedCall(
      "recvfrom", [.workers, .fetcher, .resolver, .checker],
      for: "receives from a client or server; from a responder or DNS"),
    AllowedCall(
      "sendto", [.workers, .fetcher, .resolver, .checker],
      for: "one piece to a client or an application; to a responder, DNS or a checked server"),
    AllowedCall("sendfile", .workers, for: "sends a large file"),
    AllowedCall("shutdown", .workers, for: "ends sending before a connection is closed"),
    AllowedCall("setsockopt", .workers, for: "TCP_NODELAY, TCP_CORK, SO_PASSRIGHTS, TCP_ULP"),
    AllowedCall(
      "getsockname", [.workers, .fetcher, .resolver],
      for: "the address that a client came to; which of a name's addresses is nearest"),
  ]

  // MARK: Servers behind this one

  /// To them a worker passes requests on, and of them it is checked whether they answer. Landlock
  /// says which TCP ports a connection may lead to. Of Unix sockets with a path it knows nothing up
  /// to version 7, so whoever may open one may try all that the workers' user can reach.
  private static let servers = [
    AllowedCall(
      "socket", SandboxKind.proxyWorker.set, outgoing([AF_INET, AF_INET6]), for: "by TCP only"),
    AllowedCall(
      "socket", [SandboxKind.unixProxyWorker.set, .checker],
      outgoing([AF_INET, AF_INET6, AF_UNIX]),
      for: "by TCP and Unix sockets; nothing that could listen to a network"),
    AllowedCall("connect", [.proxyWorkers, .checker], for: "one of the servers"),
    AllowedCall(
      "getsockopt", [.proxyWorkers, .checker],
      .all([
        .among(argument: 1, values: [UInt32(SOL_SOCKET)]),
        .among(argument: 2, values: [UInt32(SO_ERROR)]),
      ]), for: "whether a connection has come about"),
    AllowedCall(
      "setsockopt", .checker,
      .among(argument: 1, values: [UInt32(IPPROTO_TCP), UInt32(SOL_SOCKET)]),
      for: "TCP_NODELAY of connections; SO_PASSRIGHTS"),
  ]

  private static func outgoing(_ families: [CInt]) -> ArgumentCheck {
    let kind = UInt32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    return .all([
      .among(argument: 0, values: families.map { UInt32($0) }),
      .among(argument: 1, values: [kind]), .among(argument: 2, values: [0]),
    ])
  }

  // MARK: Names and responders

  /// What getaddrinfo(3) does for names in /etc/hosts and DNS, and the question to the responder.
  private static let resolver = [
    AllowedCall(
      "socket", [.fetcher, .resolver],
      // 0: whatever the family has first, of netlink the routes.
      .all([
        .among(argument: 0, values: [AF_INET, AF_INET6, AF_NETLINK].map { UInt32($0) }),
        .among(argument: 2, values: [0]),
      ]), for: "to DNS and responders; to the kernel, whose addresses order those of a name"),
    AllowedCall(
      "bind", [.fetcher, .resolver], .among(argument: 2, values: [netlinkAddressBytes]),
      for: "an address of netlink, by its length; no port of this machine can be taken"),
    AllowedCall(
      "connect", [.fetcher, .resolver], for: "a responder, as far as Landlock lets it; DNS"),
    AllowedCall("getsockopt", .fetcher, for: "whether a connection has come about"),
    AllowedCall(
      "setsockopt", [.fetcher, .resolver],
      .among(argument: 1, values: [IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP].map { UInt32($0) }),
      for: "IP_RECVERR of questions to DNS; TCP_NODELAY of connections"),
    AllowedCall("sendmmsg", [.fetcher, .resolver], for: "both questions for a name to DNS"),
    AllowedCall(
      "ioctl", [.fetcher, .resolver], .among(argument: 1, values: [UInt32(FIONREAD)]),
      for: "how long an answer of DNS is"),
    AllowedCall(
      "uname", [.fetcher, .resolver], for: "the domain of this host, to complete short names"),
  ]

  /// sizeof(struct sockaddr_nl): addresses of the internet have 16 and 28 bytes.
  private static let netlinkAddressBytes: UInt32 = 12

  // MARK: The master and siblings

  private static let messages = [
    AllowedCall("recvmsg", .all, for: "packets with descriptors, of master, helpers, siblings"),
    AllowedCall(
      "sendmsg", [.workers, .helper, .fetcher],
      for: "the same the other way; several pieces to a client or server"),
    AllowedCall("close", .all, for: "a connection, file or channel is done with"),
    AllowedCall("dup2", .workers, for: "a reopened log takes its old number"),
    AllowedCall("dup3", .workers, for: "the same where dup2 is missing"),
    AllowedCall(
      "fcntl", [.workers, .helper, .watcher, .resolver],
      .among(argument: 1, values: descriptorCommands.map { UInt32($0) }),
      for: "flags of descriptors that arrived; nothing that locks, notifies or sends signals"),
    AllowedCall(
      "fcntl", .fetcher,
      .among(
        argument: 1,
        values: (descriptorCommands + [CInt(RING3_ADD_SEALS)]).map { UInt32($0) }),
      for: "the same, and seals the responses for the master"),
  ]

  private static let descriptorCommands = [F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC]

  // MARK: Files

  private static let files = [
    AllowedCall("openat2", [.workers, .helper], for: "content, within its root"),
    AllowedCall("openat", .all, for: "the same on older kernels; what Landlock lets be read"),
    AllowedCall("faccessat2", [.workers, .helper], for: "whose doing a refusal was"),
    AllowedCall("fstat", .all, for: "facts of an open file"),
    AllowedCall("newfstatat", .all, for: "the same, as newer C libraries do it"),
    AllowedCall("fstatfs", [.workers, .helper], for: "whether reading may wait for a device"),
    AllowedCall("readlinkat", .all, for: "where a symbolic link leads"),
    AllowedCall("readlink", .all, for: "the same"),
    AllowedCall("preadv2", .workers, for: "reads content that is in memory, without waiting"),
    AllowedCall("pread64", [.workers, .helper, .fetcher], for: "reads content; a sealed chain"),
    AllowedCall(
      "read", [.watcher, .fetcher, .resolver], for: "events of inotify; the resolver's files"),
    AllowedCall("read", .workers, for: "its own eventfd: a flight it waits for has ended"),
    AllowedCall(
      "write", .all, for: "log lines; what the run time says before it aborts; siblings' eventfds"),
    AllowedCall("writev", .all, for: "the same in pieces"),
    AllowedCall("readahead", .helper, for: "brings a file into memory"),
    AllowedCall("getdents64", .helper, for: "directory listings"),
    AllowedCall(
      "lseek", [.helper, .fetcher, .resolver], for: "directory listings; the resolver's files"),
    AllowedCall(
      "memfd_create", [.helper, .fetcher],
      for: "a listing's page, to hand it to the worker; a response for the master"),
    AllowedCall("pwrite64", [.helper, .fetcher], for: "writes that page or response"),
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
    AllowedCall("mincore", .workers, for: "whether a file's next part is in memory"),
    AllowedCall(
      "futex", .all, for: "mutexes of the cache, left by the dead too; what is set up only once"),
  ]

  // MARK: Itself

  private static var ownProcess: [AllowedCall] {
    let own = UInt32(bitPattern: getpid())
    return [
      AllowedCall("getpid", .all, for: "its own number, for abort"),
      AllowedCall("gettid", .all, for: "its own number, for abort and mutexes"),
      AllowedCall(
        "getppid", [.helper, .watcher, .resolver, .checker], for: "whether the master lives"),
      AllowedCall("getrandom", .all, for: "hash seeds and cryptography"),
      AllowedCall(
        "tgkill", .all, .among(argument: 0, values: [own]), for: "abort; nobody else's process"),
      AllowedCall("rt_sigprocmask", .all, for: "abort"),
      AllowedCall("rt_sigreturn", .all, for: "the end of a signal's handler"),
      AllowedCall("exit_group", .all, for: "leaves"),
    ]
  }
}
