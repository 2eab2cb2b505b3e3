// How the bytes of a response are cut into records.

import Platform

/// A record can be used only when it is whole: one of 16 KiB that does not fit into the first
/// congestion window costs a client a round trip before it sees the first byte. So when a
/// connection is new or was idle, and more than one record is to be sent, the first 16 KiB leave in
/// records that fit a TCP segment each; after that, and always for what fits into one record, the
/// size is the largest: the fewest frames and calls of the cipher.
struct RecordSizes {
  /// The largest plaintext of a record (RFC 8446, section 5.1).
  static let full = 16 << 10
  /// 1,500 of Ethernet, less 40 of IPv6, 32 of TCP with timestamps, and at most 59 of the record.
  static let segment = 1_369
  /// As far as the initial window of ten segments reaches (RFC 6928), with some room.
  private static let burstBytes = 16 << 10
  /// Milliseconds without a send after which TCP may have shrunk its window.
  private static let idleMilliseconds: Int64 = 1_000

  private var lastSend = Int64.min / 2
  private var burstLeft = 0
  /// Plaintext of the next send at most: grows while the socket takes it all, shrinks when it does
  /// not, so that little waits in memory for a slow client.
  private(set) var batchBytes = 64 << 10

  mutating func begin(byteCount: Int, now: Int64) {
    if now - lastSend >= RecordSizes.idleMilliseconds {
      burstLeft = byteCount > RecordSizes.full ? RecordSizes.burstBytes : 0
    }
    lastSend = now
  }

  /// Plaintext of the next record at most.
  var next: Int { burstLeft > 0 ? RecordSizes.segment : RecordSizes.full }

  mutating func note(_ written: Int) { burstLeft = max(0, burstLeft - written) }

  /// Tells how many bytes of the last batch the socket did not take.
  mutating func noteTaken(_ unsentCount: Int) {
    if unsentCount == 0 {
      batchBytes = min(batchBytes * 2, TLSWorkspace.plaintextBytesMax)
    } else {
      batchBytes = max(batchBytes / 2, RecordSizes.full)
    }
  }
}

/// A walk over gathered pieces, record by record.
struct OutputCursor {
  private var index = 0
  private var offset = 0

  /// Calls `body` with the next record's bytes, at most `size`: where they lie, or, when a short
  /// piece (a response's head) is followed by others, copied together, at most 4 KiB.
  mutating func withRecord(
    of output: OutputVector, upTo size: Int, _ workspace: TLSWorkspace,
    _ body: (UnsafeRawBufferPointer) -> Void
  ) {
    let gatheredMax = min(size, TLSWorkspace.gatheredBytesMax)
    let rest = output.piece(index).byteCount - offset
    if rest >= gatheredMax || index == output.pieceCount - 1 {
      let count = min(rest, size)
      let piece = output.piece(index)
      unsafe piece.withUnsafeBytes { bytes in
        unsafe body(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count]))
      }
      advance(count, in: output)
      return
    }
    var filled = 0
    while filled < gatheredMax && index < output.pieceCount {
      let piece = output.piece(index)
      let count = min(piece.byteCount - offset, gatheredMax - filled)
      unsafe piece.withUnsafeBytes { bytes in
        let part = unsafe UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
        if let start = part.baseAddress {
          unsafe (workspace.gathered + filled).copyMemory(from: start, byteCount: count)
        }
      }
      filled += count
      advance(count, in: output)
    }
    unsafe body(UnsafeRawBufferPointer(start: workspace.gathered, count: filled))
  }

  private mutating func advance(_ count: Int, in output: OutputVector) {
    offset += count
    if offset == output.piece(index).byteCount {
      index += 1
      offset = 0
    }
  }
}
