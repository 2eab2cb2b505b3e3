// Bytes out: frames in the order of the library's queues, bodies straight into the output.

import CNGHTTP2
import Platform

extension HTTP2Session {
  /// The least room in which a DATA frame is begun; less would make many small frames.
  static let dataBytesMin = 1024

  /// The least capacity of a buffer for `produce`.
  package static let outputBytesMin = 4096

  /// Appends frames until nothing more may be sent now or the buffer is full; returns the number
  /// of bytes. Bodies are asked in turn, as flow control and priorities allow.
  @discardableResult
  package func produce(into output: ByteBuffer, bodies: any HTTP2BodySource) -> Int {
    precondition(output.capacity >= HTTP2Session.outputBytesMin)
    let before = output.count
    self.output = output
    self.bodies = bodies
    defer {
      self.output = nil
      self.bodies = nil
    }
    if !leftover.isEmpty { appendLeftover(to: output) }
    while !isBroken, leftover.isEmpty, output.free > FrameHead.byteCount {
      // Behind the last GOAWAY there is nothing, even if streams had something.
      if failure != nil, unsafe nghttp2_session_want_write(session) == 0 { break }
      var start: UnsafePointer<UInt8>?
      let count = unsafe nghttp2_session_mem_send(session, &start)
      dropUnsentData()
      guard count > 0, let start = unsafe start else {
        if count < 0 { breakDown(count == NGHTTP2_ERR_NOMEM.rawValue ? .memory : .internal) }
        break
      }
      let fitting = min(count, output.free)
      unsafe output.append(RawSpan(_unsafeStart: start, byteCount: fitting))
      if fitting < count {
        leftover = unsafe [UInt8](
          UnsafeBufferPointer(start: start + fitting, count: count - fitting))
      }
    }
    return output.count - before
  }

  private func appendLeftover(to output: ByteBuffer) {
    let fitting = min(leftover.count, output.free)
    output.append(leftover.rawSpan.extracting(0..<fitting))
    leftover = Array(leftover[fitting...])
  }

  /// A DATA frame that was begun, but whose stream ended before it was sent.
  private func dropUnsentData() {
    guard dataHeadOffset >= 0, let output else { return }
    output.truncate(to: dataHeadOffset)
    dataHeadOffset = -1
  }

  /// The library asks for the content of one DATA frame: it is written behind room for the frame's
  /// head. Bytes, or one of the library's codes.
  func readBody(_ slot: Int, upTo length: Int, end: inout BodyEnd) -> Int {
    dropUnsentData()
    guard let output, let bodies, slot >= 0, slot < streams.count else {
      return Int(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
    }
    let room = output.free - FrameHead.byteCount
    guard room >= min(length, HTTP2Session.dataBytesMin) else {
      return Int(NGHTTP2_ERR_PAUSE.rawValue)
    }
    let start = output.count
    output.append(word: 0)
    output.append(0)
    let step = bodies.appendBody(of: handle(slot), to: output, upTo: min(length, room))
    let added = output.count - start - FrameHead.byteCount
    precondition(added >= 0 && added <= length, "a body wrote more than it was asked for")
    switch step {
    case .more where added > 0, .end:
      if case .end = step { end = submitTrailers(slot) ? .ofBody : .ofStream }
      dataHeadOffset = start
      return added
    case .more, .deferred:
      output.truncate(to: start)
      streams[slot].isDeferred = true
      return Int(NGHTTP2_ERR_DEFERRED.rawValue)
    case .failed:
      output.truncate(to: start)
      streams[slot].isResetByUs = true
      return Int(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
    }
  }

  /// The frame's head belongs before the content that `readBody` wrote.
  func sendData(_ head: UnsafePointer<UInt8>) -> CInt {
    guard let output, dataHeadOffset >= 0 else { return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue }
    unsafe output.overwrite(
      at: dataHeadOffset, with: RawSpan(_unsafeStart: head, byteCount: FrameHead.byteCount))
    dataHeadOffset = -1
    purses.windowUpdates.work(settings.limits.windowUpdates)
    return 0
  }

  /// What ends with the DATA frame at hand.
  enum BodyEnd {
    case nothing
    /// Trailers follow.
    case ofBody
    case ofStream
  }

  // MARK: What was sent

  func responseFrameSent(_ id: Int32, endsStream: Bool) {
    guard endsStream, let slot = slot(of: id) else { return }
    streams[slot].isCompleted = true
    counters.completed += 1
    purses.responseCompleted(settings.limits)
    if !streams[slot].requestEnded { responseOvertookBody(slot) }
  }

  func resetSent(_ id: Int32) {
    counters.resetsSent += 1
    if let slot = slot(of: id), streams[slot].isResetByUs { return }
    // Provoked: costs us as much as a reset of theirs.
    if !purses.resets.take() { fail(.rapidReset) }
  }

  func goAwaySent(_ code: UInt32) {
    if failure == nil { failure = HTTP2Failure(sentCode: code) }
  }

  /// A head that the library could not send must not leave its stream waiting for ever.
  func headersNotSent(_ id: Int32) {
    guard let slot = slot(of: id) else { return }
    streams[slot].isResetByUs = true
    check(
      unsafe nghttp2_submit_rst_stream(
        session, UInt8(NGHTTP2_FLAG_NONE.rawValue), id, HTTP2ErrorCode.internalError.rawValue))
  }
}
