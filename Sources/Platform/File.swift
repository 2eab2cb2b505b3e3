// Regular files: open within limits, look at, read and send without waiting for a disk.

import CLinux
import Glibc

/// What the kernel says about a file.
package struct FileFacts: Equatable, Sendable {
  package var device: UInt64
  package var inode: UInt64
  /// Bytes.
  package var size: Int64
  /// st_mtim in nanoseconds since 1970: anyone with write access may set it to anything.
  package var modifiedNanoseconds: Int64
  /// st_ctim in nanoseconds since 1970: set by the kernel alone, at each change.
  package var changedNanoseconds: Int64
  /// st_mode: type and permissions.
  package var mode: UInt32
  /// st_uid.
  package var owner: UInt32

  package init(
    device: UInt64, inode: UInt64, size: Int64, modifiedNanoseconds: Int64,
    changedNanoseconds: Int64, mode: UInt32 = 0, owner: UInt32 = 0
  ) {
    self.device = device
    self.inode = inode
    self.size = size
    self.modifiedNanoseconds = modifiedNanoseconds
    self.changedNanoseconds = changedNanoseconds
    self.mode = mode
    self.owner = owner
  }

  init(_ status: stat) {
    device = UInt64(status.st_dev)
    inode = UInt64(status.st_ino)
    size = Int64(status.st_size)
    modifiedNanoseconds = FileFacts.nanoseconds(status.st_mtim)
    changedNanoseconds = FileFacts.nanoseconds(status.st_ctim)
    mode = UInt32(status.st_mode)
    owner = UInt32(status.st_uid)
  }

  package var isRegularFile: Bool { mode & UInt32(S_IFMT) == UInt32(S_IFREG) }
  package var isDirectory: Bool { mode & UInt32(S_IFMT) == UInt32(S_IFDIR) }
  package var isSymbolicLink: Bool { mode & UInt32(S_IFMT) == UInt32(S_IFLNK) }

  /// The same file in the same state: device, inode, size and both times. (A change of mode or
  /// owner changes the ctime.)
  package func isUnchanged(since other: FileFacts) -> Bool {
    isSameFile(as: other) && size == other.size
      && modifiedNanoseconds == other.modifiedNanoseconds
      && changedNanoseconds == other.changedNanoseconds
  }

  /// The same inode.
  package func isSameFile(as other: FileFacts) -> Bool {
    inode == other.inode && device == other.device
  }

  /// A year far outside 1970 ± 292 must not trap: it saturates.
  private static func nanoseconds(_ time: timespec) -> Int64 {
    let (product, overflow) = Int64(time.tv_sec).multipliedReportingOverflow(by: 1_000_000_000)
    if overflow { return time.tv_sec < 0 ? .min : .max }
    let (sum, overflowed) = product.addingReportingOverflow(Int64(time.tv_nsec))
    return overflowed ? .max : sum
  }
}

/// Limits on how a path may be resolved, kept by the kernel. openat2(2).
package struct ResolveLimits: OptionSet, Sendable {
  package let rawValue: UInt64
  package init(rawValue: UInt64) { self.rawValue = rawValue }
  /// Fail with EAGAIN rather than wait for a disk or a network.
  package static let cachedOnly = ResolveLimits(rawValue: UInt64(RING3_RESOLVE_CACHED))
  /// ELOOP for any symbolic link.
  package static let noSymbolicLinks = ResolveLimits(
    rawValue: UInt64(RING3_RESOLVE_NO_SYMLINKS))
  /// ELOOP for links like /proc/self/fd/3, which lead to open files instead of names.
  package static let noMagicLinks = ResolveLimits(
    rawValue: UInt64(RING3_RESOLVE_NO_MAGICLINKS))
  /// EXDEV for whatever leaves the start directory, absolute links included; EAGAIN when something
  /// was renamed meanwhile.
  package static let beneath = ResolveLimits(rawValue: UInt64(RING3_RESOLVE_BENEATH))
}

/// What a file is opened for.
package struct OpenPurpose: OptionSet, Sendable {
  package let rawValue: CInt
  package init(rawValue: CInt) { self.rawValue = rawValue }
  /// To look at it and to start from it; opens nothing (O_PATH).
  package static let locate = OpenPurpose(rawValue: CInt(RING3_OPEN_LOCATE))
  /// To read; never waits, not even for a FIFO's writer.
  package static let read = OpenPurpose(rawValue: CInt(RING3_OPEN_READ))
  /// Beside one of the above: a link as the last component is opened itself, or is ELOOP for
  /// `read`.
  package static let noFollow = OpenPurpose(rawValue: CInt(RING3_OPEN_NO_FOLLOW))
  /// Beside one of the above: anything but a directory is ENOTDIR.
  package static let directory = OpenPurpose(rawValue: CInt(RING3_OPEN_DIRECTORY))
}

/// What an attempt to read without waiting gave.
package enum FileReadResult: Equatable, Sendable {
  /// Possibly less than asked for.
  case read(Int)
  case end
  /// The bytes are on the disk, not in memory: have them warmed.
  case wouldSleep
  /// The file system does not say (overlayfs, NFS): have them warmed once, then wait.
  case cannotTell
  case failed(SystemError)
}

/// What an attempt to send a piece of a file gave.
package enum FileSendResult: Equatable, Sendable {
  /// Possibly less than asked for.
  case sent(Int)
  case wouldBlock
  /// The file has no byte at this offset: it was truncated.
  case truncated
  /// EPIPE, ECONNRESET and the like.
  case broken
  case failed(SystemError)
}

/// System calls on files.
package enum File {
  /// False on kernels before 5.6 and under filters that refuse openat2(2) (with EPERM, some).
  package static let canLimitResolution: Bool = {
    let root: [UInt8] = [0x2f, 0]
    let number = unsafe ring3_open_limited(
      AT_FDCWD, root, CInt(RING3_OPEN_LOCATE),
      UInt64(RING3_RESOLVE_NO_MAGICLINKS))
    if number >= 0 { Descriptor.close(number) }
    return number >= 0
  }()

  /// Opens `path`, relative to `directory` or (nil) to the process. Without limits openat(2) is
  /// used, else openat2(2): ENOSYS where it is missing. Paths are bytes without a zero (ENOENT).
  /// RESOLVE_CACHED is newer than openat2: its EINVAL is reported as EAGAIN. `sandboxed`: nothing
  /// but the sandbox forbids it.
  package static func open(
    _ path: [UInt8], in directory: Descriptor? = nil, for purpose: OpenPurpose,
    limits: ResolveLimits = []
  ) throws(SystemError) -> Descriptor {
    if path.contains(0) { throw SystemError(code: ENOENT, operation: "open") }
    let terminated = path + [0]
    let start = directory?.number ?? AT_FDCWD
    defer { withExtendedLifetime(directory) {} }
    do {
      return Descriptor(
        adopting: try systemCall("open") {
          limits.isEmpty
            ? unsafe ring3_open_plain(start, terminated, purpose.rawValue)
            : unsafe ring3_open_limited(start, terminated, purpose.rawValue, limits.rawValue)
        })
    } catch {
      if error.code == EACCES && isRefusedBySandbox(terminated, in: start, for: purpose) {
        throw SystemError(code: SystemError.sandboxed, operation: "open")
      }
      if error.code == EINVAL && limits.contains(.cachedOnly) {
        throw SystemError(code: EAGAIN, operation: "open")
      }
      throw error
    }
  }

  /// fstat(2); O_PATH descriptors too.
  package static func facts(_ file: Descriptor) throws(SystemError) -> FileFacts {
    var status = stat()
    _ = try systemCall("fstat") { unsafe fstat(file.number, &status) }
    return FileFacts(status)
  }

  /// The same bytes as when `facts` were taken, as far as size and mtime tell. The ctime is left
  /// out: replacing or removing the name changes it, and the old inode is still good to send.
  package static func isUnchanged(_ file: Descriptor, _ facts: FileFacts) -> Bool {
    guard let now = try? File.facts(file) else { return false }
    return now.size == facts.size && now.modifiedNanoseconds == facts.modifiedNanoseconds
  }

  /// Where the symbolic link leads that an O_PATH descriptor names. readlinkat(2).
  package static func readLink(_ link: Descriptor) throws(SystemError) -> [UInt8] {
    var content = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = try systemCall("readlinkat") {
      unsafe ring3_read_link(link.number, &content, content.count)
    }
    return Array(content.prefix(count))
  }

  /// An anonymous file in memory. memfd_create(2).
  package static func inMemory(_ content: [UInt8]) throws(SystemError) -> Descriptor {
    let file = Descriptor(
      adopting: try systemCall("memfd_create") { unsafe ring3_memory_file("ring3") })
    var written = 0
    while written < content.count {
      written += try systemCall("write") {
        unsafe content.withUnsafeBytes { bytes in
          guard let base = bytes.baseAddress else { return 0 }
          return unsafe pwrite(file.number, base + written, content.count - written, off_t(written))
        }
      }
    }
    return file
  }

  /// Whether reads of this file never wait for a device: tmpfs and its like. fstatfs(2).
  package static func isInMemory(_ file: Descriptor) -> Bool {
    ring3_is_memory_file_system(file.number) == 1
  }
}
