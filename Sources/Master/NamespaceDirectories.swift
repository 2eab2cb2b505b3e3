// The directories of the namespace: one server uses them at a time, and its own workers can connect
// to the sockets in them.

import Configuration
import Platform
import Worker

extension Master {
  /// Holds StateDirectory and QueueDirectory for this server, before anything in them is read or
  /// replaced. Refused when another server holds one: each would overwrite what the other keeps.
  func lockDirectories(_ model: Model) throws(Refusal) {
    try lockDirectory(keptDirectory ?? model.server.stateDirectory, "StateDirectory")
    guard let queues = model.server.queueDirectory else { return }
    try? DurableFile.makeDirectory(queues, mode: 0o711)
    try lockDirectory(queues, "QueueDirectory")
  }

  /// Where the reservations are kept: another StateDirectory counts after the next start.
  var keptDirectory: String? {
    namespace.file.flatMap { file in file.lastIndex(of: "/").map { String(file[..<$0]) } }
  }

  /// A directory that is not there, or is not ours, is left alone: whoever wants to keep something
  /// in it will be told.
  func lockDirectory(_ directory: String, _ directive: String) throws(Refusal) {
    guard namespace.locks[directory] == nil,
      (try? DurableFile.checkIsOwn(directory)) != nil
    else { return }
    do throws(LockedFile.Failure) {
      namespace.locks[directory] = try LockedFile(path: directory + "/lock", mode: 0o600)
    } catch {
      guard case .held(_, let process) = error else { return }
      let who = process.map { " (pid \($0))" } ?? ""
      throw Refusal(
        "another ring3d\(who) uses '\(directory)': give each server a \(directive) of its own")
    }
  }

  /// Lets go of what a configuration before this one used.
  func unlockDirectories(except model: Model) {
    for (directory, lock) in namespace.locks
    where directory != model.server.queueDirectory && directory != keptDirectory {
      lock.remove()
      namespace.locks[directory] = nil
    }
  }

  /// After `User` or `Group` has changed: sockets of queues are for the workers that serve now.
  /// Workers of the former user that still drain cannot connect any more.
  func ownQueueSockets() {
    guard let identity else { return }
    for queue in namespace.queues.values {
      do throws(SystemError) {
        try UnixSocket.give(path: queue.path, user: identity.user, group: identity.group)
      } catch {
        log.write(.error, "workers cannot reach \(queue.words): \(error)")
      }
    }
  }
}
