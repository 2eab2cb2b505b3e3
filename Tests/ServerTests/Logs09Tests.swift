// 09: logs. What is written for each request, and how files are changed under the server.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `09 it writes logs` {
    /// Waits until a log has so many lines, and returns them.
    static func lines(_ server: TestServer, _ name: String, _ count: Int) -> [String] {
      var lines: [String] = []
      _ = eventually {
        lines = server.directory.read(name).split(separator: "\n").map(String.init)
        return lines.count >= count
      }
      return lines
    }

    @Test func `common and combined say what happened`() throws {
      let server = try TestServer(
        "CustomLog common.log common\nCustomLog combined.log combined", files: ["a": "12345"])
      let connection = try server.open()
      _ = try connection.get(
        "/a?q=\"x\"", fields: ["User-Agent: a \"quoted\" agent", "Referer: http://r.test/"])
      _ = try connection.get("/none")
      let common = Self.lines(server, "common.log", 2)
      #expect(common.count == 2)
      let form = /127\.0\.0\.1 - - \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] (.*)/
      let first = try #require(try form.wholeMatch(in: common.first ?? ""))
      #expect(first.1 == "\"GET /a?q=\\\"x\\\" HTTP/1.1\" 200 5")
      let second = try #require(try form.wholeMatch(in: common.last ?? ""))
      #expect(second.1.hasPrefix("\"GET /none HTTP/1.1\" 404 "))
      let combined = Self.lines(server, "combined.log", 2)
      #expect(
        combined.first?.hasSuffix("200 5 \"http://r.test/\" \"a \\\"quoted\\\" agent\"") == true,
        "\(combined)")
      #expect(combined.last?.hasSuffix(" \"-\" \"-\"") == true, "\(combined)")
    }

    @Test func `a log says what became of requests that were passed on`() throws {
      let origin = Origin { request, peer in
        if request.target == "/mute" { return false }
        if request["If-None-Match"] != nil {
          return peer.send(
            "HTTP/1.1 304 Not Modified\r\nETag: \"v\"\r\nCache-Control: max-age=1\r\n\r\n")
        }
        if request.target == "/slow" { pause(milliseconds: 200) }
        return peer.send(
          Origin.response("x", fields: ["Cache-Control: max-age=1", "ETag: \"v\""]))
      }
      let dead = freePort()
      let server = try TestServer(
        """
        CustomLog access.log proxied
        ProxyPass /one http://127.0.0.1:\(origin.port)
        ProxyPass /dead http://127.0.0.1:\(dead)
        ProxyPass /two balancer://two
        <Proxy balancer://two>
          BalancerMember http://127.0.0.1:\(dead) lbset=0
          BalancerMember http://127.0.0.1:\(origin.port) lbset=1
        </Proxy>
        """, workers: 1)
      let good = "member=\"http://127.0.0.1:\(origin.port)\""
      let bad = "member=\"http://127.0.0.1:\(dead)\""
      let none = "member=\"-\" retries=- first_ms=- total_ms=-"
      let requests = [
        ("/one/slow", "\(good) retries=0 first_ms=2.. total_ms=2.. cache=uri-miss"),
        ("/one/slow", "\(none) cache=hit"),
        ("/two/a", "\(good) retries=1 first_ms=\\d+ total_ms=\\d+ cache=uri-miss"),
        ("/dead/", "\(bad) retries=0 first_ms=- total_ms=\\d+ cache=uri-miss"),
        ("/one/mute", "\(good) retries=1 first_ms=- total_ms=\\d+ cache=uri-miss"),
        ("/index.html", "\(none) cache=(-|hit)"),
      ]
      for (target, _) in requests { _ = try server.get(target) }
      let lines = Self.lines(server, "access.log", requests.count)
      #expect(lines.count == requests.count)
      for (line, (target, form)) in zip(lines, requests) {
        #expect(line.contains("\"GET \(target) HTTP/1.1\""))
        let matches = line.range(
          of: "\"-\" \"-\" \(form) reason=(-|\\w+)$", options: .regularExpression)
        #expect(matches != nil, "\(line) is not \(form)")
      }
    }

    @Test func `lines of answers that were broken off name their member`() throws {
      let origin = Origin { request, peer in
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")
        pause(milliseconds: request.target == "/broken" ? 0 : 1000)
        return false
      }
      let server = try TestServer(
        "CustomLog access.log proxied\nProxyPass /app http://127.0.0.1:\(origin.port)", workers: 1)
      _ = try? server.get("/app/broken")
      let client = try ClientSocket(port: server.port)
      try client.send("POST /app/left HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
      #expect(try !client.receive().isEmpty)
      client.reset()
      let lines = Self.lines(server, "access.log", 2)
      #expect(lines.count == 2)
      for line in lines {
        #expect(line.contains(" member=\"http://127.0.0.1:\(origin.port)\" "), "\(line)")
      }
    }

    @Test func `a log tells stale responses from those that were found good`() throws {
      let origin = Origin { request, peer in
        guard request["If-None-Match"] == nil else {
          return peer.send("HTTP/1.1 304 Not Modified\r\nETag: \"v\"\r\n\r\n")
        }
        let more = request.target == "/swr" ? ", stale-while-revalidate=60" : ""
        return peer.send(
          Origin.response("x", fields: ["Cache-Control: max-age=1\(more)", "ETag: \"v\""]))
      }
      let server = try TestServer(
        "CustomLog access.log proxied\nProxyPass /app http://127.0.0.1:\(origin.port)", workers: 1)
      for target in ["/app/", "/app/swr"] { _ = try server.get(target) }
      pause(milliseconds: 1300)
      for target in ["/app/", "/app/swr"] { _ = try server.get(target) }
      let lines = Self.lines(server, "access.log", 4)
      #expect(lines.count == 4)
      #expect(lines.dropFirst(2).first?.contains(" cache=revalidated ") == true, "\(lines)")
      #expect(lines.dropFirst(2).first?.contains(" retries=0 ") == true, "\(lines)")
      #expect(lines.last?.contains(" cache=stale ") == true, "\(lines)")
    }

    @Test func `hits are logged like misses, for the right site`() throws {
      let server = try TestServer(
        """
        <VirtualHost *:@port@>
          ServerName a.test
          DocumentRoot "@root@/www"
          CustomLog a.log common
        </VirtualHost>
        <VirtualHost *:@port@>
          ServerName b.test
          DocumentRoot "@root@/www"
          CustomLog b.log common
        </VirtualHost>
        """, files: ["x": "x"])
      for _ in 0..<20 { _ = try server.get("/x", host: "a.test") }
      for _ in 0..<10 { _ = try server.get("/x", host: "b.test") }
      #expect(Self.lines(server, "a.log", 20).count == 20)
      #expect(Self.lines(server, "b.log", 10).count == 10)
    }

    @Test func `a request that the server ended itself is logged`() throws {
      let server = try TestServer("CustomLog access.log common")
      _ = try server.exchange("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
      #expect(Self.lines(server, "access.log", 1).first?.contains(" 400 ") == true)
    }

    @Test func `control characters of a request do not reach the log`() throws {
      let server = try TestServer("CustomLog access.log combined")
      _ = try server.get("/", fields: ["User-Agent: a\u{1b}[31m\tb"])
      let line = try #require(Self.lines(server, "access.log", 1).first)
      #expect(!line.utf8.contains(0x1b))
    }

    private static func holdsRotatedLog(_ process: Int32) -> Bool {
      let directory = "/proc/\(process)/fd"
      let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
      return names.contains { name in
        (try? FileManager.default.destinationOfSymbolicLink(atPath: directory + "/" + name))?
          .hasSuffix(".log.1") == true
      }
    }

    @Test func `USR1 opens the logs again`() throws {
      let server = try TestServer("CustomLog access.log common", files: ["a": "A"])
      _ = try server.get("/a?before")
      #expect(Self.lines(server, "access.log", 1).count == 1)
      moveOver(server.directory.path("access.log"), server.directory.path("access.log.1"))
      moveOver(server.directory.path("error.log"), server.directory.path("error.log.1"))
      server.program?.signal(Signal.user1)
      #expect(eventually { server.directory.exists("access.log") })
      #expect(eventually { server.directory.exists("error.log") })
      // A rotated file that a worker kept open would keep its blocks on the disk.
      for worker in server.workers {
        #expect(eventually { !Self.holdsRotatedLog(worker) })
      }
      _ = try server.get("/a?after")
      #expect(Self.lines(server, "access.log", 1).first?.contains("/a?after") == true)
      #expect(!server.directory.read("access.log.1").contains("/a?after"))
    }

    @Test func `the error log says when the server starts and stops`() throws {
      let server = try TestServer()
      server.stop()
      let text = server.directory.read("error.log")
      #expect(text.contains("["), "\(text)")
      #expect(text.split(separator: "\n").count >= 2, "\(text)")
    }
  }
}
