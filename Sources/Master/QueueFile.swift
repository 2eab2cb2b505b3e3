// What is kept beside a queue's socket, so that a master that was killed is not missed: whose URLs
// go to it, and what it allows.
//
//     shop length=1000 bytes=67108864 age=120000 verbosity=limited keepalive=off concurrency=1
//     http://+:8080/shop/
//     http://www.example.com:8080/ handoff
//
// The first line may also have group=NUMBER and delegators=NUMBER,…; which user and which socket it
// is about says the file's name.

import Namespace
import Worker

/// One queue and its prefixes, as sealed lines.
struct QueueFile: Equatable {
  struct Prefix: Hashable {
    let prefix: UrlPrefix
    let handsOff: Bool
  }

  let name: String
  let group: UInt32?
  let options: QueueOptions
  let prefixes: [Prefix]

  static let byteCountMax = 64 << 20
  private static let title = "ring3 queue 1"

  init(name: String, group: UInt32?, options: QueueOptions, prefixes: [Prefix]) {
    self.name = name
    self.group = group
    self.options = options
    self.prefixes = prefixes
  }

  var bytes: [UInt8] {
    var words = [
      name, "length=\(options.lengthMax)", "bytes=\(options.bytesMax)",
      "age=\(options.ageMilliseconds)", "verbosity=\(options.verbosity)",
      "keepalive=\(options.keepsAlive ? "on" : "off")", "concurrency=\(options.concurrency)",
    ]
    if let group { words.append("group=\(group)") }
    if !options.delegators.isEmpty {
      words.append("delegators=" + options.delegators.map { "\($0)" }.joined(separator: ","))
    }
    let lines = prefixes.map { "\($0.prefix)" + ($0.handsOff ? " handoff" : "") }
    return SealedLines.text(title: Self.title, [words.joined(separator: " ")] + lines)
  }

  init(_ bytes: [UInt8]) throws(SealedLines.Damage) {
    let lines = try SealedLines.parse(bytes, title: Self.title)
    let words = lines.first?.split(separator: " ") ?? []
    guard let name = words.first else { throw SealedLines.Damage(message: "it names no queue") }
    self.name = String(name)
    var options = QueueOptions()
    var group: UInt32?
    for word in words.dropFirst() {
      guard Self.take(word, &options, &group) else {
        throw SealedLines.Damage(message: "'\(word)' is nothing that is said of a queue")
      }
    }
    self.options = options
    self.group = group
    var prefixes: [Prefix] = []
    for line in lines.dropFirst() {
      let words = line.split(separator: " ")
      do throws(UrlPrefixError) {
        let prefix = try UrlPrefix(String(words.first ?? ""))
        prefixes.append(Prefix(prefix: prefix, handsOff: words.count > 1))
      } catch {
        throw SealedLines.Damage(message: "'\(line)': \(error)")
      }
    }
    self.prefixes = prefixes
  }

  private static func take(
    _ word: Substring, _ options: inout QueueOptions, _ group: inout UInt32?
  ) -> Bool {
    let parts = word.split(separator: "=", maxSplits: 1)
    guard parts.count == 2 else { return false }
    let number = Int(parts[1]) ?? -1
    switch parts[0] {
    case "length" where number >= 0: options.lengthMax = number
    case "bytes" where number >= 0: options.bytesMax = number
    case "age" where number > 0: options.ageMilliseconds = Int64(number)
    case "concurrency" where number > 0: options.concurrency = number
    case "keepalive": options.keepsAlive = parts[1] == "on"
    case "group":
      group = UInt32(parts[1])
      return group != nil
    case "verbosity":
      guard let verbosity = QueueVerbosity(word: String(parts[1])) else { return false }
      options.verbosity = verbosity
    case "delegators":
      options.delegators = parts[1].split(separator: ",").compactMap { UInt32($0) }
    default: return false
    }
    return true
  }
}
