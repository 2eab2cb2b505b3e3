// Text files whose damage is seen: lines that people can read, and a last one that tells whether
// the others are whole.
//
//     ring3 reservations 1
//     …
//     end 2 5c1b6f7e9f0a2d34
//
// The last line holds the number of lines between it and the first, and a hash of all before it.

/// Reads and writes such files' text.
package enum SealedLines {
  /// Why a text is not used: nothing of it is.
  package struct Damage: Error, Equatable, Sendable {
    package let message: String

    package init(message: String) { self.message = message }
  }

  /// The bytes of a file; `title` is its first line, and no line has an end of its own.
  package static func text(title: String, _ lines: [String]) -> [UInt8] {
    let body = Array(([title] + lines).joined(separator: "\n").utf8) + [0x0a]
    return body + Array("end \(lines.count) \(hash(body))\n".utf8)
  }

  /// The lines between the first and the last.
  package static func parse(_ bytes: [UInt8], title: String) throws(Damage) -> [Substring] {
    guard bytes.last == 0x0a, let text = String(validating: bytes, as: UTF8.self) else {
      throw Damage(message: "it does not end as it was written")
    }
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
    guard lines.first == Substring(title) else {
      throw Damage(message: "its first line is not '\(title)'")
    }
    guard let end = lines.popLast()?.split(separator: " "), end.count == 3, end[0] == "end",
      end[1] == "\(lines.count - 1)"
    else { throw Damage(message: "its last line is missing, so it is not whole") }
    let body = bytes.prefix(lines.reduce(0) { $0 + $1.utf8.count + 1 })
    guard end[2] == hash(body) else { throw Damage(message: "its bytes have changed") }
    return Array(lines.dropFirst())
  }

  /// FNV-1a: against bytes that went wrong, not against people.
  private static func hash(_ bytes: some Sequence<UInt8>) -> String {
    let hash = bytes.reduce(0xcbf2_9ce4_8422_2325 as UInt64) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01b3
    }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
