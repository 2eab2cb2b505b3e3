// What `ring3ctl` and the master say to each other, as bytes.
//
// Request: the words of the command line, separated by tabs, ended by a line feed:
//     reload<TAB>--dry-run<LF>
// or the same as JSON, and then so is the answer: see ControlJSON.
// Answer: lines, each with a letter and a space in front: "o text" for standard output, "e text"
// for standard error, and at last "x code" with the exit code. Lines may come while the command is
// still at work.

/// One request, parsed.
package struct ControlRequest: Equatable, Sendable {
  /// The first word; "cache stats" and the like are two.
  package let verb: String
  /// Words that do not begin with "--", after the verb.
  package var arguments: [String] = []
  /// Words that begin with "--", without it; "--name=value" keeps its value, the last one counts.
  package var flags: [String: String] = [:]
  /// All values of flags that were given more than once.
  package var repeated: [String: [String]] = [:]

  package var wantsJSON: Bool { flags["json"] != nil }

  /// What a buffer holds so far.
  package enum Parsed: Equatable, Sendable {
    case needMore
    case request(ControlRequest)
    /// No request of ours; the text says why.
    case garbage(String)
  }

  /// Parses one request line. Bytes behind it are ignored: a connection carries one request.
  /// `groups`: first words that belong to a second one.
  package static func parse(
    _ bytes: [UInt8], groups: Set<String> = ControlRequest.groups
  ) -> Parsed {
    let line = bytes.prefix { $0 != UInt8(ascii: "\n") }
    // Checked before the end of the line is there: garbage is answered at once.
    if line.contains(where: { $0 < 0x20 && $0 != UInt8(ascii: "\t") || $0 == 0x7f }) {
      return .garbage("a request is one line of words separated by tabs")
    }
    if line.count > Limits.controlRequestBytes {
      return .garbage("a request has at most \(Limits.controlRequestBytes) bytes")
    }
    if line.count == bytes.count { return .needMore }
    guard let text = String(validating: line, as: UTF8.self) else {
      return .garbage("a request is UTF-8")
    }
    // An empty argument is one all the same: left out, the next word would take its place.
    var words = text.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
    if isJSON(line) {
      guard let read = jsonWords(line) else {
        return .garbage("a request in JSON is an array of strings without control characters")
      }
      words = read
    }
    guard var verb = words.first, !verb.isEmpty else { return .garbage("empty request") }
    var arguments: [String] = []
    var flags: [String: String] = [:]
    var repeated: [String: [String]] = [:]
    var rest = words.dropFirst()
    while let word = rest.popFirst() {
      guard word.hasPrefix("--"), word.utf8.count > 2 else {
        arguments.append(word)
        continue
      }
      let parts = word.dropFirst(2).split(
        separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = String(parts[0])
      var value = parts.count == 2 ? String(parts[1]) : ""
      // "--address A" and "--address=A" are the same.
      if parts.count == 1, ControlRequest.flagsWithValue.contains(name),
        let next = rest.first, !next.hasPrefix("--")
      {
        value = next
        rest = rest.dropFirst()
      }
      if let first = flags[name] { repeated[name, default: [first]].append(value) }
      flags[name] = value
    }
    if groups.contains(verb) && !arguments.isEmpty
      || verb == "session" && !groups.isEmpty && ["show", "end"].contains(arguments.first)
    {
      verb += " " + arguments.removeFirst()
    }
    return .request(
      ControlRequest(verb: verb, arguments: arguments, flags: flags, repeated: repeated))
  }

  /// All values of a flag, in order.
  package func values(of flag: String) -> [String] {
    repeated[flag] ?? flags[flag].map { [$0] } ?? []
  }

  static let flagsWithValue: Set<String> = [
    "accept-encoding", "address", "group", "host", "limit", "prefix", "queue", "regex", "tag",
    "user",
  ]
  /// First words that need a second one.
  package static let groups: Set<String> = ["cache", "proxy", "queue", "reserve"]
}

/// One answer.
package struct ControlAnswer: Equatable, Sendable {
  package var output = ""
  package var error = ""
  package var exitCode: Int32 = 0

  package static func success(_ output: String) -> ControlAnswer {
    ControlAnswer(output: output)
  }
  package static func failure(_ error: String, code: Int32 = 1) -> ControlAnswer {
    ControlAnswer(error: error, exitCode: code)
  }

  package var bytes: [UInt8] { partBytes + Array("x \(exitCode)\n".utf8) }

  /// The answer so far, when more is to come.
  var partBytes: [UInt8] {
    let lines =
      ControlAnswer.lines(output).map { "o \($0)\n" }
      + ControlAnswer.lines(error).map { "e \($0)\n" }
    return Array(lines.joined().utf8)
  }

  static func lines(_ text: String) -> [Substring] {
    if text.isEmpty { return [] }
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    return lines.last == "" ? lines.dropLast() : lines
  }
}
