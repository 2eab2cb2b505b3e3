// The bytes of a session, line by line: answers, and events between them.

/// What the server said to one request.
public struct ControlAnswer: Sendable, Hashable {
  /// The lines of output.
  public internal(set) var output: [String] = []
  /// The lines that say what is wrong.
  public internal(set) var errors: [String] = []
  /// 0 if all is well.
  public internal(set) var code: Int32 = 0
}

/// What the server says between answers, once a session watches.
public enum ControlEvent: Sendable, Hashable {
  /// A request waits in a queue, and no process accepts from it. Told once, until some do.
  case demand(queue: String)
  /// An operator wants the processes of a queue replaced.
  case recycle(queue: String)
  /// Something that this library does not know yet: its name, and the words behind it.
  case other(name: String, words: [String])
}

/// Takes bytes as they come, and gives whole answers and events.
struct AnswerReader: Sendable {
  enum Item: Equatable {
    case answer(ControlAnswer)
    case event(ControlEvent)
  }

  /// Why bytes are none of the server's.
  struct Garbage: Error, Equatable { let message: String }

  /// One answer has at most so many.
  private let answerBytesMax: Int
  private var rest: [UInt8] = []
  private var answer = ControlAnswer()
  private var answerByteCount = 0

  /// The list of all reservations is the longest answer.
  init(answerBytesMax: Int = 64 << 20) { self.answerBytesMax = answerBytesMax }

  /// What has become whole with these bytes, in order.
  mutating func take(_ bytes: [UInt8]) throws(Garbage) -> [Item] {
    guard let end = bytes.lastIndex(of: UInt8(ascii: "\n")) else {
      rest += bytes
      try count(0)
      return []
    }
    let lines = (rest + bytes[...end]).split(separator: UInt8(ascii: "\n"))
    rest = Array(bytes[(end + 1)...])
    var items: [Item] = []
    for line in lines {
      try count(line.count)
      if let item = try take(line: line) { items.append(item) }
    }
    return items
  }

  private mutating func count(_ byteCount: Int) throws(Garbage) {
    answerByteCount += byteCount
    guard answerByteCount + rest.count <= answerBytesMax else {
      throw Garbage(message: "an answer of more than \(answerBytesMax) bytes")
    }
  }

  private mutating func take(line: ArraySlice<UInt8>) throws(Garbage) -> Item? {
    guard let text = String(validating: line, as: UTF8.self) else {
      throw Garbage(message: "an answer that is no UTF-8")
    }
    let words = String(text.dropFirst(2))
    switch text.first {
    case "o": answer.output.append(words)
    case "e": answer.errors.append(words)
    case "x":
      guard let code = Int32(words) else {
        throw Garbage(message: "'\(text)' where an exit code should be")
      }
      answer.code = code
      defer {
        answer = ControlAnswer()
        answerByteCount = 0
      }
      return .answer(answer)
    case "!": return event(words)
    // Later versions may say more.
    default: break
    }
    return nil
  }

  private func event(_ text: String) -> Item? {
    let words = text.split { $0 == " " || $0 == "\t" }.map(String.init)
    switch (words.first, words.count) {
    case (nil, _): return nil
    case ("demand", 2): return .event(.demand(queue: words[1]))
    case ("recycle", 2): return .event(.recycle(queue: words[1]))
    case (let name?, _): return .event(.other(name: name, words: Array(words.dropFirst())))
    }
  }
}
