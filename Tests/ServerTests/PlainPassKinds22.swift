// Kinds of requests and of answers, each of which is plain but for one thing.

import TestSupport

enum PlainKinds {
  /// Requests as bytes, that differ from a plain one each in one thing.
  static let requests: [String] = {
    func get(_ fields: String..., line: String = "GET /app/x?a=b HTTP/1.1") -> String {
      ([line, "Host: localhost:@port@"] + fields).joined(separator: "\r\n") + "\r\n\r\n"
    }
    return [
      get(), get("Cookie: a=b; c=d", "User-Agent: some/1"), get("Accept-Encoding: gzip, br"),
      get("Authorization: Basic YTpi"), get("X-Forwarded-For: 10.0.0.1"),
      get("X-Forwarded-Host: evil.test", "Forwarded: for=10.0.0.1"),
      get("Cache-Control: no-cache"),
      get("Pragma: no-cache"), get("Via: 1.1 other"), get("TE: trailers", "Connection: TE"),
      get("Connection: close, X-Hop", "X-Hop: 1"), get("Connection: keep-alive"),
      get("If-None-Match: \"a\""), get("If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT"),
      get("Range: bytes=0-3"), get("If-Match: *"), get("Expect: 100-continue"),
      get("Upgrade: websocket", "Connection: Upgrade"), get("Max-Forwards: 3"),
      get("Content-Length: 3") + "abc",
      get("Transfer-Encoding: chunked") + "2\r\nab\r\n0\r\n\r\n",
      get("Ring3-Fragments: ?0"), get("X-Long: " + String(repeating: "y", count: 3000)),
      get(line: "HEAD /app/x?a=b HTTP/1.1"), get(line: "GET /app/x?a=b HTTP/1.0"),
      get(line: "GET http://localhost:@port@/app/x?a=b HTTP/1.1"),
      get("Content-Length: 2", line: "POST /app/x?a=b HTTP/1.1") + "hi",
      get(line: "GET /app/x?a=c HTTP/1.1"), get(line: "GET /app/%78?a=b HTTP/1.1"),
      get(line: "GET /app/./x?a=b HTTP/1.1"),
      "GET /app/x?a=b HTTP/1.1\r\nHost: LOCALHOST\r\n\r\n",
      "GET /app/x?a=b HTTP/1.1\r\nHost: other.test\r\n\r\n",
    ]
  }()

  /// Status, fields and body of the answer to a request, without what time changes.
  static func said(_ request: String, _ server: TestServer) throws -> [String] {
    let client = try server.open()
    try client.send(server.expand(request))
    let response = try client.response(toHead: request.hasPrefix("HEAD"))
    let fields = response.head.fields.filter { $0.name.lowercased() != "date" }
    return ["\(response.status)"] + fields.map { "\($0.name): \($0.value)" } + [response.text]
  }

  /// Answers of an application, each after some plain ones on the same connection.
  static let answers: [(name: String, answer: @Sendable (TestPeer) -> Bool)] = [
    (
      "chunked",
      { $0.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n") }
    ),
    (
      "in pieces",
      { peer in
        for byte in Origin.response("pieces") {
          guard peer.send(String(byte)) else { return false }
          pause(milliseconds: 1)
        }
        return true
      }
    ),
    (
      "head alone",
      { peer in
        guard peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n") else { return false }
        pause(milliseconds: 20)
        return peer.send("body")
      }
    ),
    ("large", { $0.send(Origin.response(String(repeating: "z", count: 300_000))) }),
    ("empty", { $0.send(Origin.response("")) }),
    ("no content", { $0.send("HTTP/1.1 204 No Content\r\n\r\n") }),
    (
      "interim",
      { $0.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + Origin.response("late")) }
    ),
    (
      "old",
      {
        _ = $0.send("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold"); return false
      }
    ),
    (
      "until the end",
      {
        _ = $0.send("HTTP/1.1 200 OK\r\n\r\nto the end"); return false
      }
    ),
    (
      "closing",
      {
        _ = $0.send(Origin.response("bye", fields: ["Connection: close"])); return false
      }
    ),
    (
      "closed after it",
      {
        _ = $0.send(Origin.response("gone")); return false
      }
    ),
    ("not found", { $0.send(Origin.response("none", status: "404 Not Found")) }),
    ("failed", { $0.send(Origin.response("oops", status: "503 Service Unavailable")) }),
    ("cookie", { $0.send(Origin.response("c", fields: ["Set-Cookie: a=b; Path=/"])) }),
    ("moved", { $0.send(Origin.response("m", status: "201 Created", fields: ["Location: /n"])) }),
    ("hop by hop", { $0.send(Origin.response("h", fields: ["Connection: X-Own", "X-Own: 1"])) }),
    ("private", { $0.send(Origin.response("p", fields: ["Cache-Control: private"])) }),
    ("no-store", { $0.send(Origin.response("n", fields: ["Cache-Control: no-store"])) }),
    (
      "too short",
      {
        _ = $0.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"); return false
      }
    ),
    (
      "nonsense",
      {
        _ = $0.send("SSH-2.0-nonsense\r\n"); return false
      }
    ),
    ("silent end", { _ in false }),
  ]
}
