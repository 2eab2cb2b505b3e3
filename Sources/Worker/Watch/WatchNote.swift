// What a worker tells the file watcher: one packet, no answer.

import HTTP
import Platform

/// A file whose content was put into the cache, or was found to be right there.
package struct WatchNote: Equatable, Sendable {
  /// The cache's name for the file (`CacheStore.fileStamp`).
  package let stamp: UInt32
  /// As it was resolved: absolute, without a coding's suffix.
  package let path: [UInt8]
  /// Which neighbour of `path` was opened.
  package let coding: ContentCoding
  /// Of the opened file. Mode and owner are not told.
  package let facts: FileFacts

  package init(stamp: UInt32, path: [UInt8], coding: ContentCoding, facts: FileFacts) {
    self.stamp = stamp
    self.path = path
    self.coding = coding
    self.facts = facts
  }

  /// The longest packet: PATH_MAX and the numbers.
  package static let byteCountMax = 4096 + 64

  /// nil when the path is longer than any that can be opened.
  var bytes: [UInt8]? {
    var writer = WireWriter()
    writer.append(stamp)
    writer.append(coding.rawValue)
    writer.append(facts.device)
    writer.append(facts.inode)
    writer.append(facts.size)
    writer.append(facts.modifiedNanoseconds)
    writer.append(facts.changedNanoseconds)
    writer.append(path)
    return writer.bytes.count <= WatchNote.byteCountMax ? writer.bytes : nil
  }

  /// nil for what no worker of this build sends: a worker may have been taken over.
  init?(bytes: [UInt8]) {
    var reader = WireReader(bytes)
    guard let stamp = reader.integer(UInt32.self), stamp != 0,
      let coding = reader.integer(UInt8.self).flatMap({ ContentCoding(rawValue: $0) }),
      let device = reader.integer(UInt64.self), let inode = reader.integer(UInt64.self),
      let size = reader.integer(Int64.self), let modified = reader.integer(Int64.self),
      let changed = reader.integer(Int64.self), let path = reader.string(), reader.isAtEnd,
      path.first == UInt8(ascii: "/"), !path.contains(0)
    else { return nil }
    self.init(
      stamp: stamp, path: path, coding: coding,
      facts: FileFacts(
        device: device, inode: inode, size: size, modifiedNanoseconds: modified,
        changedNanoseconds: changed))
  }
}

/// A worker's way to the watcher.
package struct WatchLink: Sendable {
  /// The workers' end of a SOCK_SEQPACKET pair that all of them share.
  package let channel: Descriptor
  package let board: WatchBoard

  package init(channel: Descriptor, board: WatchBoard) {
    self.channel = channel
    self.board = board
  }

  /// Tells the watcher, unless it knows the file. Never waits: when the channel is full nothing is
  /// said, and the next comparison of the entry with its file says it again.
  func tell(_ note: WatchNote) {
    guard !board.isWatched(note.stamp), let bytes = note.bytes else { return }
    do throws(SystemError) {
      _ = try MessageSocket(channel).send(bytes)
    } catch {
      // The watcher's end is held by the master too: this is a master that has died.
    }
  }
}
