// What goes between processes: settings, statistics, reports; and what an answer to a ping says.

import Testing

@testable import Programs

struct ProgramTextTests {
  @Test func `memory is measured once for all that ask at about the same time`() {
    var count = 0
    let memory = ProgramMemory {
      count += 1
      return [7: count]
    }
    #expect(memory.sizes(now: 5_000) == [7: 1])
    #expect(memory.sizes(now: 5_999) == [7: 1])
    #expect(memory.sizes(now: 6_000) == [7: 2])
  }

  @Test func `settings come through as they are`() {
    var full = ProgramSettings()
    full.name = "shop"
    full.queue = "shop-queue"
    full.prefixes = ["http://+:80/shop/", "http://*:80/"]
    full.command = ["run", "", "two words", "tab\tand\nline"]
    full.processes = 4
    full.concurrency = 8
    full.keepsAlive = false
    full.queueLength = 0
    full.queueAgeSeconds = 5
    full.verbosity = "limited"
    full.queueBytes = 9
    full.queueGroup = ""
    full.delegators = ["a", "#7"]
    full.isOnDemand = true
    full.idleStopMilliseconds = 1
    full.recycleRequests = 2
    full.recycleAgeMilliseconds = 3
    full.recycleMemoryBytes = 4
    full.ping = ProgramPing(path: "/health")
    full.ping?.failuresMax = 9
    full.ping?.intervalMilliseconds = 11
    full.ping?.busyMilliseconds = 12
    full.user = "#65534"
    full.group = "mail"
    full.directory = "/srv"
    full.environment = ["A": "1=2", "B": ""]
    full.stopMilliseconds = 0
    var small = ProgramSettings()
    small.name = "small"
    let bytes = ProgramSettings.bytes([full, small])
    #expect(ProgramSettings.list(bytes) == [full, small])
    #expect(ProgramSettings.list([]) == [])
    #expect(
      full.queueWords == [
        "--length=0", "--bytes=9", "--age=5", "--verbosity=limited", "--keepalive=off",
        "--concurrency=8", "--group=", "--delegators=a,#7",
      ])
    #expect(small.queueWords == [])
  }

  @Test func `a queue without a name has one of its first prefix`() {
    for (prefix, name) in [
      ("http://+:8080/shop/", "shop"), ("http://*:80/shop/cart/", "shop-cart"),
      ("https://api.example.org:443/v1/", "api.example.org-v1"), ("http://+:8080/", "8080"),
      ("http://shop.example:80/", "shop.example"), ("http://*.shop.example:80/", "shop.example"),
      ("http://[::1]:80/a%20b/", "1-a-20b"), ("http://+:80/\u{e4}/", "queue"),
      ("http://+:80/" + String(repeating: "a", count: 90) + "/", String(repeating: "a", count: 64)),
      ("nonsense", "nonsense"), ("", "queue"),
    ] {
      #expect(ProgramSettings.queueName(prefix: prefix) == name, "\(prefix)")
    }
  }

  @Test(arguments: [
    "name", "name\0", "queue\0x\0", "name\0a\0processes\0x\0", "name\0a\0colour\0red\0",
    "name\0a\0variable\0x\0",
  ])
  func `what is no settings is refused`(_ text: String) {
    #expect(ProgramSettings.list(Array(text.utf8)) == nil)
  }

  @Test func `numbers of a queue are found among others`() {
    let json = #"""
      {"queue":"a\"b,\"active\":9","state":"enabled","nested":{"active":7,"x":[1,2]},
      "active": 1,"waiting":2 ,"served":3000000000,"rate":-1.5e3,"none":null}
      """#
    var expected = QueueStatistics(active: 1, waiting: 2, served: 3_000_000_000)
    #expect(QueueStatistics(json: json) == expected)
    expected.credits = 4
    #expect(QueueStatistics(json: #"{"credits":4,"# + json.dropFirst()) == expected)
    for bad in [
      "", "{", "{}", #"{"active":1,"waiting":2}"#, #"{"active":"1","waiting":2,"served":3}"#,
      #"{"active":1,"waiting":2,"served":3.5}"#, "\"", #"{"active":1,"waiting":2,"served":"#,
    ] {
      #expect(QueueStatistics(json: bad) == nil, "\(bad)")
    }
  }

  @Test func `a report is read, lines that are none are passed over`() {
    let text = "shop\tq\trunning\t3\t10,11\nidle\tidle\tasleep\t0\t\nbad line\n "
    #expect(
      ProgramReport.list(Array(text.utf8)) == [
        ProgramReport(
          name: "shop", queue: "q", phase: "running", startCount: 3, processes: [10, 11]),
        ProgramReport(name: "idle", queue: "idle", phase: "asleep", startCount: 0, processes: []),
      ])
  }

  @Test func `a ping is answered by a status below 400`() {
    func judge(_ text: String) -> HealthPing.Outcome { HealthPing.judge(Array(text.utf8)) }
    #expect(judge("HTTP/1.1 200 OK") == .passed)
    #expect(judge("HTTP/1.0 302 Fo") == .passed)
    #expect(judge("HTTP/1.1 503 Se") == .failed("status 503"))
    #expect(judge("SSH-2.0-OpenSSH") == .failed("the answer is not HTTP"))
    #expect(judge("HTTP/1.1 2x0 ") == .failed("the answer is not HTTP"))
  }
}
