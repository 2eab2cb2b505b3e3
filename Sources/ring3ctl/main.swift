// ring3ctl: the words of the command line to the master's control socket, and its answer back.

import ArgumentParser
import Platform

struct ControlServer: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ring3ctl", abstract: "Commands a running ring3d; 'ring3ctl help' lists commands.",
    discussion: """
      Options of ring3ctl itself come before the command. Without -c and --socket, the socket is \
      $RING3_SOCKET or /run/ring3/ring3d.sock. 'ring3ctl run' claims URLs and runs a program for \
      them.
      """,
    version: "ring3ctl \(Version.text)")

  @Option(name: .customShort("c"), help: "The server's configuration file, which names the socket.")
  var file: String?

  @Option(help: "The control socket.")
  var socket: String?

  @Argument(
    parsing: .captureForPassthrough, help: "The command and its arguments.")
  var words: [String] = []

  func run() throws {
    // Words are taken as they are, those of ring3ctl itself too when nothing stands before them.
    switch words.first {
    case "--help", "-h": return print(Self.helpMessage())
    case "--version": return print(Self.configuration.version)
    default: break
    }
    let code = ControlClient.run(
      words: words.isEmpty ? ["help"] : words, socket: socket, configurationFile: file)
    if code != 0 { throw ExitCode(code) }
  }
}

ControlServer.main()
