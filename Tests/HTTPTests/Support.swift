// Helpers of these tests: bytes from text, one-shot parsing, a generator with a seed.

@testable import HTTP

func bytes(_ text: String) -> [UInt8] { [UInt8](text.utf8) }

func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

/// Everything a parsed head says, so that two can be compared.
struct Summary: Equatable {
  var parts: [String]

  init(_ head: RequestHead, _ data: [UInt8]) {
    func show(_ range: BufferRange) -> String {
      text(range.copy(from: data.rawSpan)) + "@\(range.offset)"
    }
    parts = [
      "\(head.method) \(show(head.methodRange))", "1.\(head.minorVersion)", "\(head.targetForm)",
      show(head.target), show(head.path), head.query.map(show) ?? "no query",
      show(head.requestLine), "\(head.hasAuthority)", show(head.authority), show(head.host),
      "\(head.hostPort.map(Int.init) ?? -1)", "\(head.headByteCount)", "\(head.keepAlive)",
      "\(head.connectionUpgrade)", "\(head.body)", "\(head.expectsContinue)",
      "\(head.unknownExpectation)", "\(head.targetSchemeIsSecure)",
    ]
    for number in 0..<head.fieldCount {
      let line = head.field(at: number)
      parts.append("\(show(line.name)): \(show(line.value)) \(String(describing: line.known))")
    }
    for field in KnownField.allCases {
      if let value = head.known(field) {
        parts.append("\(field) \(show(value)) \(head.isRepeated(field))")
      }
    }
  }
}

enum Parsed: Equatable {
  case complete(Summary)
  case needMore
  case rejected(Int)

  init(_ outcome: ParseOutcome, _ head: RequestHead, _ data: [UInt8]) {
    switch outcome {
    case .complete: self = .complete(Summary(head, data))
    case .needMore: self = .needMore
    case .rejected(let rejection): self = .rejected(Int(rejection.status))
    }
  }

  var isRejected: Bool { if case .rejected = self { true } else { false } }
  var isComplete: Bool { if case .complete = self { true } else { false } }
}

/// Parses `data` whole, with a head that has seen nothing before.
func parse(_ data: [UInt8], limits: RequestLimits = RequestLimits()) -> Parsed {
  var head = RequestHead(fieldCapacity: 2)
  let outcome = RequestParser(limits: limits).parse(data.rawSpan, into: &head)
  return Parsed(outcome, head, data)
}

/// A parsed head, or nil.
func parsedHead(_ message: String) -> RequestHead? {
  var head = RequestHead()
  let data = bytes(message)
  guard case .complete = RequestParser().parse(data.rawSpan, into: &head) else { return nil }
  return head
}

/// SplitMix64: small, and the same everywhere for the same seed.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return value ^ (value >> 31)
  }
}

/// `data` with up to three bytes replaced, added or left out, bytes of `alphabet` where one is put.
func damaged(
  _ data: [UInt8], with alphabet: [UInt8], using generator: inout SeededGenerator
) -> [UInt8] {
  var data = data
  for _ in 0..<Int.random(in: 0...3, using: &generator) where !data.isEmpty {
    let position = Int.random(in: 0..<data.count, using: &generator)
    let byte = alphabet.randomElement(using: &generator) ?? 0
    switch Int.random(in: 0..<3, using: &generator) {
    case 0: data[position] = byte
    case 1: data.insert(byte, at: position)
    default: data.remove(at: position)
    }
  }
  return data
}
