// Which responses may be compressed, and what becomes of their fields.

@testable import HTTP
import Testing

private func response(_ status: UInt16, _ fields: [String], byteCount: Int64? = nil)
  -> CodedResponse
{
  var response = CodedResponse(status: status, byteCount: byteCount)
  for field in fields {
    let parts = field.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    response.note(
      name: bytes(String(parts[0])).rawSpan,
      value: bytes(String(parts[1]).trimmed).rawSpan)
  }
  return response
}

extension String {
  fileprivate var trimmed: String { String(drop { $0 == " " }) }
}

@Suite struct `a response to be compressed` {
  @Test(
    arguments: [
      (200, [], nil, nil), (404, ["Content-Type: text/html"], nil, nil),
      (500, ["Cache-Control: no-cache, max-age=0"], 1000, nil),
      (204, [], nil, CodingRefusal.status), (304, [], nil, .status), (206, [], nil, .status),
      (205, [], nil, .status), (101, [], nil, .status),
      (200, ["Content-Encoding: gzip"], nil, .coded),
      (200, ["content-encoding: identity, aes128gcm"], nil, .coded),
      (200, ["Content-Encoding: identity"], nil, nil),
      (200, ["Cache-Control: max-age=1, No-Transform"], nil, .noTransform),
      (200, ["Cache-Control: max-age=1", "Cache-Control: no-transform"], nil, .noTransform),
      (200, ["Cache-Control: no-transformers"], nil, nil),
      (200, ["Content-Range: bytes 0-1/2"], nil, .partial),
      (200, [], 255, .small), (200, [], 256, nil), (200, [], 0, .small),
    ] as [(UInt16, [String], Int64?, CodingRefusal?)])
  func `is refused for what its head says`(
    status: UInt16, fields: [String], byteCount: Int64?, refusal: CodingRefusal?
  ) {
    let response = response(status, fields, byteCount: byteCount)
    #expect(response.refusal(byteCountMin: 256, asksForRange: false) == refusal)
    #expect(response.refusal(byteCountMin: 256, asksForRange: true) == refusal ?? .range)
  }

  @Test(arguments: [
    ("text/html", "text/html"), (" Text/HTML ;charset=utf-8", "text/html"), ("", ""), (";", ""),
  ]) func `has a media type without parameters`(value: String, type: String) {
    #expect(text(response(200, ["Content-Type:\(value)"]).mediaType) == type)
  }

  @Test(arguments: [
    ("Content-Length", true), ("content-md5", true), ("Accept-Ranges", true), ("Digest", true),
    ("Repr-Digest", true), ("Content-Digest", true), ("Content-Type", false), ("ETag", false),
  ]) func `loses the fields that are about its bytes`(name: String, isDropped: Bool) {
    #expect(CodedResponse.drops(bytes(name).rawSpan) == isDropped)
  }

  @Test(arguments: [
    ("Accept-Encoding", true), ("Cookie, accept-encoding", true), ("*", true), ("Cookie", false),
    ("", false), ("X-Accept-Encoding", false),
  ]) func `varies already or not`(value: String, varies: Bool) {
    #expect(CodedResponse.varies(bytes(value).rawSpan) == varies)
  }
}

@Suite struct `the entity tag of a coded response` {
  @Test(arguments: [
    ("\"a\"", ContentCoding.gzip, "W/\"a-gzip\""), ("W/\"a\"", .br, "W/\"a-br\""),
    ("\"\"", .zstd, "W/\"-zstd\""), ("\"a\"", .identity, "\"a\""), ("a", .gzip, "a"),
    ("", .gzip, ""), ("\"", .gzip, "\""),
  ]) func `has a suffix`(tag: String, coding: ContentCoding, coded: String) {
    #expect(text(EntityTag.adding(coding, to: bytes(tag))) == coded)
  }

  @Test(arguments: [
    ("\"a-gzip\"", "\"a-gzip\", \"a\""),
    ("W/\"a-br\" , \"b\"", "W/\"a-br\" , \"b\", \"a\", W/\"a\""),
    ("\"a\"", "\"a\""), ("*", "*"), ("", ""), ("\"a-zstd\", junk", "\"a-zstd\", junk"),
    ("\"-gzip\"", "\"-gzip\", \"\""), ("\"gzip\"", "\"gzip\""),
  ]) func `is told to the application without it too`(list: String, told: String) {
    var value: [UInt8] = []
    EntityTag.list(bytes(list).rawSpan, addingUncodedTo: &value)
    #expect(text(value) == told)
  }
}

@Suite struct `codings of equal weight` {
  @Test(arguments: [
    ("gzip, br, zstd", false, ContentCoding.br), ("gzip, br, zstd", true, .zstd),
    ("gzip, br", true, .br), ("gzip", true, .gzip), ("", true, .identity),
    ("zstd;q=0.5, br;q=0.9, gzip", true, .gzip), ("identity, gzip;q=0.5", true, .identity),
    ("gzip;q=0", true, .identity), ("*", true, .zstd),
  ]) func `are taken from the cheapest when they are made here`(
    value: String, isMadeHere: Bool, coding: ContentCoding
  ) {
    let available: ContentCodings =
      isMadeHere ? [.madeHere, .gzip, .br, .zstd] : [.gzip, .br, .zstd]
    #expect(AcceptEncoding.negotiate(bytes(value).rawSpan, available: available) == coding)
  }
}
