// 13: started as root. Workers are somebody else, and hold nothing of the master's.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `13 it gives rights away` {
    /// The effective user of a process.
    private func user(of process: Int32) -> Int? {
      let lines = textOfKernelFile("/proc/\(process)/status").split(separator: "\n")
      let fields = lines.first { $0.hasPrefix("Uid:") }?.split(separator: "\t")
      return fields.flatMap { $0.count > 2 ? Int($0[2]) : nil }
    }

    /// What the descriptors of a process are.
    private func descriptors(of process: Int32) -> [String] {
      let directory = "/proc/\(process)/fd"
      let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
      return names.compactMap {
        try? FileManager.default.destinationOfSymbolicLink(atPath: directory + "/" + $0)
      }
    }

    @Test func `workers that root starts are nobody unless User says otherwise`() throws {
      guard isRoot() else { return }
      let server = try TestServer(files: ["a": "A"])
      #expect(try server.get("/a").text == "A")
      #expect(!server.workers.isEmpty)
      for worker in server.workers { #expect(user(of: worker) != 0) }
      #expect(server.said.contains("no User is configured: workers run as 'nobody'"))
      #expect(server.daemon("--check").output.contains("no User is configured"))
      let explicit = server.reload("User root")
      #expect(explicit.succeeded, "\(explicit.output)")
      for worker in server.workers { #expect(user(of: worker) == 0) }
      #expect(server.said.contains("User 'root' is root"))
    }

    @Test func `the master keeps only what it needs of root, workers nothing`() throws {
      guard isRoot() else { return }
      let server = try TestServer()
      func capabilities(of process: Int32) -> UInt64? {
        let lines = textOfKernelFile("/proc/\(process)/status").split(separator: "\n")
        let line = lines.first { $0.hasPrefix("CapEff:") }
        return line?.split(separator: "\t").last.flatMap { UInt64($0, radix: 16) }
      }
      // capabilities(7): CHOWN 0, DAC_OVERRIDE 1, DAC_READ_SEARCH 2, FOWNER 3, KILL 5, SETGID 6,
      // SETUID 7, NET_BIND_SERVICE 10.
      let allowed: UInt64 = 0b100_1110_1111
      let pid = try #require(server.program).pid
      let master = try #require(capabilities(of: pid))
      #expect(master & ~allowed == 0)
      for worker in server.workers { #expect(capabilities(of: worker) == 0) }
    }

    @Test func `a worker holds one epoll instance, its own`() throws {
      guard isRoot() else { return }
      let server = try TestServer()
      for worker in server.workers {
        let polls = descriptors(of: worker).filter { $0.contains("eventpoll") }
        #expect(polls.count == 1, "\(polls)")
      }
    }
  }
}
