// 22: compressed responses of applications: variants, parts, and responses without a body.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `22 it compresses each page once` {
    private static let text = String(repeating: "words and words ", count: 500)
    private static let types =
      "AddOutputFilterByType DEFLATE;BROTLI_COMPRESS;ZSTD_COMPRESS text/plain\n"

    private static func origin(_ fields: [String]) -> Origin {
      Origin { request, peer in
        if request["If-None-Match"]?.contains("\"v\"") == true {
          return peer.send(
            (["HTTP/1.1 304 Not Modified", "ETag: \"v\""] + fields + ["", ""])
              .joined(separator: "\r\n"))
        }
        let all = ["Content-Type: text/plain", "ETag: \"v\""] + fields
        if request.method == "HEAD" {
          return peer.send(
            (["HTTP/1.1 200 OK", "Content-Length: \(text.utf8.count)"] + all + ["", ""])
              .joined(separator: "\r\n"))
        }
        return peer.send(Origin.response(text, fields: all))
      }
    }

    private static func server(_ origin: Origin) throws -> TestServer {
      let server = try TestServer(
        "ProxyPass /app http://127.0.0.1:\(origin.port)\n" + types, workers: 1)
      server.companions.append(origin)
      return server
    }

    private static let lasting = ["Cache-Control: max-age=60"]

    @Test func `in as many variants as there are codings, however they are asked for`() throws {
      let origin = Self.origin(Self.lasting)
      let server = try Self.server(origin)
      let groups: [(coding: String?, accepted: [String?])] = [
        ("zstd", ["zstd, br, gzip", "*", "gzip;q=0, *", "gzip;q=0.5,zstd"]),
        (nil, [nil, "identity", "deflate", "zstd;q=0"]), ("gzip", ["gzip", "x-gzip, deflate"]),
      ]
      for (index, group) in groups.enumerated() {
        for accepted in group.accepted {
          let response = try server.get(
            "/app/a", fields: accepted.map { ["Accept-Encoding: \($0)"] } ?? [])
          #expect(response["Content-Encoding"] == group.coding, "\(accepted ?? "none")")
          #expect(response["Vary"] == "Accept-Encoding")
        }
        #expect(origin.requests.count == index + 1, "\(group)")
      }
      let shown = server.control("cache", "show", "http://localhost:\(server.port)/app/a").output
      #expect(shown.contains("coding: zstd"), "\(shown)")
    }

    @Test func `and parts of the uncompressed one`() throws {
      let origin = Self.origin(Self.lasting)
      let server = try Self.server(origin)
      let gzip = "Accept-Encoding: gzip"
      #expect(try server.get("/app/a", fields: [gzip])["Content-Encoding"] == "gzip")
      #expect(try server.get("/app/a")["Content-Encoding"] == nil)
      let part = try server.get("/app/a", fields: [gzip, "Range: bytes=0-9"])
      #expect(part.status == 206 && part["Content-Encoding"] == nil)
      #expect(part.text == String(Self.text.prefix(10)))
      #expect(part["Content-Range"] == "bytes 0-9/\(Self.text.utf8.count)")
      #expect(part["ETag"] == "\"v\"")
      let coded = try #require(try server.get("/app/a", fields: [gzip])["ETag"])
      #expect(coded == "W/\"v-gzip\"")
      let other = try server.get(
        "/app/a", fields: [gzip, "Range: bytes=0-9", "If-Range: \(coded)"])
      #expect(other.status == 200 && other.text == Self.text)
    }

    @Test func `unless a client wants it as it is`() throws {
      let server = try Self.server(Self.origin(Self.lasting))
      for _ in 0..<2 {
        let plain = try server.get(
          "/app/a", fields: ["Accept-Encoding: gzip", "Cache-Control: no-transform"])
        #expect(plain["Content-Encoding"] == nil && plain.text == Self.text)
        #expect(
          try server.get("/app/a", fields: ["Accept-Encoding: gzip"])["Content-Encoding"] == "gzip")
      }
    }

    @Test func `a 304 of the application names what the client has`() throws {
      let origin = Self.origin([])
      let server = try Self.server(origin)
      let gzip = "Accept-Encoding: gzip"
      let tag = try #require(try server.get("/app/a", fields: [gzip])["ETag"])
      #expect(tag == "W/\"v-gzip\"")
      let same = try server.get("/app/a", fields: [gzip, "If-None-Match: \(tag)"])
      #expect(same.status == 304 && same["ETag"] == tag)
      #expect(same["Vary"] == "Accept-Encoding" && same["Content-Encoding"] == nil)
      #expect(origin.requests.last?["If-None-Match"] == "W/\"v-gzip\", \"v\", W/\"v\"")
      let plain = try server.get("/app/a", fields: ["If-None-Match: \"v\""])
      #expect(plain.status == 304 && plain["ETag"] == "\"v\"")
      #expect(plain["Vary"] == "Accept-Encoding")
    }

    @Test func `HEAD has the fields of GET but the length`() throws {
      let server = try Self.server(Self.origin([]))
      let connection = try server.open()
      for coding in ["gzip", "br"] {
        let fields = ["Accept-Encoding: \(coding)"]
        let head = try connection.get("/app/a", method: "HEAD", fields: fields)
        let get = try connection.get("/app/a", fields: fields)
        for name in ["Content-Encoding", "ETag", "Vary", "Content-Type"] {
          #expect(head[name] == get[name] && head[name] != nil, "\(name)")
        }
        #expect(head["Content-Length"] == nil)
      }
      let plain = try connection.get("/app/a", method: "HEAD")
      #expect(plain["Content-Length"] == "\(Self.text.utf8.count)")
      #expect(plain["Vary"] == "Accept-Encoding" && plain["ETag"] == "\"v\"")
    }

    @Test func `a 304 refreshes a compressed variant as it is`() throws {
      let origin = Self.origin(["Cache-Control: max-age=1", "Vary: Origin"])
      let server = try Self.server(origin)
      let first = try server.get("/app/a", fields: ["Accept-Encoding: br"])
      pause(milliseconds: 1200)
      let again = try server.get("/app/a", fields: ["Accept-Encoding: br;q=0.9"])
      #expect(again["Cache-Status"] == "Ring3; fwd=stale; fwd-status=304; stored")
      #expect(again.body == first.body && again["ETag"] == first["ETag"])
      let hit = try server.get("/app/a", fields: ["Accept-Encoding: br, deflate"])
      #expect(hit["Cache-Status"]?.contains("; hit") == true)
    }
  }
}
