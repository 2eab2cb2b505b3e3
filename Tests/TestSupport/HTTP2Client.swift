// A blocking HTTP/2 client for tests: one engine on one channel.

package final class HTTP2Client {
  package let channel: any ByteChannel
  package let engine: HTTP2Engine
  package private(set) var isAtEnd = false
  private var buffer = [UInt8](repeating: 0, count: 65_536)
  package let scheme: String

  package init(
    _ channel: any ByteChannel, scheme: String = "http", engine: HTTP2Engine = HTTP2Engine()
  ) throws {
    self.channel = channel
    self.engine = engine
    self.scheme = scheme
    try flush()
  }

  package func flush() throws {
    try channel.send(engine.output)
    engine.output.removeAll()
  }

  package func send(_ frames: HTTP2Frame...) throws {
    for frame in frames { engine.send(frame) }
    try flush()
  }

  /// Opens a stream; does not read.
  @discardableResult
  package func request(
    _ target: String, method: String = "GET", authority: String = "localhost",
    fields: [(String, String)] = [], body: [UInt8]? = nil
  ) throws -> Int {
    let stream = engine.request(
      HTTP2Engine.requestFields(
        target, method: method, authority: authority, scheme: scheme, fields),
      ends: body == nil)
    if let body { engine.send(.data(stream: stream, body, ends: true)) }
    try flush()
    return stream
  }

  /// Takes what has come, waiting for something; false at the end of the connection.
  @discardableResult
  package func read() throws -> Bool {
    // Whoever has gone may still have said something.
    if !engine.output.isEmpty { try? flush() }
    while !isAtEnd {
      guard let count = try received() else {
        try channel.socket.waitForInput()
        continue
      }
      guard count > 0 else {
        isAtEnd = true
        return false
      }
      try engine.receive(buffer[..<count])
      if !engine.output.isEmpty { try? flush() }
      return true
    }
    return false
  }

  /// A connection that is cut is at its end.
  private func received() throws -> Int? {
    do {
      return try channel.receiveSome(into: &buffer)
    } catch SocketFailure.reset {
      return 0
    }
  }

  /// Reads until it is true; false if the connection ended before.
  package func read(until isTrue: () -> Bool) throws -> Bool {
    while !isTrue() {
      guard try read() else { return isTrue() }
    }
    return true
  }

  /// The response on a stream, when it is whole.
  package func response(_ stream: Int) throws -> Response {
    _ = try read { self.engine.answers[stream]?.isOver ?? true }
    guard let answer = engine.answers[stream], answer.isWhole, let head = answer.head else {
      let code = engine.answers[stream]?.resetCode.map { "\($0)" } ?? "no end"
      throw ProtocolViolation.endedEarly(
        received: "stream \(stream): \(code), \(engine.goAway.map { "\($0)" } ?? "no GOAWAY")")
    }
    return Response(
      head: head, body: answer.body, trailers: answer.trailers.map { "\($0.name): \($0.value)" })
  }

  /// Sends a request and reads its response.
  package func get(
    _ target: String, method: String = "GET", authority: String = "localhost",
    fields: [(String, String)] = [], body: [UInt8]? = nil
  ) throws -> Response {
    try response(
      request(target, method: method, authority: authority, fields: fields, body: body))
  }

  /// How the server resets a stream opened with these fields; nil if it answers.
  package func refusal(_ fields: [HTTP2Field], ends: Bool = true) throws -> HTTP2Code? {
    let stream = engine.request(fields, ends: ends)
    try flush()
    _ = try read { self.engine.answers[stream]?.isOver ?? true }
    return engine.answers[stream]?.resetCode
  }

  /// A PING comes back: all that was sent before has been dealt with.
  @discardableResult
  package func roundTrip() throws -> Bool {
    let before = engine.pongs
    try? send(.ping())
    return try read { self.engine.pongs > before }
  }

  /// Reads to the end and tells how the server said goodbye.
  package func goodbye() throws -> HTTP2GoAway? {
    while try read() {}
    return engine.goAway
  }
}
