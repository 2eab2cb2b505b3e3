// Orders of the owner: answer, reset, resume, prefer.

import CNGHTTP2
import Glibc
import Platform

extension HTTP2Session {
  /// Orders a response whose head stands in `workspace.responseHead`, which is then empty. A status
  /// of 100 … 199 makes an interim response, after which a final one belongs. Without
  /// `bodyFollows` the stream ends with the head. False if the stream is over, has been
  /// answered, or the head is none: in the last case the stream is reset.
  @discardableResult
  package func respond(to stream: HTTP2Stream, bodyFollows: Bool) -> Bool {
    defer { workspace.responseHead.removeAll() }
    guard !isBroken, failure == nil, let slot = slot(of: stream), !streams[slot].isResponding
    else { return false }
    guard let (count, isInterim) = parseResponse() else {
      reset(stream, .internalError)
      return false
    }
    let result: CInt
    if isInterim {
      result = unsafe nghttp2_submit_headers(
        session, UInt8(NGHTTP2_FLAG_NONE.rawValue), stream.id, nil, workspace.fields, count, nil)
    } else if bodyFollows {
      var provider = unsafe nghttp2_data_provider(
        source: nghttp2_data_source(ptr: UnsafeMutableRawPointer(bitPattern: slot + 1)),
        read_callback: Callbacks.readBody)
      result = unsafe nghttp2_submit_response(
        session, stream.id, workspace.fields, count, &provider)
    } else {
      result = unsafe nghttp2_submit_response(session, stream.id, workspace.fields, count, nil)
    }
    guard check(result) else { return false }
    if !isInterim { streams[slot].isResponding = true }
    return true
  }

  /// Turns the response head into the library's fields; their number, and whether the status is an
  /// interim one. Lines that are about the connection stay behind (RFC 9113 §8.2.2).
  private func parseResponse() -> (count: Int, isInterim: Bool)? {
    let workspace = workspace
    let head = workspace.responseHead
    let buffer = workspace.parsedHead
    let known = unsafe workspace.parsedFieldCount
    if known > 0, Bytes.equal(head.bytes, buffer.bytes) { return (known, false) }
    buffer.removeAll()
    buffer.append(head.bytes)
    let parsed = parse(buffer)
    unsafe workspace.parsedFieldCount = parsed.map { $0.isInterim ? 0 : $0.count } ?? 0
    return parsed
  }

  private func parse(_ buffer: ByteBuffer) -> (count: Int, isInterim: Bool)? {
    let fields = unsafe workspace.fields
    return unsafe buffer.bytes.withUnsafeBytes { bytes -> (count: Int, isInterim: Bool)? in
      guard bytes.count >= 14, let raw = bytes.baseAddress,
        let lineEnd = unsafe memchr(raw, 0x0a, bytes.count)
      else { return nil }
      let start = unsafe UnsafeMutablePointer(
        mutating: raw.assumingMemoryBound(to: UInt8.self))
      // "HTTP/1.1 200": the library checks nothing of what is sent.
      let statusStart = unsafe start + 9
      for index in 0..<3 where unsafe statusStart[index] &- 0x30 > 9 { return nil }
      unsafe fields[0] = Callbacks.field(Callbacks.statusName, 7, statusStart, 3)
      unsafe fields[0].flags = UInt8(truncatingIfNeeded: NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue)
      let isInterim = unsafe statusStart[0] == UInt8(ascii: "1")
      // 101 is not spoken here (RFC 9113 §8.6).
      if isInterim, unsafe statusStart[2] == UInt8(ascii: "1") { return nil }
      var count = 1
      var line = unsafe lineEnd.assumingMemoryBound(to: UInt8.self) + 1
      let end = unsafe start + bytes.count
      while unsafe line < end {
        let left = unsafe end - line
        guard let feed = unsafe memchr(line, 0x0a, left)?.assumingMemoryBound(to: UInt8.self)
        else { return nil }
        var stop = unsafe feed
        if unsafe stop > line, unsafe stop[-1] == 0x0d { unsafe stop -= 1 }
        if unsafe stop == line { break }
        guard count < HTTP2Workspace.responseFieldCountMax,
          let colon = unsafe memchr(line, 0x3a, stop - line)?
            .assumingMemoryBound(to: UInt8.self), unsafe colon > line
        else { return nil }
        let nameCount = unsafe colon - line
        if unsafe !Callbacks.isOfConnection(line, nameCount) {
          var value = unsafe colon + 1
          while unsafe value < stop, unsafe value[0] == 0x20 || value[0] == 0x09 {
            unsafe value += 1
          }
          let name = unsafe Callbacks.lasting(line, nameCount)
          unsafe fields[count] = Callbacks.field(name ?? line, nameCount, value, stop - value)
          if unsafe name != nil {
            unsafe fields[count].flags = UInt8(
              truncatingIfNeeded: NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue)
          }
          count &+= 1
        }
        unsafe line = feed + 1
      }
      return (count, isInterim)
    }
  }

  /// Sends fields behind the body of a response (RFC 9113 §8.1): whole lines `name: value CR LF`.
  /// To be said before the body has said that it is at its end. False if the stream is over.
  @discardableResult
  package func setTrailers(_ lines: RawSpan, of stream: HTTP2Stream) -> Bool {
    guard !isBroken, failure == nil, let slot = slot(of: stream), lines.byteCount > 0 else {
      return false
    }
    // As a head, which is what they are parsed as.
    let buffer = ByteBuffer(capacity: lines.byteCount + 32)
    buffer.append("HTTP/1.1 200 OK\r\n")
    buffer.append(lines)
    buffer.append("\r\n")
    responseTrailers[slot] = buffer
    return true
  }

  /// The body is at its end: orders its trailers; false if it has none.
  func submitTrailers(_ slot: Int) -> Bool {
    guard !responseTrailers.isEmpty, let lines = responseTrailers.removeValue(forKey: slot) else {
      return false
    }
    // The fields of the last head are overwritten.
    unsafe workspace.parsedFieldCount = 0
    guard let (count, _) = parse(lines), count > 1 else { return false }
    return unsafe nghttp2_submit_trailer(
      session, streams[slot].id, workspace.fields + 1, count - 1) == 0
  }

  /// The stream's body has something again after `.deferred`. False if nothing was waiting.
  @discardableResult
  package func resume(_ stream: HTTP2Stream) -> Bool {
    guard !isBroken, let slot = slot(of: stream), streams[slot].isDeferred else { return false }
    streams[slot].isDeferred = false
    let result = unsafe nghttp2_session_resume_data(session, stream.id)
    // No data waits any more: the stream is about to end.
    guard result != NGHTTP2_ERR_INVALID_ARGUMENT.rawValue else { return false }
    return check(result)
  }

  /// Ends one stream at once. False if it is over.
  @discardableResult
  package func reset(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) -> Bool {
    guard !isBroken, failure == nil, let slot = slot(of: stream) else { return false }
    streams[slot].isResetByUs = true
    dropBody(slot)
    return check(
      unsafe nghttp2_submit_rst_stream(
        session, UInt8(NGHTTP2_FLAG_NONE.rawValue), stream.id, code.rawValue))
  }

  /// Sets a stream's priority (RFC 9218) in place of the client's wish, as a Priority field of the
  /// response does. `urgency`: 0 (first) … 7.
  package func prefer(_ stream: HTTP2Stream, urgency: Int, isIncremental: Bool) {
    guard !isBroken, failure == nil, slot(of: stream) != nil else { return }
    var priority = nghttp2_extpri(
      urgency: UInt32(min(max(urgency, 0), 7)), inc: isIncremental ? 1 : 0)
    check(
      unsafe nghttp2_session_change_extpri_stream_priority(session, stream.id, &priority, 1))
  }
}
