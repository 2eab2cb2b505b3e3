// inotify: the kernel tells which names in watched directories changed.

import CLinux
import Glibc

/// How much of a file or directory is watched.
package enum FileWatchScope: Equatable, Sendable {
  /// A directory: names that come, go, or change their rights. For what lies on the way to a file.
  case names
  /// A directory: the same, and changes of the content of the files in it.
  case contents
  /// What the path names, a symbolic link itself: for a name in a directory that may not be read.
  case itself
}

/// One thing that happened.
package struct FileEvent: Equatable, Sendable {
  package enum Kind: Equatable, Sendable {
    /// This name in the watched directory came, went, was replaced, or changed.
    case name([UInt8])
    /// What is watched was changed, moved or removed itself, or its file system was unmounted.
    case itself
    /// The watch is over: its number means nothing any more.
    case ended
    /// The kernel's queue was full (fs.inotify.max_queued_events): events were lost, of any watch.
    case overflow
  }

  /// As `FileWatch.add` returned it; -1 for an overflow.
  package let watch: Int32
  package let kind: Kind

  package init(watch: Int32, kind: Kind) {
    self.watch = watch
    self.kind = kind
  }
}

/// One inotify(7) instance, non-blocking. Watches belong to inodes: two paths to one directory have
/// one number.
package struct FileWatch: Sendable {
  private static let bufferBytes = 65_536

  private let descriptor: Descriptor

  /// Throws EMFILE when this user has too many instances (fs.inotify.max_user_instances), or this
  /// process too many descriptors. inotify_init1(2).
  package init() throws(SystemError) {
    descriptor = Descriptor(
      adopting: try systemCall("inotify_init1") {
        inotify_init1(CInt(IN_CLOEXEC | IN_NONBLOCK))
      })
  }

  /// Readable when there are events.
  package var number: CInt { descriptor.number }

  /// Watches what `path` names, in addition to what is watched of it already; returns its number.
  /// Throws ENOSPC when this user has too many watches (fs.inotify.max_user_watches), EACCES when
  /// it may not be read, and what paths throw. inotify_add_watch(2).
  package func add(_ path: [UInt8], _ scope: FileWatchScope) throws(SystemError) -> Int32 {
    if path.contains(0) { throw SystemError(code: ENOENT, operation: "inotify_add_watch") }
    let terminated = path.map { CChar(bitPattern: $0) } + [0]
    let own = IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF
    let names = own | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR
    let contents = IN_MODIFY | IN_CLOSE_WRITE
    let mask =
      switch scope {
      case .names: names
      case .contents: names | contents
      case .itself: own | contents | IN_DONT_FOLLOW
      }
    let number = descriptor.number
    return try systemCall("inotify_add_watch") {
      // Added to the mask there is: a directory on the way may hold files too.
      unsafe inotify_add_watch(number, terminated, UInt32(mask) | UInt32(IN_MASK_ADD))
    }
  }

  /// Ends a watch; one that has ended by itself is no error. inotify_rm_watch(2).
  package func remove(_ watch: Int32) { _ = inotify_rm_watch(descriptor.number, watch) }

  /// What has happened, at most 64 KiB of it; empty when there is no more.
  package func read() throws(SystemError) -> [FileEvent] {
    let number = descriptor.number
    do {
      return try unsafe withUnsafeTemporaryAllocation(
        byteCount: FileWatch.bufferBytes, alignment: MemoryLayout<inotify_event>.alignment
      ) { buffer throws(SystemError) in
        let count = try systemCall("read") {
          unsafe Glibc.read(number, buffer.baseAddress, buffer.count)
        }
        return unsafe FileWatch.events(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      }
    } catch {
      if error.code == EAGAIN { return [] }
      throw error
    }
  }

  /// Takes the kernel's packed events apart; a name is padded with zeros.
  private static func events(_ bytes: UnsafeRawBufferPointer) -> [FileEvent] {
    var events: [FileEvent] = []
    let headCount = MemoryLayout<inotify_event>.size
    var place = 0
    while place + headCount <= bytes.count {
      let event = unsafe bytes.loadUnaligned(fromByteOffset: place, as: inotify_event.self)
      let end = place + headCount + Int(event.len)
      guard end <= bytes.count else { break }
      let name = unsafe [UInt8](bytes[place + headCount..<end].prefix { $0 != 0 })
      events.append(FileEvent(watch: event.wd, kind: kind(event.mask, name)))
      place = end
    }
    return events
  }

  private static func kind(_ mask: UInt32, _ name: [UInt8]) -> FileEvent.Kind {
    if mask & UInt32(IN_Q_OVERFLOW) != 0 { return .overflow }
    if mask & UInt32(IN_IGNORED) != 0 { return .ended }
    return name.isEmpty ? .itself : .name(name)
  }
}

/// What a path's last component is.
package enum NamedEntry: Equatable, Sendable {
  case missing
  case symbolicLink(content: [UInt8])
  /// A directory, a file, or what else is no link.
  case other
}

extension File {
  /// Looks at the last component of a path without following it, by one call: readlink(2).
  package static func entry(at path: [UInt8]) -> NamedEntry {
    if path.contains(0) { return .missing }
    let terminated = path.map { CChar(bitPattern: $0) } + [0]
    var content = [CChar](repeating: 0, count: Int(PATH_MAX))
    do {
      let count = try systemCall("readlink") {
        unsafe readlink(terminated, &content, content.count)
      }
      return .symbolicLink(content: content.prefix(count).map { UInt8(bitPattern: $0) })
    } catch {
      return error.code == EINVAL ? .other : .missing
    }
  }
}
