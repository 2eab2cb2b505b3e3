// Frames counted before the library sees them, so that a flood ends where it becomes one.

/// What is left of one budget.
struct Purse {
  private(set) var left: Int32

  init(_ budget: HTTP2Budget) { left = budget.burst }

  /// Takes one; false when there was none.
  @inline(__always)
  mutating func take() -> Bool {
    guard left > 0 else { return false }
    left &-= 1
    return true
  }

  @inline(__always)
  mutating func work(_ budget: HTTP2Budget) { give(budget.perWork, budget) }

  mutating func pass(seconds: Int32, _ budget: HTTP2Budget) {
    let (given, overflow) = budget.perSecond.multipliedReportingOverflow(by: seconds)
    give(overflow ? budget.burst : given, budget)
  }

  @inline(__always)
  mutating func give(_ count: Int32, _ budget: HTTP2Budget) {
    let (sum, overflow) = left.addingReportingOverflow(count)
    left = overflow ? budget.burst : min(sum, max(budget.burst, 0))
  }
}

/// All budgets of one session.
struct Purses {
  var resets: Purse
  var settings: Purse
  var pings: Purse
  var emptyFrames: Purse
  var windowUpdates: Purse
  var priorities: Purse
  var unknownFrames: Purse

  init(_ limits: HTTP2Limits) {
    resets = Purse(limits.resets)
    settings = Purse(limits.settings)
    pings = Purse(limits.pings)
    emptyFrames = Purse(limits.emptyFrames)
    windowUpdates = Purse(limits.windowUpdates)
    priorities = Purse(limits.priorities)
    unknownFrames = Purse(limits.unknownFrames)
  }

  mutating func responseCompleted(_ limits: HTTP2Limits) {
    resets.work(limits.resets)
    settings.work(limits.settings)
    pings.work(limits.pings)
    emptyFrames.work(limits.emptyFrames)
    priorities.work(limits.priorities)
    unknownFrames.work(limits.unknownFrames)
  }

  mutating func pass(seconds: Int32, _ limits: HTTP2Limits) {
    resets.pass(seconds: seconds, limits.resets)
    settings.pass(seconds: seconds, limits.settings)
    pings.pass(seconds: seconds, limits.pings)
    emptyFrames.pass(seconds: seconds, limits.emptyFrames)
    windowUpdates.pass(seconds: seconds, limits.windowUpdates)
    priorities.pass(seconds: seconds, limits.priorities)
    unknownFrames.pass(seconds: seconds, limits.unknownFrames)
  }
}

/// The first octets of a frame (RFC 9113 §4.1), as far as they are needed here.
struct FrameHead {
  static let byteCount = 9
  var payloadBytes: Int
  var type: UInt8
  var flags: UInt8
  var isForConnection = true

  static let endStream: UInt8 = 0x1
  static let acknowledgement: UInt8 = 0x1
  static let padded: UInt8 = 0x8
  static let endHeaders: UInt8 = 0x4
}

/// Follows the frames in a stream of bytes that may be cut anywhere.
struct FrameMeter {
  /// The length octet and as much padding as it can tell of (RFC 9113 §6.1).
  static let paddingBytesMax = 256

  /// Bytes of the current payload (at first: of the client's preface) still to come.
  private var payloadLeft = 24
  private var headBytes: UInt8 = 0
  private var head = FrameHead(payloadBytes: 0, type: 0, flags: 0)
  /// The current payload is the last of a header block.
  private var endsBlock = false
  private var continuationCount = 0
  private var blockBytes = 0

  /// What lies next in the bytes.
  enum Step {
    /// A header block ends before this offset.
    case blockEnd(Int)
    /// A frame's head ends before this offset; `start` is where it began, or 0.
    case frame(FrameHead, start: Int, end: Int)
    /// Nothing more.
    case exhausted
  }

  /// Goes on at an offset to the next thing worth knowing.
  @inline(__always)
  mutating func advance(_ bytes: RawSpan, from offset: inout Int) -> Step {
    let count = bytes.byteCount
    while true {
      if payloadLeft > 0 {
        let taken = min(payloadLeft, count &- offset)
        offset &+= taken
        payloadLeft &-= taken
        guard payloadLeft == 0 else { return .exhausted }
      }
      if endsBlock {
        endsBlock = false
        return .blockEnd(offset)
      }
      let start = offset
      while headBytes < 9 {
        guard offset < count else { return .exhausted }
        take(unsafe bytes.unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self))
        offset &+= 1
      }
      headBytes = 0
      payloadLeft = head.payloadBytes
      return .frame(head, start: start, end: offset)
    }
  }

  @inline(__always)
  private mutating func take(_ byte: UInt8) {
    switch headBytes {
    case 0: head.payloadBytes = Int(byte) << 16
    case 1: head.payloadBytes |= Int(byte) << 8
    case 2: head.payloadBytes |= Int(byte)
    case 3: head.type = byte
    case 4: head.flags = byte
    case 5: head.isForConnection = byte & 0x7f == 0
    default: if byte != 0 { head.isForConnection = false }
    }
    headBytes &+= 1
  }

  /// Charges a frame; the failure if its kind has become a flood.
  mutating func judge(
    _ frame: FrameHead, _ purses: inout Purses, _ settings: HTTP2Settings
  ) -> HTTP2Failure? {
    switch frame.type {
    case 0x0:  // DATA
      let mayBePadding =
        frame.flags & FrameHead.padded != 0 && frame.payloadBytes <= FrameMeter.paddingBytesMax
      // Content that comes with padding gives this back; on a stream that is over, nothing does.
      if mayBePadding || frame.payloadBytes == 0 && frame.flags & FrameHead.endStream == 0 {
        return purses.emptyFrames.take() ? nil : .emptyFrameFlood
      }
    case 0x1:  // HEADERS; a request or its end gives this back
      continuationCount = 0
      blockBytes = 0
      if let failure = block(frame, settings) { return failure }
      return purses.emptyFrames.take() ? nil : .emptyFrameFlood
    case 0x2 where frame.isForConnection: return .protocolError  // RFC 9113 §6.3
    case 0x2, 0x10:  // PRIORITY, PRIORITY_UPDATE
      return purses.priorities.take() ? nil : .priorityFlood
    case 0x3:  // RST_STREAM
      return purses.resets.take() ? nil : .rapidReset
    case 0x4:  // SETTINGS; an acknowledgement that answers ours is free
      return purses.settings.take() ? nil : .settingsFlood
    case 0x6:  // PING
      return purses.pings.take() ? nil : .pingFlood
    case 0x8:  // WINDOW_UPDATE
      return purses.windowUpdates.take() ? nil : .windowUpdateFlood
    case 0x9:  // CONTINUATION
      continuationCount &+= 1
      if continuationCount > settings.limits.continuationsMax { return .continuationFlood }
      return block(frame, settings)
    case 0x5, 0x7: break  // PUSH_PROMISE is an error; GOAWAY comes once or twice
    default: return purses.unknownFrames.take() ? nil : .unknownFrameFlood
    }
    return nil
  }

  private mutating func block(_ frame: FrameHead, _ settings: HTTP2Settings) -> HTTP2Failure? {
    blockBytes &+= frame.payloadBytes
    endsBlock = frame.flags & FrameHead.endHeaders != 0
    return blockBytes > 4 * settings.headerListBytesMax ? .headerListFlood : nil
  }
}
