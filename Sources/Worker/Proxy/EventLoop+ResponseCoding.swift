// Compressing an application's response on its way: for this client, and for the cache's variant.

import Coding
import Configuration
import HTTP
import Platform

/// A response that is compressed while it passes. The encoder goes back to its pool with it.
final class ResponseCoding {
  let coding: ContentCoding
  let encoder: BodyEncoder
  private let pool: EncoderPool

  init?(_ coding: ContentCoding, level: Int, byteCountHint: Int?, pool: EncoderPool) {
    guard let encoder = pool.take(coding, level: level, byteCountHint: byteCountHint) else {
      return nil
    }
    self.coding = coding
    self.encoder = encoder
    self.pool = pool
  }

  deinit { pool.give(encoder) }
}

extension EventLoop {
  /// Decides from a response's head whether it is compressed for this client.
  func chooseCoding(_ bytes: RawSpan, _ forwarding: Forwarding) {
    let exchange = forwarding.exchange
    guard !exchange.settings.value.compression.codings.isEmpty else { return }
    if forwarding.response.status == 304 { return nameCoding(bytes, forwarding) }
    let settings = exchange.settings.value.compression
    let response = forwarding.response
    var coded = CodedResponse(
      status: UInt16(response.status), byteCount: response.contentLength.map { Int64($0) })
    forEachField(of: response, in: bytes) { name, value, _ in coded.note(name: name, value: value) }
    let offered = settings.codings(mediaType: coded.mediaType)
    guard !offered.isEmpty,
      coded.refusal(byteCountMin: settings.byteCountMin, asksForRange: false) == nil
    else { return }
    // Also when it goes as it is: another client would get it compressed.
    forwarding.codingsOffered = offered
    guard exchange.head.method.isRetrieval else { return }
    let requestBytes = exchange.bytes
    let coding = CodingSelector.coding(offered, exchange.head, in: requestBytes.rawSpan)
    guard coding != .identity else { return }
    if exchange.head.method == .get {
      forwarding.coding = ResponseCoding(
        coding, level: settings.level(coding),
        byteCountHint: response.contentLength.map { Int(clamping: $0) },
        pool: compressions.encoders)
      guard forwarding.coding != nil else { return }
    }
    forwarding.codingNamed = coding
  }

  /// A 304 that the application gives to a client has the fields that its 200 would have (RFC 9110
  /// §15.4.5): of the compressed form, if it is that which the client has.
  private func nameCoding(_ bytes: RawSpan, _ forwarding: Forwarding) {
    let exchange = forwarding.exchange
    guard !forwarding.caching.isForCache else { return }
    for (_, coding) in exchange.settings.value.compression.codings {
      forwarding.codingsOffered.formUnion(ContentCodings(coding.contentCoding))
    }
    forwarding.codingsOffered.formUnion(.madeHere)
    var tag: [UInt8] = []
    forEachField(of: forwarding.response, in: bytes) { name, value, _ in
      if FieldName.equal(name, "etag") { tag = value.array }
    }
    let requestBytes = exchange.bytes
    let span = requestBytes.rawSpan
    guard !tag.isEmpty, let known = exchange.head.joinedValue(of: .ifNoneMatch, in: span) else {
      return
    }
    let preferred = CodingSelector.coding(forwarding.codingsOffered, exchange.head, in: span)
    let others = ContentCoding.allCases.filter(forwarding.codingsOffered.contains)
    forwarding.codingNamed =
      ([preferred] + others).first { coding in
        let coded = EntityTag.adding(coding, to: tag)
        return EntityTag.list(known.rawSpan, contains: coded.rawSpan, strongly: false)
      } ?? .identity
  }

  /// The fields of a response that is, or for others would be, compressed.
  func addCoding(_ fields: inout ResponseFields, _ forwarding: Forwarding) {
    guard forwarding.codingVaries else { return }
    let isVaried = fields.fields.contains {
      ASCIICase.same($0.name, "Vary") && CodedResponse.varies($0.value.rawSpan)
    }
    if !isVaried { fields.add("Vary", "Accept-Encoding") }
    let coding = forwarding.codingNamed
    guard coding != .identity else { return }
    if let tag = fields.value(of: "ETag") { fields.set("ETag", EntityTag.adding(coding, to: tag)) }
    guard forwarding.response.status != 304 else { return }
    for field in fields.fields where CodedResponse.drops(Array(field.name.utf8).rawSpan) {
      fields.remove(field.name)
    }
    fields.set("Content-Encoding", Array("\(coding.token)".utf8))
  }

  /// The compressed form of what has come of a body; nil when that failed. A trickle is flushed, so
  /// that the client sees what the application has said so far.
  func code(
    _ coding: ResponseCoding, _ buffer: ByteBuffer, _ parts: BodyParts, isEnd: Bool
  ) -> ByteBuffer? {
    let count = parts.byteCount
    let output = ByteBuffer(
      capacity: BodyEncoder.outputBytesMax(count) + Limits.codingRoomBytes)
    let last: EncodingGoal = isEnd ? .end : count < Limits.trickleBytesMax ? .flush : .more
    for (index, range) in parts.enumerated() {
      let goal = index == parts.count - 1 ? last : .more
      guard code(coding, buffer.bytes.extracting(range), goal, output) else { return nil }
    }
    if parts.isEmpty, last != .more {
      guard code(coding, RawSpan(), last, output) else { return nil }
    }
    return output
  }

  /// False: it failed, or made more of the bytes than it may.
  private func code(
    _ coding: ResponseCoding, _ bytes: RawSpan, _ goal: EncodingGoal, _ output: ByteBuffer
  ) -> Bool {
    var start = 0
    while true {
      let step = coding.encoder.encode(
        bytes.extracting(start..<bytes.byteCount), into: output, goal)
      start += step.consumed
      switch step.outcome {
      case .ready, .done: return start == bytes.byteCount
      case .full, .failed: return false
      }
    }
  }
}
