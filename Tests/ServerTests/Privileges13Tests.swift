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
