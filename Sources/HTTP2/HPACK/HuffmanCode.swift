// The Huffman code of header fields (RFC 7541 §5.2 and Appendix B).

import HTTP
import Platform

/// Reads and writes strings in the code that HPACK has for them.
///
/// The code is canonical: codes of one length follow each other in the order of their symbols, and
/// behind the shorter ones. So the lengths say everything, and a longer code is found by comparing
/// with the first one of each length.
package final class HuffmanCode {
  /// Bits of the code of each byte, and of the mark for the end (RFC 7541 Appendix B).
  private static let bitCounts: [UInt8] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7,
    7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21,
    23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
    21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
  ]
  private static let endMark = 256
  private static let bitCountMax = 30

  /// By symbol, in the lowest bits.
  private var codes = [UInt32](repeating: 0, count: 257)
  /// By the next eight bits: a symbol and the bits of its code; 0 where the code is longer.
  private var shortCodes = [UInt16](repeating: 0, count: 256)
  /// Symbols in the order of their codes.
  private var symbols: [UInt16] = []
  /// Codes of one length above eight bits, in the highest bits of a word: the first one, what is
  /// behind the last one, and the place of the first one in `symbols`.
  private struct Length {
    let bitCount: Int
    let first: UInt64
    let end: UInt64
    let place: Int
  }
  private var lengths: [Length] = []

  package init() {
    let counts = HuffmanCode.bitCounts
    symbols = (0..<257).sorted { (counts[$0], $0) < (counts[$1], $1) }.map { UInt16($0) }
    // The code that comes next, in the highest bits of 32.
    var next: UInt64 = 0
    var place = 0
    while place < symbols.count {
      let bitCount = Int(counts[Int(symbols[place])])
      let first = next
      let start = place
      while place < symbols.count, Int(counts[Int(symbols[place])]) == bitCount {
        let symbol = Int(symbols[place])
        codes[symbol] = UInt32(next >> UInt64(32 - bitCount))
        if bitCount <= 8 {
          let low = Int(next >> 24)
          for index in low..<low + (1 << (8 - bitCount)) {
            shortCodes[index] = UInt16(symbol) << 8 | UInt16(bitCount)
          }
        }
        next += 1 << UInt64(32 - bitCount)
        place += 1
      }
      if bitCount > 8 {
        lengths.append(Length(bitCount: bitCount, first: first, end: next, place: start))
      }
    }
    assert(next == 1 << 32, "the code leaves bits without a meaning")
  }

  /// Bytes that so many coded ones can make: no code is shorter than five bits.
  package static func byteCountMax(ofCoded byteCount: Int) -> Int { byteCount * 8 / 5 }

  /// Appends what coded bytes stand for, which must fit; false if they are no string in this code:
  /// the end's mark in it, or at its end anything but less than a byte of ones.
  package func decode(_ bytes: RawSpan, into output: ByteBuffer) -> Bool {
    let byteCount = bytes.byteCount
    var offset = 0
    // The next bits, the first one highest; behind them ones, as behind the last one.
    var bits: UInt64 = 0
    var count = 0
    while true {
      while count <= 56, offset < byteCount {
        bits |= UInt64(Scan.byte(bytes, at: offset)) &<< UInt64(56 &- count)
        offset &+= 1
        count &+= 8
      }
      guard count > 0 else { return true }
      let filled = count >= 64 ? bits : bits | UInt64.max &>> UInt64(count)
      let short = shortCodes[Int(filled &>> 56)]
      var symbol = Int(short >> 8)
      var length = Int(short & 0xff)
      if length == 0 {
        (symbol, length) = longCode(filled &>> 32)
      }
      guard length <= count else { return count < 8 && filled == .max }
      guard symbol != HuffmanCode.endMark else { return false }
      output.append(UInt8(truncatingIfNeeded: symbol))
      bits = bits &<< UInt64(length)
      count &-= length
    }
  }

  private func longCode(_ word: UInt64) -> (symbol: Int, bitCount: Int) {
    for length in lengths where word < length.end {
      let place = length.place + Int((word - length.first) >> UInt64(32 - length.bitCount))
      return (Int(symbols[place]), length.bitCount)
    }
    preconditionFailure("32 bits without a code")
  }

  /// Bytes that a string takes in this code.
  package func codedByteCount(_ bytes: RawSpan) -> Int {
    var bitCount = 0
    for index in 0..<bytes.byteCount {
      bitCount &+= Int(HuffmanCode.bitCounts[Int(Scan.byte(bytes, at: index))])
    }
    return (bitCount + 7) / 8
  }

  /// Appends a string in this code, which must fit.
  package func encode(_ bytes: RawSpan, into output: ByteBuffer) {
    var bits: UInt64 = 0
    var count = 0
    for index in 0..<bytes.byteCount {
      let symbol = Int(Scan.byte(bytes, at: index))
      let length = Int(HuffmanCode.bitCounts[symbol])
      bits = bits &<< UInt64(length) | UInt64(codes[symbol])
      count &+= length
      while count >= 8 {
        count &-= 8
        output.append(UInt8(truncatingIfNeeded: bits &>> UInt64(count)))
      }
    }
    guard count > 0 else { return }
    let filled = bits &<< UInt64(8 - count) | 0xff &>> UInt64(count)
    output.append(UInt8(truncatingIfNeeded: filled))
  }
}
