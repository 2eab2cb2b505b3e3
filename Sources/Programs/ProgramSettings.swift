// What is to be run for which URLs, and when it is to be replaced.

/// A health ping: a request that bypasses the queue.
package struct ProgramPing: Equatable, Sendable {
  package var path: String
  package var intervalMilliseconds: Int64 = 10_000
  /// So many in a row, and the processes are replaced.
  package var failuresMax = 3
  /// While all processes are at work no answer is no failure, unless they finish nothing for so
  /// long, or a request gets no answer in time.
  package var busyMilliseconds: Int64 = 300_000

  /// How it went. An answer that is none of a healthy application says more than none at all.
  package enum Result: Equatable, Sendable {
    case passed
    case failed(String)
    case unanswered(String)
    /// No answer in time; it is still waited for.
    case late
  }

  package init(path: String) { self.path = path }
}

/// An application: `ring3ctl run` makes it of its options, the master of `<Application>`.
package struct ProgramSettings: Equatable, Sendable {
  package static let processesMax = 256
  package static let concurrencyMax = 1_024
  package static let queueLengthMax = 100_000
  /// As queues have it unless they are told otherwise.
  package static let queueLengthDefault = 1_000
  package static let queueBytesMax = 1 << 40
  package static let queueBytesDefault = 64 << 20
  package static let delegatorsMax = 8
  package static let stopMillisecondsDefault: Int64 = 30_000
  /// Of 503s, as queues know them.
  package static let verbosities = ["basic", "limited", "full"]

  /// Names it in logs: of `<Application>`, else the queue's name.
  package var name = ""
  package var prefixes: [String] = []
  package var queue = ""
  /// The queue may be there already: it was named, not made up of the first prefix.
  package var sharesQueue = true
  package var command: [String] = []
  package var processes = 1
  /// Of the queue; nil: as it is.
  package var concurrency: Int?
  package var keepsAlive: Bool?
  package var queueLength: Int?
  package var queueAgeSeconds: Int?
  package var verbosity: String?
  package var queueBytes: Int?
  /// Whose members may accept from the queue too; empty: nobody's.
  package var queueGroup: String?
  /// Users whose applications may delegate requests to the queue.
  package var delegators: [String]?
  /// Started when a request waits.
  package var isOnDemand = false
  /// Without a request for so long the processes end, until one waits.
  package var idleStopMilliseconds: Int64?
  /// Each process is replaced after about so many requests, so long, or when it has so much memory.
  package var recycleRequests: Int?
  package var recycleAgeMilliseconds: Int64?
  package var recycleMemoryBytes: Int?
  package var ping: ProgramPing?
  /// Names, or "#number"; nil: who we are.
  package var user: String?
  package var group: String?
  package var directory: String?
  package var environment: [String: String] = [:]
  /// From being told to end to being killed.
  package var stopMilliseconds = ProgramSettings.stopMillisecondsDefault

  package init() {}

  /// Whether processes that run with the other settings are as these want them.
  func startsAlike(_ other: ProgramSettings) -> Bool {
    command == other.command && user == other.user && group == other.group
      && directory == other.directory && environment == other.environment
  }

  /// The words of the session's request `queue`, behind the name; empty: nothing is said of it.
  var queueWords: [String] {
    var words: [String] = []
    if let queueLength { words.append("--length=\(queueLength)") }
    if let queueBytes { words.append("--bytes=\(queueBytes)") }
    if let queueAgeSeconds { words.append("--age=\(queueAgeSeconds)") }
    if let verbosity { words.append("--verbosity=\(verbosity)") }
    if let keepsAlive { words.append("--keepalive=\(keepsAlive ? "on" : "off")") }
    if let concurrency { words.append("--concurrency=\(concurrency)") }
    if let queueGroup { words.append("--group=\(queueGroup)") }
    if let delegators { words.append("--delegators=\(delegators.joined(separator: ","))") }
    return words
  }
}

extension ProgramSettings {
  private static let queueNameBytesMax = 64

  /// The name of a queue that was given none: host and path of its first prefix, as words: "shop"
  /// of http://+:8080/shop/, "api.example.org-v1" of http://api.example.org:80/v1/, "8080" of
  /// http://*:8080/.
  package static func queueName(prefix: String) -> String {
    let rest = prefix.firstRange(of: "://").map { prefix[$0.upperBound...] } ?? prefix[...]
    let parts = rest.split(separator: "/")
    let authority = parts.first ?? ""
    let mark = authority.lastIndex(of: ":") ?? authority.endIndex
    let host = authority[..<mark]
    let words = (["+", "*"].contains(host) ? [] : [host]) + parts.dropFirst()
    let name = safeWords(words.isEmpty ? [authority[mark...]] : words)
    return name.isEmpty ? "queue" : name
  }

  /// What a queue's name cannot have separates words.
  private static func safeWords(_ words: [Substring]) -> String {
    let safe = words.joined(separator: "-").utf8.split { byte in
      !((0x61...0x7a).contains(byte | 0x20) || (0x30...0x39).contains(byte)
        || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_"))
    }
    let name = safe.map { String(Substring($0)) }.joined(separator: "-")
    return String(name.drop { $0 == "." }.prefix(queueNameBytesMax))
  }
}

/// Settings as bytes, from the master to the process that runs applications.
extension ProgramSettings {
  /// KEY NUL VALUE NUL …; "name" begins the next one.
  package static func bytes(_ list: [ProgramSettings]) -> [UInt8] {
    list.flatMap { $0.fields }.flatMap { Array($0.key.utf8) + [0] + Array($0.value.utf8) + [0] }
  }

  /// nil: not what `bytes` makes.
  package static func list(_ bytes: [UInt8]) -> [ProgramSettings]? {
    if bytes.isEmpty { return [] }
    guard bytes.last == 0 else { return nil }
    let words = bytes.dropLast().split(separator: 0, omittingEmptySubsequences: false)
      .map { String(decoding: $0, as: UTF8.self) }
    guard words.count.isMultiple(of: 2) else { return nil }
    var list: [ProgramSettings] = []
    for place in stride(from: 0, to: words.count, by: 2) {
      if words[place] == "name" { list.append(ProgramSettings()) }
      guard !list.isEmpty, list[list.count - 1].take(words[place], words[place + 1]) else {
        return nil
      }
    }
    return list
  }

  private var fields: [(key: String, value: String)] {
    var fields = [("name", name), ("queue", queue), ("processes", "\(processes)")]
    fields += prefixes.map { ("prefix", $0) } + command.map { ("word", $0) }
    fields += environment.sorted { $0.key < $1.key }.map { ("variable", "\($0.key)=\($0.value)") }
    func add(_ key: String, _ value: (some CustomStringConvertible)?) {
      if let value { fields.append((key, value.description)) }
    }
    add("concurrency", concurrency)
    add("keepsAlive", keepsAlive)
    add("length", queueLength)
    add("age", queueAgeSeconds)
    add("verbosity", verbosity)
    add("bytes", queueBytes)
    add("queueGroup", queueGroup)
    add("delegators", delegators?.joined(separator: ","))
    add("onDemand", isOnDemand)
    add("idleStop", idleStopMilliseconds)
    add("recycleRequests", recycleRequests)
    add("recycleAge", recycleAgeMilliseconds)
    add("recycleMemory", recycleMemoryBytes)
    add("ping", ping?.path)
    add("pingInterval", ping?.intervalMilliseconds)
    add("pingFailures", ping?.failuresMax)
    add("pingBusy", ping?.busyMilliseconds)
    add("user", user)
    add("group", group)
    add("directory", directory)
    add("stop", stopMilliseconds)
    return fields.map { (key: $0.0, value: $0.1) }
  }

  private mutating func take(_ key: String, _ value: String) -> Bool {
    switch key {
    case "name": name = value
    case "queue": queue = value
    case "prefix": prefixes.append(value)
    case "word": command.append(value)
    case "variable":
      guard let mark = value.firstIndex(of: "=") else { return false }
      environment[String(value[..<mark])] = String(value[value.index(after: mark)...])
    case "verbosity": verbosity = value
    case "queueGroup": queueGroup = value
    case "delegators": delegators = value.split(separator: ",").map(String.init)
    case "ping": ping = ProgramPing(path: value)
    case "user": user = value
    case "group": group = value
    case "directory": directory = value
    case "keepsAlive": keepsAlive = value == "true"
    case "onDemand": isOnDemand = value == "true"
    default:
      guard let number = Int(value) else { return false }
      return take(key, number)
    }
    return true
  }

  private mutating func take(_ key: String, _ number: Int) -> Bool {
    switch key {
    case "processes": processes = number
    case "concurrency": concurrency = number
    case "length": queueLength = number
    case "bytes": queueBytes = number
    case "age": queueAgeSeconds = number
    case "idleStop": idleStopMilliseconds = Int64(number)
    case "recycleRequests": recycleRequests = number
    case "recycleAge": recycleAgeMilliseconds = Int64(number)
    case "recycleMemory": recycleMemoryBytes = number
    case "pingInterval": ping?.intervalMilliseconds = Int64(number)
    case "pingFailures": ping?.failuresMax = number
    case "pingBusy": ping?.busyMilliseconds = Int64(number)
    case "stop": stopMilliseconds = Int64(number)
    default: return false
    }
    return true
  }
}
