// The entry to this room: start, check, dump, and becoming a daemon.

import Configuration
import Platform
import Worker

package enum MasterProcess {
  /// Runs the server until it ends; returns the exit code. As a daemon, the calling process waits
  /// until the server serves (0) or has told on standard error why it does not (1).
  package static func run(_ arguments: MasterArguments, rooms: MasterRooms = .real) -> Int32 {
    let inherited = Executable.takeVariable(Inheritance.variable)
    if arguments.isForeground || inherited != nil {
      return serve(arguments, rooms, inherited, daemonPipe: nil)
    }
    do {
      return try daemonise(arguments, rooms)
    } catch {
      complain("cannot become a daemon: \(error); try --foreground")
      return 1
    }
  }

  /// `--check`: prints all diagnostics; returns the exit code. `inheritance`: an image that wants
  /// to be replaced by this one asks whether what it leaves would be understood.
  package static func check(
    _ arguments: MasterArguments, inheritance: Int? = nil, rooms: MasterRooms = .real
  ) -> Int32 {
    if let inheritance, inheritance != Inheritance.format {
      complain("cannot take over from that version of ring3d: stop it and start this one")
      return 1
    }
    guard let model = loaded(arguments, rooms, withCertificates: true) else { return 1 }
    if let note = Master.identityNote(model) { Console.error("ring3d: warning: \(note.text)") }
    print(summary(model))
    return 0
  }

  /// `--dump`: prints the checked model in canonical form; returns the exit code.
  package static func dump(_ arguments: MasterArguments, rooms: MasterRooms = .real) -> Int32 {
    guard let model = loaded(arguments, rooms) else { return 1 }
    print(model.dump, terminator: "")
    return 0
  }

  /// `--print-control-socket`, for `ring3ctl -c FILE`; returns the exit code.
  package static func printControlSocket(
    _ arguments: MasterArguments, rooms: MasterRooms = .real
  ) -> Int32 {
    if let model = rooms.load(arguments).model {
      print(path(model.server.controlSocketPath, model.server))
      return 0
    }
    // A configuration with mistakes names its socket too: the running server is to tell them.
    let parsed = ConfigurationParser.parse(
      file: arguments.configurationFile, reader: .system, defines: arguments.defines)
    guard !parsed.directives.isEmpty else {
      _ = loaded(arguments, rooms)
      return 1
    }
    let named = parsed.directives.last { $0.row.name == "ControlSocket" }
    var server = ServerSettings()
    server.serverRoot = ConfigurationLoader.serverRoot(
      of: parsed, file: arguments.configurationFile)
    let socket = named?.arguments.first?.text ?? server.controlSocketPath
    print(path(socket, server))
    return 0
  }

  /// A path that stays right when the directory changes or another image starts.
  package static func absolute(_ path: String) -> String {
    path.hasPrefix("/") ? path : "\(Executable.currentDirectory)/\(path)"
  }

  static func summary(_ model: Model) -> String {
    let sites = model.sites.count
    let addresses = model.listens.count
    return "configuration OK: \(sites) \(sites == 1 ? "site" : "sites"), "
      + "\(addresses) \(addresses == 1 ? "address" : "addresses")"
  }

  private static func loaded(
    _ arguments: MasterArguments, _ rooms: MasterRooms, withCertificates: Bool = false
  ) -> Model? {
    let loaded = rooms.load(arguments)
    let result = withCertificates ? PreparedConfiguration(loaded) : .init(unread: loaded)
    for diagnostic in result.diagnostics { Console.error(diagnostic.rendered) }
    return result.model
  }

  private static func complain(_ text: String) {
    for line in text.split(separator: "\n") { Console.error("ring3d: \(line)") }
  }

  private static func path(_ path: String, _ server: ServerSettings) -> String {
    path.hasPrefix("/") || path.hasPrefix("@") ? path : "\(server.serverRoot)/\(path)"
  }

  // MARK: Daemon

  private static func daemonise(
    _ arguments: MasterArguments, _ rooms: MasterRooms
  ) throws(SystemError) -> Int32 {
    let (readEnd, writeEnd) = try Pipe.open()
    switch try ChildProcess.fork() {
    case .child:
      Descriptor.close(readEnd.number)
      ChildProcess.startSession()
      ChildProcess.exit(serve(arguments, rooms, nil, daemonPipe: writeEnd))
    case .parent(let child):
      Descriptor.close(writeEnd.number)
      let poller = try Poller(batchMax: 1)
      try poller.add(readEnd.number, token: 0, interest: .readable)
      while true {
        if poller.wait(timeoutMilliseconds: 100) > 0,
          case .bytes = UnixSocket.receive(readEnd, byteCountMax: 1)
        {
          ChildProcess.exit(0)
        }
        if let end = ChildProcess.poll(child) {
          if case .killed = end { complain("the server \(end) before it served") }
          ChildProcess.exit(1)
        }
      }
    }
  }

  // MARK: Start

  private static func serve(
    _ arguments: MasterArguments, _ rooms: MasterRooms, _ inherited: String?,
    daemonPipe: Descriptor?
  ) -> Int32 {
    do {
      let master: Master
      if let inheritance = inherited.flatMap(Inheritance.init(text:)) {
        master = try takeOver(inheritance, arguments, rooms)
      } else {
        master = try start(arguments, rooms, daemonPipe)
      }
      let code = master.run()
      if let failure = master.startFailure { complain(failure) }
      return code
    } catch {
      complain("\(error)")
      return 1
    }
  }

  private static func start(
    _ arguments: MasterArguments, _ rooms: MasterRooms, _ daemonPipe: Descriptor?
  ) throws(Refusal) -> Master {
    let startedAt = Clock.monotonicMilliseconds()
    // Before the files are read: what may be read now may be read at a reload too.
    let master = try make(arguments, rooms)
    let result = master.prepare()
    let diagnostics = result.diagnostics.map { $0.rendered }
    for line in diagnostics { Console.error(line) }
    guard let model = result.model else { throw Refusal("the configuration has errors") }
    master.daemonPipe = daemonPipe
    master.pidFile = try lock(path(model.server.pidFile, model.server))
    try master.listeners.give(ServiceManager.takeSockets())
    master.control = try listen(model.server, master.poller)
    master.reload.began()
    if let problem = master.openCache(model) { complain(problem) }
    try master.lockDirectories(model)
    for problem in master.openNamespace(model) { complain(problem) }
    try master.launch(
      model, certificates: result.certificates, startedAt: startedAt, warnings: diagnostics)
    return master
  }

  /// Goes on where another image left off. Its workers serve, so nothing that goes wrong from here
  /// on is a reason to end: the reload is refused like any other.
  private static func takeOver(
    _ inheritance: Inheritance, _ arguments: MasterArguments, _ rooms: MasterRooms
  ) throws(Refusal) -> Master {
    let master = try make(arguments, rooms)
    do {
      try master.adopt(inheritance)
    } catch {
      throw Refusal("cannot take over: \(error)")
    }
    master.reload.began()
    master.loadAndLaunch()
    if master.supervisor.generations.isEmpty {
      throw Refusal("no worker is left and the configuration cannot be served")
    }
    return master
  }

  private static func make(
    _ arguments: MasterArguments, _ rooms: MasterRooms
  ) throws(Refusal) -> Master {
    do {
      Privileges.raiseDescriptorLimit()
      try Privileges.keepMasterCapabilities()
      return try Master(arguments: arguments, rooms: rooms)
    } catch {
      throw Refusal(error.description)
    }
  }

  private static func lock(_ path: String) throws(Refusal) -> LockedFile {
    do {
      return try LockedFile(path: path)
    } catch {
      throw Refusal(error.description)
    }
  }

  private static func listen(
    _ server: ServerSettings, _ poller: Poller
  ) throws(Refusal) -> ControlServer {
    let path = path(server.controlSocketPath, server)
    do {
      let listener = try UnixSocket.listen(
        path: path, mode: server.controlSocketMode,
        owner: try owner(server.controlSocketOwner), group: try group(server.controlSocketGroup),
        backlog: Int32(Limits.controlClients))
      return try ControlServer(path: path, listener: listener, poller: poller)
    } catch let error as SystemError {
      if error.code == SystemError.addressInUse {
        throw Refusal("another ring3d is running with control socket '\(path)'")
      }
      throw Refusal("cannot make the control socket: \(error)")
    } catch {
      throw Refusal("\(error)")
    }
  }

  private static func owner(_ name: String?) throws(Refusal) -> UInt32? {
    guard let name else { return nil }
    guard let user = Privileges.user(name) else {
      throw Refusal("unknown user '\(name)' in ControlSocket")
    }
    return user.user
  }

  private static func group(_ name: String?) throws(Refusal) -> UInt32? {
    guard let name else { return nil }
    guard let group = Privileges.group(name) else {
      throw Refusal("unknown group '\(name)' in ControlSocket")
    }
    return group
  }
}
