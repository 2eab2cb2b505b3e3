// The library's calls, each turned into a method of the session it belongs to.

import CNGHTTP2
import Glibc
import Platform

/// C functions that nghttp2 calls; `user` is always the session's address, alive as long as the
/// library's object.
enum Callbacks {
  /// For all sessions; nil only without memory, which ends each session that is made with it.
  static func make() -> OpaquePointer {
    var callbacks: OpaquePointer?
    guard unsafe nghttp2_session_callbacks_new(&callbacks) == 0, let made = unsafe callbacks else {
      fatalError("no memory for HTTP/2's callbacks")
    }
    unsafe setReceiving(made)
    unsafe setSending(made)
    return unsafe made
  }

  @inline(__always)
  private static func session(_ user: UnsafeMutableRawPointer?) -> Unmanaged<HTTP2Session> {
    guard let user = unsafe user else { preconditionFailure("a callback without its session") }
    return unsafe Unmanaged<HTTP2Session>.fromOpaque(user)
  }

  @inline(__always)
  private static func with<Result>(
    _ user: UnsafeMutableRawPointer?, _ body: (HTTP2Session) -> Result
  ) -> Result {
    unsafe session(user)._withUnsafeGuaranteedRef { body($0) }
  }

  private static func has(_ flags: UInt8, _ flag: nghttp2_flag) -> Bool {
    flags & UInt8(truncatingIfNeeded: flag.rawValue) != 0
  }

  private static func setReceiving(_ callbacks: OpaquePointer) {
    unsafe nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks) { _, frame, user in
      guard let frame = unsafe frame?.pointee else { return 0 }
      return unsafe Callbacks.with(user) { session in
        unsafe session.headersBegan(
          frame.hd.stream_id, isRequest: frame.headers.cat == NGHTTP2_HCAT_REQUEST)
        return session.isBroken ? NGHTTP2_ERR_CALLBACK_FAILURE.rawValue : 0
      }
    }
    unsafe nghttp2_session_callbacks_set_on_header_callback(callbacks) {
      _, _, name, nameCount, value, valueCount, _, user in
      guard let name = unsafe name, let value = unsafe value, nameCount > 0 else {
        return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue
      }
      return unsafe Callbacks.with(user) { session in
        guard session.assembly.slot >= 0 else { return 0 }
        unsafe session.gather(
          RawSpan(_unsafeStart: name, byteCount: nameCount),
          RawSpan(_unsafeStart: value, byteCount: valueCount))
        return session.failure == nil ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE.rawValue
      }
    }
    // Without this, fields with bytes that do not belong would be left out without a word
    // (RFC 9113 §8.2.1 wants the request refused).
    unsafe nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks) {
      _, _, _, _, _, _, _, _ in NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue
    }
    unsafe nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks) {
      _, flags, id, data, count, user in
      guard let data = unsafe data else { return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue }
      return unsafe Callbacks.with(user) { session in
        unsafe session.dataCame(
          id, RawSpan(_unsafeStart: data, byteCount: count),
          isLastFrame: Callbacks.has(flags, NGHTTP2_FLAG_END_STREAM))
        return session.isBroken ? NGHTTP2_ERR_CALLBACK_FAILURE.rawValue : 0
      }
    }
    unsafe nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks) { _, frame, user in
      guard let frame = unsafe frame?.pointee else { return 0 }
      return unsafe Callbacks.with(user) { session in
        unsafe Callbacks.frameCame(frame, session)
        return session.isBroken ? NGHTTP2_ERR_CALLBACK_FAILURE.rawValue : 0
      }
    }
    unsafe nghttp2_session_callbacks_set_on_stream_close_callback(callbacks) {
      _, id, code, user in
      unsafe Callbacks.with(user) { session in
        session.streamClosed(id, code: code)
        return 0
      }
    }
  }

  private static func frameCame(_ frame: nghttp2_frame, _ session: HTTP2Session) {
    let head = unsafe frame.hd
    let endsStream = has(head.flags, NGHTTP2_FLAG_END_STREAM)
    switch UInt32(head.type) {
    case NGHTTP2_HEADERS.rawValue: session.headersEnded(endsStream: endsStream)
    case NGHTTP2_DATA.rawValue:
      unsafe session.dataFrameCame(
        head.stream_id, contentBytes: head.length - frame.data.padlen,
        isPadded: frame.data.padlen > 0, endsStream: endsStream)
    case NGHTTP2_SETTINGS.rawValue:
      if has(head.flags, NGHTTP2_FLAG_ACK) { session.settingsAcknowledged = true }
    case NGHTTP2_RST_STREAM.rawValue: session.counters.resetsReceived += 1
    case NGHTTP2_GOAWAY.rawValue: session.peerIsLeaving = true
    default: break
    }
  }

  private static func setSending(_ callbacks: OpaquePointer) {
    unsafe nghttp2_session_callbacks_set_send_data_callback(callbacks) {
      _, _, head, _, _, user in
      guard let head = unsafe head else { return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue }
      return unsafe Callbacks.with(user) { unsafe $0.sendData(head) }
    }
    unsafe nghttp2_session_callbacks_set_on_frame_send_callback(callbacks) { _, frame, user in
      guard let frame = unsafe frame?.pointee else { return 0 }
      return unsafe Callbacks.with(user) { session in
        let head = unsafe frame.hd
        switch UInt32(head.type) {
        case NGHTTP2_HEADERS.rawValue, NGHTTP2_DATA.rawValue:
          session.responseFrameSent(
            head.stream_id, endsStream: Callbacks.has(head.flags, NGHTTP2_FLAG_END_STREAM))
        case NGHTTP2_RST_STREAM.rawValue: session.resetSent(head.stream_id)
        case NGHTTP2_GOAWAY.rawValue: unsafe session.goAwaySent(frame.goaway.error_code)
        default: break
        }
        return session.isBroken ? NGHTTP2_ERR_CALLBACK_FAILURE.rawValue : 0
      }
    }
    unsafe nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks) {
      _, frame, _, user in
      guard let head = unsafe frame?.pointee.hd else { return 0 }
      return unsafe Callbacks.with(user) { session in
        if UInt32(head.type) == NGHTTP2_HEADERS.rawValue { session.headersNotSent(head.stream_id) }
        return session.isBroken ? NGHTTP2_ERR_CALLBACK_FAILURE.rawValue : 0
      }
    }
  }

  /// Where the library asks for a body; the slot is in the source.
  static let readBody: nghttp2_data_source_read_callback = {
    _, _, _, length, flags, source, user in
    guard let flags = unsafe flags, let source = unsafe source else {
      return Int(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue)
    }
    return unsafe Callbacks.with(user) { session in
      var end = HTTP2Session.BodyEnd.nothing
      let slot = unsafe Int(bitPattern: source.pointee.ptr) &- 1
      let count = session.readBody(slot, upTo: length, end: &end)
      if count >= 0 {
        unsafe flags.pointee |= NGHTTP2_DATA_FLAG_NO_COPY.rawValue
        if end != .nothing { unsafe flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue }
        if end == .ofBody { unsafe flags.pointee |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue }
      }
      return count
    }
  }

  // MARK: Fields

  @inline(__always)
  static var statusName: UnsafeMutablePointer<UInt8> {
    let name: StaticString = ":status"
    return unsafe UnsafeMutablePointer(mutating: name.utf8Start)
  }

  @inline(__always)
  static func field(
    _ name: UnsafeMutablePointer<UInt8>, _ nameCount: Int, _ value: UnsafeMutablePointer<UInt8>,
    _ valueCount: Int
  ) -> nghttp2_nv {
    unsafe nghttp2_nv(
      name: name, value: value, namelen: nameCount, valuelen: valueCount,
      flags: UInt8(truncatingIfNeeded: NGHTTP2_NV_FLAG_NONE.rawValue))
  }

  /// The spelling on the wire of a field name that most answers have, which stays where it is for
  /// ever: the library need not copy it letter by letter. nil for any other.
  static func lasting(
    _ name: UnsafeMutablePointer<UInt8>, _ count: Int
  ) -> UnsafeMutablePointer<UInt8>? {
    let known: StaticString
    switch (count, unsafe name[0] | 0x20) {
    case (4, UInt8(ascii: "d")): known = "date"
    case (4, UInt8(ascii: "e")): known = "etag"
    case (4, UInt8(ascii: "v")): known = "vary"
    case (6, UInt8(ascii: "s")): known = "server"
    case (7, UInt8(ascii: "e")): known = "expires"
    case (12, UInt8(ascii: "c")): known = "content-type"
    case (13, UInt8(ascii: "a")): known = "accept-ranges"
    case (13, UInt8(ascii: "c")): known = "cache-control"
    case (13, UInt8(ascii: "l")): known = "last-modified"
    case (14, UInt8(ascii: "c")): known = "content-length"
    default: return nil
    }
    guard
      unsafe strncasecmp(
        UnsafeRawPointer(name).assumingMemoryBound(to: CChar.self),
        UnsafeRawPointer(known.utf8Start).assumingMemoryBound(to: CChar.self), count) == 0
    else { return nil }
    return unsafe UnsafeMutablePointer(mutating: known.utf8Start)
  }

  /// Whether a field speaks of the connection, so that it has no place here.
  @inline(__always)
  static func isOfConnection(_ name: UnsafeMutablePointer<UInt8>, _ count: Int) -> Bool {
    func spells(_ literal: StaticString) -> Bool {
      unsafe strncasecmp(
        UnsafeRawPointer(name).assumingMemoryBound(to: CChar.self),
        UnsafeRawPointer(literal.utf8Start).assumingMemoryBound(to: CChar.self), count) == 0
    }
    switch count {
    case 7: return spells("upgrade")
    case 10: return spells("connection") || spells("keep-alive")
    case 16: return spells("proxy-connection")
    case 17: return spells("transfer-encoding")
    default: return false
    }
  }
}
