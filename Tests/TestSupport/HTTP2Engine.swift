// The client's side of one HTTP/2 connection, without a socket: strict about all that it is sent.

/// What has come of one response.
package struct HTTP2Answer: Sendable {
  package internal(set) var head: ResponseHead?
  package var body: [UInt8] = []
  package internal(set) var bodyByteCount = 0
  /// Statuses of interim responses.
  package internal(set) var interim: [Int] = []
  /// Fields behind the body.
  package internal(set) var trailers: [(name: String, value: String)] = []
  package internal(set) var isWhole = false
  /// RST_STREAM by the server.
  package internal(set) var resetCode: HTTP2Code?
  /// The request's method was HEAD.
  let isHead: Bool

  package var isOver: Bool { isWhole || resetCode != nil }
}

package struct HTTP2GoAway: Equatable, Sendable {
  package let lastStream: Int
  package let code: HTTP2Code?

  package init(lastStream: Int, code: HTTP2Code?) {
    self.lastStream = lastStream
    self.code = code
  }
}

/// Bytes in (`receive`), bytes out (`output`), and answers by stream.
package final class HTTP2Engine {
  /// To be sent, and emptied by whoever does.
  package var output: [UInt8]
  /// By stream. The body is emptied by who has compared it, if it likes.
  package var answers: [Int: HTTP2Answer] = [:]
  /// Kind and stream of each frame received, bytes of content for DATA.
  package var journal: [(kind: UInt8, stream: Int, byteCount: Int)] = []
  package private(set) var goAway: HTTP2GoAway?
  /// What the server announced, by identifier.
  package private(set) var settings: [Int: Int] = [:]
  package private(set) var settingsAcknowledged = false
  package private(set) var pongs = 0
  package private(set) var nextStream = 1
  /// Windows are opened again as data comes.
  package var opensWindows: Bool
  /// How far the server may send body bytes, on the connection and by stream.
  private var connectionWindow = 65_535
  private var windows: [Int: Int] = [:]
  private let initialWindow: Int
  private var hasBegun = false
  private var decoder = HPACKDecoder()
  private var buffer: [UInt8] = []
  /// Of a header block in several frames.
  private var block: (stream: Int, flags: UInt8, bytes: [UInt8])?

  package static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
  static let frameBytesMax = 16_384

  /// `initialWindow`: SETTINGS_INITIAL_WINDOW_SIZE.
  package init(
    initialWindow: Int = 65_535, opensWindows: Bool = true,
    settings: [(identifier: Int, value: Int)] = []
  ) {
    self.initialWindow = initialWindow
    self.opensWindows = opensWindows
    let first = HTTP2Frame.settings([(2, 0), (4, initialWindow)] + settings)
    output = HTTP2Engine.preface + first.bytes
  }

  // MARK: Out

  package func send(_ frame: HTTP2Frame) { output += frame.bytes }

  package static func requestFields(
    _ target: String, method: String = "GET", authority: String = "localhost",
    scheme: String = "http", _ fields: [(String, String)] = []
  ) -> [HTTP2Field] {
    [
      HTTP2Field(":method", method), HTTP2Field(":scheme", scheme), HTTP2Field(":path", target),
      HTTP2Field(":authority", authority),
    ] + fields.map { HTTP2Field($0.0, $0.1) }
  }

  /// Opens a stream with these fields, whatever they are; its number.
  @discardableResult
  package func request(_ fields: [HTTP2Field], ends: Bool = true) -> Int {
    let stream = enter(isHead: fields.contains(HTTP2Field(":method", "HEAD")))
    send(.headers(stream: stream, fields, ends: ends))
    return stream
  }

  /// A stream whose HEADERS the caller sends.
  package func enter(isHead: Bool = false) -> Int {
    defer { nextStream += 2 }
    answers[nextStream] = HTTP2Answer(isHead: isHead)
    windows[nextStream] = initialWindow
    return nextStream
  }

  /// Gives the server room; stream 0 is the connection.
  package func openWindow(stream: Int, _ increment: Int) {
    send(.windowUpdate(stream: stream, increment))
    if stream == 0 { connectionWindow += increment } else { windows[stream]? += increment }
  }

  /// SETTINGS_INITIAL_WINDOW_SIZE again: it counts for the streams there are, too.
  package func changeInitialWindow(from old: Int, to new: Int) {
    send(.settings([(4, new)]))
    for stream in windows.keys { windows[stream]? += new - old }
  }

  // MARK: In

  package func receive(_ bytes: some Collection<UInt8>) throws {
    buffer += bytes
    var start = 0
    defer { buffer.removeFirst(start) }
    while buffer.count - start >= 9 {
      let count = HTTP2Frame.number(buffer[start..<(start + 3)])
      guard count <= HTTP2Engine.frameBytesMax else {
        throw ProtocolViolation.http2("a frame of \(count) bytes")
      }
      guard buffer.count - start >= 9 + count else { return }
      let frame = HTTP2Frame(
        buffer[start + 3], flags: buffer[start + 4],
        stream: HTTP2Frame.number(buffer[(start + 5)..<(start + 9)]) & 0x7fff_ffff,
        Array(buffer[(start + 9)..<(start + 9 + count)]))
      start += 9 + count
      try take(frame)
    }
  }

  private func take(_ frame: HTTP2Frame) throws {
    if !hasBegun, frame.kind != HTTP2Frame.Kind.settings {
      throw ProtocolViolation.http2("the first frame is of type \(frame.kind)")
    }
    hasBegun = true
    if let open = block, frame.kind != HTTP2Frame.Kind.continuation || frame.stream != open.stream {
      throw ProtocolViolation.http2("a frame inside a header block")
    }
    journal.append((frame.kind, frame.stream, frame.payload.count))
    switch frame.kind {
    case HTTP2Frame.Kind.data: try takeData(frame)
    case HTTP2Frame.Kind.headers, HTTP2Frame.Kind.continuation: try takeHeaders(frame)
    case HTTP2Frame.Kind.reset:
      answers[frame.stream]?.resetCode =
        HTTP2Code(rawValue: HTTP2Frame.number(frame.payload)) ?? .internalError
    case HTTP2Frame.Kind.settings: takeSettings(frame)
    case HTTP2Frame.Kind.ping:
      if frame.flags & HTTP2Frame.Flags.acknowledgement != 0 {
        pongs += 1
      } else {
        send(
          HTTP2Frame(frame.kind, flags: HTTP2Frame.Flags.acknowledgement, frame.payload))
      }
    case HTTP2Frame.Kind.goAway:
      goAway = HTTP2GoAway(
        lastStream: HTTP2Frame.number(frame.payload.prefix(4)) & 0x7fff_ffff,
        code: HTTP2Code(rawValue: HTTP2Frame.number(frame.payload.dropFirst(4).prefix(4))))
    case HTTP2Frame.Kind.windowUpdate: break
    default: throw ProtocolViolation.http2("a frame of type \(frame.kind)")
    }
  }

  private func takeSettings(_ frame: HTTP2Frame) {
    guard frame.flags & HTTP2Frame.Flags.acknowledgement == 0 else {
      settingsAcknowledged = true
      return
    }
    for start in stride(from: 0, to: frame.payload.count - 5, by: 6) {
      let identifier = HTTP2Frame.number(frame.payload[start..<(start + 2)])
      settings[identifier] = HTTP2Frame.number(frame.payload[(start + 2)..<(start + 6)])
    }
    send(HTTP2Frame(HTTP2Frame.Kind.settings, flags: HTTP2Frame.Flags.acknowledgement))
  }

  private func takeData(_ frame: HTTP2Frame) throws {
    let count = frame.payload.count
    connectionWindow -= count
    windows[frame.stream]? -= count
    guard connectionWindow >= 0, windows[frame.stream] ?? -1 >= 0 || count == 0 else {
      throw ProtocolViolation.http2("more data than the window of stream \(frame.stream) allows")
    }
    guard frame.flags & HTTP2Frame.Flags.padded == 0, let answer = answers[frame.stream],
      answer.head != nil, !answer.isWhole
    else { throw ProtocolViolation.http2("DATA out of place on stream \(frame.stream)") }
    answers[frame.stream]?.body += frame.payload
    answers[frame.stream]?.bodyByteCount += count
    let ends = frame.flags & HTTP2Frame.Flags.endStream != 0
    if ends { try finish(frame.stream) }
    if opensWindows, count > 0 {
      openWindow(stream: 0, count)
      if !ends { openWindow(stream: frame.stream, count) }
    }
  }

  private func takeHeaders(_ frame: HTTP2Frame) throws {
    let flags = (block?.flags ?? 0) | frame.flags
    let bytes = (block?.bytes ?? []) + frame.payload
    guard flags & HTTP2Frame.Flags.endHeaders != 0 else {
      block = (frame.stream, flags, bytes)
      return
    }
    block = nil
    let fields = try decoder.fields(bytes)
    if let answer = answers[frame.stream], answer.head != nil, !answer.isWhole,
      flags & HTTP2Frame.Flags.endStream != 0, !fields.contains(where: { $0.name.hasPrefix(":") })
    {
      answers[frame.stream]?.trailers = fields.map { ($0.name, $0.value) }
      return try finish(frame.stream)
    }
    guard let answer = answers[frame.stream], !answer.isWhole, answer.head == nil,
      flags & (HTTP2Frame.Flags.padded | HTTP2Frame.Flags.priority) == 0
    else { throw ProtocolViolation.http2("HEADERS out of place on stream \(frame.stream)") }
    let head = try HTTP2Engine.head(fields)
    if head.status < 200 {
      answers[frame.stream]?.interim.append(head.status)
      return
    }
    answers[frame.stream]?.head = head
    if flags & HTTP2Frame.Flags.endStream != 0 { try finish(frame.stream) }
  }

  /// RFC 9113 §8.2 and §8.3.2.
  private static func head(_ fields: [HTTP2Field]) throws -> ResponseHead {
    guard let first = fields.first, first.name == ":status", first.value.utf8.count == 3,
      let status = Int(first.value)
    else { throw ProtocolViolation.http2("no :status first") }
    let rest = fields.dropFirst().map { (name: $0.name, value: $0.value) }
    let forbidden = [
      "connection", "keep-alive", "transfer-encoding", "upgrade", "proxy-connection",
    ]
    for (name, value) in rest {
      guard name == name.lowercased(), !name.hasPrefix(":"), !forbidden.contains(name),
        !value.utf8.contains(where: { $0 == 10 || $0 == 13 || $0 == 0 })
      else { throw ProtocolViolation.http2("the field \(name): \(value)") }
    }
    return ResponseHead(version: "HTTP/2", status: status, fields: rest)
  }

  private func finish(_ stream: Int) throws {
    answers[stream]?.isWhole = true
    windows[stream] = nil
    guard let answer = answers[stream], let head = answer.head else { return }
    let hasBody = !answer.isHead && head.status != 204 && head.status != 304
    let count = answer.bodyByteCount
    if let announced = head["content-length"], hasBody, Int(announced) != count {
      throw ProtocolViolation.http2("\(count) bytes of \(announced) on stream \(stream)")
    }
    if !hasBody, count > 0 { throw ProtocolViolation.http2("a body for HEAD or \(head.status)") }
  }
}
