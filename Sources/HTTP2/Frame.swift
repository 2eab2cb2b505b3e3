// The head of a frame (RFC 9113 §4.1), read and written.

import HTTP
import Platform

/// RFC 9113 §6 and RFC 9218 §7.1.
enum FrameType {
  static let data: UInt8 = 0x0
  static let headers: UInt8 = 0x1
  static let priority: UInt8 = 0x2
  static let reset: UInt8 = 0x3
  static let settings: UInt8 = 0x4
  static let pushPromise: UInt8 = 0x5
  static let ping: UInt8 = 0x6
  static let goAway: UInt8 = 0x7
  static let windowUpdate: UInt8 = 0x8
  static let continuation: UInt8 = 0x9
  static let priorityUpdate: UInt8 = 0x10
}

enum FrameFlag {
  static let none: UInt8 = 0
  static let acknowledgement: UInt8 = 0x1
  static let endStream: UInt8 = 0x1
  static let endHeaders: UInt8 = 0x4
  static let padded: UInt8 = 0x8
  static let priority: UInt8 = 0x20
}

struct FrameHead {
  static let byteCount = 9
  /// What nobody has to take more of, unless it says so, and we never do (RFC 9113 §4.2).
  static let payloadBytesMax = 16_384

  var payloadBytes: Int
  var type: UInt8
  var flags: UInt8
  /// 0: the connection.
  var stream: Int32

  var endsStream: Bool { flags & FrameFlag.endStream != 0 }
  var isAcknowledgement: Bool { flags & FrameFlag.acknowledgement != 0 }
  var endsBlock: Bool { flags & FrameFlag.endHeaders != 0 }
  var isPadded: Bool { flags & FrameFlag.padded != 0 }

  init(type: UInt8, flags: UInt8 = FrameFlag.none, stream: Int32 = 0, payloadBytes: Int) {
    self.payloadBytes = payloadBytes
    self.type = type
    self.flags = flags
    self.stream = stream
  }

  /// Reads nine bytes from an offset on.
  @inline(__always)
  init(_ bytes: RawSpan, at offset: Int) {
    let word = Scan.word(bytes, at: offset).byteSwapped
    payloadBytes = Int(word &>> 40)
    type = UInt8(truncatingIfNeeded: word &>> 32)
    flags = UInt8(truncatingIfNeeded: word &>> 24)
    let low = UInt64(Scan.byte(bytes, at: offset &+ 8))
    // The first bit is reserved and says nothing.
    stream = Int32(truncatingIfNeeded: ((word & 0x7f_ffff) &<< 8) | low)
  }

  /// The first eight of its nine bytes; the last one is the lowest of the stream's number.
  private var word: UInt64 {
    UInt64(payloadBytes) &<< 40 | UInt64(type) &<< 32 | UInt64(flags) &<< 24
      | UInt64(UInt32(bitPattern: stream) &>> 8)
  }

  @inline(__always)
  func write(to buffer: ByteBuffer) {
    buffer.append(bigEndian: word)
    buffer.append(UInt8(truncatingIfNeeded: stream))
  }

  /// In place of a head that was written before.
  @inline(__always)
  func overwrite(at offset: Int, of buffer: ByteBuffer) {
    buffer.overwrite(at: offset, bigEndian: word)
  }
}

/// Numbers in payloads, the first byte highest; the bytes must be there.
enum FrameNumber {
  @inline(__always)
  static func word(_ bytes: RawSpan, at offset: Int) -> UInt32 {
    var value: UInt32 = 0
    for index in 0..<4 { value = value << 8 | UInt32(Scan.byte(bytes, at: offset + index)) }
    return value
  }

  static func half(_ bytes: RawSpan, at offset: Int) -> UInt16 {
    UInt16(Scan.byte(bytes, at: offset)) << 8 | UInt16(Scan.byte(bytes, at: offset + 1))
  }
}
