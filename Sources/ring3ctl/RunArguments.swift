// The command line of `ring3ctl run`.

import Platform
import Programs

/// ring3ctl run --url PREFIX... [OPTION...] -- COMMAND [ARGUMENT...]
struct RunArguments: Equatable {
  static let usage = """
    usage: ring3ctl run --url PREFIX... [OPTION...] -- COMMAND [ARGUMENT...]
    of the queue:     --queue NAME  --concurrency N  --keepalive  --queue-length N
                      --queue-bytes N  --queue-age SECONDS  --verbosity basic|limited|full
                      --queue-group NAME  --delegators USER,...
    of the processes: --processes N  --on-demand  --idle-stop SECONDS  --stop-timeout SECONDS
                      --user NAME  --directory DIR  --environment NAME=VALUE...
    replaced by:      --recycle-requests N  --recycle-age SECONDS  --recycle-memory MIB
                      --ping PATH  --ping-interval SECONDS  --ping-failures N
                      --ping-busy SECONDS
    """

  private(set) var settings = ProgramSettings()
  private var pingInterval: Int?
  private var pingFailures: Int?
  private var pingBusy: Int?

  /// Why the words are none, for people.
  struct Mistake: Error, Equatable {
    let message: String
    var code: Int32 = 64
  }

  private static let flags: Set = ["--keepalive", "--on-demand"]
  private static let numbers: [String: ClosedRange<Int>] = [
    "--processes": 1...ProgramSettings.processesMax,
    "--concurrency": 1...ProgramSettings.concurrencyMax,
    "--queue-length": 0...ProgramSettings.queueLengthMax, "--queue-age": 1...86_400,
    "--queue-bytes": 0...ProgramSettings.queueBytesMax,
    "--idle-stop": 1...31_536_000, "--stop-timeout": 0...3_600,
    "--recycle-requests": 1...Int(Int32.max), "--recycle-age": 1...31_536_000,
    "--recycle-memory": 1...1 << 20, "--ping-interval": 1...3_600, "--ping-failures": 1...100,
    "--ping-busy": 1...86_400,
  ]
  private static let texts: Set = [
    "--url", "--queue", "--verbosity", "--ping", "--user", "--directory", "--environment",
    "--queue-group", "--delegators",
  ]

  /// `words`: what stands behind "run".
  init(_ words: [String]) throws(Mistake) {
    var rest = words[...]
    while let word = rest.popFirst() {
      if word == "--" {
        settings.command = Array(rest)
        break
      }
      guard word.hasPrefix("--") else {
        throw Mistake(message: "'\(word)' stands before '--'; the command goes behind it")
      }
      let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
      if Self.flags.contains(parts[0]) {
        guard parts.count == 1 else { throw Mistake(message: "'\(parts[0])' takes no value") }
        if word == "--keepalive" { settings.keepsAlive = true } else { settings.isOnDemand = true }
        continue
      }
      guard Self.texts.contains(parts[0]) || Self.numbers[parts[0]] != nil else {
        throw Mistake(message: "there is no option '\(parts[0])'")
      }
      guard let value = parts.count == 2 ? parts[1] : rest.popFirst(), !value.isEmpty else {
        throw Mistake(message: "'\(parts[0])' needs a value")
      }
      if let range = Self.numbers[parts[0]] {
        guard let number = Int(value), range.contains(number) else {
          throw Mistake(
            message: "\(parts[0]) is a number from \(range.lowerBound) to \(range.upperBound),"
              + " not '\(value)'")
        }
        take(parts[0], number)
      } else {
        try take(parts[0], value)
      }
    }
    try finish()
  }

  private mutating func take(_ option: String, _ number: Int) {
    switch option {
    case "--processes": settings.processes = number
    case "--concurrency": settings.concurrency = number
    case "--queue-length": settings.queueLength = number
    case "--queue-bytes": settings.queueBytes = number
    case "--queue-age": settings.queueAgeSeconds = number
    case "--idle-stop": settings.idleStopMilliseconds = Int64(number) * 1_000
    case "--stop-timeout": settings.stopMilliseconds = Int64(number) * 1_000
    case "--recycle-requests": settings.recycleRequests = number
    case "--recycle-age": settings.recycleAgeMilliseconds = Int64(number) * 1_000
    case "--recycle-memory": settings.recycleMemoryBytes = number << 20
    case "--ping-interval": pingInterval = number
    case "--ping-busy": pingBusy = number
    default: pingFailures = number
    }
  }

  private mutating func take(_ option: String, _ value: String) throws(Mistake) {
    switch option {
    case "--url": settings.prefixes.append(value)
    case "--queue": settings.queue = value
    case "--user": settings.user = value
    case "--queue-group": settings.queueGroup = value
    case "--delegators": settings.delegators = value.split(separator: ",").map(String.init)
    case "--directory": settings.directory = value
    case "--verbosity":
      guard ProgramSettings.verbosities.contains(value) else {
        throw Mistake(message: "--verbosity is basic, limited or full, not '\(value)'")
      }
      settings.verbosity = value
    case "--ping":
      let isPath = value.hasPrefix("/") && value.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f }
      guard isPath else { throw Mistake(message: "--ping is a path such as /, not '\(value)'") }
      settings.ping = ProgramPing(path: value)
    default:
      guard let mark = value.firstIndex(of: "="), mark != value.startIndex else {
        throw Mistake(message: "--environment is NAME=VALUE, not '\(value)'")
      }
      settings.environment[String(value[..<mark])] = String(value[value.index(after: mark)...])
    }
  }

  private mutating func finish() throws(Mistake) {
    if settings.prefixes.isEmpty { throw Mistake(message: "name at least one --url") }
    guard !settings.command.isEmpty else {
      throw Mistake(message: "no command stands behind '--'")
    }
    if settings.queue.isEmpty {
      settings.queue = ProgramSettings.queueName(prefix: settings.prefixes[0])
      settings.sharesQueue = false
    }
    let wantsPing = pingInterval != nil || pingFailures != nil || pingBusy != nil
    guard settings.ping != nil || !wantsPing else {
      throw Mistake(message: "--ping-interval, --ping-failures and --ping-busy go with --ping PATH")
    }
    if let pingInterval { settings.ping?.intervalMilliseconds = Int64(pingInterval) * 1_000 }
    if let pingFailures { settings.ping?.failuresMax = pingFailures }
    if let pingBusy { settings.ping?.busyMilliseconds = Int64(pingBusy) * 1_000 }
  }
}
