// Bytes in: frames are counted, then given to the library, whose findings become events.

import CNGHTTP2
import Platform

/// Whether bytes are the beginning of HTTP/2.
package enum HTTP2PrefaceMatch: Sendable {
  case yes
  case no
  /// So far they agree, but there are fewer than 24.
  case needMore
}

extension HTTP2Session {
  /// Whether received bytes begin with the client's connection preface (RFC 9113 §3.4). No request
  /// of HTTP/1 does.
  package static func isPrefaceBeginning(_ bytes: RawSpan) -> HTTP2PrefaceMatch {
    let preface: StaticString = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    for index in 0..<min(bytes.byteCount, preface.utf8CodeUnitCount) {
      let byte = unsafe bytes.unsafeLoad(fromUncheckedByteOffset: index, as: UInt8.self)
      guard unsafe byte == preface.utf8Start[index] else { return .no }
    }
    return bytes.byteCount < preface.utf8CodeUnitCount ? .needMore : .yes
  }

  /// Takes received bytes; returns how many. Fewer than given: take the events, then give the rest
  /// again. Events not taken before are lost, and what they spoke of is overwritten.
  package func receive(_ bytes: RawSpan) -> Int {
    workspace.begin()
    guard failure == nil, !isBroken else { return bytes.byteCount }
    resumeAssembly()
    var fed = 0
    var offset = 0
    while true {
      switch meter.advance(bytes, from: &offset) {
      case .frame(let frame, let start, _):
        guard let flood = meter.judge(frame, &purses, settings) else { continue }
        guard feed(bytes.extracting(fed..<max(fed, start))) else { return bytes.byteCount }
        fail(flood)
        return bytes.byteCount
      case .blockEnd(let end):
        guard feed(bytes.extracting(fed..<end)) else { return bytes.byteCount }
        fed = end
        endBlock()
        // What is to become of a body must be said before it comes.
        guard workspace.hasRoom, !assembly.beginsBody else {
          assembly.beginsBody = false
          return fed
        }
      case .exhausted:
        guard feed(bytes.extracting(fed..<bytes.byteCount)) else { return bytes.byteCount }
        suspendAssembly()
        return bytes.byteCount
      }
    }
  }

  /// False when the session has ended.
  private func feed(_ bytes: RawSpan) -> Bool {
    let count = bytes.byteCount
    guard count > 0 else { return true }
    let taken = unsafe bytes.withUnsafeBytes { bytes in
      unsafe nghttp2_session_mem_recv(
        session, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), count)
    }
    if failure != nil { return false }
    guard taken == count else {
      failed(taken)
      return false
    }
    // A peer that takes nothing could pile up our answers.
    if unsafe nghttp2_session_get_outbound_queue_size(session) > settings.limits.outboundFramesMax {
      fail(.outboundFlood)
      return false
    }
    return true
  }

  private func failed(_ result: Int) {
    switch Int32(truncatingIfNeeded: result) {
    case NGHTTP2_ERR_BAD_CLIENT_MAGIC.rawValue: fail(.preface)
    case NGHTTP2_ERR_FLOODED.rawValue: fail(.outboundFlood)
    case NGHTTP2_ERR_TOO_MANY_CONTINUATIONS.rawValue: fail(.continuationFlood)
    case NGHTTP2_ERR_NOMEM.rawValue: breakDown()
    default: fail(.internal)
    }
  }

  /// Behind the last byte of a header block: one that the library refused leaves nothing.
  private func endBlock() {
    guard assembly.slot >= 0 else { return }
    dropAssembly()
    counters.malformed += 1
  }

  func dropAssembly() {
    workspace.heads.truncate(to: min(assembly.headStart, workspace.heads.count))
    workspace.scratch.removeAll()
    assembly.slot = -1
  }

  // MARK: What the library finds

  func headersBegan(_ id: Int32, isRequest: Bool) {
    workspace.scratch.removeAll()
    let known: Int?
    if isRequest {
      let slot = takeSlot(for: id)
      let user = unsafe UnsafeMutableRawPointer(bitPattern: slot + 1)
      guard check(unsafe nghttp2_session_set_stream_user_data(session, id, user)) else { return }
      known = slot
    } else {
      known = slot(of: id)
    }
    guard let slot = known else { return }
    assembly = RequestAssembly(
      slot: slot, isTrailer: !isRequest, headStart: workspace.heads.count)
  }

  func headersEnded(endsStream: Bool) {
    let slot = assembly.slot
    guard slot >= 0 else { return }
    // The HEADERS frame was charged when it came; this one was worth it.
    purses.emptyFrames.give(1, settings.limits.emptyFrames)
    if assembly.isTrailer {
      let section = assembly.headStart..<workspace.heads.count
      if endsStream, !section.isEmpty { requestTrailers[slot] = workspace.heads.copy(section) }
      dropAssembly()
      counters.trailers += 1
      if endsStream { bodyEnded(slot) }
      return
    }
    streams[slot].requestEnded = endsStream
    if assembly.isTooLarge {
      dropAssembly()
      tell(
        .headTooLarge(
          handle(slot), isHead: assembly.isHead, bodyFollows: !endsStream), slot)
      return
    }
    guard let head = finishHead() else {
      dropAssembly()
      refuse(slot)
      return
    }
    let request = HTTP2Request(
      stream: handle(slot), head: head, fieldCount: assembly.lineCount, bodyFollows: !endsStream)
    assembly.slot = -1
    assembly.beginsBody = !endsStream
    tell(.request(request), slot)
  }

  private func tell(_ event: HTTP2Event, _ slot: Int) {
    counters.requests += 1
    openStreamCount += 1
    streams[slot].isKnown = true
    workspace.add(event, of: self)
  }

  /// A malformed request that the library let through (RFC 9113 §8.1.1).
  private func refuse(_ slot: Int) {
    counters.malformed += 1
    check(
      unsafe nghttp2_submit_rst_stream(
        session, UInt8(NGHTTP2_FLAG_NONE.rawValue), streams[slot].id,
        HTTP2ErrorCode.protocolError.rawValue))
  }

  func streamClosed(_ id: Int32, code: UInt32) {
    guard let slot = slot(of: id) else { return }
    let record = streams[slot]
    if record.isKnown {
      openStreamCount -= 1
      let event = HTTP2Event.closed(
        handle(slot), completed: record.isCompleted, code: code, byUs: record.isResetByUs)
      workspace.add(event, of: self)
    }
    if assembly.slot == slot {
      if suspended == nil {
        dropAssembly()
      } else {
        // Between two receives the workspace is another's.
        suspended = nil
        assembly.slot = -1
      }
    }
    forgetBody(slot)
    if !responseTrailers.isEmpty { responseTrailers[slot] = nil }
    freeSlot(slot)
  }
}
