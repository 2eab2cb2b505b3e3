// What the server counts of a queue: the answer to `statistics NAME`.

/// The numbers of it that say when a program is to be replaced or stopped.
package struct QueueStatistics: Equatable, Sendable {
  /// Requests that are with a process, that wait, and that have been answered since it was made.
  package var active = 0
  package var waiting = 0
  package var served = 0
  /// Requests that may be with processes at a time; 0: the server does not say so.
  package var credits = 0
  /// Requests that got no whole answer in time, since it was made.
  package var failed = 0

  package init(active: Int, waiting: Int, served: Int, credits: Int = 0, failed: Int = 0) {
    self.failed = failed
    self.active = active
    self.waiting = waiting
    self.served = served
    self.credits = credits
  }

  /// Reads one JSON object; nil when one of the numbers is missing.
  package init?(json: String) {
    let numbers = FlatJSON.numbers(Array(json.utf8))
    guard let active = numbers["active"], let waiting = numbers["waiting"],
      let served = numbers["served"]
    else { return nil }
    self.init(
      active: active, waiting: waiting, served: served, credits: numbers["credits"] ?? 0,
      failed: numbers["failed"] ?? 0)
  }
}

/// As much of JSON as is needed to find the numbers of an object.
enum FlatJSON {
  /// Whole numbers that are members of the outermost object itself.
  static func numbers(_ text: [UInt8]) -> [String: Int] {
    var found: [String: Int] = [:]
    var depth = 0
    var key: String?
    var string: String?
    var place = 0
    while place < text.count {
      let byte = text[place]
      switch byte {
      case UInt8(ascii: "\""):
        guard let end = endOfString(text, place) else { return found }
        string = String(decoding: text[(place + 1)..<end], as: UTF8.self)
        place = end
      case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
      case UInt8(ascii: ":") where depth == 1: key = string
      case UInt8(ascii: ",") where depth == 1: key = nil
      case 0x30...0x39, UInt8(ascii: "-"):
        let end = text[place...].firstIndex { !isNumeral($0) } ?? text.count
        if depth == 1, let key {
          found[key] = Int(String(decoding: text[place..<end], as: UTF8.self))
        }
        place = end - 1
      default: break
      }
      place += 1
    }
    return found
  }

  /// Where the closing quote of a string is.
  private static func endOfString(_ text: [UInt8], _ start: Int) -> Int? {
    var place = start + 1
    while place < text.count, text[place] != UInt8(ascii: "\"") {
      place += text[place] == UInt8(ascii: "\\") ? 2 : 1
    }
    return place < text.count ? place : nil
  }

  private static func isNumeral(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."),
      UInt8(ascii: "e"), UInt8(ascii: "E"):
      return true
    default: return false
    }
  }
}
