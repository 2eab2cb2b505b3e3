// 14: reloads under a full cache. Sites that did not change keep their entries; no answer and no
// entry is ever made of two configurations.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `14 reloads keep the cache right` {
    private static func site(_ number: Int, fields: String = "") -> String {
      """
      <VirtualHost *:@port@>
      ServerName s\(number).test
      DocumentRoot "@root@/www/s\(number)"
      \(fields)
      </VirtualHost>

      """
    }

    /// Fetches each site's file; returns how many answers were wrong.
    private func fetchAll(
      _ server: TestServer, _ sites: Range<Int>, field: (Int) -> String? = { _ in nil }
    ) throws -> Int {
      let connection = try server.open()
      var wrong = 0
      for number in sites {
        let response = try connection.get("/f", host: "s\(number).test")
        if response.text != "file of \(number)" || response["X-Site"] != field(number) {
          wrong += 1
        }
      }
      return wrong
    }

    @Test func `a change of one of 1,000 sites costs the others no miss`() throws {
      let sites = 0..<1000
      let limits = "MaxKeepAliveRequests 0\n"
      let server = try TestServer(
        limits + sites.map { Self.site($0) }.joined(), starts: false)
      for number in sites { server.directory.write("file of \(number)", to: "www/s\(number)/f") }
      try server.start()
      let isFilled = try eventually(milliseconds: 20_000) {
        let wrong = try fetchAll(server, sites)
        return wrong == 0 && server.status()?.number("cache.entries") == 1000
      }
      #expect(isFilled)
      let before = try #require(server.status())
      #expect(before.number("counters.cacheFills") == 1000)
      let changed = sites.map { Self.site($0, fields: $0 == 500 ? "Header set X-Site new" : "") }
      let outcome = server.reload(limits + changed.joined())
      #expect(outcome.succeeded, "\(outcome.output)")
      for _ in 0..<3 {
        let wrong = try fetchAll(server, sites) { $0 == 500 ? "new" : nil }
        #expect(wrong == 0)
      }
      let after = try #require(server.status())
      func rise(_ name: String) -> Int { (after.number(name) ?? -1) - (before.number(name) ?? 0) }
      #expect(rise("counters.cacheFills") == 1)
      #expect(rise("counters.cacheBypasses") == 0)
      #expect(rise("cache.drops") == 1)
      #expect(rise("cache.evictions") == 0)
      #expect(after.number("cache.entries") == 1000)
      // Each was routed again once, and compared with its file.
      #expect(rise("counters.cacheRevalidations") >= 999)
    }

    /// Two configurations that differ in root and field; A's answers say so in both.
    private static func configuration(_ side: String, extra: String = "") -> String {
      """
      MaxKeepAliveRequests 0
      \(extra)
      <VirtualHost *:@port@>
      ServerName storm.test
      DocumentRoot "@root@/www/\(side)"
      Header set X-Side \(side)
      </VirtualHost>
      <VirtualHost *:@port@>
      ServerName same.test
      DocumentRoot "@root@/www/same"
      </VirtualHost>

      """
    }

    private struct Answer {
      let side: String
      let startedAt: Int64
      let endedAt: Int64
    }

    @Test func `a storm of reloads never mixes two configurations`() throws {
      let names = 40
      let server = try TestServer(Self.configuration("A"), workers: 2, starts: false)
      for number in 0..<names {
        for side in ["A", "B", "same"] {
          let text = String(repeating: "\(side)\(number)|", count: 20 + number * 31)
          server.directory.write(text, to: "www/\(side)/f\(number)")
        }
      }
      try server.start()
      let client = StormClient(server: server, names: names)
      client.start()
      // When a configuration may have begun to be in force, and was surely not any more.
      var spans: [(side: String, from: Int64, to: Int64)] = [("A", 0, .max)]
      for round in 1...30 {
        let side = round % 2 == 0 ? "A" : "B"
        let from = monotonicMilliseconds()
        let outcome = server.reload(Self.configuration(side), workers: 1 + round % 3)
        #expect(outcome.succeeded, "\(outcome.output)")
        // Old workers answer what they have read until they hand over.
        spans[spans.count - 1].to = monotonicMilliseconds() + 1000
        spans.append((side, from, .max))
        if round % 5 == 0 { pause(milliseconds: 300) }
      }
      pause(milliseconds: 500)
      let answers = client.stop()
      #expect(client.faults == [])
      #expect(answers.count > 1000, "\(answers.count) answers")
      #expect(Set(answers.map { $0.side }) == ["A", "B"])
      for answer in answers {
        let isPossible = spans.contains {
          $0.side == answer.side && $0.from <= answer.endedAt && $0.to >= answer.startedAt
        }
        #expect(isPossible, "\(answer.side) at \(answer.startedAt)")
      }
      // The last one was A's; and no entry of B is left anywhere.
      for _ in 0..<2 {
        for _ in 0..<6 {
          let connection = try server.open()
          for number in 0..<names {
            let response = try connection.get("/f\(number)", host: "storm.test")
            #expect(response["X-Side"] == "A")
            #expect(response.text.hasPrefix("A\(number)|"))
          }
        }
      }
    }

    @Test func `after each reload the first answers are the new configuration's`() throws {
      let server = try TestServer(Self.configuration("A"), starts: false)
      for side in ["A", "B"] { server.directory.write("\(side)0|", to: "www/\(side)/f0") }
      try server.start()
      let connections = try (0..<8).map { _ in try server.open() }
      for round in 1...20 {
        let side = round % 2 == 0 ? "A" : "B"
        #expect(server.reload(Self.configuration(side)).succeeded)
        for connection in connections + [try server.open()] {
          for target in ["/f0", "/f0?\(round)", "/%660", "/f0"] {
            let response = try connection.get(target, host: "storm.test")
            #expect(response["X-Side"] == side, "round \(round) \(target)")
            #expect(response.text == "\(side)0|", "round \(round) \(target)")
          }
        }
      }
    }

    /// Fetches all the time, on several connections, from a thread of its own.
    private final class StormClient: @unchecked Sendable {
      private let port: UInt16
      private let names: Int
      private let lock = NSLock()
      private var isStopping = false
      private var answers: [Answer] = []
      private var found: [String] = []
      private let done = DispatchSemaphore(value: 0)
      private static let threadCount = 3

      init(server: TestServer, names: Int) {
        port = server.port
        self.names = names
      }

      var faults: [String] { lock.withLock { Array(found.prefix(10)) } }

      func start() {
        for thread in 0..<Self.threadCount {
          Thread.detachNewThread { [self] in
            run(thread)
            done.signal()
          }
        }
      }

      func stop() -> [Answer] {
        lock.withLock { isStopping = true }
        for _ in 0..<Self.threadCount { done.wait() }
        return lock.withLock { answers }
      }

      private func run(_ thread: Int) {
        var number = thread
        while !lock.withLock({ isStopping }) {
          do {
            let connection = try Conversation(port: port)
            for _ in 0..<200 where !lock.withLock({ isStopping }) {
              number = (number * 5 + 3 + thread) % names
              try fetch(connection, number)
            }
          } catch {
            lock.withLock { found.append("\(error)") }
          }
        }
      }

      private func fetch(_ connection: Conversation, _ number: Int) throws {
        let startedAt = monotonicMilliseconds()
        let response = try connection.get("/f\(number)", host: "storm.test")
        let endedAt = monotonicMilliseconds()
        let side = response["X-Side"] ?? "none"
        let expected = String(repeating: "\(side)\(number)|", count: 20 + number * 31)
        let same = try connection.get("/f\(number)", host: "same.test")
        lock.withLock {
          answers.append(Answer(side: side, startedAt: startedAt, endedAt: endedAt))
          if response.status != 200 || response.text != expected {
            found.append(
              "f\(number): \(response.status), head of \(side), body \(response.text.prefix(9))")
          }
          if same["X-Side"] != nil || !same.text.hasPrefix("same\(number)|") {
            found.append("f\(number) of the unchanged site: \(same.text.prefix(9))")
          }
        }
      }
    }
  }
}
