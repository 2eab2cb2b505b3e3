// Small files that are whole after any crash: the old content, or the new one.

import CLinux
import Glibc

/// State that outlives the server. Not for more than one writer at a time.
package enum DurableFile {
  /// All of a file's bytes; nil when there is none. A symbolic link is not followed (ELOOP).
  package static func read(
    _ path: String, byteCountMax: Int
  ) throws(SystemError) -> [UInt8]? {
    do {
      let file = Descriptor(
        adopting: try systemCall("open") {
          unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        })
      return try File.content(of: file, byteCountMax: byteCountMax)
    } catch {
      if error.code == ENOENT { return nil }
      throw error.on(path)
    }
  }

  /// Puts `content` in a file's place, readable by its owner alone: written and forced to the disk
  /// under another name, then renamed, then the directory forced to the disk. Whatever fails, the
  /// old file is there. Its directory is made if it is missing (one level). fsync(2), rename(2).
  ///
  /// - Parameter isForced: false for what is of no use after a loss of power: it costs no disk, and
  ///   is whole whatever else ends.
  package static func replace(
    _ path: String, with content: [UInt8], isForced: Bool = true
  ) throws(SystemError) {
    let name = path + ".new"
    let directory = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    do throws(SystemError) {
      try makeDirectory(directory, mode: 0o700)
      do throws(SystemError) {
        try write(content, to: name, isForced: isForced)
        _ = try systemCall("rename") { unsafe rename(name, path) }
      } catch {
        _ = unsafe unlink(name)
        throw error
      }
      // The new content is in place: only a loss of power could bring the old one back, and to say
      // that nothing has changed would be wrong.
      if isForced { try? sync(directory) }
    } catch {
      throw error.on(path)
    }
  }

  /// What is in a directory, at most 4,096 names.
  package static func names(in path: String) throws(SystemError) -> [String] {
    let directory = Descriptor(
      adopting: try systemCall("open") {
        unsafe Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
      })
    return try DirectoryReader.names(in: directory, countMax: 4096, where: { _ in true }).names
      .map { String(decoding: $0, as: UTF8.self) }
  }

  /// Whether there is anything of that name. lstat(2).
  package static func exists(_ path: String) -> Bool {
    var status = stat()
    return unsafe lstat(path, &status) == 0
  }

  /// Refuses a directory that somebody else owns or can put files into, and a symbolic link.
  package static func checkIsOwn(_ path: String) throws(SystemError) {
    var status = stat()
    _ = try systemCall("lstat") { unsafe lstat(path, &status) }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      throw SystemError(code: ENOTDIR, operation: "open", subject: path)
    }
    guard status.st_uid == geteuid(), status.st_mode & 0o022 == 0 else {
      throw SystemError(code: EPERM, operation: "use", subject: path)
    }
  }

  /// Makes a directory of exactly this mode unless there is one. mkdir(2).
  package static func makeDirectory(_ path: String, mode: UInt32) throws(SystemError) {
    let before = umask(0)
    defer { umask(before) }
    if unsafe mkdir(path, mode) != 0, ring3_errno() != EEXIST {
      throw SystemError(code: ring3_errno(), operation: "mkdir", subject: path)
    }
  }

  /// Gives a file a name that says when it was put away; returns that name.
  package static func setAside(_ path: String, seconds: Int64) throws(SystemError) -> String {
    let name = "\(path).damaged-\(seconds)"
    do {
      _ = try systemCall("rename") { unsafe rename(path, name) }
    } catch {
      throw error.on(path)
    }
    return name
  }

  /// Removes a file, if it is there. unlink(2).
  package static func remove(_ path: String) { _ = unsafe unlink(path) }

  private static func write(
    _ content: [UInt8], to path: String, isForced: Bool
  ) throws(SystemError) {
    // What a crash left of an earlier attempt is nobody's.
    _ = unsafe unlink(path)
    let file = Descriptor(
      adopting: try systemCall("open") {
        unsafe Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
      })
    try File.write(content, to: file)
    if isForced { _ = try systemCall("fsync") { fsync(file.number) } }
  }

  private static func sync(_ directory: String) throws(SystemError) {
    let file = Descriptor(
      adopting: try systemCall("open") {
        unsafe Glibc.open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      })
    _ = try systemCall("fsync") { fsync(file.number) }
  }
}
