// The log files of one generation, opened by the master so that workers need no right to.

import Configuration
import Platform
import Worker

/// The error log and every other log file that a model names, each once.
struct LogFiles {
  let errorLog: Descriptor
  let logs: [InheritedLog]

  /// Opens all of them anew. Throws with a message for the operator.
  init(_ model: Model) throws(Refusal) {
    let server = model.server
    errorLog = try LogFiles.open(server.errorLog, server)
    var opened: [InheritedLog] = []
    var seen: Set<String> = []
    for path in LogFiles.paths(model) where seen.insert(path).inserted {
      opened.append(InheritedLog(path: path, descriptor: try LogFiles.open(path, server)))
    }
    logs = opened
  }

  /// In a fixed order, so that `reopenLogs` can name them by place.
  private static func paths(_ model: Model) -> [String] {
    model.sites.flatMap { site in
      site.accessLogs.map { $0.path } + (site.errorLog.map { [$0] } ?? [])
    }
  }

  private static func open(
    _ path: String, _ server: ServerSettings
  ) throws(Refusal) -> Descriptor {
    do {
      // A descriptor that we have already may be a socket or a pipe, which open(2) refuses.
      if let number = standardStreams[path] { return try Descriptor.duplicate(of: number) }
      return try LogFile.open(path.hasPrefix("/") ? path : "\(server.serverRoot)/\(path)")
    } catch {
      throw Refusal("cannot open log: \(error)")
    }
  }

  private static let standardStreams: [String: CInt] = [
    "/dev/stdout": 1, "/dev/fd/1": 1, "/proc/self/fd/1": 1,
    "/dev/stderr": 2, "/dev/fd/2": 2, "/proc/self/fd/2": 2,
  ]
}
