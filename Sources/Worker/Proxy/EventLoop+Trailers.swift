// Fields behind a body, on their way between client and application (RFC 9110 §6.5).
//
// They are passed on to who says that it takes them, without those that would have had to come
// first (§6.5.1) and those that the configuration edits. None is ever merged into a head, and a
// response is stored without them (RFC 9111 §3 allows that).

import Configuration
import HTTP
import HTTP2
import Platform

extension EventLoop {
  /// Whether the client of this response takes trailers.
  func passesTrailers(_ forwarding: Forwarding) -> Bool {
    let exchange = forwarding.exchange
    guard exchange.head.has(.te), exchange.head.minorVersion > 0 else { return false }
    let bytes = exchange.bytes
    return Trailers.areAccepted(exchange.head, in: bytes.rawSpan)
  }

  /// The response has come whole: its trailers, as the last chunk.
  func takeTrailers(_ forwarding: Forwarding) {
    guard case .chunked(let decoder) = forwarding.responseBody, !decoder.trailers.isEmpty else {
      return
    }
    let settings = forwarding.settings.value
    let edits = settings.headerEditsAlways + settings.headerEditsOnSuccess
    let isCoded = forwarding.coding != nil
    var lines: [UInt8] = []
    Trailers.forEachForwarded(in: decoder.trailers.rawSpan) { name, value in
      // A digest of the body is not one of what it became here.
      guard !edits.name(name), !isCoded || !CodedResponse.drops(name) else { return }
      ResponseHead.appendField(name: name, value: value, to: &lines)
    }
    guard !lines.isEmpty else { return }
    forwarding.lastChunk = ByteBuffer(holding: [0x30, 0x0d, 0x0a] + lines + [0x0d, 0x0a])
  }

  /// For a stream of HTTP/2: they leave behind its last frame.
  func submitTrailers(_ forwarding: Forwarding, on stream: RequestStream) {
    guard let chunk = forwarding.lastChunk, let stream = stream as? MultiplexedStream else {
      return
    }
    stream.connection.http2?.session.setTrailers(
      chunk.bytes.extracting(3..<(chunk.count - 2)), of: stream.handle)
  }

  /// What the application announces of them.
  func appendTrailerNames(_ bytes: RawSpan, _ forwarding: Forwarding, to head: inout [UInt8]) {
    guard forwarding.response.framing == .chunked, passesTrailers(forwarding) else { return }
    for number in 0..<forwarding.response.fieldCount {
      let line = forwarding.response.field(at: number)
      if line.known == .trailer {
        ResponseHead.appendField("Trailer", line.value.span(in: bytes), to: &head)
      }
    }
  }

  /// Those of a request that are passed on, as lines.
  func requestTrailers(_ section: [UInt8], _ forwarding: Forwarding) -> [UInt8] {
    let exchange = forwarding.exchange
    let edits = exchange.settings.value.proxy.requestHeaderEdits
    let bytes = exchange.bytes
    let options = ConnectionOptions(exchange.head, in: bytes.rawSpan)
    var lines: [UInt8] = []
    Trailers.forEachForwarded(in: section.rawSpan) { name, value in
      let isOfConnection = options.names(name, in: bytes.rawSpan)
      guard !edits.name(name), !isOfConnection else { return }
      ResponseHead.appendField(name: name, value: value, to: &lines)
    }
    return lines
  }
}

extension [HeaderEdit] {
  /// Whether one of them is about this field.
  fileprivate func name(_ name: RawSpan) -> Bool {
    contains { edit in
      let wanted = Array<UInt8>(edit.name.utf8)
      return FieldName.equal(name, wanted.rawSpan)
    }
  }
}
