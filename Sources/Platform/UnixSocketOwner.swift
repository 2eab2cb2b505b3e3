// Giving a socket with a path to another user.

import CLinux
import Glibc

extension UnixSocket {
  /// Changes owner and group of a socket in a directory that nobody else can write to: the
  /// directory is held open meanwhile, and no link is followed. fchownat(2).
  package static func give(path: String, user: UInt32, group: UInt32) throws(SystemError) {
    guard let slash = path.lastIndex(of: "/"), !path.hasPrefix("@") else { return }
    let name = String(path[path.index(after: slash)...])
    do throws(SystemError) {
      let directory = Descriptor(
        adopting: try systemCall("open") {
          unsafe open(String(path[..<slash]), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        })
      var status = stat()
      _ = try systemCall("fstat") { unsafe fstat(directory.number, &status) }
      guard status.st_uid == geteuid(), status.st_mode & 0o022 == 0 else {
        throw SystemError(code: EPERM, operation: "use")
      }
      _ = try systemCall("fstatat") {
        unsafe fstatat(directory.number, name, &status, AT_SYMLINK_NOFOLLOW)
      }
      guard status.st_mode & S_IFMT == S_IFSOCK else {
        throw SystemError(code: ENOTSOCK, operation: "fchownat")
      }
      guard status.st_uid != user || status.st_gid != group else { return }
      _ = try systemCall("fchownat") {
        unsafe fchownat(directory.number, name, user, group, AT_SYMLINK_NOFOLLOW)
      }
    } catch {
      throw error.on(path)
    }
  }
}
