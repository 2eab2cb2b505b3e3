// 22: responses of applications in the shared cache (RFC 9111), as clients and applications see it.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `22 it caches what applications answer` {
    /// Answers with a count of its own, and the fields that the target's query names.
    private static func counting(_ fields: [String]) -> Origin {
      let count = Count()
      return Origin { request, peer in
        if let tag = request["If-None-Match"], fields.contains("ETag: \(tag)") {
          let kept = fields.filter { !$0.hasPrefix("Set-Cookie") }
          return peer.send(
            (["HTTP/1.1 304 Not Modified"] + kept + ["", ""]).joined(separator: "\r\n"))
        }
        return peer.send(Origin.response("answer \(count.next())", fields: fields))
      }
    }

    private static func server(
      _ origin: Origin, _ more: String = "", workers: Int = 2
    ) throws -> TestServer {
      try TestServer(
        "ProxyPass /app http://127.0.0.1:\(origin.port)\n" + more, workers: workers)
    }

    @Test func `what may be kept is kept, and says how old it is`() throws {
      let origin = Self.counting(["Cache-Control: max-age=60", "X-Own: 1"])
      let server = try Self.server(origin)
      let first = try server.get("/app/a")
      #expect(first.text == "answer 1")
      #expect(first["Cache-Status"] == "Ring3; fwd=uri-miss; stored")
      let second = try server.get("/app/a")
      #expect(second.text == "answer 1")
      #expect(second["Age"].flatMap { Int($0) } != nil)
      #expect(second["Cache-Status"]?.hasPrefix("Ring3; hit; ttl=") == true)
      #expect(second["X-Own"] == "1")
      #expect(second["Content-Length"] == "8")
      #expect(second.head.fields.filter { $0.name == "Date" }.count == 1)
      #expect(try server.get("/app/a", method: "HEAD")["Content-Length"] == "8")
      let part = try server.get("/app/a", fields: ["Range: bytes=0-2"])
      #expect(part.status == 206 && part.text == "ans")
      #expect(try server.get("/app/a?x").text == "answer 2", "another query, another response")
      #expect(origin.requests.count == 2)
    }

    @Test(arguments: [
      [], ["Cache-Control: no-store, max-age=60"], ["Cache-Control: private, max-age=60"],
      ["Cache-Control: max-age=60", "Set-Cookie: a=b"], ["Cache-Control: max-age=60", "Vary: *"],
      ["Cache-Control: max-age=60", "Vary: Cookie"], ["Cache-Control: max-age=0"],
      ["Ring3-Cache-Control: no-store", "Cache-Control: max-age=60"],
      ["CDN-Cache-Control: max-age=0", "Cache-Control: max-age=60"],
    ])
    func `what must not be kept is asked for each time`(_ fields: [String]) throws {
      let origin = Self.counting(fields)
      let server = try Self.server(origin)
      #expect(try server.get("/app/a").text == "answer 1")
      #expect(try server.get("/app/a").text == "answer 2")
    }

    @Test func `the application's orders to this cache come first and stay here`() throws {
      let origin = Self.counting([
        "Ring3-Cache-Control: until-invalidated", "Cache-Control: no-store", "Surrogate-Key: a b",
      ])
      let server = try Self.server(origin)
      let first = try server.get("/app/a")
      #expect(first["Ring3-Cache-Control"] == nil && first["Surrogate-Key"] == nil)
      #expect(try server.get("/app/a").text == "answer 1")
      #expect(try server.get("/app/a")["Ring3-Cache-Control"] == nil)
      #expect(server.control("cache", "purge", "--tag", "b").succeeded)
      #expect(try server.get("/app/a").text == "answer 2")
    }

    @Test func `variants are told apart by what Vary names`() throws {
      let count = Count()
      let origin = Origin { request, peer in
        peer.send(
          Origin.response(
            "\(request["Accept-Language"] ?? "none") \(count.next())",
            fields: ["Cache-Control: max-age=60", "Vary: Accept-Language"]))
      }
      let server = try Self.server(origin)
      for _ in 0..<2 {
        #expect(try server.get("/app/a", fields: ["Accept-Language: de"]).text == "de 1")
        #expect(try server.get("/app/a", fields: ["Accept-Language: en"]).text == "en 2")
        #expect(try server.get("/app/a").text == "none 3")
      }
    }

    @Test func `a stale response is validated, and a 304 makes it fresh`() throws {
      let origin = Self.counting(["Cache-Control: max-age=1", "ETag: \"v\""])
      let server = try Self.server(origin)
      #expect(try server.get("/app/a").text == "answer 1")
      pause(milliseconds: 1300)
      let again = try server.get("/app/a")
      #expect(again.text == "answer 1")
      #expect(again["Cache-Status"] == "Ring3; fwd=stale; fwd-status=304; stored")
      #expect(try server.get("/app/a")["Cache-Status"]?.contains("; hit") == true)
      #expect(origin.requests.last?["If-None-Match"] == "\"v\"")
      let client = try server.get("/app/a", fields: ["If-None-Match: \"v\""])
      #expect(client.status == 304)
      #expect(origin.requests.count == 2)
    }

    @Test func `what HEAD finds out holds for what is stored`() throws {
      let isNew = Flag()
      // It knows nothing of conditions.
      let origin = Origin { request, peer in
        let version = isNew.isSet ? "new" : "old"
        let age = request.line.contains("/a") ? 1 : 60
        let whole = Origin.response(
          version, fields: ["Cache-Control: max-age=\(age)", "ETag: \"\(version)\""])
        return peer.send(
          request.method == "HEAD" ? String(whole.dropLast(version.count)) : whole)
      }
      let server = try Self.server(origin)
      #expect(try server.get("/app/a").text == "old" && server.get("/app/b").text == "old")
      pause(milliseconds: 1300)
      let head = try server.get("/app/a", method: "HEAD")
      #expect(head.status == 200 && head["Cache-Status"]?.contains("fwd=stale") == true)
      // It is good again.
      #expect(try server.get("/app/a")["Cache-Status"]?.contains("; hit") == true)
      #expect(origin.requests.map(\.method) == ["GET", "GET", "HEAD"])
      isNew.set()
      #expect(try server.get("/app/b")["Cache-Status"]?.contains("; hit") == true)
      let fields = ["Cache-Control: no-cache"]
      #expect(try server.get("/app/b", method: "HEAD", fields: fields)["ETag"] == "\"new\"")
      #expect(try server.get("/app/b").text == "new")
    }

    @Test func `requests say what they want of caches`() throws {
      let origin = Self.counting(["Cache-Control: max-age=60"])
      let server = try Self.server(origin)
      #expect(
        try server.get("/app/a", fields: ["Cache-Control: only-if-cached"]).status == 504)
      #expect(try server.get("/app/a").text == "answer 1")
      #expect(
        try server.get("/app/a", fields: ["Cache-Control: only-if-cached"]).text == "answer 1")
      #expect(try server.get("/app/a", fields: ["Cache-Control: no-cache"]).text == "answer 2")
      #expect(try server.get("/app/a").text == "answer 2")
      #expect(
        try server.get("/app/a", fields: ["Cache-Control: min-fresh=100"]).text == "answer 3")
      let server2 = try Self.server(origin, "CacheIgnoreCacheControl On")
      #expect(try server2.get("/app/a").text == "answer 4")
      #expect(try server2.get("/app/a", fields: ["Cache-Control: no-cache"]).text == "answer 4")
    }

    @Test func `stale answers stand in while a new one comes, and when none does`() throws {
      let broken = Flag()
      let count = Count()
      let origin = Origin { request, peer in
        if broken.isSet { return peer.send(Origin.response("", status: "500 Broken")) }
        return peer.send(
          Origin.response(
            "answer \(count.next())",
            fields: ["Cache-Control: max-age=1, stale-while-revalidate=1, stale-if-error=60"]))
      }
      let server = try Self.server(origin)
      #expect(try server.get("/app/a").text == "answer 1")
      pause(milliseconds: 1200)
      let stale = try server.get("/app/a")
      #expect(stale.text == "answer 1")
      let words: Set<String> = ["Ring3; hit; ttl=0", "Ring3; hit; ttl=-1"]
      #expect(words.contains(stale["Cache-Status"] ?? ""))
      #expect(try eventually { try server.get("/app/a").text == "answer 2" })
      broken.set()
      pause(milliseconds: 2300)
      #expect(try server.get("/app/a").text == "answer 2")
      origin.end()
      #expect(try server.get("/app/a").text == "answer 2")
      #expect(try server.get("/app/b").status == 502)
    }

    @Test func `what a request changes is asked for again`() throws {
      let count = Count()
      let origin = Origin { request, peer in
        peer.send(
          Origin.response(
            "answer \(count.next())",
            fields: ["Cache-Control: max-age=60", "Cache-Groups: \"g\""]
              + (request["X-Group"] != nil ? ["Cache-Group-Invalidation: \"g\""] : [])))
      }
      let server = try Self.server(origin)
      #expect(try server.get("/app/a").text == "answer 1")
      #expect(try server.get("/app/b").text == "answer 2")
      let fields = ["Content-Length: 0"]
      #expect(try server.get("/app/a", method: "POST", fields: fields).text == "answer 3")
      #expect(try server.get("/app/a").text == "answer 4")
      #expect(try server.get("/app/b").text == "answer 2")
      _ = try server.get("/app/c", method: "POST", fields: fields + ["X-Group: 1"])
      #expect(try server.get("/app/b").text == "answer 6")
    }

    @Test func `a purge is heard by whom it is allowed`() throws {
      let origin = Self.counting(["Cache-Control: max-age=60"])
      let server = try Self.server(origin, "CachePurgeFrom 127.0.0.1")
      #expect(try server.get("/app/a").text == "answer 1")
      #expect(try server.get("/app/a", method: "PURGE").status == 204)
      #expect(try server.get("/app/a").text == "answer 2")
      let url = "http://localhost:\(server.port)/app/a"
      #expect(server.control("cache", "purge", url).succeeded)
      #expect(try server.get("/app/a").text == "answer 3")
    }

    @Test func `many ask at once, the application once`() throws {
      let origin = Origin { request, peer in
        pause(milliseconds: 300)
        return peer.send(Origin.response("slow", fields: ["Cache-Control: max-age=60"]))
      }
      let server = try Self.server(origin)
      let clients = try (0..<300).map { _ in try server.open() }
      for client in clients { try client.request("/app/cold") }
      for client in clients { #expect(try client.response().text == "slow") }
      #expect(origin.requests.count == 1)
    }

    @Test func `who waits for a worker that is killed waits for the next`() throws {
      let origin = Origin { request, peer in
        pause(milliseconds: 500)
        return peer.send(Origin.response("slow", fields: ["Cache-Control: max-age=60"]))
      }
      let server = try Self.server(origin)
      let clients = try (0..<40).map { _ in try server.open() }
      for client in clients { try client.request("/app/cold") }
      pause(milliseconds: 150)
      // Either worker may be the one that fetches; the clients of the other get their answers.
      let victim = try #require(server.workers.first)
      send(signal: Signal.kill, toProcess: victim)
      let answers = clients.compactMap { try? $0.response().text }
      #expect(answers.allSatisfy { $0 == "slow" })
      #expect(origin.requests.count <= 2)
    }

    @Test func `what cannot be shared is fetched side by side`() throws {
      let origin = Origin { request, peer in
        pause(milliseconds: 200)
        return peer.send(Origin.response("own"))
      }
      let server = try Self.server(origin, workers: 1)
      let started = monotonicMilliseconds()
      let clients = try (0..<10).map { _ in try server.open() }
      for client in clients { try client.request("/app/own") }
      for client in clients { #expect(try client.response().text == "own") }
      #expect(origin.requests.count == 10)
      #expect(monotonicMilliseconds() - started < 1900, "not one after the other")
    }

    @Test func `responses survive a reload and a restart, and their age with them`() throws {
      let origin = Self.counting(["Cache-Control: max-age=600"])
      let server = try Self.server(origin)
      #expect(try server.get("/app/a").text == "answer 1")
      #expect(server.control("reload").succeeded)
      #expect(try server.get("/app/a").text == "answer 1")
      pause(milliseconds: 1100)
      server.stop()
      try server.start()
      let old = try server.get("/app/a")
      #expect(old.text == "answer 1")
      #expect(old["Age"].flatMap { Int($0) } ?? 0 >= 1)
      #expect(server.reload("ProxyPass /app http://localhost:\(origin.port)/other").succeeded)
      #expect(try server.get("/app/a").text == "answer 2", "another target, another response")
    }

    @Test func `a body that breaks off is never kept, one without a client is`() throws {
      let origin = Origin { request, peer in
        let head = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 200000\r\n\r\n"
        peer.send(head + String(repeating: "x", count: 100_000))
        if request.target == "/short" { return false }
        pause(milliseconds: 400)
        return peer.send(String(repeating: "y", count: 100_000))
      }
      let server = try Self.server(origin)
      for _ in 0..<2 { #expect(throws: (any Error).self) { try server.get("/app/short") } }
      let leaving = try server.open()
      try leaving.request("/app/long")
      _ = try leaving.head()
      leaving.socket.close()
      #expect(
        try eventually {
          try server.get("/app/long")["Cache-Status"]?.contains("; hit") == true
        })
      #expect(try server.get("/app/long").body.count == 200_000)
      #expect(origin.requests.filter { $0.target == "/short" }.count == 2)
    }
  }
}

/// Counts from 1, in any thread.
final class Count: @unchecked Sendable {
  private let lock = NSLock()
  private var value = 0
  func next() -> Int {
    lock.withLock {
      value += 1
      return value
    }
  }
}

/// Set and cleared in any thread.
final class Flag: @unchecked Sendable {
  private let lock = NSLock()
  private var value = false
  var isSet: Bool { lock.withLock { value } }
  func set() { lock.withLock { value = true } }
  func clear() { lock.withLock { value = false } }
}

extension ServerTests {
  @Suite struct `22 it compresses what applications answer` {
    @Test func `once for each coding, and only what and for whom it helps`() throws {
      let text = String(repeating: "words and words ", count: 20_000)
      let origin = Origin { request, peer in
        if request["If-None-Match"]?.contains("\"v\"") == true {
          return peer.send(
            "HTTP/1.1 304 Not Modified\r\nETag: \"v\"\r\nCache-Control: max-age=1\r\n\r\n")
        }
        let type = request.target == "/image" ? "image/png" : "text/plain; charset=utf-8"
        return peer.send(
          Origin.response(
            text, fields: ["Content-Type: \(type)", "Cache-Control: max-age=1", "ETag: \"v\""]))
      }
      let server = try TestServer(
        """
        ProxyPass /app http://127.0.0.1:\(origin.port)
        AddOutputFilterByType DEFLATE;BROTLI_COMPRESS;ZSTD_COMPRESS text/plain
        """)
      for coding in ["gzip", "br", "zstd"] {
        let fields = ["Accept-Encoding: \(coding)"]
        let first = try server.get("/app/a", fields: fields)
        #expect(first["Content-Encoding"] == coding)
        #expect(first["Vary"] == "Accept-Encoding")
        #expect(first["ETag"] == "W/\"v-\(coding)\"")
        #expect(ContentDecoder.decode(first.body, coding: coding)?.bytes == Array(text.utf8))
        let hit = try server.get("/app/a", fields: fields)
        #expect(hit["Cache-Status"]?.contains("; hit") == true)
        #expect(hit.body == first.body)
        #expect(hit["Content-Length"] == "\(first.body.count)")
        pause(milliseconds: 1200)
        let again = try server.get("/app/a", fields: fields)
        #expect(again["Cache-Status"] == "Ring3; fwd=stale; fwd-status=304; stored")
        #expect(again.body == first.body)
      }
      let plain = try server.get("/app/a")
      #expect(plain["Content-Encoding"] == nil)
      #expect(plain["Vary"] == "Accept-Encoding")
      #expect(plain.text == text)
      let image = try server.get("/app/image", fields: ["Accept-Encoding: gzip"])
      #expect(image["Content-Encoding"] == nil)
    }
  }
}
