// Dates, entity tags, preconditions and ranges.

@testable import HTTP
import Testing

private let sample: Int64 = 784_111_777

private func date(_ value: String, now: Int64 = 1_700_000_000) -> Int64? {
  HTTPDate.parse(bytes(value).rawSpan, now: now)
}

private func written(_ seconds: Int64) -> String {
  var out: [UInt8] = []
  HTTPDate.append(seconds, to: &out)
  return text(out)
}

@Suite struct HTTPDateTests {
  @Test(arguments: [
    "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
  ])
  func `the three forms of RFC 9110 5.6.7 mean the same`(form: String) {
    #expect(date(form) == sample)
  }

  @Test(arguments: [
    "", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC",
    "Sun, 06 Nov 1994 08:49:37 GMTT",
    "Sun, 6 Nov 1994 08:49:37 GMT", "sun, 06 Nov 1994 08:49:37 GMT",
    "Sun, 06 nov 1994 08:49:37 GMT",
    "Sun, 31 Nov 1994 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT",
    "Sun, 29 Feb 1900 08:49:37 GMT",
    "Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 Nov 1994 08:60:00 GMT",
    "Sun, 06 Nov 1994 08:49:61 GMT",
    "Sun, 06 Nov 1994 08:49:37 +0000", "Sun, 06 Nov 1994 08:49:37 GxT",
    "Xxx, 06 Nov 1994 08:49:37 GMT",
    "Sundy, 06-Nov-94 08:49:37 GMT", "Sunday, 06-Nov-1994 08:49:37 GMT", "Sun Nov 6 08:49:37 1994 ",
    "784111777", "0", "Sun, 0\u{e9} Nov 1994 08:49:37 GMT",
  ])
  func `anything else is no date`(form: String) {
    #expect(date(form) == nil)
  }

  @Test func `a two-digit year is at most fifty years ahead`() {
    #expect(date("Friday, 01-Jan-99 00:00:00 GMT") == 915_148_800)
    #expect(date("Friday, 01-Jan-73 00:00:00 GMT").map(written)?.contains("2073") == true)
    #expect(date("Friday, 01-Jan-74 00:00:00 GMT").map(written)?.contains("1974") == true)
  }

  @Test func `every date that is written is read back`() {
    #expect(written(0) == "Thu, 01 Jan 1970 00:00:00 GMT")
    #expect(written(sample) == "Sun, 06 Nov 1994 08:49:37 GMT")
    #expect(written(951_782_400) == "Tue, 29 Feb 2000 00:00:00 GMT")
    #expect(written(.min) == "Sat, 01 Jan 0000 00:00:00 GMT")
    #expect(written(.max) == "Fri, 31 Dec 9999 23:59:59 GMT")
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededGenerator(state: seed)
    for _ in 0..<5000 {
      let second = Int64.random(in: -62_167_219_200...253_402_300_799, using: &generator)
      #expect(date(written(second)) == second, "seed \(seed)")
    }
  }
}

private func conditions(
  _ fields: String, method: String = "GET", tag: String? = "\"a\"", modified: Int64? = sample,
  now: Int64 = 1_700_000_000
) -> PreconditionResult? {
  let message = "\(method) / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n"
  guard let head = parsedHead(message) else { return nil }
  let validators = tag.map { Validators(entityTag: bytes($0), lastModified: modified) }
  return Preconditions.evaluate(
    head, in: bytes(message).rawSpan, validators: validators, now: now)
}

private let same = "Sun, 06 Nov 1994 08:49:37 GMT"
private let before = "Sun, 06 Nov 1994 08:49:36 GMT"
private let go = PreconditionResult.proceed(rangeAllowed: true)
private let whole = PreconditionResult.proceed(rangeAllowed: false)

@Suite struct PreconditionTests {
  @Test(arguments: [
    ("", go),
    // 13.1.1 If-Match: strong comparison.
    ("If-Match: *\r\n", go), ("If-Match: \"a\"\r\n", go), ("If-Match: \"x\", \"a\"\r\n", go),
    ("If-Match: \"x\"\r\nIf-Match: \"a\"\r\n", go), ("If-Match: \"x\"\r\n", .failed),
    ("If-Match: W/\"a\"\r\n", .failed), ("If-Match: a\r\n", .failed), ("If-Match:\r\n", .failed),
    // 13.1.2 If-None-Match: weak comparison.
    ("If-None-Match: *\r\n", .notModified), ("If-None-Match: W/\"a\"\r\n", .notModified),
    ("If-None-Match: \"x\" , ,\"a\"\r\n", .notModified), ("If-None-Match: \"x\"\r\n", go),
    ("If-None-Match: \"a\r\n", go), ("If-None-Match: \"x\"\"a\"\r\n", go),
    // 13.1.3 If-Modified-Since: ignored beside If-None-Match, when malformed, when repeated.
    ("If-Modified-Since: \(same)\r\n", .notModified), ("If-Modified-Since: \(before)\r\n", go),
    ("If-Modified-Since: x\r\n", go),
    ("If-Modified-Since: \(same)\r\nIf-None-Match: \"x\"\r\n", go),
    ("If-Modified-Since: \(same)\r\nIf-Modified-Since: \(same)\r\n", go),
    // 13.1.4 If-Unmodified-Since: ignored beside If-Match.
    ("If-Unmodified-Since: \(same)\r\n", go), ("If-Unmodified-Since: \(before)\r\n", .failed),
    ("If-Unmodified-Since: \(before)\r\nIf-Match: \"a\"\r\n", go),
    // 13.1.5 If-Range.
    ("If-Range: \"x\"\r\n", go), ("Range: bytes=0-\r\n", go),
    ("Range: bytes=0-\r\nIf-Range: \"a\"\r\n", go),
    ("Range: bytes=0-\r\nIf-Range: \"x\"\r\n", whole),
    ("Range: bytes=0-\r\nIf-Range: W/\"a\"\r\n", whole),
    ("Range: bytes=0-\r\nIf-Range: \(same)\r\n", go),
    ("Range: bytes=0-\r\nIf-Range: \(before)\r\n", whole),
    ("Range: bytes=0-\r\nIf-Range: x\r\n", whole),
    // 13.2.2: If-Match comes first, If-Range last.
    ("If-Match: \"x\"\r\nIf-None-Match: \"a\"\r\n", .failed),
    ("If-Match: \"a\"\r\nIf-None-Match: \"a\"\r\n", .notModified),
    ("If-None-Match: \"a\"\r\nRange: bytes=0-\r\nIf-Range: \"x\"\r\n", .notModified),
  ])
  func `preconditions of a GET are evaluated in the order of RFC 9110 13.2.2`(
    fields: String, expected: PreconditionResult
  ) {
    #expect(conditions(fields) == expected)
  }

  @Test func `other methods and missing representations differ`() {
    #expect(conditions("If-None-Match: \"a\"\r\n", method: "HEAD") == .notModified)
    #expect(conditions("If-None-Match: \"a\"\r\n", method: "PUT") == .failed)
    #expect(conditions("If-Modified-Since: \(same)\r\n", method: "PUT") == go)
    #expect(conditions("If-Match: *\r\n", tag: nil) == .failed)
    #expect(conditions("If-None-Match: *\r\n", tag: nil) == go)
    #expect(conditions("If-Match: \"a\"\r\n", tag: "W/\"a\"") == .failed)
    #expect(conditions("If-Range: \(same)\r\nRange: bytes=0-\r\n", now: sample) == whole)
    #expect(conditions("If-Modified-Since: \(same)\r\n", modified: nil) == go)
  }
}

private func ranges(_ value: String, _ size: UInt64 = 1000) -> String {
  switch ByteRanges.resolve(bytes(value).rawSpan, size: size) {
  case .ignored: "ignored"
  case .unsatisfiable: "416"
  case .single(let range): "\(range.first)-\(range.last)"
  case .multiple(let ranges): ranges.map { "\($0.first)-\($0.last)" }.joined(separator: "+")
  }
}

@Suite struct ByteRangeTests {
  @Test(
    arguments: [
      ("bytes 0-9/1000", 1000), ("Bytes 0-9/5000000000", 5_000_000_000), ("bytes */7", 7),
      ("bytes 0-9/*", nil), ("bytes 0-9", nil), ("bytes 0-9/", nil), ("items 0-9/10", nil),
      ("bytes 0-9/1x", nil), ("", nil), ("bytes ", nil),
    ] as [(String, UInt64?)])
  func `the whole of which a part is`(value: String, size: UInt64?) {
    #expect(ByteRanges.completeLength(Array(value.utf8).rawSpan) == size)
  }

  @Test(arguments: [
    ("bytes=0-0", "0-0"), ("bytes=0-", "0-999"), ("bytes=500-9999", "500-999"),
    ("bytes=-1", "999-999"),
    ("bytes=-5000", "0-999"), ("Bytes=999-", "999-999"), ("bytes=1000-", "416"),
    ("bytes=-0", "416"),
    ("bytes=0-1,5-6", "0-1+5-6"), ("bytes= 0-1 , ,5-6", "0-1+5-6"), ("bytes=0-1,2000-", "0-1"),
    ("bytes=5-6,0-1", "5-6+0-1"), ("bytes=99999999999999999999999-", "416"),
    ("bytes=0-99999999999999999999999", "0-999"), ("bytes=2-1", "ignored"), ("bytes=", "ignored"),
    ("bytes=,", "ignored"), ("bytes=a-b", "ignored"), ("bytes=1", "ignored"),
    ("bytes=--1", "ignored"),
    ("bytes=1-2-3", "ignored"), ("bytes=+1-2", "ignored"), ("items=0-1", "ignored"),
    ("bytes 0-1", "ignored"),
  ])
  func `a range is resolved against the size`(value: String, expected: String) {
    #expect(ranges(value) == expected)
  }

  @Test func `an empty file satisfies no range`() {
    #expect(ranges("bytes=0-", 0) == "416")
    #expect(ranges("bytes=-1", 0) == "416")
  }

  @Test func `abusive ranges are ignored`() {
    let many = (0..<201).map { "\($0 * 3)-\($0 * 3)" }.joined(separator: ",")
    #expect(ranges("bytes=" + many) == "ignored")
    #expect(ranges("bytes=" + String(repeating: "0-,", count: 30)) == "ignored")
    let reversed = (0..<40).map { "\(900 - $0 * 3)-\(900 - $0 * 3)" }.joined(separator: ",")
    #expect(ranges("bytes=" + reversed) == "ignored")
  }

  @Test func `the announced length of a multipart body is its length`() {
    let list = [ByteRange(first: 0, last: 9), ByteRange(first: 90, last: 99)]
    let type = bytes("text/plain")
    let boundary = bytes("b0unda7y")
    var body: [UInt8] = []
    for range in list {
      ByteRanges.appendPartHead(
        range, size: 100, contentType: type, boundary: boundary, to: &body)
      body += [UInt8](repeating: 0x78, count: Int(range.byteCount))
    }
    ByteRanges.appendPartsEnd(boundary: boundary, to: &body)
    #expect(
      text(body)
        == "\r\n--b0unda7y\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-9/100\r\n\r\n"
        + "xxxxxxxxxx\r\n--b0unda7y\r\nContent-Type: text/plain\r\n"
        + "Content-Range: bytes 90-99/100\r\n\r\nxxxxxxxxxx\r\n--b0unda7y--\r\n")
    #expect(
      ByteRanges.multipartByteCount(list, size: 100, contentType: type, boundary: boundary)
        == UInt64(body.count))
  }
}
