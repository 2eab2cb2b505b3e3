// How variants are told apart: by fields of requests, and by the coding that is made here.

import HTTP
import Platform
import Testing

@testable import Worker

@Suite struct `selectors of variants` {
  private static let offered: ContentCodings = [.madeHere, .gzip, .br, .zstd]

  private func selector(
    _ fields: [String], method: String = "GET", names: [[UInt8]]? = nil
  ) throws -> [UInt8] {
    let text =
      (["\(method) /a HTTP/1.1", "Host: a"] + fields + ["", ""]).joined(separator: "\r\n")
    let bytes = Array(text.utf8)
    var head = RequestHead()
    guard case .complete = RequestParser().parse(bytes.rawSpan, into: &head) else {
      throw Malformed()
    }
    return VarySelector.bytes(
      names: names ?? [CodingSelector.name(Self.offered)], head, in: bytes.rawSpan)
  }

  private struct Malformed: Error {}

  @Test func `one for each coding, however it is asked for`() throws {
    let zstd = try selector(["Accept-Encoding: gzip, br, zstd"])
    #expect(try selector(["Accept-Encoding: *"]) == zstd)
    #expect(try selector(["Accept-Encoding: gzip;q=0, *"]) == zstd)
    let plain = try selector([])
    #expect(plain != zstd)
    #expect(try selector(["Accept-Encoding: identity"]) == plain)
    #expect(try selector(["Accept-Encoding: gzip", "Range: bytes=0-1"]) == plain)
    #expect(try selector(["Accept-Encoding: gzip", "Cache-Control: no-transform"]) == plain)
    let head = try selector(["Accept-Encoding: gzip", "Range: bytes=0-1"], method: "HEAD")
    #expect(try head == selector(["Accept-Encoding: gzip"]), "a Range is for GET")
  }

  @Test func `the name of what is offered is no field's, and is read back`() throws {
    let name = CodingSelector.name(Self.offered)
    #expect(CodingSelector.offered(name) == Self.offered)
    #expect(CodingSelector.offered(Array("accept-encoding".utf8)) == nil)
    let names = [name, Array("origin".utf8)]
    let made = try selector(["Origin: x", "Accept-Encoding: br"], names: names)
    #expect(VarySelector.names(in: made) == names)
    #expect(VarySelector.values(in: made) == [Array("br".utf8), Array("x".utf8)])
  }
}
