// Requests and answers of the control socket, as bytes.

import Configuration
import Testing

@testable import Master

private func parse(_ text: String) -> ControlRequest.Parsed {
  ControlRequest.parse(Array(text.utf8))
}

@Test(arguments: [
  ("status\n", "status", [String](), [String: String]()),
  ("reload\t--dry-run\t--json\n", "reload", [], ["dry-run": "", "json": ""]),
  ("explain\thttp://a/\t--address\t::1\n", "explain", ["http://a/"], ["address": "::1"]),
  (
    "explain\t--address=127.0.0.1\thttp://a/b c\n", "explain", ["http://a/b c"],
    ["address": "127.0.0.1"]
  ),
  ("x\t--\n", "x", ["--"], [:]),
  ("status\nignored", "status", [], [:]),
])
func `a request line is words and flags`(
  line: String, verb: String, arguments: [String], flags: [String: String]
) {
  #expect(parse(line) == .request(ControlRequest(verb: verb, arguments: arguments, flags: flags)))
}

@Test func `a request is complete at its line feed and not before`() {
  let line = Array("reload\t--dry-run\n".utf8)
  for count in 0..<line.count - 1 {
    #expect(ControlRequest.parse(Array(line.prefix(count))) == .needMore)
  }
}

@Test func `a request in JSON is the same words`() {
  let plain = parse("register\thttp://+:80/a b/\t--queue=q\n")
  #expect(parse(#"["register","http://+:80/a b/","--queue=q"]"# + "\n") == plain)
  let spaced = #"[ "register" ,"# + "\t" + #""http:\/\/+:80/a b/", "--queue=q" ] "#
  #expect(parse(spaced + "\n") == plain)
  let text = #"["x","\u00e4\ud83d\ude00\"\\",""]"# + "\n"
  #expect(parse(text) == .request(ControlRequest(verb: "x", arguments: ["ä😀\"\\", ""])))
  #expect(parse(#"["register","http"#) == .needMore)
}

@Test(arguments: [
  "[", "[]", #"["x""#, #"["x",]"#, #"["x"] y"#, #"["x",1]"#, #"["x",null]"#, #"[["x"]]"#, #"["x"#,
  #"["x\"]"#, #"["x\q"]"#, #"["x\u12"]"#, #"["x\ud800"]"#, #"["x\ud800\u0041"]"#, #"["x\udc00"]"#,
  #"["x","a\nb"]"#, #"["x","\t"]"#, #"["x","\u0000"]"#, #"["x","\u007f"]"#, #"{"x":[]}"# + "\u{1}",
])
func `what is no array of clean strings is refused`(line: String) {
  guard case .garbage = parse(line + "\n") else {
    Issue.record("\(parse(line + "\n"))")
    return
  }
}

@Test func `an answer in JSON is one line`() {
  let answer = ControlAnswer(output: "a\n\"b\n", error: "c", exitCode: 3)
  #expect(
    String(decoding: answer.jsonBytes(isWhole: true), as: UTF8.self)
      == #"{"output":["a","\"b"],"error":["c"],"code":3}"# + "\n")
  #expect(
    String(decoding: ControlAnswer().jsonBytes(isWhole: false), as: UTF8.self)
      == #"{"output":[],"error":[]}"# + "\n")
}

@Test(
  arguments: [
    [0, 1, 2], [0x47, 0x45, 0x54, 0x0d], [0x1b], [0x7f], [0xff, 0xfe, 0x0a], [0x0a], [0x09, 0x0a],
  ] as [[UInt8]])
func `garbage is answered at once`(bytes: [UInt8]) {
  guard case .garbage = ControlRequest.parse(bytes) else {
    Issue.record("\(ControlRequest.parse(bytes))")
    return
  }
}

@Test func `a request has a largest size`() {
  let longest = [UInt8](repeating: 0x61, count: Limits.controlRequestBytes)
  #expect(ControlRequest.parse(longest) == .needMore)
  guard case .garbage = ControlRequest.parse(longest + [0x61]) else {
    Issue.record("accepted")
    return
  }
}

@Test func `an answer carries both outputs and the exit code, line by line`() {
  let answer = ControlAnswer(output: "a\n\nb\n", error: "c", exitCode: 3)
  #expect(String(decoding: answer.bytes, as: UTF8.self) == "o a\no \no b\ne c\nx 3\n")
  #expect(String(decoding: ControlAnswer().bytes, as: UTF8.self) == "x 0\n")
}

@Test func `unknown verbs, unknown flags and wrong counts are refused by the table`() {
  let cases: [(ControlRequest, String)] = [
    (ControlRequest(verb: "bogus"), "unknown command 'bogus'; try 'help'"),
    (ControlRequest(verb: "status", flags: ["x": ""]), "'status' has no option '--x'"),
    (ControlRequest(verb: "explain"), "usage: explain URL [--address A] [--json]"),
    (ControlRequest(verb: "stop", arguments: ["now"]), "usage: stop [--graceful]"),
  ]
  for (request, message) in cases {
    guard case .failure(let refusal) = ControlCommand.find(request) else {
      Issue.record("accepted \(request)")
      continue
    }
    #expect(refusal.description == message)
  }
}

@Test func `help names every verb once`() {
  let verbs = ControlCommand.table.map { $0.verb }
  #expect(Set(verbs).count == verbs.count)
  for verb in verbs { #expect(ControlCommand.helpText.contains(verb)) }
}

@Test func `JSON is escaped so that any string survives`() {
  #expect(JSON.string("a\"\\\n\t\r\u{1}\u{7f}ä").text == #""a\"\\\n\t\r\u0001\u007fä""#)
  #expect(
    JSON.object([("a", .array([.null, .bool(true), .number(-5)])), ("b", .strings(["x"]))]).text
      == #"{"a":[null,true,-5],"b":["x"]}"#)
}

@Test func `what one image leaves is read by the next`() {
  var inheritance = Inheritance(
    lastGeneration: 7, slotCount: 2, pidFile: 5, controlListener: -1, cache: 9, log: 3,
    tickets: 6)
  inheritance.pidFilePath = "/run/ä;,"
  inheritance.controlPath = "@ring3"
  inheritance.listeners = [
    Inheritance.Listener(identifier: 3, slot: 1, descriptor: 11, isGiven: true)
  ]
  inheritance.workers = [
    Inheritance.Worker(
      serial: 4, generation: 7, index: 1, processSlot: 2, process: 4711, control: 12)
  ]
  #expect(Inheritance(text: inheritance.text) == inheritance)
  inheritance.applications = .init(process: 4712, channel: 13)
  inheritance.queues = .init(rules: 14, cells: 15, event: 16)
  #expect(Inheritance(text: inheritance.text) == inheritance)
}

@Test func `a binary of another format does not pass the check`() {
  let arguments = MasterArguments(
    configurationFile: "/nonexistent", defines: [:], isForeground: true)
  var isLoaded = false
  let rooms = MasterRooms(
    load: { _ in
      isLoaded = true
      return LoadResult(model: nil, diagnostics: [])
    }, workerMain: { _ in 0 }, helperMain: nil, openCache: nil, adoptCache: nil)
  #expect(
    MasterProcess.check(arguments, inheritance: Inheritance.format + 1, rooms: rooms) == 1)
  #expect(!isLoaded)
  _ = MasterProcess.check(arguments, inheritance: Inheritance.format, rooms: rooms)
  #expect(isLoaded)
}

@Test(arguments: [
  "", "5", "4;1,1,1,1,1,1,1", "5;1,1,1,1,1,1", "5;a,1,1,1,1,1,1", "5;-1,1,1,1,1,1,1",
  "5;1,1,1,1,1,1,1;q,1,2", "5;1,1,1,1,1,1,1;l,1,2,3", "5;1,1,1,1,1,1,1;w,1,2,3,4,5",
  "5;1,1,1,1,1,1,1;l,1,2,-3,0", "5;1,1,1,1,1,1,1;l,1,2,4294967295,0",
  "5;1,1,1,1,1,1,1;p,2f2", "5;1,1,1,1,1,1,1;c,zz", "5;1,1,1,1,1,1,1;a,1",
])
func `an inheritance that no image wrote is not taken`(text: String) {
  #expect(Inheritance(text: text) == nil)
}
