// The command line of `ring3ctl run`.

/// ring3ctl run --url PREFIX... [--queue NAME] [--processes N] -- COMMAND [ARGUMENT...]
struct RunArguments: Equatable {
  static let usage =
    "usage: ring3ctl run --url PREFIX... [--queue NAME] [--processes N] -- COMMAND [ARGUMENT...]"
  static let processesMax = 256

  var prefixes: [String] = []
  var queue = ""
  var processes = 1
  var command: [String] = []

  /// Why the words are none, for people.
  struct Mistake: Error, Equatable { let message: String }

  /// `words`: what stands behind "run".
  init(_ words: [String]) throws(Mistake) {
    var rest = words[...]
    while let word = rest.popFirst() {
      if word == "--" {
        command = Array(rest)
        break
      }
      guard word.hasPrefix("--") else {
        throw Mistake(message: "'\(word)' stands before '--'; the command goes behind it")
      }
      let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
      guard ["--url", "--queue", "--processes"].contains(parts[0]) else {
        throw Mistake(message: "there is no option '\(parts[0])'")
      }
      guard let value = parts.count == 2 ? parts[1] : rest.popFirst(), !value.isEmpty else {
        throw Mistake(message: "'\(parts[0])' needs a value")
      }
      switch parts[0] {
      case "--url": prefixes.append(value)
      case "--queue": queue = value
      default:
        guard let number = Int(value), (1...Self.processesMax).contains(number) else {
          throw Mistake(
            message: "--processes is a number from 1 to \(Self.processesMax), not '\(value)'")
        }
        processes = number
      }
    }
    if prefixes.isEmpty { throw Mistake(message: "name at least one --url") }
    guard let program = command.first else {
      throw Mistake(message: "no command stands behind '--'")
    }
    if queue.isEmpty { queue = program.split(separator: "/").last.map(String.init) ?? program }
  }
}
