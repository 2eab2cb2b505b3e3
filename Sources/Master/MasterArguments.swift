// What the master is started with, and the seams by which tests replace its neighbours.

import Cache
import Configuration
import Platform
import Worker

/// The command line of `ring3d`, parsed.
package struct MasterArguments: Sendable {
  package var configurationFile: String
  /// `-D NAME` and `-D NAME=VALUE`.
  package var defines: [String: String?]
  /// Stay attached to the terminal; otherwise become a daemon.
  package var isForeground: Bool

  package init(configurationFile: String, defines: [String: String?], isForeground: Bool) {
    self.configurationFile = configurationFile
    self.defines = defines
    self.isForeground = isForeground
  }

  /// The same as words, for another image of this program.
  var words: [String] {
    var words = ["-c", configurationFile]
    for (name, value) in defines.sorted(by: { $0.key < $1.key }) {
      words += ["-D", value.map { "\(name)=\($0)" } ?? name]
    }
    return words
  }
}

/// The rooms that the master runs; tests put scripted ones in their place.
package struct MasterRooms {
  package var load: (MasterArguments) -> LoadResult
  /// Runs in each worker process.
  package var workerMain: (Heritage) -> Int32
  /// Runs in each I/O helper process, with the helpers' ends; nil: no helpers.
  package var helperMain: (([Descriptor], SandboxPlan) -> Int32)?
  /// The file watcher's main function; nil: files are compared with their paths only.
  package var watcherMain: ((WatcherHeritage) -> Int32)?
  /// Opens the shared cache; an error is reported and the server runs without.
  package var openCache: ((Model) throws(SystemError) -> CacheStore)?
  /// Maps the cache that another image of the master left.
  package var adoptCache: ((Model, Descriptor) throws(SystemError) -> CacheStore)?

  package init(
    load: @escaping (MasterArguments) -> LoadResult, workerMain: @escaping (Heritage) -> Int32,
    helperMain: (([Descriptor], SandboxPlan) -> Int32)?,
    watcherMain: ((WatcherHeritage) -> Int32)? = nil,
    openCache: ((Model) throws(SystemError) -> CacheStore)?,
    adoptCache: ((Model, Descriptor) throws(SystemError) -> CacheStore)?
  ) {
    self.load = load
    self.workerMain = workerMain
    self.helperMain = helperMain
    self.watcherMain = watcherMain
    self.openCache = openCache
    self.adoptCache = adoptCache
  }

  /// The real ones.
  package static var real: MasterRooms {
    MasterRooms(
      load: { ConfigurationLoader.load(file: $0.configurationFile, defines: $0.defines) },
      workerMain: { WorkerProcess.run($0) },
      helperMain: { IOHelper.run(channels: $0, sandbox: $1) },
      watcherMain: { FileWatcherProcess.run($0) },
      openCache: { (model) throws(SystemError) in
        try CacheStore.open(
          name: cacheName(model), byteCount: model.server.cacheBytesMax,
          objectBytesMax: model.server.cacheObjectBytesMax,
          hugePages: model.server.cacheHugePages)
      },
      adoptCache: { (model, descriptor) throws(SystemError) in
        try CacheStore.adopt(
          descriptor: descriptor, name: cacheName(model), hugePages: model.server.cacheHugePages)
      })
  }

  /// One segment per pid file: that is what makes two instances different.
  private static func cacheName(_ model: Model) -> String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in model.server.pidFile.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return "ring3.\(Privileges.effectiveUser).\(String(hash, radix: 16))"
  }
}

/// Why the server could not start or a reload was refused: one or more lines for the operator.
package struct Refusal: Error, Equatable, CustomStringConvertible {
  package let description: String

  package init(_ description: String) { self.description = description }
}
