// POSIX shared-memory objects: opened without following links, locked, reserved, renamed into
// place.

import CLinux
import Glibc

/// An open object. Its lock belongs to the open file, which all children inherit with descriptors
/// and mappings: it ends when the last of them has neither. flock(2), mmap(2).
package struct SharedMemoryObject {
  package let descriptor: Descriptor
  /// Without a directory.
  package let name: String

  /// Where glibc's shm_open keeps objects.
  package static let directory = "/dev/shm"

  /// Adopts an inherited descriptor.
  package init(descriptor: Descriptor, name: String) {
    self.descriptor = descriptor
    self.name = name
  }

  private static func path(_ name: String) -> String { "\(directory)/\(name)" }

  /// Opens an existing object; nil when there is none. Fails when it is not a plain file of ours:
  /// a link, another owner, or open to others.
  package static func open(_ name: String) throws(SystemError) -> SharedMemoryObject? {
    try openFile(name, O_RDWR | O_NOFOLLOW | O_CLOEXEC)
  }

  /// Makes an object that must not exist yet, mode 0600; nil when it exists.
  package static func create(_ name: String) throws(SystemError) -> SharedMemoryObject? {
    try openFile(name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC)
  }

  private static func openFile(
    _ name: String, _ flags: CInt
  ) throws(SystemError) -> SharedMemoryObject? {
    guard isValid(name) else {
      throw SystemError(code: EINVAL, operation: "shm_open", subject: name)
    }
    let number = unsafe Glibc.open(path(name), flags, mode_t(0o600))
    guard number >= 0 else {
      let code = ring3_errno()
      if code == ENOENT && flags & O_CREAT == 0 { return nil }
      if code == EEXIST { return nil }
      throw SystemError(code: code, operation: "shm_open", subject: path(name))
    }
    let object = SharedMemoryObject(descriptor: Descriptor(adopting: number), name: name)
    let facts = try object.facts()
    guard facts.st_mode & S_IFMT == S_IFREG, facts.st_uid == geteuid(), facts.st_mode & 0o077 == 0
    else {
      throw SystemError(
        code: EACCES, operation: "open a plain file of this user with mode 0600",
        subject: path(name))
    }
    return object
  }

  /// One path component, as shm_open(3) wants it, with room for a suffix.
  private static func isValid(_ name: String) -> Bool {
    !name.isEmpty && name.utf8.count <= 200 && name.utf8.first != UInt8(ascii: ".")
      && !name.utf8.contains { $0 == UInt8(ascii: "/") || $0 == 0 }
  }

  private func facts() throws(SystemError) -> stat {
    var facts = stat()
    let number = descriptor.number
    guard unsafe fstat(number, &facts) == 0 else {
      throw SystemError(code: ring3_errno(), operation: "fstat", subject: name)
    }
    return facts
  }

  /// Bytes.
  package func size() throws(SystemError) -> Int { Int(try facts().st_size) }

  /// Whether there is memory behind so many bytes; an object that was cut and made long again has
  /// holes.
  package func isReserved(byteCount: Int) throws(SystemError) -> Bool {
    Int(try facts().st_blocks) * 512 >= byteCount
  }

  /// Whether the name still means this object.
  package func isCurrent() throws(SystemError) -> Bool {
    var other = stat()
    guard unsafe lstat(SharedMemoryObject.path(name), &other) == 0 else { return false }
    let mine = try facts()
    return mine.st_dev == other.st_dev && mine.st_ino == other.st_ino
  }

  /// Whether two names or descriptors mean one object.
  package func isSame(as other: SharedMemoryObject) throws(SystemError) -> Bool {
    let (mine, theirs) = (try facts(), try other.facts())
    return mine.st_dev == theirs.st_dev && mine.st_ino == theirs.st_ino
  }

  /// Takes the exclusive lock without waiting; false while a process of another master holds it.
  package func tryLock() throws(SystemError) -> Bool {
    while flock(descriptor.number, LOCK_EX | LOCK_NB) != 0 {
      let code = ring3_errno()
      if code == EWOULDBLOCK { return false }
      if code != EINTR { throw SystemError(code: code, operation: "flock", subject: name) }
    }
    return true
  }

  /// Gives a new object its size, without memory behind it yet. ftruncate(2).
  package func setSize(_ byteCount: Int) throws(SystemError) {
    let number = descriptor.number
    _ = try systemCall("ftruncate") { ftruncate(number, off_t(byteCount)) }
  }

  /// Makes the object `byteCount` bytes with memory behind each: no later store can find the file
  /// system full (SIGBUS). In pieces, because a signal would undo one large call.
  /// posix_fallocate(3).
  package func reserve(byteCount: Int) throws(SystemError) {
    let piece = 16 << 20
    var done = 0
    while done < byteCount {
      let count = min(piece, byteCount - done)
      let code = posix_fallocate(descriptor.number, off_t(done), off_t(count))
      if code == EINTR { continue }
      guard code == 0 else {
        throw SystemError(code: code, operation: "posix_fallocate", subject: name)
      }
      done += count
    }
  }

  /// Gives the object a second name; false when something has that name, or `self.name` means
  /// another object by now. link(2).
  package func linked(as other: String) throws(SystemError) -> Bool {
    guard SharedMemoryObject.isValid(other), try isCurrent() else { return false }
    let from = SharedMemoryObject.path(name)
    let to = SharedMemoryObject.path(other)
    guard unsafe link(from, to) == 0 else {
      let code = ring3_errno()
      if code == EEXIST { return false }
      throw SystemError(code: code, operation: "link", subject: to)
    }
    return true
  }

  /// Puts the object in the place of whatever has `name`. Who has the old one mapped keeps it.
  package func renamed(to name: String) throws(SystemError) -> SharedMemoryObject {
    let from = SharedMemoryObject.path(self.name)
    let to = SharedMemoryObject.path(name)
    guard unsafe rename(from, to) == 0 else {
      throw SystemError(code: ring3_errno(), operation: "rename", subject: to)
    }
    return SharedMemoryObject(descriptor: descriptor, name: name)
  }

  /// Removes a name; nothing happens when there is none.
  package static func unlink(_ name: String) {
    guard isValid(name) else { return }
    _ = unsafe Glibc.unlink(path(name))
  }
}

/// errno values by name, for callers outside this room.
extension SystemError {
  package static var invalidArgument: CInt { EINVAL }
  package static var busy: CInt { EBUSY }
}
