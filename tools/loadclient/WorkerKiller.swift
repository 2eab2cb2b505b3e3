// Kills a random worker now and then, and knows exactly which connections die with it.

import Foundation
import TestSupport

struct WorkerKiller {
  let intervalMilliseconds: Int64
  /// Which processes are workers: `ring3ctl … status --json`.
  let statusCommand: [String]
  let port: UInt16
  var generator: SplitMix
  private var nextKillAt: Int64 = 0

  init(intervalMilliseconds: Int, statusCommand: [String], port: UInt16, seed: UInt64) {
    self.intervalMilliseconds = Int64(intervalMilliseconds)
    self.statusCommand = statusCommand
    self.port = port
    generator = SplitMix(state: seed)
  }

  /// Stops a worker, marks the connections whose sockets it holds, and kills it. While it is
  /// stopped it can accept nothing, so a connection without the mark was not in its hands.
  mutating func killIfDue(
    now: Int64, connections: [any LoadConnection], _ account: inout LoadAccount
  ) {
    guard now >= nextKillAt else { return }
    let isFirst = nextKillAt == 0
    nextKillAt = now + intervalMilliseconds
    guard !isFirst else { return }
    let workers = workerPids()
    guard !workers.isEmpty else {
      account.remark("status names no worker")
      return
    }
    let victim = workers[generator.below(workers.count)]
    guard send(signal: Signal.stop, toProcess: victim) else { return }
    let deadline = monotonicMilliseconds() + 1000
    while processState(of: victim) != "T" && monotonicMilliseconds() < deadline {
      pause(milliseconds: 1)
    }
    let held = socketInodes(of: victim)
    let inodes = serverInodesByClientPort()
    for connection in connections {
      if let inode = inodes[connection.localPort], held.contains(inode) {
        connection.isDoomed = true
      }
    }
    send(signal: Signal.kill, toProcess: victim)
    account.kills += 1
  }

  /// All processes listed under a key "workers", at any depth of the status.
  private func workerPids() -> [Int32] {
    let output = NSTemporaryDirectory() + "/ring3-status-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: output) }
    guard let program = try? ChildProgram(statusCommand, outputPath: output),
      program.wait(milliseconds: 5000) == .exited(0),
      let data = FileManager.default.contents(atPath: output)
    else { return [] }
    return StatusReport(String(decoding: data, as: UTF8.self))?.workerPids ?? []
  }

  /// The state letter of proc(5).
  private func processState(of pid: Int32) -> Character? {
    let text = textOfKernelFile("/proc/\(pid)/stat")
    return text.split(separator: ")").last?.first { $0 != " " }
  }

  private func socketInodes(of pid: Int32) -> Set<String> {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd")) ?? []
    let targets = names.compactMap { linkTarget("/proc/\(pid)/fd/\($0)") }
    return Set(
      targets.filter { $0.hasPrefix("socket:[") }.map { String($0.dropFirst(8).dropLast()) })
  }

  /// The server's ends of the connections to `port`: inode by the client's port. proc_net_tcp.
  private func serverInodesByClientPort() -> [UInt16: String] {
    let text = textOfKernelFile("/proc/net/tcp")
    var inodes: [UInt16: String] = [:]
    for line in text.split(separator: "\n").dropFirst() {
      let words = line.split(separator: " ")
      guard words.count > 9, hexadecimalPort(words[1]) == port,
        let client = hexadecimalPort(words[2])
      else { continue }
      inodes[client] = String(words[9])
    }
    return inodes
  }

  private func hexadecimalPort(_ address: Substring) -> UInt16? {
    address.split(separator: ":").last.flatMap { UInt16($0, radix: 16) }
  }
}
