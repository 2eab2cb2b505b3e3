// 32: the Swift library and the Python example put and get.

import Foundation
import Ring3App
import TestSupport
import Testing

extension ServerTests.`32 applications put and get what is kept of their URLs` {
  @Test func `by the Swift library`() throws {
    let server = try TestServer(Self.configuration)
    let claim = try Claim(
      .init(prefixes: ["http://+:\(server.port)/shop/"], queue: "shop"), at: server.socket)
    let session = try #require(claim.session)
    let url = Self.url(server, "/shop/a")
    #expect(try session.get(url) == nil)
    try session.put(url, answer: Array(Self.answer("put").utf8), keep: .untilInvalidated)
    #expect(try server.get("/shop/a").text == "put")
    let whole = try #require(try session.get(url))
    #expect(String(decoding: whole.head, as: UTF8.self).hasPrefix("HTTP/1.1 200 OK\r\n"))
    #expect(whole.body == Array("put".utf8) && whole.bodyByteCount == 3)
    #expect(try session.get(url, range: 1..<2)?.body == Array("u".utf8))
    let large = [UInt8](repeating: 0x78, count: 900_000)
    try session.putFragment(url, large)
    #expect(try session.getFragment(url)?.body == large)
    #expect(try session.getFragment(url, range: 899_999..<900_001)?.body == [0x78])
    try session.deleteFragment(url)
    #expect(try session.getFragment(url) == nil)
    try session.invalidate(url, hard: true)
    #expect(try session.get(url) == nil)
    try session.put(
      url, answer: Array(Self.answer("in German", "Vary: Accept-Language").utf8),
      keep: .seconds(60), requestFields: ["Accept-Language: de"])
    #expect(try server.get("/shop/a", fields: ["Accept-Language: de"]).text == "in German")
    #expect(try session.get(url, requestFields: ["Accept-Language: de"]) != nil)
    #expect(try session.get(url) == nil)
    func failure(_ body: () throws(ControlError) -> Void) -> ControlError? {
      do { try body() } catch { return error }
      return nil
    }
    let refused = failure { () throws(ControlError) in
      try session.put(url, answer: Array("nonsense".utf8))
    }
    #expect(refused?.kind == .refused && refused?.message.hasSuffix("malformed") == true)
    let foreign = failure { () throws(ControlError) in
      try session.put(Self.url(server, "/"), answer: Array(Self.answer("x").utf8))
    }
    #expect(foreign?.kind == .notAllowed)
    let long = failure { () throws(ControlError) in
      try session.putFragment(url, [UInt8](repeating: 0, count: 3 << 20))
    }
    #expect(long?.message.hasSuffix("too-large") == true)
    #expect(
      Fragments.fieldValue([.fragment("/a\"b"), .bytes(3), .fragment("/c", range: 1..<4)])
        == "\"/a\\\"b\", 3, \"/c\";from=1;length=3")
    try session.invalidate(tags: ["x"])
  }

  @Test func `by the Python example`() throws {
    let server = try TestServer(Self.configuration)
    server.directory.write(
      """
      import sys
      sys.path.insert(0, sys.argv[1])
      import ring3
      claim = ring3.Claim("shop", [f"http://+:{sys.argv[3]}/shop/"], sys.argv[2])
      session, url = claim.session, f"http://localhost:{sys.argv[3]}/shop/a"
      answer = b"HTTP/1.1 200 OK\\r\\nContent-Length: 3\\r\\n\\r\\nput"
      assert session.get(url) is None
      session.put(url, answer, "seconds:600")
      head, body = session.get(url)
      assert head.startswith(b"HTTP/1.1 200 OK\\r\\n") and body == b"put"
      assert session.get(url, "--from=1")[1] == b"ut"
      session.put_fragment(url, b"x" * 500000)
      assert session.get_fragment(url) == b"x" * 500000
      session.delete_fragment(url)
      assert session.get_fragment(url) is None
      for bad in [b"nonsense", b"x" * 3000000]:
          try: session.put(url, bad, "seconds:600")
          except ring3.Refused as refused: print(refused)
      """, to: "put.py")
    let examples = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("etc/examples").path
    let program = try ChildProgram(
      [
        "/usr/bin/python3", "-B", server.directory.path("put.py"), examples,
        server.directory.path("ring3d.sock"), "\(server.port)",
      ], outputPath: server.directory.path("said"))
    #expect(program.wait(milliseconds: 20_000) == .exited(0), "\(server.directory.read("said"))")
    #expect(server.directory.read("said") == "malformed\ntoo-large\n")
  }
}
