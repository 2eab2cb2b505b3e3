// loadclient: writes the load test's files, checks them byte by byte, or holds idle connections.

import ArgumentParser
import Foundation
import TestSupport

struct LoadClient: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "loadclient",
    abstract: "The client of tools/loadtest and tools/bench.",
    subcommands: [Write.self, Check.self, Hold.self, Handshakes.self])
}

struct Write: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write the files that the sites of the load test serve.")

  @Argument(help: "The directory to write beneath.") var directory: String

  func run() throws {
    for site in LoadSite.all() {
      let folder = "\(directory)/\(site.directory)"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      for file in site.files {
        try Data(file.bytes).write(to: URL(fileURLWithPath: "\(folder)/\(file.name)"))
      }
    }
  }
}

struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Ask for the files over keep-alive connections and compare every byte.")

  @Option(help: "The port on 127.0.0.1.") var port: UInt16
  @Option(help: "Connections.") var clients = 32
  @Option(help: "How long to ask.") var seconds = 20
  @Option(help: "Seed of the order of requests.") var seed: UInt64 = 1
  @Option(help: "Kill a random worker this often (milliseconds); 0: never.") var killEvery = 0
  @Option(help: "The command whose output names the workers, words separated by spaces.")
  var status = ""
  @Flag(help: "Require that each client needed only one connection.") var lossless = false
  @Option(help: "What to speak: http/1.1, h2c, https, h2.") var speak = "http/1.1"
  @Option(help: "The authority to trust (PEM).") var authority: String?

  func run() throws {
    guard let spoken = LoadProtocol(rawValue: speak) else {
      throw ValidationError("nobody speaks '\(speak)'")
    }
    var killer: WorkerKiller?
    if killEvery > 0 {
      killer = WorkerKiller(
        intervalMilliseconds: killEvery,
        statusCommand: status.split(separator: " ").map(String.init),
        port: port, seed: seed)
    }
    let load = try LoadRun(
      port: port, spoken: spoken, authorityPath: authority, clients: clients, seconds: seconds,
      seed: seed, killer: killer)
    let account = load.run()
    var rows: [(String, Int, String)] = [
      ("requests answered, every byte right", account.completed, ""),
      ("requests failed", account.failed, "0"),
      ("answers wrong", account.wrong, "0"),
      ("connects refused", account.refused, "0"),
      ("connections opened", account.connectionsOpened, lossless ? "\(clients)" : ""),
      ("connections closed by the server", account.closedByServer, "0"),
      ("connections ended as announced", account.left, lossless ? "0" : ""),
      ("waits over one second", account.slow, ""),
    ]
    if killEvery > 0 {
      rows += [
        ("workers killed", account.kills, "> 0"),
        ("requests in flight on a killed worker", account.cutInFlight, ""),
        ("idle connections on a killed worker", account.cutIdle, ""),
      ]
    }
    for (what, count, wanted) in rows {
      let note = wanted.isEmpty ? "" : "   (wanted: \(wanted))"
      print("  \(what.padding(toLength: 40, withPad: " ", startingAt: 0))\(count)\(note)")
    }
    for remark in account.remarks { print("  ! \(remark)") }
    let isLossless = !lossless || account.connectionsOpened == clients
    let hasKilled = killEvery == 0 || account.kills > 0
    guard account.isClean, isLossless, hasKilled, account.completed > 0 else {
      throw ExitCode.failure
    }
  }
}

struct Hold: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Open connections, make one request on each, and hold them idle.")

  @Option(help: "The port on 127.0.0.1.") var port: UInt16
  @Option(help: "Connections.") var connections = 10_000
  @Option(help: "How long to hold them.") var seconds = 10
  @Option(help: "What to ask for.") var target = "/"
  @Option(help: "The Host to name.") var host = "localhost"
  @Flag(help: "Encrypted.") var tls = false

  func run() throws {
    raiseOpenFileLimit()
    var offer = TLSOffer(serverName: host)
    offer.context = tls ? try TLSClientContext() : nil
    var conversations: [Conversation] = []
    for _ in 0..<connections {
      let channel: any ByteChannel =
        try tls ? TLSChannel(port: port, offer: offer) : ClientSocket(port: port)
      let conversation = Conversation(channel)
      _ = try conversation.get(target, host: host)
      conversations.append(conversation)
    }
    print("holding \(conversations.count)")
    flushOutput()
    pause(milliseconds: seconds * 1000)
    let interests = conversations.map { Interest($0.socket) }
    let ended = ready(interests, milliseconds: 0).count
    print("ended by the server: \(ended)")
    if ended > 0 { throw ExitCode.failure }
  }
}

struct Handshakes: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Shake hands again and again, one connection at a time; prints how often.")

  @Option(help: "The port on 127.0.0.1.") var port: UInt16
  @Option(help: "How long.") var seconds = 5
  @Option(help: "The server to name.") var host = "localhost"
  @Option(help: "What to ask for on each connection; nothing if left out.") var target: String?
  @Flag(help: "Resume the session of the connection before; needs a target.") var resume = false

  func run() throws {
    var offer = TLSOffer(serverName: host)
    offer.context = try TLSClientContext()
    var made = 0
    let end = monotonicMilliseconds() + Int64(seconds * 1000)
    while monotonicMilliseconds() < end {
      let channel = try TLSChannel(port: port, offer: offer)
      guard channel.isResumed == (resume && made > 0) else {
        throw ValidationError("handshake \(made) \(resume ? "did not resume" : "resumed")")
      }
      if let target { _ = try Conversation(channel).get(target, host: host) }
      if resume { offer.session = channel.session }
      try channel.finish()
      made += 1
    }
    print(made)
  }
}

LoadClient.main()
