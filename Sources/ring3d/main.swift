// ring3d: the command line, then the master.

import ArgumentParser
import Configuration
import Master
import Platform

struct RunServer: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ring3d", abstract: "The Ring3 web server.",
    discussion: "Without --foreground it becomes a daemon and returns when it serves.",
    version: "ring3d \(Version.text)")

  @Option(name: .customShort("c"), help: "The configuration file.")
  var file = "/etc/ring3/ring3.conf"

  @Option(
    name: .customShort("D"), parsing: .singleValue,
    help: "Define a variable for <IfDefine> and ${NAME}; NAME or NAME=VALUE.")
  var define: [String] = []

  @Flag(help: "Check the configuration, print all that is wrong with it, and exit.")
  var check = false

  @Flag(help: "Stay in the foreground.")
  var foreground = false

  @Flag(help: "Print the checked configuration in canonical form, and exit.")
  var dump = false

  @Flag(help: "Print ring3.conf(5), the manual of all directives, and exit.")
  var manual = false

  @Flag(help: ArgumentHelp("Print the path of the control socket.", visibility: .hidden))
  var printControlSocket = false

  @Option(
    help: ArgumentHelp("With --check: the form of inheritance to take.", visibility: .hidden))
  var inheritance: Int?

  func run() throws {
    var defines: [String: String?] = [:]
    for text in define {
      let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      defines[String(parts[0])] = .some(parts.count == 2 ? String(parts[1]) : nil)
    }
    let arguments = MasterArguments(
      configurationFile: MasterProcess.absolute(file), defines: defines,
      isForeground: foreground)
    let code: Int32
    if manual {
      print(ReferenceManual.page(date: Version.date), terminator: "")
      return
    }
    if check {
      code = MasterProcess.check(arguments, inheritance: inheritance)
    } else if dump {
      code = MasterProcess.dump(arguments)
    } else if printControlSocket {
      code = MasterProcess.printControlSocket(arguments)
    } else {
      code = MasterProcess.run(arguments)
    }
    if code != 0 { throw ExitCode(code) }
  }
}

RunServer.main()
