// Reservations as a file of sealed lines.
//
//     http://+:8080/shop/ user=1000:listen+delegate group=50:listen
//     http://+:8080/shop/team/ by=1000 user=1001:listen
//
// "by": the user who made it because he may delegate.

/// Reads and writes the file's text.
package enum ReservationFile {
  package typealias Damage = SealedLines.Damage

  private static let title = "ring3 reservations 1"

  /// In the order of the prefixes' texts, so that the same reservations are the same bytes.
  package static func text(_ reservations: some Sequence<Reservation>) -> [UInt8] {
    let lines = reservations.map { reservation in
      let maker = reservation.maker.map { ["by=\($0)"] } ?? []
      return ([reservation.prefix.description] + maker + reservation.grants.map(text))
        .joined(separator: " ")
    }.sorted()
    return SealedLines.text(title: title, lines)
  }

  private static func text(_ grant: NamespaceGrant) -> String {
    let rights = grant.rights.words.joined(separator: "+")
    switch grant.holder {
    case .user(let user): return "user=\(user):\(rights)"
    case .group(let group): return "group=\(group):\(rights)"
    }
  }

  package static func parse(_ bytes: [UInt8]) throws(Damage) -> [Reservation] {
    var reservations: [Reservation] = []
    for line in try SealedLines.parse(bytes, title: title) {
      reservations.append(try reservation(line))
    }
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
    var maker: UInt32?
    for word in words.dropFirst() {
      if word.hasPrefix("by="), maker == nil, let user = UInt32(word.dropFirst(3)) {
        maker = user
        continue
      }
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
    return Reservation(prefix, grants, maker: maker)
  }
}

extension NamespaceRights {
  /// "listen", "delegate", "handoff"
  package var words: [String] {
    (contains(.listen) ? ["listen"] : []) + (contains(.delegate) ? ["delegate"] : [])
      + (contains(.handOff) ? ["handoff"] : [])
  }

  /// nil for any other word, and for none.
  package init?(words: [String]) {
    self = []
    for word in words {
      switch word {
      case "listen": insert(.listen)
      case "delegate": insert(.delegate)
      case "handoff": insert(.handOff)
      default: return nil
      }
    }
    if isEmpty { return nil }
  }
}
