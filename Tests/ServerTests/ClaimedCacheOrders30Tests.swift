// 30: owners of claimed URLs give orders to the cache, and two of them take turns.

import Foundation
import TestSupport
import Testing

extension ServerTests.`30 it caches what claimed URLs answer` {
  /// What clients see while two owners take turns.
  private final class Turns: @unchecked Sendable {
    private let lock = NSLock()
    private var turn = 0
    /// Empty while the URL changes hands.
    private var owner = ""
    private var problems: [String] = []
    private var answers: [String: Int] = [:]
    private var isOver = false

    var now: (turn: Int, owner: String)? { lock.withLock { isOver ? nil : (turn, owner) } }
    var seen: (problems: [String], answers: [String: Int]) { lock.withLock { (problems, answers) } }

    func begin(_ owner: String) {
      lock.withLock {
        turn += 1
        self.owner = owner
      }
    }
    func change() { lock.withLock { owner = "" } }
    func end() { lock.withLock { isOver = true } }
    func note(_ problem: String) { lock.withLock { problems.append(problem) } }
    func count(_ owner: String) { lock.withLock { answers[owner, default: 0] += 1 } }
  }

  /// Asks on one connection, which is one worker's: who has answered once in his turn answers until
  /// it ends.
  private static func ask(_ port: UInt16, _ turns: Turns, _ targets: [String]) {
    var settled = 0
    var number = 0
    var conversation = try? Conversation(port: port)
    while let before = turns.now {
      number += 1
      let target = targets[number % targets.count]
      guard let response = try? conversation?.get(target) else {
        conversation = try? Conversation(port: port)
        settled = 0
        continue
      }
      guard let after = turns.now, after == before, !before.owner.isEmpty else { continue }
      if response.text.hasPrefix(before.owner + " " + target) {
        settled = before.turn
        turns.count(before.owner)
      } else if settled == before.turn {
        turns.note("\(before.owner)'s turn \(before.turn): \(response.status) \(response.text)")
      } else if response.status == 200, !response.text.contains(" \(target) ") {
        turns.note("not what was asked for: \(response.text)")
      }
    }
  }

  @Test func `owners that take turns never answer for each other`() throws {
    let server = try TestServer(
      isRoot() ? Self.shared : Self.configuration, workers: 2)
    try server.letOthersIn()
    let users: [UInt32?] = isRoot() ? [65533, 65532] : [nil, nil]
    let prefix = "http://+:\(server.port)/shop/"
    let owners = try zip(["one", "two"], users).map { name, user in
      try ClaimedApplication(
        server, name, ["/shop/\(name)/"], queue: "queue-\(name)", user: user)
    }
    for (owner, name) in zip(owners, ["one", "two"]) {
      #expect(owner.isReady, "\(owner.said)")
      #expect(try owner.say("queue", "queue-\(name)", "--concurrency=16") == "x 0\n")
    }
    let turns = Turns()
    let group = DispatchGroup()
    let port = server.port
    let targets = ["/shop/a", "/shop/b", "/shop/slow", "/shop/vary", "/shop/swr", "/shop/etag"]
    for number in 0..<8 {
      group.enter()
      let mine = number < 6 ? targets.filter { $0 != "/shop/slow" } : targets
      Thread.detachNewThread {
        Self.ask(port, turns, mine)
        group.leave()
      }
    }
    for number in 0..<60 {
      let owner = owners[number % 2]
      let name = number % 2 == 0 ? "one" : "two"
      let registered = try owner.say("register", prefix, "--queue=queue-\(name)")
      #expect(registered == "x 0\n", "\(registered)")
      turns.begin(name)
      pause(milliseconds: number % 3 == 0 ? 10 : 60)
      turns.change()
      #expect(try owner.say("unregister", prefix) == "x 0\n")
    }
    turns.end()
    #expect(group.wait(timeout: .now() + 30) == .success)
    let seen = turns.seen
    #expect(seen.problems.isEmpty, "\(seen.problems.prefix(5))")
    #expect(seen.answers["one", default: 0] > 20 && seen.answers["two", default: 0] > 20)
    #expect(try eventually { try server.get("/shop/a").status == 503 })
  }

  @Test func `owners call back what is kept of their own`() throws {
    // Names share stamps now and then, by chance, and then more is asked anew than was called back:
    // in one of several caches, with names of their own, nothing is.
    var strays: [String] = []
    for _ in 0..<4 {
      strays = try callBack(TestServer(Self.configuration + "CacheSize 128M\n"))
      if strays.isEmpty { return }
    }
    Issue.record("asked anew without need: \(strays)")
  }

  /// Calls back in all ways; what was lost beside that.
  private func callBack(_ server: TestServer) throws -> [String] {
    var strays: [String] = []
    let port = server.port
    let one = try ClaimedApplication(server, "one", ["/shop/", "http://*:\(port)/weak/"])
    let two = try ClaimedApplication(server, "two", ["/shop/two/"], queue: "other")
    #expect(one.isReady && two.isReady, "\(one.said) \(two.said)")
    let targets = [
      "/shop/until/a", "/shop/until/a/b", "/shop/until/ab", "/shop/until/tag-x/c",
      "/shop/two/until/tag-x", "/weak/until/a", "/shop/until/a?x",
    ]
    var counts: [String: Int] = [:]
    func isKept(_ target: String, host: String = "localhost") throws -> Bool {
      let text = try server.get(target, host: host).text
      let count = Int(text.split(separator: " ").last ?? "") ?? -1
      defer { counts[host + target] = count }
      return counts[host + target] == count
    }
    #expect(settled { (try? server.get("/shop/two/x").text.hasPrefix("two")) == true })
    for target in targets {
      #expect(try !isKept(target))
      #expect(try isKept(target), "\(target)")
    }
    #expect(try !isKept("/shop/until/a", host: "other.test"))
    func others(than gone: Set<String>) throws {
      for target in targets {
        let isKept = try isKept(target)
        if gone.contains(target) {
          #expect(!isKept, "\(target)")
        } else if !isKept {
          strays.append(target)
        }
      }
    }
    let base = "http://localhost:\(port)"
    #expect(try one.say("invalidate", base + "/shop/until/a") == "x 0\n")
    try others(than: ["/shop/until/a"])
    if try !isKept("/shop/until/a", host: "other.test") { strays.append("other.test") }
    #expect(try one.say("invalidate", base + "/shop/until/a?x", "--hard") == "x 0\n")
    try others(than: ["/shop/until/a?x", "/shop/until/a"])
    #expect(try one.say("invalidate", base + "/shop/until/a", "--recursive") == "x 0\n")
    try others(than: ["/shop/until/a", "/shop/until/a/b", "/shop/until/a?x"])
    #expect(try !isKept("/shop/until/a", host: "other.test"))
    #expect(try one.say("invalidate", "--tag=x") == "x 0\n")
    try others(than: ["/shop/until/tag-x/c"])
    let all = "http://+:\(port)/shop/"
    #expect(try one.say("invalidate", all, "--recursive", "--hard") == "x 0\n")
    try others(than: Set(targets.filter { $0.hasPrefix("/shop/until") }))
    #expect(try !isKept("/shop/until/a", host: "other.test"))
    #expect(try one.say("invalidate", "http://+:\(port)/shop/until/a/b") == "x 0\n")
    try others(than: ["/shop/until/a/b"])
    #expect(try two.say("invalidate", "--tag=x") == "x 0\n")
    try others(than: ["/shop/two/until/tag-x"])
    // The operator's tags are all of them.
    #expect(server.control("cache", "purge", "--tag", "x").succeeded)
    try others(than: ["/shop/until/tag-x/c", "/shop/two/until/tag-x"])
    return strays
  }

  @Test func `what is no business of an owner's is refused`() throws {
    let server = try TestServer(Self.configuration)
    let port = server.port
    let base = "http://localhost:\(port)"
    let all = "http://+:\(port)/shop/"
    let one = try ClaimedApplication(server, "one", ["/shop/", "http://*:\(port)/weak/"])
    let two = try ClaimedApplication(server, "two", ["/shop/two/"], queue: "other")
    #expect(one.isReady && two.isReady, "\(one.said) \(two.said)")
    #expect(try settled { try server.get("/shop/two/x").text == "two /shop/two/x 1" })
    for (words, code) in [
      (["invalidate", base + "/"], 77), (["invalidate", base + "/shop/two/x"], 77),
      (["invalidate", base + "/shop/two/", "--recursive"], 77),
      (["invalidate", "http://*:\(port)/shop/"], 77), (["invalidate", "http://+:\(port)/"], 77),
      (["invalidate", "http://+:1/shop/"], 77), (["invalidate", base + "/shopping"], 77),
      (["invalidate", "https://localhost:\(port)/shop/"], 77), (["invalidate"], 2),
      (["invalidate", base + "/shop/", base + "/shop/x"], 2), (["invalidate", "--all"], 2),
      (["invalidate", all, "--tag=x"], 2), (["invalidate", "--tag="], 2),
      (["invalidate", "http://+/shop/"], 2), (["invalidate", all + "?x"], 2),
      (["invalidate", base + "/shop/?x", "--recursive"], 2),
      (["invalidate", base + "/shop/%zz"], 2), (["invalidate", base + "/shop/", "--hard=1"], 2),
    ] {
      let answer = try one.say(words[0], words.dropFirst().joined(separator: "\t"))
      #expect(answer.hasSuffix("x \(code)\n"), "\(words): \(answer)")
    }
    #expect(try server.get("/shop/two/x").text == "two /shop/two/x 1")
    #expect(try one.say("unregister", "--all") == "x 0\n")
    for words in [["--tag=x"], [base + "/shop/"], [all, "--recursive"]] {
      #expect(try one.say("invalidate", words.joined(separator: "\t")).hasSuffix("x 77\n"))
    }
  }

  @Test func `what an application says it has changed is looked at only if it is its own`() throws {
    let server = try TestServer(Self.configuration + "CacheSize 128M\n")
    let one = try ClaimedApplication(server, "one", ["/shop/"])
    let two = try ClaimedApplication(server, "two", ["/shop/two/"], queue: "other")
    #expect(one.isReady && two.isReady, "\(one.said) \(two.said)")
    #expect(settled { (try? server.get("/shop/two/x").text.hasPrefix("two")) == true })
    for target in ["/shop/a", "/shop/b", "/shop/two/a"] { _ = try server.get(target) }
    #expect(try server.get("/shop/x/at/shop/a", method: "POST").text == "posted")
    #expect(try server.get("/shop/x/at/shop/two/a", method: "POST").text == "posted")
    #expect(try server.get("/shop/a").text == "one /shop/a 2")
    #expect(try server.get("/shop/b").text == "one /shop/b 1")
    #expect(try server.get("/shop/two/a").text == "two /shop/two/a 1")
  }

  @Test func `what was given to another application is not kept for the URL`() throws {
    let server = try TestServer(Self.configuration)
    let one = try ClaimedApplication(server, "one", ["/shop/"])
    let two = try ClaimedApplication(server, "two", ["/two/"], queue: "other")
    #expect(one.isReady && two.isReady, "\(one.said) \(two.said)")
    #expect(settled { (try? server.get("/two/x").text.hasPrefix("two")) == true })
    let cookie = ["Cookie: delegated"]
    for target in ["/shop/delegate-other", "/shop/short/etag/delegate-other"] {
      #expect(try server.get(target, fields: cookie).text == "two \(target) 1")
      #expect(try server.get(target, fields: cookie).text == "two \(target) 2")
      #expect(try server.get(target).text.hasPrefix("one"), "\(target)")
    }
    // Nor does it say anything of what is kept.
    let target = "/shop/short/etag/delegate-other"
    pause(milliseconds: 1300)
    #expect(try server.get(target, fields: cookie).text == "two \(target) 3")
    #expect(try server.get(target).text.hasPrefix("one"))
  }

  @Test func `who waits while a URL changes hands is answered by its new owner`() throws {
    let server = try TestServer(Self.configuration, workers: 1)
    let prefix = "http://+:\(server.port)/shop/"
    let one = try ClaimedApplication(server, "one", ["/shop/"], queue: "first")
    let two = try ClaimedApplication(server, "two", ["/two/"], queue: "second")
    #expect(one.isReady && two.isReady, "\(one.said) \(two.said)")
    #expect(try one.say("queue", "first", "--concurrency=16") == "x 0\n")
    #expect(try two.say("queue", "second", "--concurrency=16") == "x 0\n")
    let stale = "/shop/short/slow/error"
    #expect(try eventually { try server.get(stale).text == "one \(stale) 1" })
    pause(milliseconds: 1300)
    let first = try server.open()
    try first.request("/shop/slow")
    #expect(try eventually { try one.count("/shop/slow") == 1 })
    let waiting = try (0..<4).map { _ in try server.open() }
    for client in waiting { try client.request("/shop/slow") }
    let asking = try server.open()
    try asking.request(stale)
    #expect(try eventually { try one.count(stale) == 2 })
    #expect(try one.say("unregister", prefix) == "x 0\n")
    #expect(try two.say("register", prefix, "--queue=second") == "x 0\n")
    // What he was asked before is his to answer; nothing of it is kept, or stands in for an error.
    #expect(try first.response().text == "one /shop/slow 1")
    #expect(try asking.response().status == 500)
    for client in waiting { #expect(try client.response().text == "two /shop/slow 1") }
    #expect(try one.count("/shop/slow") == 1)
    for _ in 0..<5 { #expect(try server.get("/shop/slow").text == "two /shop/slow 1") }
    #expect(try server.get(stale).text == "two \(stale) 1")
  }
}
