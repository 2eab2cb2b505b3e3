// A file's bytes on their way: into memory, to a socket, from the disk into the page cache.

import CLinux
import Glibc

extension File {
  /// Reads behind the valid bytes of `buffer`, at most its free room and at most `count` bytes.
  /// `mayWait`: wait for the disk (pread) rather than say `wouldSleep` (preadv2, RWF_NOWAIT).
  package static func read(
    _ file: Descriptor, at offset: Int64, count: Int, into buffer: ByteBuffer, mayWait: Bool
  ) -> FileReadResult {
    let count = min(count, buffer.free)
    guard count > 0 else { return .read(0) }
    let result = unsafe read(
      file, at: offset, count: count, into: buffer.base + buffer.count, mayWait)
    if case .read(let received) = result { buffer.noteReceived(received) }
    return result
  }

  /// Reads into a range of a shared region.
  package static func read(
    _ file: Descriptor, at offset: Int64, into region: SharedRegion, _ range: RegionRange,
    mayWait: Bool
  ) -> FileReadResult {
    guard range.count > 0 else { return .read(0) }
    let target = unsafe region.address(range.offset, range.count)
    return unsafe read(file, at: offset, count: range.count, into: target, mayWait)
  }

  @unsafe static func read(
    _ file: Descriptor, at offset: Int64, count: Int, into target: UnsafeMutableRawPointer,
    _ mayWait: Bool
  ) -> FileReadResult {
    while true {
      let received =
        mayWait
        ? unsafe pread(file.number, target, count, off_t(offset))
        : unsafe ring3_read_now(file.number, target, count, off_t(offset))
      if received > 0 { return .read(received) }
      if received == 0 { return .end }
      switch ring3_errno() {
      case EINTR: continue
      case EAGAIN: return .wouldSleep
      // This file system cannot tell. Memory may be read at once, a disk only after warming.
      case EOPNOTSUPP where !mayWait:
        guard isInMemory(file) else { return .cannotTell }
        return unsafe read(file, at: offset, count: count, into: target, true)
      case let code: return .failed(SystemError(code: code, operation: "pread"))
      }
    }
  }

  /// What is known about a range without waiting.
  package enum Residency: Sendable {
    case resident
    case cold
    /// The file system cannot tell: warm it once, then go on.
    case unknown
  }

  /// Whether the bytes at `offset` are in memory: reads one byte every 64 KiB of the range and at
  /// its end. A cold page between two probes is possible and costs one short wait.
  package static func residency(_ file: Descriptor, at offset: Int64, count: Int) -> Residency {
    let stride: Int64 = 65_536
    let end = offset + Int64(count)
    var position = offset
    while position < end {
      switch probe(file, at: position) {
      case .resident: break
      case let other: return other
      }
      if position == end - 1 { break }
      position = min(position + stride, end - 1)
    }
    return .resident
  }

  /// Whether sending this range will not wait, as far as `residency` can tell.
  package static func isInMemory(_ file: Descriptor, at offset: Int64, count: Int) -> Bool {
    if case .resident = residency(file, at: offset, count: count) { return true }
    return false
  }

  private static func probe(_ file: Descriptor, at offset: Int64) -> Residency {
    var byte: UInt8 = 0
    while true {
      if unsafe ring3_read_now(file.number, &byte, 1, off_t(offset)) >= 0 { return .resident }
      switch ring3_errno() {
      case EINTR: continue
      case EOPNOTSUPP: return isInMemory(file) ? .resident : .unknown
      case EAGAIN: return .cold
      // The send that follows will name the error.
      default: return .resident
      }
    }
  }

  /// Brings a range into memory, waiting for the disk: for the I/O helper only. readahead(2) orders
  /// all of it at once, the reads wait until it is there. Errors are left to who reads next.
  package static func warm(_ file: Descriptor, at offset: Int64, count: Int) {
    _ = ring3_read_ahead(file.number, off_t(offset), count)
    let piece = 131_072
    let scratch = ByteBuffer(capacity: min(max(count, 1), piece))
    var position = offset
    let end = offset + Int64(count)
    while position < end {
      scratch.removeAll()
      let wanted = Int(min(Int64(piece), end - position))
      let result = read(file, at: position, count: wanted, into: scratch, mayWait: true)
      guard case .read(let received) = result else { return }
      position += Int64(received)
    }
  }

  /// Sends at most `count` bytes from `offset` to a non-blocking socket. sendfile(2). SIGPIPE must
  /// be ignored by the process: sendfile has no MSG_NOSIGNAL. A cold page makes it wait: ask
  /// `residency` first.
  package static func send(
    _ file: Descriptor, at offset: Int64, count: Int, to socket: CInt
  ) -> FileSendResult {
    precondition(offset >= 0 && count > 0)
    while true {
      var position = off_t(offset)
      let sent = unsafe sendfile(socket, file.number, &position, count)
      if sent > 0 { return .sent(sent) }
      if sent == 0 { return .truncated }
      switch ring3_errno() {
      case EINTR: continue
      case EAGAIN: return .wouldBlock
      // EBADMSG: kTLS has met one of the others before.
      case EPIPE, ECONNRESET, ETIMEDOUT, ENOTCONN, EBADMSG: return .broken
      case let code: return .failed(SystemError(code: code, operation: "sendfile"))
      }
    }
  }
}

extension File {
  /// Waits until a descriptor can be written or the time is over. poll(2).
  package static func waitUntilWritable(_ descriptor: Descriptor, milliseconds: Int32) {
    var entry = pollfd(fd: descriptor.number, events: Int16(POLLOUT), revents: 0)
    _ = unsafe poll(&entry, 1, milliseconds)
  }
}
