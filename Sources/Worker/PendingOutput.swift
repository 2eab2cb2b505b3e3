// The rest of a response that the socket would not take at once.

import Cache
import Platform

/// What is still to be sent, piece by piece, and what keeps those pieces alive.
final class PendingOutput {
  enum Piece {
    /// Bytes of our own: heads, multipart boundaries, small copies.
    case bytes(ByteBuffer, from: Int, count: Int)
    /// Bytes of a pinned cache entry, by offset into the segment.
    case cached(offset: Int, count: Int)
    /// Bytes of the body of an entry that is looked up for each send, by offset into the body.
    case unpinned(offset: Int, count: Int)
    /// Bytes of the file, by offset into it.
    case file(offset: Int64, count: Int64)
  }

  private var pieces: [Piece] = []
  /// Index of the first piece that is not sent.
  private var first = 0
  /// How many are not sent: most responses never need one.
  private(set) var pieceCount = 0
  /// Keeps the cached pieces; given back when the output ends.
  var pin: CachePin?
  /// The entry behind `.unpinned` pieces.
  var unpinned: UnpinnedEntry?
  /// The file behind `.file` pieces.
  var file: OpenFile?
  /// Bytes of large rests that could not be pinned and were copied for this response.
  var copiedBytes = 0
  /// More pieces will come.
  var isOpen = false
  /// What is recorded when the response has left or failed.
  var record: ExchangeRecord

  init(record: consuming ExchangeRecord) { self.record = record }

  var isEmpty: Bool { pieceCount == 0 }

  /// Bytes of our own that are still to be sent.
  var ownByteCount: Int {
    guard !isEmpty else { return 0 }
    return pieces[first...].reduce(0) { sum, piece in
      if case .bytes(_, _, let count) = piece { return sum + count }
      return sum
    }
  }

  func removePieces() {
    guard pieceCount + first > 0 else { return }
    pieces = []
    first = 0
    pieceCount = 0
  }

  func append(_ piece: Piece) {
    if isEmpty { removePieces() }
    pieces.append(piece)
    pieceCount += 1
  }

  /// Appends bytes of our own; nothing for none.
  func append(_ bytes: [UInt8]) {
    guard !bytes.isEmpty else { return }
    append(.bytes(ByteBuffer(holding: bytes), from: 0, count: bytes.count))
  }

  /// Takes the first `count` bytes, which are our own: the head, for a transport that writes it in
  /// another way.
  func takeHead(_ count: Int, into head: ByteBuffer) {
    guard count > 0, case .bytes(let buffer, let from, let pieceCount)? = next,
      pieceCount >= count
    else { preconditionFailure("a response without a head") }
    head.append(buffer.bytes.extracting(from..<from + count))
    sent(count)
  }

  /// The next piece; nil when all are sent.
  var next: Piece? { isEmpty ? nil : pieces[first] }

  /// All coming memory pieces up to the first other piece, gathered; true if one follows.
  func gather(into output: OutputVector, region: SharedRegion?) -> Bool {
    output.removeAll()
    var index = first
    while index < pieces.count, !output.isFull {
      switch pieces[index] {
      case .bytes(let buffer, let from, let count): output.append(buffer, from: from, count: count)
      case .cached(let offset, let count):
        guard let region else { preconditionFailure("cached bytes without a cache") }
        output.append(region, offset: offset, count: count)
      case .unpinned, .file: return true
      }
      index += 1
    }
    return index < pieces.count
  }

  /// Forgets the first `count` bytes, which have been sent.
  func sent(_ count: Int) {
    var rest = count
    while rest > 0, !isEmpty {
      switch pieces[first] {
      case .bytes(let buffer, let from, let pieceCount):
        if rest < pieceCount {
          pieces[first] = .bytes(buffer, from: from + rest, count: pieceCount - rest)
          return
        }
        rest -= pieceCount
      case .cached(let offset, let pieceCount):
        if rest < pieceCount {
          pieces[first] = .cached(offset: offset + rest, count: pieceCount - rest)
          return
        }
        rest -= pieceCount
      case .unpinned(let offset, let pieceCount):
        if rest < pieceCount {
          pieces[first] = .unpinned(offset: offset + rest, count: pieceCount - rest)
          return
        }
        rest -= pieceCount
      case .file(let offset, let pieceCount):
        if Int64(rest) < pieceCount {
          pieces[first] = .file(offset: offset + Int64(rest), count: pieceCount - Int64(rest))
          return
        }
        rest -= Int(pieceCount)
      }
      first += 1
      pieceCount -= 1
    }
    assert(rest == 0, "more bytes sent than there were")
  }
}
