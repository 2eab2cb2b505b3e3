// What the library makes of the server's bytes, and of nonsense.

import Testing

@testable import Ring3App

@Suite struct `answers and events` {
  private func items(_ parts: [String]) throws -> [AnswerReader.Item] {
    var reader = AnswerReader()
    return try parts.flatMap { try reader.take(Array($0.utf8)) }
  }

  private func answer(
    _ output: [String] = [], _ errors: [String] = [], _ code: Int32 = 0
  ) -> AnswerReader.Item {
    var answer = ControlAnswer()
    answer.output = output
    answer.errors = errors
    answer.code = code
    return .answer(answer)
  }

  @Test func `answers end with their code, wherever the bytes are cut`() throws {
    let text = "o 1 register attach\nx 0\ne no\ne never\nx 77\nx 0\n"
    let expected = [
      answer(["1 register attach"]), answer([], ["no", "never"], 77), answer(),
    ]
    #expect(try items([text]) == expected)
    #expect(try items(text.map { "\($0)" }) == expected)
    #expect(try items(["o half"]).isEmpty)
  }

  @Test func `events come between answers and in the middle of one`() throws {
    let found = try items([
      "! demand shop\no a\n! recycle shop\nx 0\n! later a b\n!\n! \n! demand\n! demand a b\n"
    ])
    #expect(
      found == [
        .event(.demand(queue: "shop")), .event(.recycle(queue: "shop")), answer(["a"]),
        .event(.other(name: "later", words: ["a", "b"])),
        .event(.other(name: "demand", words: [])),
        .event(.other(name: "demand", words: ["a", "b"])),
      ])
  }

  @Test func `lines of later versions are passed over`() throws {
    #expect(try items(["z what\n\no a\nx 0\n"]) == [answer(["a"])])
  }

  @Test(arguments: ["x\n", "x 1 2\n", "x x\n", "o \u{ff}\n"])
  func `nonsense is told`(_ text: String) {
    var reader = AnswerReader()
    let bytes = text.unicodeScalars.map { UInt8($0.value) }
    #expect(throws: AnswerReader.Garbage.self) { try reader.take(bytes) }
  }

  @Test func `an answer that never ends is given up`() {
    var reader = AnswerReader(answerBytesMax: 1000)
    let line = Array(("o " + String(repeating: "a", count: 97) + "\n").utf8)
    #expect(throws: AnswerReader.Garbage.self) { for _ in 0...10 { _ = try reader.take(line) } }
    var endless = AnswerReader(answerBytesMax: 1000)
    #expect(throws: AnswerReader.Garbage.self) {
      for _ in 0...1000 { _ = try endless.take([0x61]) }
    }
    // The limit is that of one answer.
    var many = AnswerReader(answerBytesMax: 1000)
    for _ in 0..<100 { #expect(throws: Never.self) { try many.take(line + Array("x 0\n".utf8)) } }
  }

  @Test func `only words can be sent`() throws {
    #expect(try Wire.line(["attach", "shop"]) == Array("attach\tshop\n".utf8))
    let long = String(repeating: "a", count: 70_000)
    for words in [[], [""], ["attach", "a\tb"], ["a\nb"], ["a\u{7f}"], [long]] {
      #expect(throws: ControlError.self) { try Wire.line(words) }
    }
  }

  @Test func `what comes before a connection that is handed over`() throws {
    func preamble(_ text: String) throws -> HandedConnection.Preamble? {
      try HandedConnection.Preamble(Array(text.utf8))
    }
    let whole = try preamble("ring3-handoff 1 12 ::1\nGET / HTTP/1.1")
    #expect(whole?.clientAddress == "::1" && whole?.endOffset == 23 && whole?.byteCount == 35)
    #expect(try preamble("") == nil && preamble("ring3-handoff 1 12") == nil)
    for text in [
      "GET / HTTP/1.1\r\n", "ring3-handoff 2 1 a\n", "ring3-handoff 1 -1 a\n", "\n",
      "ring3-handoff 1 99999999999999999999 a\n", "ring3-handoff 1 1\n",
      String(repeating: "a", count: 300),
    ] {
      #expect(throws: ControlError.self, "\(text)") { try preamble(text) }
    }
  }

  @Test func `a request is given away by a field`() {
    #expect(Delegation.fieldValue(queue: "back") == "back")
    #expect(Delegation.fieldValue(queue: "back", path: "/x?y") == "back /x?y")
  }

  @Test func `codes are kinds of errors`() {
    #expect(ControlError(code: 0, errors: []) == nil)
    #expect(ControlError(code: 1, errors: ["a", "b"])?.message == "a\nb")
    #expect(ControlError(code: 1, errors: ["a"])?.kind == .refused)
    #expect(ControlError(code: 2, errors: ["a"])?.kind == .notUnderstood)
    #expect(ControlError(code: 77, errors: [])?.kind == .notAllowed)
    #expect(ControlError(code: 9, errors: [])?.message == "the server refused with code 9")
    #expect(ControlError(.ended, "x").isPassing)
    #expect(ControlError(code: 77, errors: [])?.isPassing == false)
  }
}

@Suite struct `the library reads JSON` {
  @Test func `values of all kinds`() throws {
    let value = try #require(
      JSONValue(
        #" {"a": [1, -2.5e1, true, false, null], "b": {"c": "d\n\"\u00e9\ud83d\ude00"}, "e": {}} "#)
    )
    #expect(value["a"]?.elements == [.number(1), .number(-25), .bool(true), .bool(false), .null])
    #expect(value["b"]?["c"]?.text == "d\n\"é😀")
    #expect(value["e"] == .object([:]))
    #expect(value["a"]?.elements[0].integer == 1)
    #expect(JSONValue("[]") == .array([]))
    #expect(JSONValue("2.5")?.integer == nil)
  }

  @Test(arguments: [
    "", " ", "{", "[", "[1", "[1,]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "\"", "\"\\\"",
    "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\ud800 \\udc00\"", "\"\\udc00\"", "\"a\nb\"", "1 2",
    "+1", "-", "nul", "truex", "\"\\u+123\"", String(repeating: "[", count: 1000),
  ])
  func `what is none is nil`(_ text: String) { #expect(JSONValue(text) == nil) }

  @Test func `statistics are read, whatever else there is`() throws {
    let statistics = try #require(
      QueueStatistics(
        """
        {"queue":"shop","user":"nobody","state":"enabled","processes":2,"credits":8,"concurrency":4,
        "active":3,"waiting":1,"oldestMilliseconds":12,"waitingBytes":900,"served":70,"refused":1,
        "expired":2,"cancelled":3,"later":[{"x":1}]}
        """))
    #expect(statistics.queue == "shop" && statistics.user == "nobody")
    #expect(statistics.state == "enabled" && statistics.processes == 2)
    #expect(statistics.credits == 8 && statistics.concurrency == 4)
    #expect(statistics.active == 3 && statistics.waiting == 1)
    #expect(statistics.oldestMilliseconds == 12 && statistics.waitingBytes == 900)
    #expect(statistics.served == 70 && statistics.refused == 1)
    #expect(statistics.expired == 2 && statistics.cancelled == 3)
    #expect(QueueStatistics("{}")?.served == 0)
    #expect(QueueStatistics("[]") == nil)
  }

  @Test func `properties are words`() {
    #expect(QueueProperties().words.isEmpty)
    let all = QueueProperties(
      length: 10, byteCountMax: 2000, ageSeconds: 30, verbosity: .full, keepsConnections: false,
      concurrency: 4, group: "team", delegators: ["a", "b"])
    #expect(
      all.words == [
        "--length=10", "--bytes=2000", "--age=30", "--verbosity=full", "--keepalive=off",
        "--concurrency=4", "--group=team", "--delegators=a,b",
      ])
  }
}
