// A file's bytes copied into memory such that two versions are never mixed.

import Platform

/// One copy under way, resumable where only waiting would go on. Invariant: what `complete` ends
/// was read between two looks that saw the same facts, more than a timestamp tick after the last
/// change, so no write can have hidden in between. (A writer through a mapping leaves no stamps;
/// nobody can notice it.)
package struct FileCopy {
  /// What comes next.
  package enum Step: Equatable, Sendable {
    /// All bytes are there. Not `storable`: send them, but do not keep them. The last change is so
    /// recent that its writer may hold on within one write(2), whose stamp is set at its start.
    case complete(storable: Bool)
    /// Send `.warm` with this range to the helper; after its reply call `warmed`, then again.
    case cold(offset: Int64, count: Int)
    /// Changed within the last tick: call again after so many milliseconds.
    case unsettled(retryMilliseconds: Int64)
    /// Not the file any more that memory was reserved for: start over with these facts, by
    /// `restart(with:)` if the same memory will do.
    case changed(FileFacts)
    /// Much was copied; others first, then call again.
    case unfinished
    /// The caller's memory is not there: start over with other memory.
    case noRoom
    /// It changed at every look: give up, 503.
    case torn
    case failed(SystemError)
  }

  /// Bytes copied in one call: a fraction of a millisecond.
  private static let stepBytesMax = 2 << 20
  /// Looks before giving up.
  private static let passCountMax = 8
  /// Requests to warm before giving up: pages may leave memory as fast as they come.
  private static let warmCountMax = 16
  /// How long a file must have been left alone to be kept. A write(2) can be held up under way by
  /// dirty-page throttling (200 ms at a time) or by the scheduler.
  package static let storableNanoseconds: Int64 = 500_000_000

  package private(set) var facts: FileFacts
  private var position = 0
  private var startedNanoseconds: Int64?
  private var passCount = 0
  private var warmCount = 0
  /// The file system cannot tell what is in memory.
  private var cannotTell = false
  /// It cannot tell, but a helper has just read the rest: reading it is a short wait at most.
  private var mayWait = false

  /// `facts`: of the open file; memory for `facts.size` bytes is the caller's.
  package init(facts: FileFacts) { self.facts = facts }

  /// Bytes to copy.
  package var byteCount: Int { Int(facts.size) }

  /// Starts over; attempts go on being counted.
  package mutating func restart(with facts: FileFacts) {
    self.facts = facts
    position = 0
    startedNanoseconds = nil
  }

  /// To be called when the range that `cold` named was warmed, before the next `advance`.
  package mutating func warmed() { mayWait = cannotTell }

  /// Copies on, into a buffer with room for `byteCount` bytes. `now`: CLOCK_REALTIME, nanoseconds.
  package mutating func advance(
    from file: Descriptor, into buffer: ByteBuffer, now: Int64 = Clock.realNanoseconds()
  ) -> Step {
    if startedNanoseconds == nil { buffer.removeAll() }
    return advance(from: file, now: now) { offset, count, mayWait in
      File.read(file, at: Int64(offset), count: count, into: buffer, mayWait: mayWait)
    }
  }

  /// Copies on, into a region. `room(offset)` is where the bytes from that offset of the file go,
  /// as far as they lie together; nil when there is no memory for them.
  package mutating func advance(
    from file: Descriptor, into region: SharedRegion, now: Int64 = Clock.realNanoseconds(),
    room: (Int) -> RegionRange?
  ) -> Step {
    advance(from: file, now: now) { offset, count, mayWait in
      guard var range = room(offset) else { return nil }
      range.count = min(range.count, count)
      return File.read(file, at: Int64(offset), into: region, range, mayWait: mayWait)
    }
  }

  /// `read(offset, count, mayWait)` reads into the caller's memory, at most `count` bytes; nil when
  /// there is none.
  mutating func advance(
    from file: Descriptor, now: Int64, read: (Int, Int, Bool) -> FileReadResult?
  ) -> Step {
    do {
      if startedNanoseconds == nil {
        let current = try File.facts(file)
        guard current == facts else { return changed(current) }
        if facts.isYoung(now: now) { return unsettled() }
        startedNanoseconds = now
        position = 0
      }
      let stepEnd = position + Self.stepBytesMax
      while position < byteCount {
        guard position < stepEnd else { return .unfinished }
        let count = min(byteCount - position, stepEnd - position)
        guard let result = read(position, count, mayWait) else { return .noRoom }
        switch result {
        case .read(let count): position += count
        case .end: return changed(try File.facts(file))
        case .wouldSleep: return cold()
        case .cannotTell:
          cannotTell = true
          return cold()
        case .failed(let error): return .failed(error)
        }
      }
      return finish(try File.facts(file))
    } catch {
      return .failed(error)
    }
  }

  private mutating func finish(_ current: FileFacts) -> Step {
    guard current == facts, let started = startedNanoseconds else { return changed(current) }
    let age = started.subtractingReportingOverflow(facts.changedNanoseconds)
    let isSettled = age.overflow || age.partialValue.magnitude >= UInt64(Self.storableNanoseconds)
    return .complete(storable: isSettled)
  }

  /// A change now could leave the stamp as it is: whatever is read would prove nothing.
  private mutating func unsettled() -> Step {
    passCount += 1
    if passCount >= Self.passCountMax { return .torn }
    return .unsettled(retryMilliseconds: FileFacts.tickNanoseconds / 1_000_000)
  }

  private mutating func changed(_ current: FileFacts) -> Step {
    passCount += 1
    startedNanoseconds = nil
    return passCount >= Self.passCountMax ? .torn : .changed(current)
  }

  private mutating func cold() -> Step {
    warmCount += 1
    guard warmCount <= Self.warmCountMax else {
      return .failed(SystemError(code: SystemError.wouldBlock, operation: "preadv2"))
    }
    return .cold(offset: Int64(position), count: byteCount - position)
  }
}
