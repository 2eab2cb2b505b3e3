// Replacing the binary: the new one checks the configuration first, then takes this process over.

import Cache
import Configuration
import Platform
import TLS
import Worker

/// The new binary's `--check`, running.
struct UpgradeCheck {
  let process: Int32
  let output: Descriptor
  /// Who asked over the control socket; nil: a signal.
  let client: UInt64?
  var text: [UInt8] = []
}

/// What one image of the master leaves to the next, as one environment variable. Numbers only, and
/// paths as hexadecimal bytes.
struct Inheritance: Equatable {
  struct Listener: Equatable {
    let identifier: UInt32
    let slot: Int
    let descriptor: CInt
    /// It belongs to the service manager.
    let isGiven: Bool
  }
  /// The supervisor of applications, which outlives the image as workers do.
  struct Applications: Equatable {
    let process: Int32
    let channel: CInt
  }
  /// The board of request queues: workers of both images count on it.
  struct Queues: Equatable {
    let rules: CInt
    let cells: CInt
    let event: CInt
  }
  struct Worker: Equatable {
    let serial: UInt32
    let generation: UInt32
    let index: Int
    let processSlot: Int
    let process: Int32
    let control: CInt
  }

  static let variable = "RING3_INHERIT"
  /// Raised with every change of `text`.
  static let format = 5
  /// The kernel's limit for one variable is 128 KiB.
  static let bytesMax = 100_000

  var lastGeneration: UInt32
  var slotCount: Int
  var pidFile: CInt
  /// -1: none.
  var controlListener: CInt
  /// -1: none.
  var cache: CInt
  /// -1: none.
  var log: CInt
  /// The memory of session ticket keys; -1: none.
  var tickets: CInt
  /// Where the files are that the last image made; the configuration may name others by now.
  var pidFilePath = ""
  var controlPath = ""
  var listeners: [Listener] = []
  var workers: [Worker] = []
  var applications: Applications?
  var queues: Queues?

  /// "2;G,S,P,C,M,L,T;p,PIDFILE;c,SOCKET;l,ID,SLOT,FD,GIVEN;
  /// w,SERIAL,GENERATION,INDEX,SLOT,PID,FD;…;a,PID,FD;q,FD,FD,FD"
  var text: String {
    var parts = [
      "\(Inheritance.format)",
      "\(lastGeneration),\(slotCount),\(pidFile),\(controlListener),\(cache),\(log),"
        + "\(tickets)",
      "p,\(Inheritance.hexadecimal(pidFilePath))", "c,\(Inheritance.hexadecimal(controlPath))",
    ]
    parts += listeners.map {
      "l,\($0.identifier),\($0.slot),\($0.descriptor),\($0.isGiven ? 1 : 0)"
    }
    parts += workers.map {
      "w,\($0.serial),\($0.generation),\($0.index),\($0.processSlot),\($0.process),\($0.control)"
    }
    if let applications { parts.append("a,\(applications.process),\(applications.channel)") }
    if let queues { parts.append("q,\(queues.rules),\(queues.cells),\(queues.event)") }
    return parts.joined(separator: ";")
  }

  /// nil for a text that no image of this format wrote.
  init?(text: String) {
    let parts = text.split(separator: ";", omittingEmptySubsequences: false)
    guard parts.count >= 2, parts[0] == "\(Inheritance.format)" else { return nil }
    let head = parts[1].split(separator: ",").compactMap { Int32($0) }
    guard head.count == 7, head[0] >= 0, head[1] >= 0, head[2] >= 0 else { return nil }
    lastGeneration = UInt32(head[0])
    slotCount = Int(head[1])
    pidFile = head[2]
    controlListener = head[3]
    cache = head[4]
    log = head[5]
    tickets = head[6]
    for part in parts.dropFirst(2) {
      let fields = part.split(separator: ",", omittingEmptySubsequences: false)
      if fields.count == 2, fields[0] == "p" || fields[0] == "c" {
        guard let path = Inheritance.path(fields[1]) else { return nil }
        if fields[0] == "p" { pidFilePath = path } else { controlPath = path }
        continue
      }
      let numbers = fields.dropFirst().compactMap { UInt32($0) }
      guard numbers.count == fields.count - 1, numbers.allSatisfy({ $0 <= Int32.max }) else {
        return nil
      }
      switch (fields.first, numbers.count) {
      case ("l", 4):
        listeners.append(
          Listener(
            identifier: numbers[0], slot: Int(numbers[1]), descriptor: CInt(numbers[2]),
            isGiven: numbers[3] != 0))
      case ("a", 2):
        applications = Applications(process: Int32(numbers[0]), channel: CInt(numbers[1]))
      case ("q", 3):
        queues = Queues(
          rules: CInt(numbers[0]), cells: CInt(numbers[1]), event: CInt(numbers[2]))
      case ("w", 6):
        workers.append(
          Worker(
            serial: numbers[0], generation: numbers[1], index: Int(numbers[2]),
            processSlot: Int(numbers[3]), process: Int32(numbers[4]), control: CInt(numbers[5])))
      default: return nil
      }
    }
  }

  init(
    lastGeneration: UInt32, slotCount: Int, pidFile: CInt, controlListener: CInt, cache: CInt,
    log: CInt, tickets: CInt
  ) {
    self.lastGeneration = lastGeneration
    self.slotCount = slotCount
    self.pidFile = pidFile
    self.controlListener = controlListener
    self.cache = cache
    self.log = log
    self.tickets = tickets
  }

  private static func hexadecimal(_ path: String) -> String {
    path.utf8.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  private static func path(_ digits: Substring) -> String? {
    let digits = Array(digits)
    guard digits.count.isMultiple(of: 2) else { return nil }
    var bytes: [UInt8] = []
    for place in stride(from: 0, to: digits.count, by: 2) {
      guard let byte = UInt8(String(digits[place...place + 1]), radix: 16) else { return nil }
      bytes.append(byte)
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

extension Master {
  /// Starts the new binary's check. Returns the problem if it cannot.
  func startUpgrade(client: UInt64?) -> String? {
    if supervisor.isStopping { return "the server is stopping" }
    if reload.isReloading { return "a reload is under way" }
    if upgrade != nil { return "an upgrade is under way" }
    if supervisor.hasUnsettledWorkers {
      return "workers of another generation are still starting or leaving"
    }
    do {
      let (process, output) = try ChildProcess.run(
        Executable.path, ["--check", "--inheritance", "\(Inheritance.format)"] + arguments.words)
      upgrade = UpgradeCheck(process: process, output: output, client: client)
      try poller.add(output.number, token: Token.upgradeCheck, interest: .readable)
      log.write(.notice, "upgrade: checking the configuration with the binary on disk")
      return nil
    } catch {
      return "cannot run '\(Executable.path)': \(error)"
    }
  }

  func readUpgradeCheck() {
    while let check = upgrade {
      switch UnixSocket.receive(check.output, byteCountMax: 4096) {
      // More than anybody reads is thrown away.
      case .bytes(let bytes):
        if check.text.count < 1 << 20 { upgrade?.text += bytes }
      case .wouldBlock: return
      case .closed:
        poller.remove(check.output.number)
        return
      }
    }
  }

  func upgradeCheckEnded(_ end: ProcessEnd) {
    readUpgradeCheck()
    guard let check = upgrade else { return }
    poller.remove(check.output.number)
    upgrade = nil
    let text = String(decoding: check.text, as: UTF8.self)
    guard end == .exited(0) else {
      for line in text.split(separator: "\n") { log.write(.error, String(line)) }
      log.write(.error, "upgrade refused: the new binary's --check \(end)")
      if let client = check.client {
        control?.answer(client, .failure(text + "upgrade refused: its --check \(end)\n"))
      }
      return
    }
    // A reload may have begun meanwhile; its generation would be an orphan.
    if reload.isReloading || supervisor.isStopping || supervisor.hasUnsettledWorkers {
      log.write(.error, "upgrade refused: a reload began meanwhile")
      if let client = check.client { control?.answer(client, .failure("a reload began\n")) }
      return
    }
    if let client = check.client {
      control?.answer(client, .success("the new binary accepts the configuration, it takes over\n"))
    }
    replaceImage()
  }

  /// Becomes the new binary. Returns only if that fails; then everything is as before.
  private func replaceImage() {
    guard let pidFile else { return }
    var inheritance = Inheritance(
      lastGeneration: supervisor.lastNumber, slotCount: supervisor.slotCount,
      pidFile: pidFile.descriptor.number, controlListener: control?.listener.number ?? -1,
      cache: (cache?.descriptor ?? inheritedCache)?.number ?? -1, log: log.descriptor.number,
      tickets: ticketRegion?.descriptor?.number ?? -1)
    inheritance.pidFilePath = pidFile.path
    inheritance.controlPath = control?.path ?? ""
    var kept = [pidFile.descriptor, log.descriptor]
    if let descriptor = cache?.descriptor ?? inheritedCache { kept.append(descriptor) }
    if let control { kept.append(control.listener) }
    if let keys = ticketRegion?.descriptor { kept.append(keys) }
    for entry in listeners.inheritable {
      inheritance.listeners.append(
        Inheritance.Listener(
          identifier: entry.identifier, slot: entry.slot, descriptor: entry.descriptor.number,
          isGiven: entry.isGiven))
      kept.append(entry.descriptor)
    }
    for record in workers.values.sorted(by: { $0.name < $1.name }) {
      inheritance.workers.append(
        Inheritance.Worker(
          serial: record.name.serial, generation: record.generation, index: record.index,
          processSlot: record.processSlot, process: record.process,
          control: record.control.descriptor.number))
      kept.append(record.control.descriptor)
    }
    if let process = applications.process, let channel = applications.channel?.descriptor {
      inheritance.applications = .init(process: process, channel: channel.number)
      kept.append(channel)
    }
    if let files = queueBoard?.files {
      inheritance.queues = .init(
        rules: files.rules.number, cells: files.cells.number, event: files.event.number)
      kept += [files.rules, files.cells, files.event]
    }
    guard inheritance.text.utf8.count <= Inheritance.bytesMax else {
      log.write(.error, "upgrade refused: too many listeners to hand over")
      return
    }
    log.write(.notice, "upgrade: becoming the binary on disk")
    for descriptor in kept { try? descriptor.setCloseOnExec(false) }
    let error = Executable.replace(
      path: Executable.path, arguments: ["--foreground"] + arguments.words,
      environment: [(Inheritance.variable, inheritance.text)])
    for descriptor in kept { try? descriptor.setCloseOnExec(true) }
    log.write(.error, "upgrade failed, going on as before: \(error)")
  }

  /// Takes over what another image left; its workers drain as soon as ours are ready.
  func adopt(_ inheritance: Inheritance) throws(SystemError) {
    if inheritance.log >= 0 {
      log = ErrorLog(descriptor: try Master.owned(inheritance.log), level: .notice)
    }
    if inheritance.cache >= 0 { inheritedCache = try Master.owned(inheritance.cache) }
    if inheritance.tickets >= 0 {
      ticketRegion = try SharedRegion(
        inheritedSecret: try Master.owned(inheritance.tickets),
        byteCount: TLSTicketKeys.regionBytes)
    }
    for listener in inheritance.listeners {
      let descriptor = try Master.owned(listener.descriptor)
      guard let address = Stream.localAddress(descriptor.number) else { continue }
      listeners.inherit(
        ListenerTable.Entry(
          identifier: listener.identifier, address: address, slot: listener.slot,
          descriptor: descriptor, isListening: true, isGiven: listener.isGiven))
    }
    try adoptQueues(inheritance)
    for worker in inheritance.workers {
      let descriptor = try Master.owned(worker.control)
      let name = WorkerName(serial: worker.serial)
      workers[name] = WorkerRecord(
        name: name, generation: worker.generation, index: worker.index,
        processSlot: worker.processSlot, isInherited: true, process: worker.process,
        control: MessageSocket(descriptor))
      slotsInUse.insert(worker.processSlot)
      try poller.add(descriptor.number, token: Token.worker(name), interest: .readable)
    }
    supervisor = Supervisor(
      inherited: inheritance.workers.map {
        (WorkerName(serial: $0.serial), $0.generation, $0.index)
      }, lastNumber: inheritance.lastGeneration, slotCount: inheritance.slotCount)
    if let inherited = inheritance.applications {
      let channel = MessageSocket(try Master.owned(inherited.channel))
      applications.process = inherited.process
      applications.channel = channel
      try poller.add(
        channel.descriptor.number, token: Token.applications, interest: .readable)
    }
    pidFile = LockedFile(
      path: inheritance.pidFilePath, inherited: try Master.owned(inheritance.pidFile))
    if inheritance.controlListener >= 0 {
      control = try ControlServer(
        path: inheritance.controlPath, listener: try Master.owned(inheritance.controlListener),
        poller: poller)
    }
  }

  /// Credits that the other image's workers hold count on, and are given back to everybody.
  private func adoptQueues(_ inheritance: Inheritance) throws(SystemError) {
    guard let queues = inheritance.queues else { return }
    let files = QueueBoardFiles(
      rules: try Master.owned(queues.rules), cells: try Master.owned(queues.cells),
      event: try Master.owned(queues.event))
    guard let board = try QueueBoard(wakers: wakers, inherited: files) else { return }
    if let event = queueBoard?.masterDescriptor { poller.remove(event.number) }
    queueBoard = board
    try poller.add(board.masterDescriptor.number, token: Token.demand, interest: .readable)
  }

  /// A descriptor that came through the exec, ours alone from now on.
  private static func owned(_ number: CInt) throws(SystemError) -> Descriptor {
    let descriptor = Descriptor(adopting: number)
    try descriptor.setCloseOnExec(true)
    return descriptor
  }
}
