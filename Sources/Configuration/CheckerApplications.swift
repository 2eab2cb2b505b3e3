// <Application>: what it must say, and what goes together.

import Namespace
import Platform
import Programs

extension Checker {
  private static let applicationNameBytesMax = 64

  /// <Application NAME> with its directives, as they apply.
  mutating func checkApplication(_ directive: Directive) {
    let word = directive.arguments[0]
    var rule = ApplicationRule(name: ConfiguredText(word.text, word))
    if let first = server.applications.first(where: { $0.name.text == word.text }) {
      error("there is an application '\(word.text)' already at \(first.name.word.place)", word)
    }
    checkQueueName(word, "an application")
    for child in directive.children { readApplication(child, &rule) }
    if rule.settings.command.isEmpty {
      error("a Command is missing: it says what is started", word)
    }
    if rule.settings.prefixes.isEmpty {
      error("a Url is missing: it says whose requests the application answers", word)
    }
    if let group = rule.group, rule.user == nil {
      error("a User is expected too: who is in this group?", group.word)
    }
    rule.settings.directory = rule.settings.directory ?? "/"
    // All of it is said to the queue, so that a reload takes back what is not written any more.
    rule.settings.concurrency = rule.settings.concurrency ?? 1
    rule.settings.keepsAlive = rule.settings.keepsAlive ?? false
    rule.settings.queueLength = rule.settings.queueLength ?? ProgramSettings.queueLengthDefault
    rule.settings.queueAgeSeconds = rule.settings.queueAgeSeconds ?? 120
    rule.settings.verbosity = rule.settings.verbosity ?? "limited"
    rule.settings.queueBytes = rule.settings.queueBytes ?? ProgramSettings.queueBytesDefault
    rule.settings.queueGroup = rule.queueGroup?.text ?? ""
    rule.settings.delegators = rule.delegators.map(\.text)
    let queue = rule.settings.queue
    if let other = server.applications.first(where: { $0.settings.queue == queue }),
      other.name.text != word.text
    {
      error("queue '\(queue)' is that of application '\(other.name.text)'", word)
    }
    server.applications.append(rule)
  }

  private mutating func checkQueueName(_ word: Word, _ what: String) {
    let isName = word.text.utf8.allSatisfy {
      (0x61...0x7a).contains($0 | 0x20) || (0x30...0x39).contains($0)
        || [0x2d, 0x2e, 0x5f].contains($0)
    }
    if !isName || word.text.isEmpty || word.text.utf8.count > Self.applicationNameBytesMax {
      error(
        "the name of \(what) is letters, digits, '-', '_' and '.', at most"
          + " \(Self.applicationNameBytesMax), not '\(word.text)'", word)
    }
  }

  private mutating func readApplication(_ directive: Directive, _ rule: inout ApplicationRule) {
    let words = directive.arguments
    let word = words[0]
    let text = word.text
    switch directive.row.name {
    case "Command": readCommand(words, &rule)
    case "Url": for word in words { readURL(word, &rule) }
    case "Queue":
      checkQueueName(word, "a queue")
      rule.settings.queue = text
    case "Processes": rule.settings.processes = ValueType.integer(text) ?? 1
    case "Concurrency": rule.settings.concurrency = ValueType.integer(text)
    case "KeepAlive": rule.settings.keepsAlive = ValueType.onOff(text)
    case "QueueLength": rule.settings.queueLength = ValueType.integer(text)
    case "QueueAge":
      rule.settings.queueAgeSeconds = ValueType.milliseconds(text, unit: .seconds).map {
        $0 / 1_000
      }
    case "QueueBytes": rule.settings.queueBytes = ValueType.bytes(text)
    case "QueueGroup": rule.queueGroup = ConfiguredText(text, word)
    case "Delegators": for word in words { readDelegator(word, &rule) }
    case "QueueVerbosity": rule.settings.verbosity = text.asciiLowercased
    case "User":
      rule.settings.user = text
      rule.user = ConfiguredText(text, word)
    case "Group":
      rule.settings.group = text
      rule.group = ConfiguredText(text, word)
    case "WorkingDirectory":
      if !reader.isDirectory(normalized(text)) { error("'\(text)' is not a directory", word) }
      rule.settings.directory = normalized(text)
    case "Environment": for word in words { readVariable(word, &rule) }
    default: readRecycling(directive, &rule)
    }
  }

  private mutating func readRecycling(_ directive: Directive, _ rule: inout ApplicationRule) {
    let text = directive.arguments[0].text
    let milliseconds = ValueType.milliseconds(text, unit: .seconds).map { Int64($0) }
    switch directive.row.name {
    case "OnDemand": rule.settings.isOnDemand = ValueType.onOff(text) ?? false
    case "IdleStop": rule.settings.idleStopMilliseconds = milliseconds
    case "RecycleRequests": rule.settings.recycleRequests = ValueType.integer(text)
    case "RecycleAge": rule.settings.recycleAgeMilliseconds = milliseconds
    case "RecycleMemory": rule.settings.recycleMemoryBytes = ValueType.bytes(text)
    case "StopTimeout":
      rule.settings.stopMilliseconds = milliseconds ?? ProgramSettings.stopMillisecondsDefault
    case "Ping": readPing(directive.arguments, &rule)
    default: break
    }
  }

  /// A path with a slash is below ServerRoot unless it is absolute.
  private func readCommand(_ words: [Word], _ rule: inout ApplicationRule) {
    let program = words[0].text
    rule.settings.command =
      [program.contains("/") ? absolute(program) : program] + words.dropFirst().map(\.text)
  }

  private mutating func readURL(_ word: Word, _ rule: inout ApplicationRule) {
    guard let prefix = readPrefix(word) else { return }
    let text = "\(prefix)"
    for other in server.applications + [rule] {
      guard let place = other.settings.prefixes.firstIndex(of: text) else { continue }
      error(
        "'\(text)' is application '\(other.name.text)''s already, at"
          + " \(other.urls[place].word.place)", word)
      return
    }
    rule.settings.prefixes.append(text)
    rule.urls.append(ConfiguredText(word.text, word))
  }

  private mutating func readDelegator(_ word: Word, _ rule: inout ApplicationRule) {
    guard rule.delegators.count < ProgramSettings.delegatorsMax else {
      error("at most \(ProgramSettings.delegatorsMax) users may delegate to a queue", word)
      return
    }
    rule.delegators.append(ConfiguredText(word.text, word))
  }

  private mutating func readVariable(_ word: Word, _ rule: inout ApplicationRule) {
    let name = String(word.text.prefix { $0 != "=" })
    guard name != word.text, !name.isEmpty else {
      error("NAME=VALUE is expected, not '\(word.text)'", word)
      return
    }
    guard rule.settings.environment[name] == nil else {
      error("'\(name)' has a value already", word)
      return
    }
    rule.settings.environment[name] = String(word.text.dropFirst(name.count + 1))
  }

  /// Ping PATH [interval=SECONDS] [failures=NUMBER] [busy=SECONDS]
  private mutating func readPing(_ words: [Word], _ rule: inout ApplicationRule) {
    let path = words[0]
    guard path.text.hasPrefix("/"), path.text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      error("a path that starts with '/' is expected, not '\(path.text)'", path)
      return
    }
    var ping = ProgramPing(path: path.text)
    for word in words.dropFirst() {
      let parts = word.text.split(separator: "=", maxSplits: 1).map(String.init)
      switch (parts.first?.asciiLowercased, parts.count) {
      case ("interval", 2):
        guard let time = ValueType.milliseconds(parts[1], unit: .seconds),
          (1_000...3_600_000).contains(time)
        else {
          error("a time from 1 second to 1 hour is expected, not '\(parts[1])'", word)
          continue
        }
        ping.intervalMilliseconds = Int64(time)
      case ("failures", 2):
        guard let count = ValueType.integer(parts[1]), (1...100).contains(count) else {
          error("a number from 1 to 100 is expected, not '\(parts[1])'", word)
          continue
        }
        ping.failuresMax = count
      case ("busy", 2):
        guard let time = ValueType.milliseconds(parts[1], unit: .seconds),
          (1_000...86_400_000).contains(time)
        else {
          error("a time from 1 second to 1 day is expected, not '\(parts[1])'", word)
          continue
        }
        ping.busyMilliseconds = Int64(time)
      default:
        error(
          "interval=SECONDS, failures=NUMBER or busy=SECONDS is expected, not '\(word.text)'", word)
      }
    }
    rule.settings.ping = ping
  }

  /// What all applications need of the rest of the configuration.
  mutating func checkApplications() {
    guard let first = server.applications.first else { return }
    if server.queueDirectory == nil {
      error(
        "an application needs a QueueDirectory for the socket that it accepts from; write for"
          + " example 'QueueDirectory /run/ring3/queues'", first.name.word)
    }
    for url in server.applications.flatMap(\.urls) {
      guard let prefix = try? UrlPrefix(url.text), !listens.isEmpty else { continue }
      if !listens.contains(where: { $0.listen.address.port == prefix.port }) {
        warning("no Listen opens port \(prefix.port); 'Listen \(prefix.port)' would", url.word)
      }
    }
  }
}
