// Responses as a strict client reads them: anything not as RFC 9112 says is an error.

/// A response's status line and fields.
package struct ResponseHead: Sendable {
  package let version: String
  package let status: Int
  package let reason: String
  /// As sent, in order.
  package let fields: [(name: String, value: String)]

  /// Parses a head without its empty line; nil if a line of it is not well-formed.
  package init?(_ bytes: some Collection<UInt8>) {
    let lines = String(decoding: bytes, as: UTF8.self).split(
      separator: "\r\n", omittingEmptySubsequences: false)
    guard let first = lines.first else { return nil }
    let words = first.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
    guard words.count == 3, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else {
      return nil
    }
    version = String(words[0])
    self.status = status
    reason = String(words[2])
    var fields: [(name: String, value: String)] = []
    for line in lines.dropFirst() {
      guard let colon = line.firstIndex(of: ":"), colon != line.startIndex,
        !line.utf8.contains(where: { $0 == 10 || $0 == 13 })
      else { return nil }
      var value = line[line.index(after: colon)...]
      while value.first == " " || value.first == "\t" { value.removeFirst() }
      while value.last == " " || value.last == "\t" { value.removeLast() }
      fields.append((String(line[..<colon]), String(value)))
    }
    self.fields = fields
  }

  /// A head that did not come as text.
  init(version: String, status: Int, fields: [(name: String, value: String)]) {
    self.version = version
    self.status = status
    self.fields = fields
    reason = ""
  }

  /// The first field of that name, without case.
  package subscript(_ name: String) -> String? {
    fields.first { $0.name.lowercased() == name.lowercased() }?.value
  }

  /// The length of the body by RFC 9112 §6.3; nil for chunked and until-close.
  package func bodyByteCount(toHead: Bool) -> Int? {
    if toHead || status < 200 || status == 204 || status == 304 { return 0 }
    return self["Transfer-Encoding"] == nil ? self["Content-Length"].flatMap { Int($0) } : nil
  }

  package var isChunked: Bool { self["Transfer-Encoding"]?.lowercased() == "chunked" }
  package var closes: Bool { self["Connection"]?.lowercased().contains("close") ?? false }
}

/// A whole response.
package struct Response: Sendable {
  package let head: ResponseHead
  package let body: [UInt8]
  /// Lines behind a chunked body.
  package var trailers: [String] = []

  package var status: Int { head.status }
  package var text: String { String(decoding: body, as: UTF8.self) }
  package subscript(_ name: String) -> String? { head[name] }
}

/// What a server must not send.
package enum ProtocolViolation: Error, Equatable {
  case endedEarly(received: String)
  case badHead(String)
  case badChunk(String)
  /// HTTP/2: what the client's side of RFC 9113 forbids.
  case http2(String)
}

/// One connection: sends requests, reads responses in order.
package final class Conversation {
  package let channel: any ByteChannel
  private var buffer: [UInt8] = []

  package init(_ channel: any ByteChannel) { self.channel = channel }

  package var socket: ClientSocket { channel.socket }

  package convenience init(to address: String = "127.0.0.1", port: UInt16) throws {
    self.init(try ClientSocket(to: address, port: port))
  }

  package func send(_ text: String) throws { try channel.send(text) }

  /// Sends a GET (or another method) with Host and the given fields; does not read.
  package func request(
    _ target: String, method: String = "GET", host: String = "localhost", fields: [String] = []
  ) throws {
    let lines = ["\(method) \(target) HTTP/1.1", "Host: \(host)"] + fields
    try send(lines.joined(separator: "\r\n") + "\r\n\r\n")
  }

  /// Sends a request and reads its response.
  package func get(
    _ target: String, method: String = "GET", host: String = "localhost", fields: [String] = []
  ) throws -> Response {
    try request(target, method: method, host: host, fields: fields)
    return try response(toHead: method == "HEAD")
  }

  /// Reads one response. A response to HEAD has no body whatever its fields say.
  package func response(toHead: Bool = false) throws -> Response {
    let head = try self.head()
    if let count = head.bodyByteCount(toHead: toHead) {
      return Response(head: head, body: try take(count))
    }
    if head.isChunked {
      let body = try chunks()
      return Response(head: head, body: body, trailers: try trailers())
    }
    buffer += try channel.receiveToEnd()
    return Response(head: head, body: try take(buffer.count))
  }

  /// Reads one head, interim ones (1xx) too.
  package func head() throws -> ResponseHead {
    let end = Array("\r\n\r\n".utf8)
    var searched = 0
    while true {
      if let place = buffer.firstPlace(of: end, from: max(0, searched - 3)) {
        guard let head = ResponseHead(buffer[..<place]) else {
          throw ProtocolViolation.badHead(String(decoding: buffer[..<place], as: UTF8.self))
        }
        buffer.removeFirst(place + 4)
        return head
      }
      searched = buffer.count
      try more()
    }
  }

  /// Whether the server closed the connection with nothing more to say.
  package func isClosedByServer() throws -> Bool {
    guard buffer.isEmpty else { return false }
    do {
      return try channel.receive().isEmpty
    } catch SocketFailure.reset {
      return true
    }
  }

  private func more() throws {
    let bytes = try channel.receive()
    guard !bytes.isEmpty else {
      throw ProtocolViolation.endedEarly(
        received: String(decoding: buffer.prefix(400), as: UTF8.self))
    }
    buffer += bytes
  }

  private func take(_ count: Int) throws -> [UInt8] {
    while buffer.count < count { try more() }
    defer { buffer.removeFirst(count) }
    return Array(buffer.prefix(count))
  }

  private func line() throws -> String {
    while true {
      if let place = buffer.firstPlace(of: [13, 10], from: 0) {
        let text = String(decoding: buffer[..<place], as: UTF8.self)
        buffer.removeFirst(place + 2)
        return text
      }
      try more()
    }
  }

  private func chunks() throws -> [UInt8] {
    var body: [UInt8] = []
    while true {
      let size = try line()
      guard let count = Int(size.prefix { $0 != ";" }, radix: 16) else {
        throw ProtocolViolation.badChunk(size)
      }
      if count == 0 { return body }
      body += try take(count)
      guard try line().isEmpty else { throw ProtocolViolation.badChunk("no end of chunk") }
    }
  }

  /// The lines up to the empty one.
  private func trailers() throws -> [String] {
    var lines: [String] = []
    while true {
      let line = try line()
      if line.isEmpty { return lines }
      lines.append(line)
    }
  }
}

extension [UInt8] {
  /// The first place of `needle` at or after `start`.
  package func firstPlace(of needle: [UInt8], from start: Int) -> Int? {
    guard count >= needle.count, start <= count - needle.count else { return nil }
    return (start...(count - needle.count)).first { place in
      needle.indices.allSatisfy { self[place + $0] == needle[$0] }
    }
  }
}
