// Bodies of requests: let go as they come, or kept until they are taken.
//
// A stream's window is given back when its bytes are taken, so that a client waits for whoever
// takes them; the connection's is when they come, so that it waits on that stream alone. Only when
// all streams together hold more than `keptBodyBytesMax` does the connection wait too (RFC 9113
// §5.2.2): a session never keeps more than that and one window of the connection.

import Platform

extension SessionState {
  mutating func keepBody(of stream: HTTP2Stream) -> Bool {
    guard !isTerminated, let slot = slot(of: stream), !streams[slot].isCompleted,
      !streams[slot].isEnding, !streams[slot].hasLostBody
    else { return false }
    streams[slot].keepsBody = true
    return true
  }

  func bodyByteCount(of stream: HTTP2Stream) -> Int {
    guard let slot = slot(of: stream), streams[slot].keepsBody else { return 0 }
    return keptBodies.byteCount(of: slot)
  }

  mutating func takeBody(
    of stream: HTTP2Stream, into buffer: ByteBuffer, upTo byteCountMax: Int
  ) -> Int {
    guard let slot = slot(of: stream), streams[slot].keepsBody else { return 0 }
    let count = keptBodies.take(of: slot, into: buffer, upTo: byteCountMax)
    giveBack(count, of: slot)
    giveBackConnection(arrived: 0)
    return count
  }

  mutating func takeTrailers(of stream: HTTP2Stream) -> [UInt8] {
    guard !requestTrailers.isEmpty, let slot = slot(of: stream) else { return [] }
    return requestTrailers.removeValue(forKey: slot) ?? []
  }

  mutating func dropBody(of stream: HTTP2Stream) {
    guard let slot = slot(of: stream) else { return }
    dropBody(slot)
  }

  var keptBodyBytes: (waiting: Int, reserved: Int) {
    (keptBodies.byteCount, keptBodies.reservedBytes)
  }

  mutating func dropBody(_ slot: Int) {
    guard streams[slot].keepsBody else { return }
    streams[slot].keepsBody = false
    streams[slot].hasLostBody = true
    requestTrailers[slot] = nil
    giveBack(keptBodies.drop(slot), of: slot)
    giveBackConnection(arrived: 0)
  }

  /// The stream is no more, and its window with it.
  mutating func forgetBody(_ slot: Int) {
    guard streams[slot].keepsBody else { return }
    streams[slot].keepsBody = false
    requestTrailers[slot] = nil
    _ = keptBodies.drop(slot)
    giveBackConnection(arrived: 0)
  }

  // MARK: What comes

  /// A part of a body.
  mutating func dataCame(_ id: Int32, _ bytes: RawSpan) {
    let count = bytes.byteCount
    counters.bodyBytes += count
    guard let slot = streams.slot(of: id), !streams[slot].isEnding, streams[slot].isKnown,
      isExpected(count, slot)
    else {
      return giveBackConnection(arrived: count)
    }
    if streams[slot].keepsBody {
      keptBodies.append(bytes, to: slot)
    } else {
      streams[slot].hasLostBody = true
      if streams[slot].isCompleted { noteLateBytes(count, slot) }
      giveBack(count, of: slot)
    }
    giveBackConnection(arrived: count)
    workspace.add(bodyBytes: count, handle(slot), of: number)
  }

  /// RFC 9113 §8.1.1: no more than the length that was said.
  private mutating func isExpected(_ count: Int, _ slot: Int) -> Bool {
    guard streams[slot].bodyBytesLeft >= 0 else { return true }
    guard count <= streams[slot].bodyBytesLeft else {
      endStream(slot, .protocolError)
      return false
    }
    streams[slot].bodyBytesLeft -= Int64(count)
    return true
  }

  /// Padding, which nobody waits for.
  mutating func takePadding(_ count: Int) {
    if let slot = streams.slot(of: input.frame.stream), !streams[slot].isEnding {
      giveBack(count, of: slot)
    }
    giveBackConnection(arrived: count)
  }

  mutating func dataFrameCame(_ frame: FrameHead, contentBytes: Int) {
    guard let slot = streams.slot(of: frame.stream), !streams[slot].isEnding else { return }
    if frame.isPadded, contentBytes > 0 || frame.endsStream,
      contentBytes < FrameMeter.paddingBytesMax
    {
      purses.emptyFrames.give(1, settings.limits.emptyFrames)
    }
    if frame.endsStream { bodyEnded(slot) }
  }

  /// The request is whole.
  mutating func bodyEnded(_ slot: Int) {
    // RFC 9113 §8.1.1: no less than the length that was said.
    guard streams[slot].bodyBytesLeft <= 0 else { return endStream(slot, .protocolError) }
    streams[slot].requestEnded = true
    if streams[slot].isKnown { workspace.add(.bodyEnded(handle(slot)), of: number) }
    if streams[slot].isCompleted { closeStream(slot) }
  }

  // MARK: Windows (RFC 9113 §5.2)

  private mutating func giveBack(_ count: Int, of slot: Int) {
    guard count > 0, !isTerminated, !streams[slot].isEnding, !streams[slot].requestEnded,
      !streams[slot].hasLastFrame
    else { return }
    streams[slot].takenBytes += Int32(count)
    guard Int(streams[slot].takenBytes) >= max(1, settings.windowBytes / 2) else { return }
    queueWindow(streams[slot].id, UInt32(streams[slot].takenBytes))
    streams[slot].receiveWindow += streams[slot].takenBytes
    streams[slot].takenBytes = 0
  }

  private mutating func giveBackConnection(arrived: Int) {
    let credit = keptBodies.connectionCredit(
      arrived: arrived, byteCountMax: settings.limits.keptBodyBytesMax)
    guard credit > 0, !isTerminated else { return }
    takenBytes += Int32(credit)
    let windowBytes = max(settings.windowBytes, SessionState.windowBytesUsual)
    guard Int(takenBytes) >= windowBytes / 2 else { return }
    queueWindow(0, UInt32(takenBytes))
    receiveWindow += takenBytes
    takenBytes = 0
  }

  // MARK: Behind the response

  /// The whole response is in the output, and more of the request may come, which nobody wants.
  mutating func responseOvertookBody(_ slot: Int) {
    dropBody(slot)
    hasLateStreams = true
  }

  /// RFC 9113 §8.1: the rest of the request is not wanted, and that is no error. Not before the
  /// client had time to read the response: some forget it when the reset comes together with it.
  private mutating func noteLateBytes(_ count: Int, _ slot: Int) {
    streams[slot].lateBytes += count
    if streams[slot].lateBytes > SessionState.lateBytesMax { resetLate(slot) }
  }

  /// A second has passed: clients that neither end nor send what they began have had their time.
  mutating func tickLateStreams() {
    guard hasLateStreams, !isTerminated else { return }
    hasLateStreams = false
    for slot in streams.indices
    where streams[slot].isLiving && streams[slot].isCompleted && !streams[slot].isEnding {
      streams[slot].lateSeconds += 1
      if streams[slot].lateSeconds > SessionState.lateSecondsMax {
        resetLate(slot)
      } else {
        hasLateStreams = true
      }
    }
  }

  private mutating func resetLate(_ slot: Int) {
    guard !streams[slot].isEnding else { return }
    streams[slot].isResetByUs = true
    endStream(slot, .noError)
  }

  /// What a client may go on sending after its answer, and for how many seconds: as on a lingering
  /// HTTP/1.1 connection.
  private static let lateBytesMax = 1 << 20
  private static let lateSecondsMax: UInt8 = 2
}
