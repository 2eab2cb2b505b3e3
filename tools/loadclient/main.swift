// loadclient: writes the load test's files, checks them byte by byte, or holds idle connections.

import ArgumentParser
import Foundation
import TestSupport

struct LoadClient: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "loadclient",
    abstract: "The client of tools/loadtest and tools/bench.",
    subcommands: [Write.self, Check.self, Hold.self])
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

  func run() throws {
    var killer: WorkerKiller?
    if killEvery > 0 {
      killer = WorkerKiller(
        intervalMilliseconds: killEvery,
        statusCommand: status.split(separator: " ").map(String.init),
        port: port, seed: seed)
    }
    let load = LoadRun(port: port, clients: clients, seconds: seconds, seed: seed, killer: killer)
    let account = load.run()
    var rows: [(String, Int, String)] = [
      ("requests answered, every byte right", account.completed, ""),
      ("requests failed", account.failed, "0"),
      ("answers wrong", account.wrong, "0"),
      ("connects refused", account.refused, "0"),
      ("connections opened", account.connectionsOpened, lossless ? "\(clients)" : ""),
      ("connections closed by the server", account.closedByServer, "0"),
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

  func run() throws {
    raiseOpenFileLimit()
    var conversations: [Conversation] = []
    for _ in 0..<connections {
      let conversation = try Conversation(port: port)
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

LoadClient.main()
