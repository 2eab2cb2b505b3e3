// The sandbox from inside: a process that is locked in tries what it must not.

import Foundation
import Testing

@testable import Platform

@Suite struct `a process in the sandbox` {
  /// Runs the probe beside the tests; its lines by act.
  private func probe(
    _ kind: String, _ mode: String, _ acts: [String]
  ) throws -> [String: String] {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent(
      "ring3-probe-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    try Data("content\n".utf8).write(to: directory.appendingPathComponent("content"))
    let own = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    let process = Process()
    process.executableURL = own.deletingLastPathComponent().appendingPathComponent("sandboxprobe")
    process.arguments = [kind, mode, directory.path] + acts
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    var found: [String: String] = [:]
    for line in text.split(separator: "\n") {
      guard let colon = line.range(of: ": ") else { continue }
      found[String(line[..<colon.lowerBound])] = String(line[colon.upperBound...])
    }
    return found
  }

  /// The call by which each act is found out.
  private static let stopped: [String: String] = [
    "execve": "execve", "fork": "clone", "clone3": "clone3", "ptrace": "ptrace",
    "process_vm_readv": "process_vm_readv", "kill-master": "kill", "tgkill-master": "tgkill",
    "connect": "connect", "bind": "bind", "listen": "listen", "socket-inet": "socket",
    "socket-unix": "socket", "socket-netlink": "socket", "remove-content": "unlinkat",
    "mprotect-exec": "mprotect", "mmap-exec": "mmap", "pkey_mprotect": "pkey_mprotect",
    "fcntl-lock": "fcntl", "ioctl": "ioctl", "rt_sigaction": "rt_sigaction",
    "prctl-dumpable": "prctl", "setuid": "setuid", "unshare": "unshare", "mount": "mount",
    "chroot": "chroot", "bpf": "bpf", "io_uring_setup": "io_uring_setup",
    "userfaultfd": "userfaultfd", "perf_event_open": "perf_event_open", "keyctl": "keyctl",
  ]

  @Test(arguments: ["worker", "helper", "watcher"])
  func `it is stopped at each forbidden call, and the call is known`(_ kind: String) throws {
    let found = try probe(kind, "on", Self.stopped.keys.sorted())
    for (act, call) in Self.stopped {
      let number = SystemCall.number(call).map { "\($0)" } ?? "missing"
      #expect(found[act] == "stopped by \(call) (\(number))", "\(act)")
    }
  }

  @Test func `the fetcher of OCSP responses may call whom it has to, and nobody else`() throws {
    let network: Set = ["connect", "socket-inet", "socket-netlink"]
    let allowed = ["socket-inet", "socket-netlink", "resolve"]
    let stopped = Self.stopped.keys.filter { !network.contains($0) }
    let others = ["socket-audit", "socket-packet"]
    let ports = ["connect", "connect-allowed", "openat-passwd", "openat-hosts"]
    let found = try probe("fetcher", "on", stopped + others + allowed + ports)
    for act in stopped {
      let call = Self.stopped[act] ?? ""
      #expect(found[act]?.hasPrefix("stopped by \(call) (") == true, "\(act)")
    }
    for act in others { #expect(found[act]?.hasPrefix("stopped by socket (") == true, "\(act)") }
    for act in allowed { #expect(found[act] == "done", "\(act)") }
    guard Landlock.version > 0 else { return }
    #expect(found["openat-passwd"] == "Permission denied" && found["openat-hosts"] == "done")
    guard Landlock.version >= 4 else { return }
    #expect(found["connect"] == "Permission denied")
    #expect(found["connect-allowed"] == "Connection refused")
  }

  @Test(arguments: ["proxyWorker", "unixProxyWorker", "checker"])
  func `who talks to servers behind this one reaches their ports only`(_ kind: String) throws {
    let stopped = Self.stopped.keys.filter { $0 != "connect" }
    let others = ["datagram-inet", "peer"]
    let found = try probe(
      kind, "on",
      stopped + others
        + ["stream-inet", "stream-unix", "forward", "forward-elsewhere", "openat-hosts"])
    for act in stopped {
      let call = Self.stopped[act] ?? ""
      #expect(found[act]?.hasPrefix("stopped by \(call) (") == true, "\(act)")
    }
    #expect(found["datagram-inet"]?.hasPrefix("stopped by socket (") == true)
    #expect(found["peer"]?.hasPrefix("stopped by getsockopt (") == true)
    #expect(found["stream-inet"] == "done")
    let unix = found["stream-unix"] ?? ""
    #expect(kind == "proxyWorker" ? unix.hasPrefix("stopped by socket (") : unix == "done")
    #expect(found["forward"] == "Connection refused")
    guard Landlock.version > 0 else { return }
    #expect(found["openat-hosts"] == "Permission denied")
    guard Landlock.version >= 4 else { return }
    #expect(found["forward-elsewhere"] == "Permission denied")
  }

  @Test func `the resolver of names asks DNS and nobody else`() throws {
    let network: Set = ["connect", "socket-inet", "socket-netlink"]
    let stopped = Self.stopped.keys.filter { !network.contains($0) }
    let found = try probe(
      "resolver", "on", stopped + ["connect", "names", "memfd_create", "openat-passwd"])
    for act in stopped {
      let call = Self.stopped[act] ?? ""
      #expect(found[act]?.hasPrefix("stopped by \(call) (") == true, "\(act)")
    }
    #expect(found["names"] == "done")
    #expect(found["memfd_create"]?.hasPrefix("stopped by memfd_create (") == true)
    guard Landlock.version > 0 else { return }
    #expect(found["openat-passwd"] == "Permission denied")
    guard Landlock.version >= 4 else { return }
    #expect(found["connect"] == "Permission denied")
  }

  @Test func `each kind lacks what only others need`() throws {
    let own = ["memfd_create": "helper", "getdents64": "helper", "inotify_init1": "watcher"]
    for kind in ["worker", "helper", "watcher"] {
      let found = try probe(kind, "on", own.keys.sorted())
      for (act, owner) in own {
        let outcome = found[act] ?? ""
        #expect(owner == kind ? outcome == "done" : outcome.hasPrefix("stopped by \(act) "))
      }
    }
  }

  @Test(.enabled(if: Landlock.version > 0), arguments: ["worker", "helper"])
  func `it reads what it serves and nothing else`(_ kind: String) throws {
    let refused = ["open-shadow", "open-passwd", "open-device", "open-own-memory"]
    let denied = ["write-content", "create-file"]
    let found = try probe(
      kind, "on", refused + denied + ["open-content", "list-content", "mprotect-write"])
    for act in ["open-content", "list-content", "mprotect-write"] { #expect(found[act] == "done") }
    for act in refused where !(geteuid() != 0 && act == "open-shadow") {
      #expect(found[act] == "refused by the sandbox", "\(act)")
    }
    for act in denied { #expect(found[act] == "Permission denied", "\(act)") }
  }

  @Test func `bugs end it as they do outside`() throws {
    let found = try probe("worker", "on", ["abort", "trap"])
    #expect(found["abort"]?.hasPrefix("killed by signal 6") == true)
    // ud2 on x86-64, brk on arm64.
    let trap = found["trap"] ?? ""
    #expect(trap.hasPrefix("killed by signal 4") || trap.hasPrefix("killed by signal 5"))
  }

  @Test func `to report, forbidden calls are done and told`() throws {
    let acts = ["socket-netlink", "mprotect-exec", "fork", "prctl-dumpable", "open-passwd"]
    let found = try probe("worker", "report", acts)
    for act in acts.dropLast() {
      #expect(found[act]?.hasPrefix("done; reported ") == true, "\(act): \(found[act] ?? "")")
    }
    #expect(found["open-passwd"] == "done")
  }
}
