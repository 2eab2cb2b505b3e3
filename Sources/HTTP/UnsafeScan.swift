// Byte searches that look at eight bytes at a time (SWAR), and the loads they need.
//
// Why this file is unsafe: `RawSpan` has no safe way to load an integer wider than a byte from any
// offset, and a bounds check for each byte of each request doubles the cost of parsing. Every
// function here checks its bounds once, before its first load, and is safe to call with any
// arguments: wrong ones trap. No pointer leaves this file. At its end stand two heads whose
// accesses are not checked for overlap at run time; each says why none can.

/// Searches over bytes; each is exact, the word arithmetic is only the fast way to say "nothing
/// here".
package enum Scan {
  @usableFromInline static let ones: UInt64 = 0x0101_0101_0101_0101
  @usableFromInline static let highs: UInt64 = 0x8080_8080_8080_8080

  /// The byte at `index`; traps outside.
  @inlinable @inline(__always)
  package static func byte(_ bytes: RawSpan, at index: Int) -> UInt8 {
    precondition(UInt(bitPattern: index) < UInt(bitPattern: bytes.byteCount))
    return unsafe bytes.unsafeLoad(fromUncheckedByteOffset: index, as: UInt8.self)
  }

  /// Eight bytes from `index`, the first one in the lowest bits; traps outside.
  @inlinable @inline(__always)
  package static func word(_ bytes: RawSpan, at index: Int) -> UInt64 {
    precondition(index >= 0 && index <= bytes.byteCount &- 8)
    return unchecked(bytes, index)
  }

  @inlinable @inline(__always)
  static func unchecked(_ bytes: RawSpan, _ index: Int) -> UInt64 {
    UInt64(
      littleEndian: unsafe bytes.unsafeLoadUnaligned(
        fromUncheckedByteOffset: index, as: UInt64.self))
  }

  @inlinable @inline(__always)
  static func uncheckedByte(_ bytes: RawSpan, _ index: Int) -> UInt8 {
    unsafe bytes.unsafeLoad(fromUncheckedByteOffset: index, as: UInt8.self)
  }

  /// The first eight bytes of a literal as a word; a constant after optimisation.
  @inlinable @inline(__always)
  static func literal(_ text: StaticString) -> UInt64 {
    precondition(text.hasPointerRepresentation && text.utf8CodeUnitCount >= 8)
    return UInt64(
      littleEndian: unsafe UnsafeRawPointer(text.utf8Start).loadUnaligned(as: UInt64.self))
  }

  /// Whether eight bytes spell an eight-byte literal of lower-case letters, digits, "-" and NUL,
  /// letters in either case. Only positions that hold a letter are folded: CR must not pass for
  /// "-".
  @inlinable @inline(__always)
  static func spells(_ word: UInt64, _ text: StaticString) -> Bool {
    let wanted = literal(text)
    return word | ((wanted & 0x4040_4040_4040_4040) &>> 1) == wanted
  }

  /// Whether the bytes from `start` on spell a literal of lower-case letters, digits and "-",
  /// letters in either case; false if fewer bytes are left. The literal is a constant and so is
  /// what is compared with it: two or three words.
  @inline(__always)
  static func spells(_ bytes: RawSpan, at start: Int, _ text: StaticString) -> Bool {
    let count = text.utf8CodeUnitCount
    guard start >= 0, start <= bytes.byteCount &- count else { return false }
    guard count >= 8 else {
      for index in 0..<count {
        let wanted = literalByte(text, index)
        let byte = uncheckedByte(bytes, start &+ index)
        guard byte | (wanted & 0x40) &>> 1 == wanted else { return false }
      }
      return true
    }
    var offset = 0
    while true {
      let wanted = UInt64(
        littleEndian: unsafe UnsafeRawPointer(text.utf8Start + offset)
          .loadUnaligned(as: UInt64.self))
      let folded = unchecked(bytes, start &+ offset) | (wanted & 0x4040_4040_4040_4040) &>> 1
      guard folded == wanted else { return false }
      guard offset < count &- 8 else { return true }
      // The last word overlaps the one before.
      offset = min(offset &+ 8, count &- 8)
    }
  }

  /// Byte-for-byte equality with a literal.
  package static func equal(_ bytes: RawSpan, _ text: StaticString) -> Bool {
    guard bytes.byteCount == text.utf8CodeUnitCount else { return false }
    for index in 0..<bytes.byteCount where byte(bytes, at: index) != literalByte(text, index) {
      return false
    }
    return true
  }

  /// Byte-for-byte equality.
  package static func equal(_ one: RawSpan, _ other: RawSpan) -> Bool {
    guard one.byteCount == other.byteCount else { return false }
    let lastWord = one.byteCount &- 8
    var index = 0
    while index <= lastWord {
      if unchecked(one, index) != unchecked(other, index) { return false }
      index &+= 8
    }
    while index < one.byteCount {
      if uncheckedByte(one, index) != uncheckedByte(other, index) { return false }
      index &+= 1
    }
    return true
  }

  /// Adds the bytes of a literal to others, all at once.
  @inlinable @inline(__always)
  static func append(_ text: StaticString, to bytes: inout [UInt8]) {
    precondition(text.hasPointerRepresentation)
    unsafe bytes.append(
      contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  /// One byte of a literal; traps outside.
  @inlinable @inline(__always)
  static func literalByte(_ text: StaticString, _ index: Int) -> UInt8 {
    precondition(index >= 0 && index < text.utf8CodeUnitCount)
    return unsafe text.utf8Start[index]
  }

  /// The high bit of each byte of a word that is `wanted`; exact.
  @inline(__always)
  private static func places(of wanted: UInt8, in word: UInt64) -> UInt64 {
    let rest = word ^ (ones &* UInt64(wanted))
    return ~(((rest & ~highs) &+ ~highs) | rest) & highs
  }

  /// Whether a path has no "%", no NUL, no "//" and no "/.".
  package static func isPlainPath(_ bytes: RawSpan) -> Bool {
    // The high bit of the first byte, if a "/" stands before it.
    var behind: UInt64 = 0
    var index = 0
    while index <= bytes.byteCount &- 8 {
      let word = unchecked(bytes, index)
      let slashes = places(of: ASCII.slash, in: word)
      let bad =
        (slashes &<< 8 | behind) & (slashes | places(of: ASCII.dot, in: word))
        | places(of: 0x25, in: word) | places(of: 0, in: word)
      guard bad == 0 else { return false }
      behind = slashes &>> 56
      index &+= 8
    }
    while index < bytes.byteCount {
      let byte = uncheckedByte(bytes, index)
      let isSlash = byte == ASCII.slash
      if byte == 0x25 || byte == 0 || behind != 0 && (isSlash || byte == ASCII.dot) { return false }
      behind = isSlash ? 0x80 : 0
      index &+= 1
    }
    return true
  }

  /// First index from `start` on of a byte outside 0x20 ... 0x7e, or the end: what most bytes of
  /// most requests go through. See `endOfRun` for the arithmetic.
  @inlinable @inline(__always)
  static func endOfText(_ bytes: RawSpan, from start: Int) -> Int {
    let lastPair = bytes.byteCount &- 16
    precondition(start >= 0 && start <= bytes.byteCount)
    var index = start
    while index <= lastPair {
      let one = unchecked(bytes, index)
      let two = unchecked(bytes, index &+ 8)
      let hitsOne = ((one &- ones &* 0x20) | (one &+ ones)) & highs
      let hitsTwo = ((two &- ones &* 0x20) | (two &+ ones)) & highs
      if hitsOne != 0 { return index &+ hitsOne.trailingZeroBitCount &>> 3 }
      if hitsTwo != 0 { return index &+ 8 &+ hitsTwo.trailingZeroBitCount &>> 3 }
      index &+= 16
    }
    return endOfRun(bytes, from: index, to: bytes.byteCount, lowest: 0x20)
  }

  /// First index in `start ..< limit` of a byte outside `lowest ... 0x7e`, or `limit`.
  @inlinable @inline(__always)
  static func endOfRun(_ bytes: RawSpan, from start: Int, to limit: Int, lowest: UInt8) -> Int {
    precondition(start >= 0 && start <= limit && limit <= bytes.byteCount)
    let floor = ones &* UInt64(lowest)
    let lastPair = bytes.byteCount &- 16
    var index = start
    // Byte by byte, `b - lowest` sets the high bit below `lowest` and from 0x80 + lowest up,
    // `b + 1` from 0x7f to 0xfe. Borrows and carries start only at a byte that is itself a hit, so
    // the lowest high bit is exact. Words may reach beyond `limit`, never beyond the bytes.
    while index < limit && index <= lastPair {
      let one = unchecked(bytes, index)
      let two = unchecked(bytes, index &+ 8)
      let hitsOne = (one &- floor) | (one &+ ones)
      let hitsTwo = (two &- floor) | (two &+ ones)
      if (hitsOne | hitsTwo) & highs != 0 {
        let first = hitsOne & highs
        let position =
          first != 0
          ? first.trailingZeroBitCount &>> 3
          : 8 &+ (hitsTwo & highs).trailingZeroBitCount &>> 3
        return min(index &+ position, limit)
      }
      index &+= 16
    }
    if index < limit && index &+ 8 <= bytes.byteCount {
      let one = unchecked(bytes, index)
      let hits = ((one &- floor) | (one &+ ones)) & highs
      if hits != 0 { return min(index &+ hits.trailingZeroBitCount &>> 3, limit) }
      index &+= 8
    }
    while index < limit {
      let byte = uncheckedByte(bytes, index)
      if byte < lowest || byte > 0x7e { return index }
      index &+= 1
    }
    return limit
  }

  /// First index in `start ..< limit` of `wanted`, or `limit`.
  @inlinable @inline(__always)
  package static func firstIndex(
    of wanted: UInt8, in bytes: RawSpan, from start: Int, to limit: Int
  ) -> Int {
    precondition(start >= 0 && start <= limit && limit <= bytes.byteCount)
    let pattern = ones &* UInt64(wanted)
    let lastWord = bytes.byteCount &- 8
    var index = start
    // Words may reach beyond `limit`, never beyond the bytes.
    while index < limit && index <= lastWord {
      let difference = unchecked(bytes, index) ^ pattern
      let hits = (difference &- ones) & ~difference & highs
      if hits != 0 { return min(index &+ hits.trailingZeroBitCount &>> 3, limit) }
      index &+= 8
    }
    while index < limit {
      if uncheckedByte(bytes, index) == wanted { return index }
      index &+= 1
    }
    return limit
  }

  /// First index in `start ..< limit` of "?" or "#", or `limit`.
  @inlinable @inline(__always)
  static func endOfPath(_ bytes: RawSpan, from start: Int, to limit: Int) -> Int {
    precondition(start >= 0 && start <= limit && limit <= bytes.byteCount)
    let lastWord = bytes.byteCount &- 8
    var index = start
    while index < limit && index <= lastWord {
      let word = unchecked(bytes, index)
      let question = word ^ (ones &* 0x3f)
      let hash = word ^ (ones &* 0x23)
      let hits = ((question &- ones) & ~question | (hash &- ones) & ~hash) & highs
      if hits != 0 { return min(index &+ hits.trailingZeroBitCount &>> 3, limit) }
      index &+= 8
    }
    while index < limit {
      let byte = uncheckedByte(bytes, index)
      if byte == 0x3f || byte == 0x23 { return index }
      index &+= 1
    }
    return limit
  }

  /// First index in `start ..< limit` of a byte that is not a letter, a digit, "-" or ".", or
  /// `limit`.
  @inlinable @inline(__always)
  static func endOfHostRun(_ bytes: RawSpan, from start: Int, to limit: Int) -> Int {
    precondition(start >= 0 && start <= limit && limit <= bytes.byteCount)
    let lastWord = bytes.byteCount &- 8
    var index = start
    while index < limit && index <= lastWord {
      let word = unchecked(bytes, index)
      // With high bits cleared no sum carries into the next byte; the word's own are put back.
      let low = word & ~highs
      let folded = low | (ones &* 0x20)
      let letters = (folded &+ ones &* (0x80 - 0x61)) ^ (folded &+ ones &* (0x7f - 0x7a))
      let digits = (low &+ ones &* (0x80 - 0x30)) ^ (low &+ ones &* (0x7f - 0x39))
      let marks = (low &+ ones &* (0x80 - 0x2d)) ^ (low &+ ones &* (0x7f - 0x2e))
      let misses = (~(letters | digits | marks) | word) & highs
      if misses != 0 { return min(index &+ misses.trailingZeroBitCount &>> 3, limit) }
      index &+= 8
    }
    return min(index, limit)
  }
}

extension [UInt8] {
  /// The bytes as the parsers of this room take them. (`Span.bytes` counts as unsafe because
  /// elements of some types have padding; bytes have none.)
  @usableFromInline @inline(__always)
  var rawSpan: RawSpan {
    @_lifetime(borrow self)
    get { unsafe span.bytes }
  }

  /// A copy of all bytes of a span.
  package init(copying bytes: RawSpan) {
    self = unsafe bytes.withUnsafeBytes { unsafe [UInt8]($0) }
  }

  /// Appends all bytes of a span, in one copy.
  package mutating func append(copying bytes: RawSpan) {
    unsafe bytes.withUnsafeBytes { unsafe append(contentsOf: $0) }
  }
}

/// The head of the request at hand, parsed into again and again, and asked something dozens of
/// times a request. One thread owns it, and nothing but the parser, which calls nobody back, writes
/// it for longer than one step: the run-time check that accesses do not overlap would only cost.
@safe package final class RequestHeadSlot {
  @exclusivity(unchecked) @usableFromInline var stored = RequestHead()

  package init() {}

  @inlinable
  package var head: RequestHead {
    @inline(__always) _read { yield unsafe stored }
    @inline(__always) _modify { yield unsafe &stored }
  }
}

/// The same for the head of an application's response.
@safe package final class ReceivedResponseSlot {
  @exclusivity(unchecked) @usableFromInline var stored = ReceivedResponse()

  package init() {}

  @inlinable
  package var response: ReceivedResponse {
    @inline(__always) _read { yield unsafe stored }
    @inline(__always) _modify { yield unsafe &stored }
  }
}
