// 32: puts of what is another's, and puts that go wrong.

import Foundation
import TestSupport
import Testing

extension ServerTests.`32 applications put and get what is kept of their URLs` {
  @Test func `only in one's own namespace`() throws {
    let (server, application) = try Self.open()
    let answer = Self.answer("put")
    for path in ["/", "/shopping", "/other/x"] {
      let put = try application.put(
        "put", Self.url(server, path), "--policy=seconds:60", bytes: answer)
      #expect(put.hasSuffix("x 77\n"), "\(put)")
      #expect(try application.fetch("get", Self.url(server, path)).line.hasSuffix("x 77\n"))
    }
    for url in ["http://+:\(server.port)/shop/a", "ftp://localhost/shop/"] {
      #expect(
        try application.put("put", url, "--policy=seconds:60", bytes: answer).hasSuffix("x 2\n"))
    }
    // The longest prefix has it, also if that is another session's.
    let inner = try ClaimedApplication(server, "two", ["/shop/inner/"], queue: "inner")
    #expect(inner.isReady, "\(inner.said)")
    let url = Self.url(server, "/shop/inner/a")
    #expect(
      try application.put("put", url, "--policy=seconds:60", bytes: answer).hasSuffix("x 77\n"))
    #expect(try inner.put("put", url, "--policy=seconds:60", bytes: answer) == Self.stored)
    #expect(try server.get("/shop/inner/a").text == "put")
    #expect(try application.fetch("get", url).line.hasSuffix("x 77\n"))
    // A put right after the registration is for it.
    #expect(
      try application.say(
        "register", "http://+:\(server.port)/shop/new/", "--queue=shop") == "x 0\n")
    let new = Self.url(server, "/shop/new/a")
    #expect(try application.put("put", new, "--policy=seconds:60", bytes: answer) == Self.stored)
    #expect(try server.get("/shop/new/a").text == "put")
  }

  @Test func `users do not reach each other's`() throws {
    guard isRoot() else { return }
    let (server, one, two) = try Self.strangers()
    let answer = Self.answer("put")
    let url = Self.url(server, "/shop/a")
    #expect(try one.put("put", url, "--policy=seconds:600", bytes: answer) == Self.stored)
    #expect(try two.put("put", url, "--policy=seconds:600", bytes: answer).hasSuffix("x 77\n"))
    #expect(try two.fetch("get", url).line.hasSuffix("x 77\n"))
    #expect(try server.get("/shop/a").text == "put")
  }

  @Test func `a URL that is given back meanwhile`() throws {
    let (server, application) = try Self.open()
    let prefix = "http://+:\(server.port)/shop/"
    let bytes = Array(Self.answer("put").utf8)
    let url = Self.url(server, "/shop/late/a")
    for isTaken in [false, true] {
      #expect(
        try application.lend(
          "late", "put", url, "--policy=seconds:600", "--bytes=\(bytes.count)") == "x 0\n")
      try application.send("late", Array(bytes.prefix(20)))
      var next: ClaimedApplication?
      if isTaken {
        next = try ClaimedApplication(server, "two", ["/shop/late/"], queue: "late")
        #expect(next?.isReady == true)
        #expect(try eventually { try server.get("/shop/late/b").text.hasPrefix("two") })
      } else {
        #expect(try application.say("unregister", prefix) == "x 0\n")
        #expect(try eventually { try server.get("/shop/late/b").status == 503 })
      }
      try application.send("late", Array(bytes.dropFirst(20)))
      #expect(try application.hear("late") == Self.refused("claim"))
      if isTaken {
        #expect(try server.get("/shop/late/a").text == "two /shop/late/a 1")
        next?.end()
      } else {
        #expect(try application.say("register", prefix, "--queue=shop") == "x 0\n")
        #expect(try eventually { try server.get("/shop/late/a").text.hasPrefix("one") })
      }
    }
  }

  @Test func `what is no answer is not kept`() throws {
    let (server, application) = try Self.open()
    let url = Self.url(server, "/shop/bad")
    func put(_ bytes: String) throws -> String {
      try application.put("put", url, "--policy=seconds:600", bytes: bytes)
    }
    let vectors: [(bytes: String, reason: String)] = [
      ("", "malformed"), ("garbage", "malformed"), ("HTTP/1.1 200 OK\r\n", "malformed"),
      ("HTTP/1.1 200 OK\nContent-Length: 0\n\n", "malformed"),
      ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nput", "length"),
      ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nput", "length"),
      ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "malformed"),
      ("HTTP/1.1 304 Not Modified\r\n\r\n", "status"),
      ("HTTP/1.1 206 Partial\r\nContent-Length: 0\r\n\r\n", "status"),
      ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "status"),
      ("HTTP/1.1 200 OK\r\nRing3-Delegate: x\r\nContent-Length: 0\r\n\r\n", "status"),
      (Self.answer(String(repeating: "x", count: 2 << 20)), "too-large"),
      (Self.answer(String(repeating: "x", count: (1 << 20) + 9)), "too-large"),
      ("HTTP/1.1 200 OK\r\nX: \(String(repeating: "x", count: 200_000))\r\n\r\n", "malformed"),
    ]
    for vector in vectors {
      let said = try put(vector.bytes)
      #expect(said == Self.refused(vector.reason), "\(vector.bytes.prefix(60)): \(said)")
    }
    // Shorter and longer than announced.
    for (count, sent) in [(100, 40), (30, 40)] {
      #expect(
        try application.lend("odd", "put", url, "--policy=seconds:600", "--bytes=\(count)")
          == "x 0\n")
      let bytes = Array(Self.answer("put").utf8)
      try application.send("odd", Array(bytes.prefix(sent)))
      if count > sent { try application.drop("odd") }
      if count < sent { #expect(try application.hear("odd") == Self.refused("length")) }
    }
    #expect(try server.get("/shop/bad").text == "one /shop/bad 1")
    #expect(try put("HTTP/1.0 404 No\r\n\r\nuntil the end") == Self.stored)
    #expect(try server.get("/shop/bad").status == 404)
    #expect(try server.get("/shop/bad").text == "until the end")
  }

  @Test func `who stalls is ended, and too many at a time are refused`() throws {
    let (server, application) = try Self.open(workers: 1)
    let url = Self.url(server, "/shop/slow")
    let bytes = Array(Self.answer("put").utf8)
    // Their connections are read between two requests, so that they are never too many on the way.
    for number in 0..<7 {
      #expect(
        try application.lend(
          "\(number)", "put", url, "--policy=seconds:600", "--bytes=\(bytes.count)") == "x 0\n")
    }
    #expect(try application.hear("6") == Self.refused("busy"))
    // Gets are counted apart, and whoever goes away makes room.
    #expect(try application.fetch("get", url).line == Self.absent("absent"))
    try application.drop("0")
    #expect(
      try eventually {
        try application.put("put", url, "--policy=seconds:600", bytes: Self.answer("put"))
          == Self.stored
      })
    try application.send("1", Array(bytes.prefix(30)))
    for number in 1..<6 { #expect(try application.hear("\(number)") == Self.refused("late")) }
    #expect(try server.get("/shop/slow").text == "put")
    // A session that ends meanwhile.
    #expect(
      try application.lend("last", "put", url, "--policy=seconds:600", "--bytes=\(bytes.count)")
        == "x 0\n")
    application.end()
    #expect(try eventually { try server.get("/shop/slow").status == 503 })
  }

  @Test func `a reload in the middle costs a put at most, and none that follows`() throws {
    let (server, application) = try Self.open()
    let url = Self.url(server, "/shop/a")
    let bytes = Array(Self.answer("put").utf8)
    #expect(
      try application.lend("old", "put", url, "--policy=seconds:600", "--bytes=\(bytes.count)")
        == "x 0\n")
    try application.send("old", Array(bytes.prefix(40)))
    #expect(server.reload(Self.configuration).succeeded)
    for number in 0..<20 {
      let answer = Self.answer("put \(number)")
      let put = try application.put("put", url, "--policy=seconds:600", bytes: answer)
      #expect(put == Self.stored, "\(number): \(put)")
      #expect(try eventually { try server.get("/shop/a").text == "put \(number)" })
    }
    try application.send("old", Array(bytes.dropFirst(40)))
    let heard = try application.hear("old")
    let ends = ["", "(ConnectionResetError)", Self.refused("superseded")]
    #expect(ends.contains(heard), "\(heard)")
    #expect(try server.get("/shop/a").text == "put 19")
    #expect(server.control("cache", "explain", url).output.contains("hit:           yes"))
  }

  @Test func `what is bound to an address has no place in the cache`() throws {
    let (server, application) = try Self.open()
    let bound = "http://127.0.0.1:\(server.port)/bound/"
    #expect(try application.say("register", bound, "--queue=shop") == "x 0\n")
    for verb in ["put", "put-fragment"] {
      let put = try application.put(verb, bound + "x", "--policy=seconds:9", bytes: "x")
      #expect(put.hasSuffix("x 77\n"), "\(put)")
    }
  }

  @Test func `a worker that dies ends its puts, and they may be repeated`() throws {
    let (server, application) = try Self.open(workers: 1)
    let url = Self.url(server, "/shop/a")
    let bytes = Array(Self.answer("put").utf8)
    #expect(
      try application.lend(
        "dying", "put", url, "--policy=seconds:600", "--bytes=\(bytes.count)") == "x 0\n")
    try application.send("dying", Array(bytes.prefix(40)))
    #expect(try server.get("/shop/b").status == 200)
    for worker in server.workers { send(signal: Signal.kill, toProcess: worker) }
    let heard = try application.hear("dying")
    #expect(heard.isEmpty || heard == "(ConnectionResetError)", "\(heard)")
    // The master may not have seen yet that it is gone.
    #expect(
      try eventually {
        try application.put("put", url, "--policy=seconds:600", bytes: Self.answer("put"))
          == Self.stored
      })
    #expect(eventually { (try? server.get("/shop/a").text) == "put" })
    #expect(try application.count("/shop/a") == 0)
  }
}
