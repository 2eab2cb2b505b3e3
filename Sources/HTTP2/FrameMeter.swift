// Frames counted before anything else is done with them, so that a flood ends where it becomes one.

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

/// Counts the frames of one connection.
struct FrameMeter {
  /// The length octet and as much padding as it can tell of (RFC 9113 §6.1).
  static let paddingBytesMax = 256

  private var continuationCount = 0
  private var blockBytes = 0

  /// Charges a frame; the failure if its kind has become a flood.
  mutating func judge(
    _ frame: FrameHead, _ purses: inout Purses, _ settings: HTTP2Settings
  ) -> HTTP2Failure? {
    switch frame.type {
    case FrameType.data:
      let mayBePadding =
        frame.isPadded && frame.payloadBytes <= FrameMeter.paddingBytesMax
      // Content that comes with padding gives this back; on a stream that is over, nothing does.
      if mayBePadding || frame.payloadBytes == 0 && !frame.endsStream {
        return purses.emptyFrames.take() ? nil : .emptyFrameFlood
      }
    case FrameType.headers:  // A request or its end gives this back.
      continuationCount = 0
      blockBytes = 0
      if let failure = block(frame, settings) { return failure }
      return purses.emptyFrames.take() ? nil : .emptyFrameFlood
    case FrameType.priority, FrameType.priorityUpdate:
      return purses.priorities.take() ? nil : .priorityFlood
    case FrameType.reset:
      return purses.resets.take() ? nil : .rapidReset
    case FrameType.settings:
      return purses.settings.take() ? nil : .settingsFlood
    case FrameType.ping:
      return purses.pings.take() ? nil : .pingFlood
    case FrameType.windowUpdate:
      return purses.windowUpdates.take() ? nil : .windowUpdateFlood
    case FrameType.continuation:
      continuationCount &+= 1
      if continuationCount > settings.limits.continuationsMax { return .continuationFlood }
      return block(frame, settings)
    // The first is an error, and the second comes once or twice.
    case FrameType.pushPromise, FrameType.goAway: break
    default: return purses.unknownFrames.take() ? nil : .unknownFrameFlood
    }
    return nil
  }

  private mutating func block(_ frame: FrameHead, _ settings: HTTP2Settings) -> HTTP2Failure? {
    blockBytes &+= frame.payloadBytes
    return blockBytes > 2 * settings.headerListBytesMax ? .headerListFlood : nil
  }
}
