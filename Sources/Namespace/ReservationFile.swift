// Reservations as a file: lines that people can read, and a last one that tells damage.
//
//     ring3 reservations 1
//     http://+:8080/shop/ user=1000:listen+delegate group=50:listen
//     end 1 5c1b6f7e9f0a2d34
//
// The last line holds the number of reservations and a hash of all bytes before it.

/// Reads and writes the file's text.
package enum ReservationFile {
  /// Why a text is not used: nothing of it is.
  package struct Damage: Error, Equatable, Sendable {
    package let message: String
  }

  private static let title = "ring3 reservations 1"

  /// In the order of the prefixes' texts, so that the same reservations are the same bytes.
  package static func text(_ reservations: some Sequence<Reservation>) -> [UInt8] {
    let lines = reservations.map { reservation in
      ([reservation.prefix.description] + reservation.grants.map(text)).joined(separator: " ")
    }.sorted()
    let body = Array(([title] + lines).joined(separator: "\n").utf8) + [0x0a]
    return body + Array("end \(lines.count) \(hash(body))\n".utf8)
  }

  private static func text(_ grant: NamespaceGrant) -> String {
    let rights = grant.rights.words.joined(separator: "+")
    switch grant.holder {
    case .user(let user): return "user=\(user):\(rights)"
    case .group(let group): return "group=\(group):\(rights)"
    }
  }

  package static func parse(_ bytes: [UInt8]) throws(Damage) -> [Reservation] {
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
    var reservations: [Reservation] = []
    for line in lines.dropFirst() { reservations.append(try reservation(line)) }
    return reservations
  }

  private static func reservation(_ line: Substring) throws(Damage) -> Reservation {
    let words = line.split(separator: " ")
    let prefix: UrlPrefix
    do throws(UrlPrefixError) {
      prefix = try UrlPrefix(String(words.first ?? ""))
    } catch {
      throw Damage(message: "'\(line)': \(error)")
    }
    var grants: [NamespaceGrant] = []
    for word in words.dropFirst() {
      let parts = word.split { $0 == "=" || $0 == ":" }
      guard parts.count == 3, let number = UInt32(parts[1]),
        let rights = NamespaceRights(words: parts[2].split(separator: "+").map(String.init))
      else { throw Damage(message: "'\(word)' is no grant") }
      switch parts[0] {
      case "user": grants.append(NamespaceGrant(.user(number), rights))
      case "group": grants.append(NamespaceGrant(.group(number), rights))
      default: throw Damage(message: "'\(word)' is no grant")
      }
    }
    return Reservation(prefix, grants)
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

extension NamespaceRights {
  /// "listen", "delegate"
  package var words: [String] {
    (contains(.listen) ? ["listen"] : []) + (contains(.delegate) ? ["delegate"] : [])
  }

  /// nil for any other word, and for none.
  package init?(words: [String]) {
    self = []
    for word in words {
      switch word {
      case "listen": insert(.listen)
      case "delegate": insert(.delegate)
      default: return nil
      }
    }
    if isEmpty { return nil }
  }
}
