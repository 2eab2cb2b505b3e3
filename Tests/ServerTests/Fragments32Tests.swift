// 32: fragments, and answers that are made of them.

import Foundation
import TestSupport
import Testing

extension ServerTests.`32 applications put and get what is kept of their URLs` {
  /// A target whose answer says that it is made of these.
  private func page(_ fragments: String, body: String = "", _ more: String = "") -> String {
    func escape(_ text: String) -> String {
      text.utf8.map { byte in
        let digits = String(byte, radix: 16)
        return "%" + (digits.count == 1 ? "0" : "") + digits
      }.joined()
    }
    return "/shop/page?fragments=\(escape(fragments))&body=\(escape(body))\(more)"
  }

  private func putFragments(
    _ server: TestServer, _ application: ClaimedApplication, _ fragments: [String: String]
  ) throws {
    for (name, text) in fragments {
      #expect(
        try application.put(
          "put-fragment", Self.url(server, name), "--policy=until-invalidated", bytes: text)
          == Self.stored)
    }
  }

  @Test func `answers are made of fragments, byte for byte`() throws {
    let (server, application) = try Self.open("Protocols h2c http/1.1\n" + Self.configuration)
    let large = String(repeating: "0123456789abcdef", count: 20_000)
    try putFragments(
      server, application,
      ["/shop/f/head": "HEAD ", "/shop/f/foot": " FOOT", "/shop/f/large": large, "/shop/f/no": ""])
    let vectors: [(fragments: String, body: String, text: String)] = [
      ("\"/shop/f/head\"", "", "HEAD "),
      ("\"/shop/f/head\", 5, \"/shop/f/foot\"", "hello", "HEAD hello FOOT"),
      ("2, \"/shop/f/no\", 0, \"/shop/f/head\", 3", "hello", "heHEAD llo"),
      ("\"/shop/f/foot\";from=1;length=2, 1, \"/shop/f/foot\";from=5", "x", "FOx"),
      ("\"/shop/f/head\";length=1, \"http://localhost:\(server.port)/shop/f/foot\"", "", "H FOOT"),
      ("\"/shop/f/large\", 1, \"/shop/f/large\"", "-", "\(large)-\(large)"),
      ("3", "own", "own"),
    ]
    let client = try server.openHTTP2()
    for vector in vectors {
      for more in ["", "&chunked=1"] {
        let target = page(vector.fragments, body: vector.body, more)
        let response = try server.get(target)
        #expect(response.status == 200 && response.text == vector.text, "\(vector.fragments)")
        #expect(response["Ring3-Fragments"] == nil)
        #expect(response["Content-Length"] == "\(vector.text.utf8.count)")
        #expect(try client.get(target).text == vector.text)
        #expect(try application.count(target) == 2)
      }
      let head = try server.get(page(vector.fragments, body: vector.body), method: "HEAD")
      #expect(head["Content-Length"] == "\(vector.text.utf8.count)" && head.body.isEmpty)
    }
    // It is kept as any other answer, and a condition or a range is for the whole of it.
    let kept = page("\"/shop/f/head\", 5", body: "hello", "&keep=1")
    for _ in 0..<4 { #expect(try server.get(kept).text == "HEAD hello") }
    #expect(try application.count(kept) == 1)
    #expect(try server.get(kept, fields: ["If-None-Match: \"f\""]).status == 304)
    #expect(try server.get(kept, fields: ["Range: bytes=3-6"]).text == "D he")
    #expect(try server.get("/shop/f/head").text == "one /shop/f/head 1")
    #expect(
      try server.get(page("\"/shop/f/head\", 5", body: "hello"), method: "POST").text
        == "HEAD hello")
  }

  @Test func `the whole is compressed, and kept so`() throws {
    let (server, application) = try Self.open(
      Self.configuration + "AddOutputFilterByType DEFLATE text/plain\n")
    let large = String(repeating: "0123456789abcdef", count: 5_000)
    try putFragments(server, application, ["/shop/f/large": large])
    let target = page("\"/shop/f/large\", 5", body: "hello", "&keep=1")
    for _ in 0..<3 {
      let response = try server.get(target, fields: ["Accept-Encoding: gzip"])
      #expect(response["Content-Encoding"] == "gzip" && response.body.count < 10_000)
      let decoded = ContentDecoder.decode(response.body, coding: "gzip")
      #expect(decoded?.isWhole == true && decoded?.bytes == Array((large + "hello").utf8))
      #expect(try server.get(target).text == large + "hello")
    }
    #expect(try application.count(target) == 2)
  }

  @Test func `what is not there is done without`() throws {
    let (server, application) = try Self.open()
    try putFragments(server, application, ["/shop/f/a": "fragment"])
    for name in [
      "/shop/f/none", "/other/x", "/shop/f/a?x", "http://localhost:1/shop/f/a", "nothing",
    ] {
      let target = page("\"/shop/f/a\", \"\(name)\", 2", body: "xx")
      #expect(try server.get(target).text == "without", "\(name)")
      #expect(try application.count(target) == 2)
      let head = try server.get(target, method: "HEAD")
      #expect(head["Content-Length"] == "7")
      // What may not be done twice is not, and what the client says of fragments is not believed.
      #expect(try server.get(target, method: "POST").status == 502)
      #expect(try server.get(target + "&always=1").status == 502)
    }
    #expect(
      try server.get(
        page("\"/shop/f/a\""), fields: ["Ring3-Fragments: ?0"]
      ).text == "fragment")
    for part in ["\"/shop/f/a\";from=9", "\"/shop/f/a\";from=1;length=8"] {
      #expect(try server.get(page(part)).text == "without")
    }
    // More than may be kept is more than is put together.
    #expect(try server.get(page("1048577", body: "x")).text == "without")
    for wrong in ["", "\"/shop/f/a\", 3", "x", "1.5", "-1", "(1 2)", "\"/shop/f/a\";from=x"] {
      #expect(
        try server.get(page(wrong.isEmpty ? "," : wrong, body: "xx")).status == 502, "\(wrong)")
    }
    #expect(server.control("status", "--json").output.contains("\"Fragments\":"))
    // Too few and too many bytes, when that shows only at the end: what was promised comes, or it
    // breaks off, and nothing is kept.
    for count in [1, 3] {
      let target = page("\"/shop/f/a\", \(count)", body: "xx", "&chunked=1&keep=1")
      for _ in 0..<2 {
        let text = try? server.get(target).text
        #expect(text == nil || count == 1 && text == "fragmentx", "\(text ?? "")")
      }
      #expect(try application.count(target) == 2)
    }
    #expect(try server.get(page("\"/shop/f/a\", 2", body: "xx")).text == "fragmentxx")
  }

  @Test func `fragments are put, got, called back and deleted`() throws {
    let (server, application) = try Self.open()
    let url = Self.url(server, "/shop/f/a")
    let name = "http://+:\(server.port)/shop/f/a"
    func put(_ policy: String = "until-invalidated", _ text: String = "fragment") throws -> String {
      try application.put("put-fragment", url, "--policy=\(policy)", bytes: text)
    }
    func fetched() throws -> String { try application.fetch("get-fragment", name).rest }
    #expect(try application.fetch("get-fragment", url).line == Self.absent("absent"))
    #expect(try put() == Self.stored)
    let found = try application.fetch("get-fragment", url)
    #expect(found.line == "{\"result\":\"found\",\"head\":0,\"body\":8,\"total\":8}\n")
    #expect(found.rest == "fragment")
    #expect(try application.fetch("get-fragment", name, "--from=1", "--length=3").rest == "rag")
    // The host of the prefix or any that it is for: it is one.
    #expect(
      try application.put("put-fragment", name, "--policy=seconds:600", bytes: "newer")
        == Self.stored)
    #expect(try fetched() == "newer")
    #expect(try server.get(page("\"/shop/f/a\"")).text == "newer")
    // No request reaches it, and it is no answer.
    #expect(try application.fetch("get", url).line == Self.absent("absent"))
    #expect(server.reload(Self.configuration).succeeded)
    #expect(try eventually { try fetched() == "newer" })
    let orders: [[String]] = [
      ["delete-fragment", url], ["delete-fragment", name], ["invalidate", url],
      ["invalidate", name, "--hard"],
      ["invalidate", "http://localhost:\(server.port)/shop/", "--recursive"],
      ["invalidate", "http://+:\(server.port)/shop/f", "--recursive", "--hard"],
    ]
    for order in orders {
      #expect(try put() == Self.stored)
      #expect(try server.get(page("\"/shop/f/a\"")).text == "fragment")
      #expect(try application.say(order) == "x 0\n", "\(order)")
      #expect(try fetched().isEmpty, "\(order)")
      #expect(try server.get(page("\"/shop/f/a\"")).text == "without", "\(order)")
    }
    #expect(try put("seconds:1") == Self.stored)
    #expect(try eventually { try server.get(page("\"/shop/f/a\"")).text == "without" })
    #expect(try put("none").hasSuffix("x 2\n"))
    #expect(
      try put("seconds:60", String(repeating: "x", count: 2 << 20)) == Self.refused("too-large"))
    for bad in [url + "?x", Self.url(server, "/shop/a%2Fb"), "ftp://x/"] {
      #expect(try application.say("delete-fragment", bad).hasSuffix("x 2\n"), "\(bad)")
    }
    for foreign in ["/other/a", "/"] {
      #expect(
        try application.say("delete-fragment", Self.url(server, foreign)).hasSuffix("x 77\n"))
    }
    #expect(try put() == Self.stored)
    let shown = server.control("cache", "show").output
    #expect(shown.contains("fragment http://+:\(server.port)/shop/f/a"), "\(shown)")
  }

  @Test func `fragments are their owner's alone`() throws {
    guard isRoot() else { return }
    let (server, one, two) = try Self.strangers()
    try putFragments(server, two, ["/other/f": "secret"])
    #expect(
      try one.put("put-fragment", Self.url(server, "/other/f"), "--policy=seconds:9", bytes: "x")
        .hasSuffix("x 77\n"))
    #expect(try one.fetch("get-fragment", Self.url(server, "/other/f")).line.hasSuffix("x 77\n"))
    for name in ["/other/f", "http://localhost:\(server.port)/other/f"] {
      #expect(try eventually { try server.get(page("\"\(name)\"")).text == "without" })
    }
    let own = page("\"/other/f\"").replacing("/shop/", with: "/other/")
    #expect(try eventually { try server.get(own).text == "secret" })
    // Nor after the prefix has changed hands, or in another queue of the same user.
    let inner = try ClaimedApplication(
      server, "three", ["/other/inner/"], queue: "inner", user: 65532)
    #expect(inner.isReady, "\(inner.said)")
    let other = page("\"/other/f\"").replacing("/shop/", with: "/other/inner/")
    #expect(try eventually { try server.get(other).text == "without" })
    two.end()
    let next = try ClaimedApplication(server, "next", ["/other/"], queue: "next", user: 65532)
    #expect(next.isReady, "\(next.said)")
    #expect(try eventually { try server.get(own).text == "without" })
  }

  @Test func `nobody else is believed to have fragments`() throws {
    let origin = Origin(text: "own", fields: ["Ring3-Fragments: \"/shop/f/a\""])
    let (server, application) = try Self.open(
      Self.configuration + "ProxyPass /proxied/ http://127.0.0.1:\(origin.port)/\n")
    try putFragments(server, application, ["/shop/f/a": "fragment"])
    let response = try server.get("/proxied/x")
    #expect(response.text == "own" && response["Ring3-Fragments"] == nil)
  }
}
