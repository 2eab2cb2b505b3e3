// Bytes in: frames are counted, then taken one by one.

import HTTP
import Platform

extension SessionState {
  mutating func receive(_ bytes: RawSpan) -> Int {
    workspace.begin()
    let count = bytes.byteCount
    var offset = 0
    if case .preface = input.phase { offset = takePreface(bytes) }
    while offset < count, !isTerminated, !isBroken {
      switch input.phase {
      case .preface: preconditionFailure("the preface was taken")
      case .head: takeHead(bytes, &offset)
      case .data: takeData(bytes, &offset)
      case .skipped: skip(bytes, &offset)
      case .payload: takePayload(bytes, &offset)
      }
      // What is to become of a body must be said before it comes.
      guard workspace.hasRoom, !assembly.beginsBody else {
        assembly.beginsBody = false
        return offset
      }
    }
    return count
  }

  private mutating func takePreface(_ bytes: RawSpan) -> Int {
    let before = input.prefaceBytes
    let count = min(bytes.byteCount, HTTP2Session.preface.count - before)
    let preface = HTTP2Session.preface
    let wanted = preface.rawSpan.extracting(before..<before + count)
    guard Scan.equal(bytes.extracting(0..<count), wanted) else {
      fail(.preface)
      return bytes.byteCount
    }
    input.prefaceBytes += count
    if input.prefaceBytes == HTTP2Session.preface.count { input.phase = .head }
    return count
  }

  // MARK: Frames

  @inline(__always)
  private mutating func takeHead(_ bytes: RawSpan, _ offset: inout Int) {
    if input.collected.isEmpty, bytes.byteCount &- offset >= FrameHead.byteCount {
      begin(FrameHead(bytes, at: offset))
      offset &+= FrameHead.byteCount
    } else {
      collectHead(bytes, &offset)
    }
    // Nothing more will come of this one.
    if case .payload = input.phase, input.payloadLeft == 0 {
      endPayload(bytes.extracting(offset..<offset))
    }
  }

  private mutating func collectHead(_ bytes: RawSpan, _ offset: inout Int) {
    let end = min(bytes.byteCount, offset + FrameHead.byteCount - input.collected.count)
    input.collected += bytes.extracting(offset..<end).array
    offset = end
    guard input.collected.count == FrameHead.byteCount else { return }
    let head = FrameHead(input.collected.rawSpan, at: 0)
    input.collected = []
    begin(head)
  }

  /// A frame's head has come: what is to be done with its payload.
  private mutating func begin(_ frame: FrameHead) {
    if let flood = meter.judge(frame, &purses, settings) { return fail(flood) }
    guard frame.payloadBytes <= FrameHead.payloadBytesMax else { return fail(.frameSize) }
    if input.blockStream != 0 || frame.type == FrameType.continuation {
      // RFC 9113 §6.10: a header block is not interrupted.
      guard frame.type == FrameType.continuation, frame.stream == input.blockStream,
        frame.stream != 0
      else { return fail(.protocolError) }
    }
    // RFC 9113 §3.4: SETTINGS come first.
    guard hasPeerSettings || frame.type == FrameType.settings && !frame.isAcknowledgement else {
      return fail(.protocolError)
    }
    input.frame = frame
    input.payloadLeft = frame.payloadBytes
    switch frame.type {
    case FrameType.data: beginData(frame)
    case FrameType.headers, FrameType.priority, FrameType.reset, FrameType.settings,
      FrameType.pushPromise, FrameType.ping, FrameType.goAway, FrameType.windowUpdate,
      FrameType.continuation, FrameType.priorityUpdate:
      input.phase = .payload
    default: input.phase = frame.payloadBytes > 0 ? .skipped : .head
    }
  }

  private mutating func skip(_ bytes: RawSpan, _ offset: inout Int) {
    let count = min(input.payloadLeft, bytes.byteCount &- offset)
    offset &+= count
    input.payloadLeft &-= count
    if input.payloadLeft == 0 { input.phase = .head }
  }

  @inline(__always)
  private mutating func takePayload(_ bytes: RawSpan, _ offset: inout Int) {
    let count = min(input.payloadLeft, bytes.byteCount &- offset)
    let range = offset..<offset &+ count
    offset &+= count
    input.payloadLeft &-= count
    if input.payloadLeft == 0, input.collected.isEmpty {
      return endPayload(bytes.extracting(range))
    }
    input.collected += bytes.extracting(range).array
    guard input.payloadLeft == 0 else { return }
    let payload = input.collected
    input.collected = []
    endPayload(payload.rawSpan)
  }

  /// A payload is whole.
  private mutating func endPayload(_ payload: RawSpan) {
    input.phase = .head
    let frame = input.frame
    switch frame.type {
    case FrameType.headers: takeHeaders(frame, payload)
    case FrameType.continuation: takeContinuation(frame, payload)
    case FrameType.windowUpdate: takeWindowUpdate(frame, payload)
    default: takeControl(frame, payload)
    }
    checkQueue()
  }

  /// A peer that takes nothing could pile up our answers.
  private mutating func checkQueue() {
    guard frames.frameCount > settings.limits.acknowledgementsMax else { return }
    if frames.frameCount > settings.limits.outboundFramesMax
      || frames.acknowledgementCount > settings.limits.acknowledgementsMax
    {
      fail(.outboundFlood)
    }
  }

  // MARK: DATA (RFC 9113 §6.1)

  private mutating func beginData(_ frame: FrameHead) {
    guard frame.stream != 0, !isIdle(frame.stream) else { return fail(.protocolError) }
    let byteCount = Int32(frame.payloadBytes)
    guard byteCount <= receiveWindow else { return fail(.flowControl) }
    receiveWindow -= byteCount
    input.paddingLeft = 0
    input.contentBytes = 0
    input.awaitsPadding = frame.isPadded
    // RFC 9113 §6.1: the padding's length is there, and no longer than the rest.
    if frame.isPadded, frame.payloadBytes == 0 { return fail(.frameSize) }
    if let slot = streams.slot(of: frame.stream), !streams[slot].isEnding {
      guard !streams[slot].requestEnded else { return fail(.streamClosed) }
      if byteCount > streams[slot].receiveWindow {
        endStream(slot, .flowControlError)
      } else {
        streams[slot].receiveWindow -= byteCount
        if frame.endsStream { streams[slot].hasLastFrame = true }
      }
    } else if frame.payloadBytes == 0, frame.endsStream, !purses.emptyFrames.take() {
      // It ends nothing.
      return fail(.emptyFrameFlood)
    }
    input.phase = .data
    if frame.payloadBytes == 0 { endData() }
  }

  private mutating func takeData(_ bytes: RawSpan, _ offset: inout Int) {
    if input.awaitsPadding {
      input.awaitsPadding = false
      input.paddingLeft = Int(Scan.byte(bytes, at: offset))
      offset += 1
      input.payloadLeft -= 1
      guard input.paddingLeft <= input.payloadLeft else { return fail(.protocolError) }
      takePadding(input.paddingLeft + 1)
    }
    let content = input.payloadLeft - input.paddingLeft
    if content > 0 {
      let count = min(content, bytes.byteCount - offset)
      if count > 0 { dataCame(input.frame.stream, bytes.extracting(offset..<offset + count)) }
      input.contentBytes += count
      offset += count
      input.payloadLeft -= count
    }
    if input.payloadLeft > 0, input.payloadLeft <= input.paddingLeft {
      let count = min(input.payloadLeft, bytes.byteCount - offset)
      offset += count
      input.payloadLeft -= count
      input.paddingLeft -= count
    }
    if input.payloadLeft == 0 { endData() }
  }

  private mutating func endData() {
    input.phase = .head
    dataFrameCame(input.frame, contentBytes: input.contentBytes)
    checkQueue()
  }

  // MARK: Streams

  /// Nobody has opened it yet (RFC 9113 §5.1).
  func isIdle(_ id: Int32) -> Bool { id > lastStream || id & 1 == 0 }
}
