// The loop that runs applications: for `ring3ctl run`, and for all `<Application>`s of a server.

import Platform

/// Runs applications until they have ended. One thread, one epoll; the programs are children.
package final class ProgramSupervisor {
  private static let signalToken: UInt64 = 1
  private static let channelToken: UInt64 = 2
  /// Between two reports to the master.
  private static let reportMilliseconds: Int64 = 200

  private let poller: Poller
  private let signals: SignalSource
  private let surroundings: ProgramSurroundings
  private var keepers: [ProgramKeeper] = []
  private var lastSerial: UInt64 = 0
  /// nil: this is `ring3ctl run`.
  private var master: MessageSocket?
  private var takesSettings: (SupervisorOrder) -> Void = { _ in }
  private var isStopping = false
  private var orphans = ProgramOrphans()
  private var reported = ""
  private var reportAt: Int64 = 0
  /// What the master wants.
  private var wanted: [ProgramSettings] = []

  /// `takesOutput`: what programs write is written to the log line by line; else they write to our
  /// own streams.
  package init(
    socketPath: String, environment: [String: String], takesOutput: Bool = false,
    log: @escaping (ProgramNote, String) -> Void
  ) throws(SystemError) {
    ChildProcess.adoptOrphans()
    poller = try Poller(batchMax: 64)
    signals = try SignalSource()
    surroundings = ProgramSurroundings(
      socketPath: socketPath, environment: environment, poller: poller,
      takesOutput: takesOutput, log: log)
    try poller.add(signals.descriptor.number, token: Self.signalToken, interest: .readable)
  }

  /// Claims the URLs of one application and runs it until TERM or INT; HUP replaces its processes.
  package func run(_ settings: ProgramSettings) throws(SessionFailure) {
    let keeper = keeper(settings)
    try keeper.open()
    keepers.append(keeper)
    loop()
  }

  /// Runs whatever the master says, until its end of the channel is closed.
  package func run(
    _ list: [ProgramSettings], master: MessageSocket,
    onOrder: @escaping (SupervisorOrder) -> Void
  ) throws(SystemError) {
    self.master = master
    takesSettings = onOrder
    try poller.add(master.descriptor.number, token: Self.channelToken, interest: .readable)
    apply(list)
    loop()
  }

  private func keeper(_ settings: ProgramSettings) -> ProgramKeeper {
    lastSerial += 1
    orphans.patienceMilliseconds = max(orphans.patienceMilliseconds, settings.stopMilliseconds)
    return ProgramKeeper(settings, serial: lastSerial, surroundings)
  }

  private func loop() {
    while true {
      if keepers.contains(where: { $0.isFinished }) {
        keepers.removeAll { $0.isFinished }
        // What waited for one of them to be gone.
        apply(wanted)
      }
      if keepers.isEmpty, isStopping || master == nil, orphans.isEmpty { return }
      report()
      let count = poller.wait(timeoutMilliseconds: timeout())
      for index in 0..<count { handle(poller.event(index).token) }
      let now = Clock.monotonicMilliseconds()
      for keeper in keepers where keeper.nextDeadline.map({ $0 <= now }) == true {
        keeper.passTime(now)
      }
      orphans.passTime(now)
    }
  }

  private func timeout() -> Int32 {
    var deadlines = keepers.compactMap(\.nextDeadline)
    if master != nil, report(of: keepers) != reported { deadlines.append(reportAt) }
    if let next = orphans.nextDeadline { deadlines.append(next) }
    guard let next = deadlines.min(), next != .max else { return -1 }
    return Int32(clamping: max(0, next - Clock.monotonicMilliseconds()))
  }

  private func handle(_ token: UInt64) {
    switch token {
    case Self.signalToken: takeSignals()
    case Self.channelToken: takeOrders()
    default:
      guard let keeper = keepers.first(where: { $0.serial == token >> 8 }) else { return }
      if token & 0xff == ProgramKeeper.sessionKind {
        keeper.sessionIsReady()
      } else if token & 0xff == ProgramKeeper.outputKind {
        keeper.outputIsReady()
      } else {
        keeper.pingIsReady()
      }
    }
  }

  private func takeSignals() {
    while let signal = signals.next() {
      switch signal {
      case .child: reap()
      case .terminate: stop()
      case .hangUp where master == nil: for keeper in keepers { keeper.recycle() }
      case .interrupt where master == nil, .quit where master == nil: stop()
      // From a terminal they reach the master too, which says what is to be done.
      case .hangUp, .interrupt, .quit, .user1, .user2: break
      }
    }
  }

  private func reap() {
    while let (process, end) = ChildProcess.reapGroup() {
      orphans.ended(process)
      _ = keepers.contains { $0.ended(process, end) }
    }
    // Whoever has ended may have left somebody.
    orphans.look(beside: keepers.flatMap(\.processes), isEnd: isStopping)
  }

  private func stop() {
    if isStopping { orphans.hurry() }
    isStopping = true
    for keeper in keepers { keeper.stop() }
  }

  // MARK: The master

  private func takeOrders() {
    while let master {
      do throws(SystemError) {
        switch try master.receive() {
        case .message(let bytes, let files):
          guard let order = SupervisorOrder(bytes, files) else {
            // Another version of the server: one of its own takes this one's place.
            if !isStopping { stop() }
            continue
          }
          takesSettings(order)
          if case .settings(let list) = order { apply(list) }
        case .wouldBlock: return
        case .closed:
          poller.remove(master.descriptor.number)
          if !isStopping { stop() }
          return
        }
      } catch {
        return
      }
    }
  }

  /// What is as it was is not touched.
  private func apply(_ list: [ProgramSettings]) {
    wanted = list
    guard !isStopping else { return }
    for keeper in keepers where !keeper.isLeaving {
      let own = keeper.settings
      // A process that has hidden itself still has the socket: another user gets another one.
      let kept = list.first {
        $0.name == own.name && $0.queue == own.queue && $0.user == own.user && $0.group == own.group
      }
      if let kept { keeper.yieldPrefixes(to: kept) } else { keeper.stop() }
    }
    for settings in list {
      if let keeper = keepers.first(where: { !$0.isLeaving && $0.settings.name == settings.name }) {
        if keeper.settings != settings { keeper.change(settings) }
        continue
      }
      // The queue, and with it its socket, is to end first.
      if keepers.contains(where: { $0.isLeaving && $0.settings.queue == settings.queue }) {
        continue
      }
      let keeper = keeper(settings)
      keeper.openSoon()
      keepers.append(keeper)
    }
  }

  private func report(of keepers: [ProgramKeeper]) -> String {
    keepers.map(\.report).joined(separator: "\n")
  }

  /// Tells the master what runs, when that has changed.
  private func report() {
    guard let master else { return }
    let now = Clock.monotonicMilliseconds()
    let text = report(of: keepers)
    guard text != reported, reportAt <= now else { return }
    reportAt = now + Self.reportMilliseconds
    // A space: an empty packet would look like the end.
    if (try? master.send(Array((text + " ").utf8))) == true { reported = text }
  }
}

/// What the master says to the process that runs applications.
package enum SupervisorOrder {
  case settings([ProgramSettings])
  /// Where to write from now on.
  case log(Descriptor)

  init?(_ bytes: [UInt8], _ files: [Descriptor]) {
    guard let file = files.first else { return nil }
    switch bytes {
    case Array("log".utf8): self = .log(file)
    case Array("settings".utf8):
      guard let content = try? File.content(of: file, byteCountMax: Self.bytesMax),
        let list = ProgramSettings.list(content)
      else { return nil }
      self = .settings(list)
    default: return nil
    }
  }

  static let bytesMax = 16 << 20

  /// The packet for other settings, and the file that goes with it.
  package static func message(
    _ list: [ProgramSettings]
  ) throws(SystemError) -> (bytes: [UInt8], file: Descriptor) {
    (Array("settings".utf8), try File.sealed(ProgramSettings.bytes(list)))
  }

  /// The packet that goes with the descriptor of a log.
  package static let logBytes = Array("log".utf8)
}

/// One application in a report to the master.
package struct ProgramReport: Equatable, Sendable {
  package let name: String
  package let queue: String
  /// "running", "asleep", "offline", "stopping", or "waiting" for the server.
  package let phase: String
  package let startCount: Int
  package let processes: [Int32]

  /// All that a packet speaks of.
  package static func list(_ bytes: [UInt8]) -> [ProgramReport] {
    String(decoding: bytes.dropLast(), as: UTF8.self).split(separator: "\n").compactMap { line in
      let parts = line.split(separator: "\t", omittingEmptySubsequences: false)
      guard parts.count == 5, let count = Int(parts[3]) else { return nil }
      return ProgramReport(
        name: String(parts[0]), queue: String(parts[1]), phase: String(parts[2]),
        startCount: count, processes: parts[4].split(separator: ",").compactMap { Int32($0) })
    }
  }
}
