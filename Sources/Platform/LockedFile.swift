// A file that one process holds locked for as long as it lives: the pid file.

import CLinux
import Glibc

/// An exclusive flock(2) on a file with our process number in it. The kernel drops the lock when
/// the last process that inherited the descriptor ends or closes it, however it ends.
package struct LockedFile: Sendable {
  package let path: String
  package let descriptor: Descriptor

  package enum Failure: Error, Equatable, CustomStringConvertible {
    /// Another process holds it; its number if the file says one.
    case held(path: String, by: Int32?)
    case system(SystemError)

    package var description: String {
      switch self {
      case .held(let path, let process):
        return "another ring3d is running with pid file '\(path)'"
          + (process.map { " (pid \($0))" } ?? "")
      case .system(let error): return error.description
      }
    }
  }

  /// Opens or creates the file, locks it and writes our number. What a dead instance left is no
  /// obstacle; a symbolic link is refused (O_NOFOLLOW). `mode`: whoever can open the file can also
  /// hold its lock.
  package init(path: String, mode: UInt32 = 0o644) throws(Failure) {
    self.path = path
    // A holder may unlink the file between our open and our lock; then we hold nothing: again.
    for _ in 0..<10 {
      let descriptor: Descriptor
      do {
        descriptor = Descriptor(
          adopting: try systemCall("open") {
            unsafe Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode)
          })
      } catch {
        throw .system(error.on(path))
      }
      do {
        _ = try systemCall("flock") { flock(descriptor.number, LOCK_EX | LOCK_NB) }
      } catch {
        if error.code != EAGAIN { throw .system(error.on(path)) }
        throw .held(path: path, by: LockedFile.holder(path: path))
      }
      if LockedFile.isSameFile(descriptor, path) {
        self.descriptor = descriptor
        writeProcess()
        return
      }
    }
    throw .system(SystemError(code: EBUSY, operation: "flock", subject: path))
  }

  /// Takes over a lock through exec in place.
  package init(path: String, inherited descriptor: Descriptor) {
    self.path = path
    self.descriptor = descriptor
  }

  /// The process number in the file, if it is one. It may be stale: only the lock tells.
  package static func holder(path: String) -> Int32? {
    let number = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    if number < 0 { return nil }
    let file = Descriptor(adopting: number)
    guard case .bytes(let bytes) = UnixSocket.receive(file, byteCountMax: 32) else { return nil }
    let text = String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    guard let process = Int32(text), process > 0 else { return nil }
    return process
  }

  /// Writes this process's number: after daemonising, the number changes while the lock stays.
  package func writeProcess() {
    let bytes = Array("\(getpid())\n".utf8)
    _ = ftruncate(descriptor.number, 0)
    _ = unsafe pwrite(descriptor.number, bytes, bytes.count, 0)
  }

  /// Removes the file before the lock goes, so that no reader finds a stale number.
  package func remove() { _ = unsafe unlink(path) }

  private static func isSameFile(_ descriptor: Descriptor, _ path: String) -> Bool {
    var held = stat()
    var named = stat()
    guard unsafe fstat(descriptor.number, &held) == 0, unsafe stat(path, &named) == 0 else {
      return false
    }
    return held.st_dev == named.st_dev && held.st_ino == named.st_ino
  }
}
