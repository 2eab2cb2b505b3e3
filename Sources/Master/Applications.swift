// Applications of the configuration: the process that runs them, which is never the master itself.

import Configuration
import Platform
import Programs
import Worker

/// The supervisor of applications at present, and what it has been told.
struct ApplicationSeat {
  /// Closed with this value: then the process ends its applications, and itself.
  var channel: MessageSocket?
  var process: Int32?
  /// What it is to run: of which generation, and the list itself.
  var generation: UInt32?
  var wanted: [ProgramSettings] = []
  var told: [ProgramSettings] = []
  var toldLog: Descriptor?
  /// What it said last of itself.
  var reports: [ProgramReport] = []
  var backOff = BackOff()
  var lastStartAt: Int64 = 0
  var respawnAt: Int64 = 0
  /// The server ends: when no more time is left for it.
  var killAt: Int64?

  /// Workers must not hold it: the master's end would be hidden from the supervisor.
  var ends: [Descriptor] { channel.map { [$0.descriptor] } ?? [] }
}

/// The users and groups of applications, as far as they cannot or must not be.
struct ApplicationNames {
  private(set) var diagnostics: [Diagnostic] = []

  init(_ model: Model) {
    for rule in model.server.applications {
      if isWorkers(rule.user, model) {
        diagnostics.append(
          .error(
            "application '\(rule.name.text)' would run as the workers' user: it could end workers"
              + " and read what they can, the sockets of other applications too; give it a User of"
              + " its own", at: rule.user?.word ?? rule.name.word))
      }
      if let user = rule.user {
        guard let found = Privileges.user(user.text) else {
          diagnostics.append(.error("there is no user '\(user.text)'", at: user.word))
          continue
        }
        if !Privileges.isRoot, found.user != Privileges.effectiveUser {
          diagnostics.append(
            .error(
              "only a server that is started as root can run it as '\(user.text)'", at: user.word))
        }
      }
      for group in [rule.group, rule.queueGroup] {
        guard let group, Privileges.group(group.text) == nil else { continue }
        diagnostics.append(.error("there is no group '\(group.text)'", at: group.word))
      }
      for user in rule.delegators where Privileges.user(user.text) == nil {
        diagnostics.append(.error("there is no user '\(user.text)'", at: user.word))
      }
    }
  }

  /// Whether an application would be the user that workers are, over whom it would have power.
  /// Where the server is not root all are the same.
  private func isWorkers(_ user: ConfiguredText?, _ model: Model) -> Bool {
    guard Privileges.isRoot else { return false }
    guard let user else { return true }
    guard let workers = try? Master.identity(model)?.user, workers != 0 else { return false }
    return Privileges.user(user.text)?.user == workers
  }
}

extension Master {
  /// What the generation that serves wants to be run; before the first one, the one that starts.
  private func lookForApplications() {
    let number = supervisor.current ?? generations.keys.max()
    guard let number, number != applications.generation, let model = generations[number]?.model
    else { return }
    applications.generation = number
    applications.wanted = settingsOfApplications(model)
  }

  /// What is to be run, with the user that it runs as; nil: ours.
  func settingsOfApplications(_ model: Model) -> [ProgramSettings] {
    model.server.applications.map { rule in
      var settings = rule.settings
      guard Privileges.isRoot else {
        settings.user = nil
        settings.group = nil
        return settings
      }
      // Such a configuration is refused; never root for want of a name.
      if settings.user == nil {
        settings.user = identity.map { "#\($0.user)" }
        settings.group = identity.map { "#\($0.group)" }
      }
      return settings
    }
  }

  /// Starts the supervisor when it is wanted and due, tells it what has changed, and ends it when
  /// there is nothing to run. Called after each launch and at each turn.
  func tendApplications(_ now: Int64) {
    guard !supervisor.isStopping else { return }
    lookForApplications()
    // After an exec in place nothing is known yet, and what runs goes on.
    guard applications.generation != nil else { return }
    if applications.wanted.isEmpty {
      applications.channel = nil
      return
    }
    if applications.process == nil {
      if applications.respawnAt <= now { startApplications(now) }
      return
    }
    guard let channel = applications.channel else { return }
    do throws(SystemError) {
      if applications.toldLog !== log.descriptor,
        try channel.send(SupervisorOrder.logBytes, descriptors: [log.descriptor])
      {
        applications.toldLog = log.descriptor
      }
      guard applications.told != applications.wanted else { return }
      let (bytes, file) = try SupervisorOrder.message(applications.wanted)
      if try channel.send(bytes, descriptors: [file]) { applications.told = applications.wanted }
    } catch {
      // It is gone, which the kernel reports.
      log.write(.debug, "the supervisor of applications is not told yet: \(error)")
    }
  }

  private func startApplications(_ now: Int64) {
    guard let socketPath = control?.path else { return }
    applications.lastStartAt = now
    let wanted = applications.wanted
    do throws(SystemError) {
      let (mine, theirs) = try MessageSocket.pair()
      switch try ChildProcess.fork() {
      case .child:
        cache = nil
        let log = log
        becomeHelperProcess(keeping: [theirs.descriptor, log.descriptor], changesUser: false)
        ChildProcess.exit(
          ApplicationSupervisor.run(
            wanted, channel: theirs, socketPath: MasterProcess.absolute(socketPath), log: log))
      case .parent(let process):
        applications.process = process
        applications.channel = mine
        applications.told = wanted
        applications.toldLog = log.descriptor
        try poller.add(mine.descriptor.number, token: Token.applications, interest: .readable)
      }
    } catch {
      log.write(.error, "cannot start the supervisor of applications: \(error)")
      applications.respawnAt = now + Limits.backOffMaxMilliseconds
    }
  }

  /// What it says of itself: only the last packet counts.
  func readApplications() {
    while let channel = applications.channel {
      switch try? channel.receive(byteCountMax: 1 << 18) {
      case .message(let bytes, _): applications.reports = ProgramReport.list(bytes)
      case .closed:
        poller.remove(channel.descriptor.number)
        return
      case .wouldBlock, nil: return
      }
    }
  }

  /// True: the process was the supervisor.
  func applicationsEnded(_ process: Int32, _ end: ProcessEnd) -> Bool {
    guard applications.process == process else { return false }
    readApplications()
    applications.process = nil
    applications.channel = nil
    // The kernel has killed its children; what those have started themselves is left.
    // Not after an orderly end: all have ended, and their numbers may be others' by now.
    if end != .exited(0) {
      for program in applications.reports.flatMap(\.processes) {
        ChildProcess.signalGroup(program, SignalSource.kill)
      }
    }
    applications.reports = []
    let now = Clock.monotonicMilliseconds()
    if supervisor.isStopping {
      applications.killAt = applications.killAt.map { _ in now }
      return true
    }
    if end != .exited(0) {
      log.write(.error, "supervisor of applications (pid \(process)) \(end)")
      let delay = applications.backOff.delay(afterLiving: now - applications.lastStartAt)
      applications.respawnAt = now + delay
    }
    return true
  }

  /// No worker needs the applications any more: true when they have ended, or their time is over.
  func endApplications(_ now: Int64) -> Bool {
    guard let process = applications.process else { return true }
    if let killAt = applications.killAt {
      guard killAt <= now else { return false }
      log.write(.error, "the supervisor of applications does not end and is killed")
      ChildProcess.signal(process, SignalSource.kill)
      for program in applications.reports.flatMap(\.processes) {
        ChildProcess.signalGroup(program, SignalSource.kill)
      }
      return true
    }
    applications.channel = nil
    let longest = applications.told.map(\.stopMilliseconds).max() ?? 0
    applications.killAt = now + longest + Limits.applicationsGraceMilliseconds
    return false
  }
}

/// The process that runs applications: its children are the programs of others.
enum ApplicationSupervisor {
  /// What programs find of our own environment.
  private static let variables = ["PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ"]

  static func run(
    _ list: [ProgramSettings], channel: MessageSocket, socketPath: String, log: ErrorLog
  ) -> Int32 {
    // With this process's number.
    var log = ErrorLog(descriptor: log.descriptor, level: log.level)
    // What a program writes stands beside what is written about it.
    ChildProcess.redirect(to: log.descriptor)
    Privileges.keepSupervisorCapabilities()
    var environment = Environment.all.filter { variables.contains($0.key) }
    environment["PATH"] = environment["PATH"] ?? Executable.commandDirectories
    do throws(SystemError) {
      let supervisor = try ProgramSupervisor(
        socketPath: socketPath, environment: environment, takesOutput: true,
        log: { weight, text in log.write(level(weight), text) })
      try supervisor.run(list, master: channel) { order in
        guard case .log(let descriptor) = order else { return }
        log = ErrorLog(descriptor: descriptor, level: log.level)
        ChildProcess.redirect(to: descriptor)
      }
      return 0
    } catch {
      log.write(.error, "applications cannot be run: \(error)")
      return 1
    }
  }

  private static func level(_ weight: ProgramNote) -> LogLevel {
    switch weight {
    case .info: return .info
    case .notice: return .notice
    case .warn: return .warn
    case .error: return .error
    }
  }
}

/// For `ring3ctl status`.
extension Master {
  var applicationLines: [String] {
    guard let process = applications.process else { return [] }
    return ["supervisor of applications pid \(process)"]
      + applications.reports.map { report in
        let processes = report.processes.map { "\($0)" }.joined(separator: " ")
        return "  application \(report.name) \(report.phase), queue \(report.queue), "
          + (processes.isEmpty ? "no processes" : "processes \(processes)")
          + ", started \(report.startCount) times"
      }
  }

  var applicationJSON: JSON {
    .object([
      ("supervisor", applications.process.map { .number(Int64($0)) } ?? .null),
      (
        "applications",
        .array(
          applications.reports.map { report in
            .object([
              ("name", .string(report.name)), ("queue", .string(report.queue)),
              ("phase", .string(report.phase)), ("starts", .number(Int64(report.startCount))),
              ("processes", .array(report.processes.map { .number(Int64($0)) })),
            ])
          })
      ),
    ])
  }
}
