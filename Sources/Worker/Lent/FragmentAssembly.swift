// A body that is put together while it passes: bytes of the application's message, and fragments
// that were copied when its head came.

import Platform

/// The body of one response. What it has copied counts as a collected body does.
final class FragmentAssembly {
  enum Piece {
    /// So many bytes of the message.
    case own(Int)
    case copied(ByteBuffer)
  }

  /// Of the whole body, and of the message that it is made of.
  let byteCount: Int
  let ownByteCount: Int
  private var pieces: [Piece]
  private var next = 0
  private let budget: CollectionBudget
  private let copiedByteCount: Int

  /// nil: there is no room for the copies.
  init?(_ pieces: [Piece], _ budget: CollectionBudget) {
    var own = 0
    var copied = 0
    for piece in pieces {
      switch piece {
      case .own(let count): own += count
      case .copied(let buffer): copied += buffer.count
      }
    }
    guard budget.byteCount + copied <= Limits.collectedBytesMax else { return nil }
    budget.byteCount += copied
    self.pieces = pieces
    self.budget = budget
    copiedByteCount = copied
    ownByteCount = own
    byteCount = own + copied
  }

  deinit { budget.byteCount -= copiedByteCount }

  /// What goes out for what has come; nil: that is more, or at the end less, than was said.
  func take(_ buffer: ByteBuffer, _ parts: BodyParts, isEnd: Bool) -> ByteBuffer? {
    let count = parts.byteCount
    let output = ByteBuffer(capacity: max(1, count + waiting(for: count)))
    for part in parts {
      var start = part.lowerBound
      while start < part.upperBound {
        appendCopied(to: output)
        guard next < pieces.count, case .own(let rest) = pieces[next] else { return nil }
        let end = min(part.upperBound, start + rest)
        output.append(buffer.bytes.extracting(start..<end))
        pieces[next] = .own(rest - (end - start))
        start = end
      }
    }
    appendCopied(to: output)
    return isEnd && next < pieces.count ? nil : output
  }

  /// Copies whose turn it is; those that have left take no more room.
  private func appendCopied(to output: ByteBuffer) {
    while next < pieces.count {
      switch pieces[next] {
      case .own(let rest):
        guard rest == 0 else { return }
      case .copied(let buffer): output.append(buffer.bytes)
      }
      pieces[next] = .own(0)
      next += 1
    }
  }

  /// Bytes of copies that leave with the next so many of the message.
  private func waiting(for count: Int) -> Int {
    var rest = count
    var waiting = 0
    for piece in pieces[next...] {
      switch piece {
      case .own(let own):
        if own > rest { return waiting }
        rest -= own
      case .copied(let buffer): waiting += buffer.count
      }
    }
    return waiting
  }
}
