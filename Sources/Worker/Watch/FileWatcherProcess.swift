// The file watcher's process: notes from workers in, events from the kernel in, changes out.

import Cache
import Platform

/// What the watcher's process receives from the master.
package struct WatcherHeritage {
  /// The watcher's end of the channel; the caller must not hold the workers' end, or it never ends.
  package let channel: Descriptor
  package let board: WatchBoard
  package let cache: CacheStore
  /// What it locks itself in with; nil in tests.
  package let sandbox: SandboxPlan?

  package init(
    channel: Descriptor, board: WatchBoard, cache: CacheStore, sandbox: SandboxPlan? = nil
  ) {
    self.channel = channel
    self.board = board
    self.cache = cache
    self.sandbox = sandbox
  }
}

/// One process for all workers; it may wait for disks, so nobody waits for it.
package final class FileWatcherProcess {
  private static let channelToken: UInt64 = 0
  private static let eventsToken: UInt64 = 1
  private static let retryMilliseconds: Int64 = 10_000

  private let heritage: WatcherHeritage
  private let channel: MessageSocket
  private let poller: Poller
  private let parent = ProcessNumber.parent
  /// nil while the kernel gives no instance.
  private var watch: FileWatch?
  private var watcher: FileWatcher<FileSystemWatch>?
  private var retryAt: Int64 = 0
  private var quietSince: Int64

  /// Serves until the last worker and the master have ended, or the master is dead and nothing was
  /// told for a while; returns the exit code.
  package static func run(_ heritage: WatcherHeritage) -> Int32 {
    do throws(SystemError) {
      let process = try FileWatcherProcess(heritage)
      if let sandbox = heritage.sandbox { Sandbox.enter(sandbox) }
      return try process.run()
    } catch {
      return 1
    }
  }

  private init(_ heritage: WatcherHeritage) throws(SystemError) {
    self.heritage = heritage
    channel = MessageSocket(heritage.channel)
    poller = try Poller(batchMax: 2)
    quietSince = Clock.monotonicMilliseconds()
    try poller.add(
      heritage.channel.number, token: FileWatcherProcess.channelToken, interest: .readable)
  }

  private func run() throws(SystemError) -> Int32 {
    while true {
      let now = Clock.monotonicMilliseconds()
      try openWatch(now)
      if ProcessNumber.parent != parent && now - quietSince > WatchLimits.orphanMilliseconds {
        return 0
      }
      watcher?.tick(now: now)
      let count = poller.wait(timeoutMilliseconds: 1_000)
      for index in 0..<count {
        switch poller.event(index).token {
        case FileWatcherProcess.eventsToken: try readEvents()
        default: if !readNotes() { return 0 }
        }
      }
      if count > 0 { Clock.pause(milliseconds: WatchLimits.restMilliseconds) }
    }
  }

  /// Without an instance all stays as it is without a watcher: files are compared once a second.
  private func openWatch(_ now: Int64) throws(SystemError) {
    guard watch == nil, now >= retryAt else { return }
    do throws(SystemError) {
      let watch = try FileWatch()
      try poller.add(
        watch.number, token: FileWatcherProcess.eventsToken, interest: .readable)
      self.watch = watch
    } catch {
      heritage.board.note(.unavailable)
      retryAt = now + FileWatcherProcess.retryMilliseconds
      return
    }
    guard let watch else { return }
    let cache = heritage.cache
    watcher = FileWatcher(
      FileSystemWatch(watch), heritage.board,
      FileChangeSink(
        changed: { cache.invalidate(.file($0), hard: false) },
        allChanged: { cache.invalidate(.files, hard: false) }))
  }

  /// False: the channel has ended.
  private func readNotes() -> Bool {
    quietSince = Clock.monotonicMilliseconds()
    var notes: [WatchNote] = []
    defer { watcher?.take(notes) }
    for _ in 0..<WatchLimits.notesPerTurn {
      do {
        switch try channel.receive(byteCountMax: WatchNote.byteCountMax) {
        case .wouldBlock: return true
        case .closed: return false
        case .message(let bytes, _):
          if let note = WatchNote(bytes: bytes) { notes.append(note) }
        }
      } catch {
        // A packet that no worker of ours sends: it is lost, and that is all.
        continue
      }
    }
    return true
  }

  private func readEvents() throws(SystemError) {
    guard let watch else { return }
    watcher?.take(try watch.read())
  }
}

/// The real file system.
package struct FileSystemWatch: WatchedSystem {
  private let instance: FileWatch

  package init(_ instance: FileWatch) { self.instance = instance }

  package func watch(_ path: [UInt8], _ scope: FileWatchScope) throws(SystemError) -> Int32 {
    try instance.add(path, scope)
  }

  package func unwatch(_ watch: Int32) { instance.remove(watch) }

  package func look(_ path: [UInt8]) -> NamedEntry { File.entry(at: path) }

  package func facts(_ path: [UInt8]) -> FileFacts? {
    guard let file = try? File.open(path, for: .locate) else { return nil }
    return try? File.facts(file)
  }
}
