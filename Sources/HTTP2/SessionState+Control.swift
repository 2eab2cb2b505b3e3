// Frames about the connection and about streams, but for those with fields and bodies.

import HTTP
import Platform

extension SessionState {
  mutating func takeControl(_ frame: FrameHead, _ payload: RawSpan) {
    switch frame.type {
    case FrameType.priority:
      // RFC 9113 §5.3.2: what it says is not used any more.
      guard frame.stream != 0 else { return fail(.protocolError) }
      guard payload.byteCount == 5 else { return fail(.frameSize) }
    case FrameType.reset: takeReset(frame, payload)
    case FrameType.settings: takeSettings(frame, payload)
    case FrameType.ping: takePing(frame, payload)
    case FrameType.goAway: takeGoAway(frame, payload)
    case FrameType.priorityUpdate: takePriorityUpdate(frame, payload)
    // RFC 9113 §8.4: a client cannot push.
    default: fail(.protocolError)
    }
  }

  /// RFC 9113 §6.4
  private mutating func takeReset(_ frame: FrameHead, _ payload: RawSpan) {
    guard payload.byteCount == 4 else { return fail(.frameSize) }
    guard frame.stream != 0, !isIdle(frame.stream) else { return fail(.protocolError) }
    counters.resetsReceived += 1
    guard let slot = streams.slot(of: frame.stream), !streams[slot].isEnding else { return }
    streams[slot].code = FrameNumber.word(payload, at: 0)
    closeStream(slot)
  }

  /// RFC 9113 §6.7
  private mutating func takePing(_ frame: FrameHead, _ payload: RawSpan) {
    guard frame.stream == 0 else { return fail(.protocolError) }
    guard payload.byteCount == 8 else { return fail(.frameSize) }
    guard !frame.isAcknowledgement else { return }
    frames.append(
      FrameHead(type: FrameType.ping, flags: FrameFlag.acknowledgement, payloadBytes: 8), payload)
  }

  /// RFC 9113 §6.8
  private mutating func takeGoAway(_ frame: FrameHead, _ payload: RawSpan) {
    guard frame.stream == 0 else { return fail(.protocolError) }
    guard payload.byteCount >= 8 else { return fail(.frameSize) }
    peerIsLeaving = true
  }

  // MARK: SETTINGS (RFC 9113 §6.5)

  private mutating func takeSettings(_ frame: FrameHead, _ payload: RawSpan) {
    guard frame.stream == 0 else { return fail(.protocolError) }
    if frame.isAcknowledgement {
      guard payload.byteCount == 0 else { return fail(.frameSize) }
      if !settingsAcknowledged { noteAcknowledgement() }
      return
    }
    guard payload.byteCount % 6 == 0 else { return fail(.frameSize) }
    guard payload.byteCount <= 6 * SessionState.settingsPerFrameMax else {
      return fail(.settingsFlood)
    }
    hasPeerSettings = true
    var initialWindow = sendWindowInitial
    var offset = 0
    while offset < payload.byteCount, failure == nil {
      takeSetting(
        FrameNumber.half(payload, at: offset), FrameNumber.word(payload, at: offset + 2),
        &initialWindow)
      offset += 6
    }
    // Once for the frame: it is work for each stream.
    if failure == nil, initialWindow != sendWindowInitial { changeInitialWindow(initialWindow) }
    guard failure == nil else { return }
    let nothing: [UInt8] = []
    frames.append(
      FrameHead(type: FrameType.settings, flags: FrameFlag.acknowledgement, payloadBytes: 0),
      nothing.rawSpan)
  }

  /// There are ten settings; a frame that repeats them is no client's (CVE-2020-11080).
  private static let settingsPerFrameMax = 32

  /// Until now the client could count with the usual windows (RFC 9113 §6.9.3): with a smaller one
  /// less than nothing may be left.
  private mutating func noteAcknowledgement() {
    let excess = receiveWindowInitial - Int32(clamping: settings.windowBytes)
    settingsAcknowledged = true
    guard excess > 0 else { return }
    for slot in streams.indices where streams[slot].isLiving {
      streams[slot].receiveWindow -= excess
    }
  }

  /// What a stream that begins now may be sent.
  var receiveWindowInitial: Int32 {
    let byteCount = Int32(clamping: settings.windowBytes)
    return settingsAcknowledged ? byteCount : max(byteCount, Int32(SessionState.windowBytesUsual))
  }

  private mutating func takeSetting(
    _ setting: UInt16, _ value: UInt32, _ initialWindow: inout Int32
  ) {
    switch setting {
    case Setting.headerTableSize: writer.peerAllows(Int(value))
    case Setting.initialWindowSize:
      guard value <= SessionState.windowBytesMax else { return fail(.flowControl) }
      initialWindow = Int32(value)
    case Setting.frameSizeMax:
      // More than we ever send, or an error.
      if value < FrameHead.payloadBytesMax || value > 0xff_ffff { fail(.protocolError) }
    case Setting.enablePush, Setting.enableConnectProtocol, Setting.noEarlierPriorities:
      if value > 1 { fail(.protocolError) }
    default: break
    }
  }

  /// RFC 9113 §6.9.2: it changes the windows of all streams, maybe to less than nothing.
  private mutating func changeInitialWindow(_ byteCount: Int32) {
    let change = Int(byteCount) - Int(sendWindowInitial)
    sendWindowInitial = byteCount
    for slot in streams.indices where streams[slot].isLiving {
      let before = streams[slot].sendWindow
      let window = Int(before) + change
      guard window <= SessionState.windowBytesMax else { return fail(.flowControl) }
      streams[slot].sendWindow = Int32(window)
      if before > 0 && window <= 0 || before <= 0 && window > 0 { noteSendWindow(slot) }
    }
  }

  // MARK: Windows (RFC 9113 §6.9)

  mutating func takeWindowUpdate(_ frame: FrameHead, _ payload: RawSpan) {
    guard payload.byteCount == 4 else { return fail(.frameSize) }
    let count = Int(FrameNumber.word(payload, at: 0) & 0x7fff_ffff)
    if frame.stream == 0 {
      guard count > 0 else { return fail(.protocolError) }
      let window = Int(sendWindow) + count
      guard window <= SessionState.windowBytesMax else { return fail(.flowControl) }
      sendWindow = Int32(window)
      return
    }
    guard !isIdle(frame.stream) else { return fail(.protocolError) }
    guard let slot = streams.slot(of: frame.stream), !streams[slot].isEnding else { return }
    let window = Int(streams[slot].sendWindow) + count
    guard count > 0 else { return endStream(slot, .protocolError) }
    guard window <= SessionState.windowBytesMax else {
      return endStream(slot, .flowControlError)
    }
    streams[slot].sendWindow = Int32(window)
    noteSendWindow(slot)
  }

  /// A stream's window or body has changed: whether it may send.
  mutating func noteSendWindow(_ slot: Int) {
    let stream = streams[slot]
    if stream.hasBody, !stream.isDeferred, !stream.isEnding, stream.sendWindow > 0 {
      sendQueue.enter(slot, &streams)
    } else {
      sendQueue.remove(slot, &streams)
    }
  }

  mutating func queueWindow(_ stream: Int32, _ byteCount: UInt32) {
    frames.append(
      FrameHead(type: FrameType.windowUpdate, stream: stream, payloadBytes: 4), byteCount)
  }

  // MARK: Priorities (RFC 9218)

  private mutating func takePriorityUpdate(_ frame: FrameHead, _ payload: RawSpan) {
    guard frame.stream == 0 else { return fail(.protocolError) }
    guard payload.byteCount >= 4 else { return fail(.frameSize) }
    let stream = Int32(bitPattern: FrameNumber.word(payload, at: 0) & 0x7fff_ffff)
    guard stream & 1 == 1 else { return fail(.protocolError) }
    guard let priority = StreamPriority(payload.extracting(4..<payload.byteCount)) else { return }
    if let slot = streams.slot(of: stream) {
      if !streams[slot].isPreferred { change(slot, priority) }
    } else if stream > lastStream {
      keepEarly(priority, stream)
    }
  }

  /// Of a stream that is not there yet, but could be soon (RFC 9218 §7.1).
  private mutating func keepEarly(_ priority: StreamPriority, _ stream: Int32) {
    guard Int(stream) - Int(lastStream) <= 2 * settings.concurrentStreamsMax else { return }
    if earlyPriorities.count >= SessionState.earlyPrioritiesMax {
      // Of those that were passed over nothing will come any more.
      let last = lastStream
      earlyPriorities = earlyPriorities.filter { $0.key > last }
    }
    guard
      earlyPriorities.count < SessionState.earlyPrioritiesMax
        || earlyPriorities[stream] != nil
    else { return }
    earlyPriorities[stream] = priority
  }

  private static let earlyPrioritiesMax = 100

  mutating func change(_ slot: Int, _ priority: StreamPriority) {
    sendQueue.remove(slot, &streams)
    streams[slot].urgency = priority.urgency
    streams[slot].isIncremental = priority.isIncremental
    noteSendWindow(slot)
  }

  // MARK: The end of a stream

  /// Ends a stream by a reset of ours, once: it is over with the next `produce`.
  mutating func endStream(_ slot: Int, _ code: HTTP2ErrorCode) {
    guard !streams[slot].isEnding else { return }
    streams[slot].isEnding = true
    streams[slot].code = code.rawValue
    sendQueue.remove(slot, &streams)
    endingSlots.append(Int32(truncatingIfNeeded: slot))
    queueReset(streams[slot].id, code, isProvoked: !streams[slot].isResetByUs)
  }

  /// RST_STREAM; one that the peer provokes costs it as much as a reset of its own.
  mutating func queueReset(_ stream: Int32, _ code: HTTP2ErrorCode, isProvoked: Bool) {
    counters.resetsSent += 1
    frames.append(
      FrameHead(type: FrameType.reset, stream: stream, payloadBytes: 4), code.rawValue)
    if isProvoked, !purses.resets.take() { fail(.rapidReset) }
  }

  /// A stream is over: its owner is told, and its slot is free.
  mutating func closeStream(_ slot: Int) {
    sendQueue.remove(slot, &streams)
    let record = streams[slot]
    if record.isKnown {
      openStreamCount -= 1
      let event = HTTP2Event.closed(
        handle(slot), completed: record.isCompleted, code: record.code, byUs: record.isResetByUs)
      workspace.add(event, of: number)
    }
    forgetBody(slot)
    if !responseTrailers.isEmpty { responseTrailers[slot] = nil }
    streams.free(slot)
  }

  // MARK: Handles

  /// The slot of a handle; nil if its stream is over.
  @inline(__always)
  func slot(of stream: HTTP2Stream) -> Int? {
    let slot = Int(stream.slot)
    guard slot >= 0, slot < streams.indices.count, streams[slot].id == stream.id, stream.id != 0
    else { return nil }
    return slot
  }

  @inline(__always)
  func handle(_ slot: Int) -> HTTP2Stream {
    HTTP2Stream(id: streams[slot].id, slot: Int32(truncatingIfNeeded: slot))
  }
}
