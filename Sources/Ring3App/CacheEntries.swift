// What an application keeps in the server's cache: whole answers, and pieces of them.

/// How long the server keeps what an application puts into its cache.
public enum KeepPolicy: Sendable, Hashable, CustomStringConvertible {
  /// As the answer's own fields say: Cache-Control, Expires and what else RFC 9111 has. Not for
  /// fragments.
  case asAnswerSays
  /// Until the application invalidates it, or puts another one.
  case untilInvalidated
  /// For so many seconds.
  case seconds(Int)

  /// As the server is told.
  public var description: String {
    switch self {
    case .asAnswerSays: "none"
    case .untilInvalidated: "until-invalidated"
    case .seconds(let seconds): "seconds:\(seconds)"
    }
  }
}

/// What the server's cache has.
public struct CachedEntry: Sendable, Hashable {
  /// Status line and fields as a client would get them, with the empty line; of a fragment empty.
  public let head: [UInt8]
  /// The part of the body that was asked for.
  public let body: [UInt8]
  /// Of the whole body.
  public let bodyByteCount: Int
}

extension ControlSession {
  private static let attemptsMax = 3

  /// Puts an answer into the server's cache, as if a client had asked for the URL: from then on
  /// clients get it, and this application is not asked. In place of what is there.
  ///
  /// The URL must lead to what this session, or another one of a queue that it uses, has
  /// registered. What must not be kept of an answer (Set-Cookie, `Vary: *`) is not kept of this
  /// one either: then this fails and says why.
  ///
  /// - Parameters:
  ///   - url: with the host that clients write.
  ///   - answer: an HTTP/1.1 response, head and body.
  ///   - policy: how long; it comes before what the answer says itself.
  ///   - requestFields: lines such as `Accept-Language: de`, of the request that it answers, where
  ///     it has Vary.
  ///   - timeout: how long the server may take.
  public func put(
    _ url: String, answer: [UInt8], keep policy: KeepPolicy = .asAnswerSays,
    requestFields: [String] = [], timeout: Duration = .seconds(30)
  ) throws(ControlError) {
    let words = ["put", url, "--bytes=\(answer.count)", "--policy=\(policy)"]
    try put(words + requestFields.map { "--field=\($0)" }, answer, timeout)
  }

  /// What a client would get of the cache for a URL of this session's; nil: the application would
  /// be asked. It never is for this.
  ///
  /// - Parameters:
  ///   - url: with the host that clients write.
  ///   - range: the wanted part of the body; nil: all of it.
  ///   - requestFields: of the request, where the answer has Vary.
  ///   - timeout: how long the server may take.
  public func get(
    _ url: String, range: Range<Int>? = nil, requestFields: [String] = [],
    timeout: Duration = .seconds(30)
  ) throws(ControlError) -> CachedEntry? {
    try get(["get", url] + requestFields.map { "--field=\($0)" }, range, timeout)
  }

  /// Puts a fragment into the server's cache: a piece of bodies, under the name of a URL of this
  /// session's. Clients cannot ask for it; this application's answers may be made of it, see
  /// ``Fragments``. In place of the one that is there.
  ///
  /// - Parameters:
  ///   - url: its host may be that of a prefix, as in `http://+:8080/shop/header`.
  ///   - bytes: the piece.
  ///   - policy: how long; `asAnswerSays` is none for a fragment.
  ///   - timeout: how long the server may take.
  public func putFragment(
    _ url: String, _ bytes: [UInt8], keep policy: KeepPolicy = .untilInvalidated,
    timeout: Duration = .seconds(30)
  ) throws(ControlError) {
    let words = ["put-fragment", url, "--bytes=\(bytes.count)", "--policy=\(policy)"]
    try put(words, bytes, timeout)
  }

  /// A fragment of this session's, or a part of it; nil: there is none.
  public func getFragment(
    _ url: String, range: Range<Int>? = nil, timeout: Duration = .seconds(30)
  ) throws(ControlError) -> CachedEntry? {
    try get(["get-fragment", url], range, timeout)
  }

  /// Deletes a fragment, if there is one; it holds for all workers when this returns.
  public func deleteFragment(_ url: String) throws(ControlError) {
    try require("delete-fragment")
    try ask(["delete-fragment", url])
  }

  /// Calls back what the cache keeps of a URL of this session's: it is validated before it is used
  /// again, or never used again.
  ///
  /// - Parameters:
  ///   - url: it, or what is below it.
  ///   - recursively: all below it too, on whole segments, and fragments.
  ///   - hard: it is never used again.
  public func invalidate(
    _ url: String, recursively: Bool = false, hard: Bool = false
  ) throws(ControlError) {
    try require("invalidate")
    try ask(
      ["invalidate", url] + (recursively ? ["--recursive"] : []) + (hard ? ["--hard"] : []))
  }

  /// The same for all answers that were given one of these tags (Surrogate-Key, Cache-Tag).
  public func invalidate(tags: [String], hard: Bool = false) throws(ControlError) {
    try require("invalidate")
    try ask(["invalidate"] + tags.map { "--tag=\($0)" } + (hard ? ["--hard"] : []))
  }

  // MARK: Over the lent connection

  /// A worker that leaves meanwhile has a successor.
  private func put(
    _ words: [String], _ bytes: [UInt8], _ timeout: Duration
  ) throws(ControlError) {
    try require(words[0])
    for attempt in 1...Self.attemptsMax {
      let connection = Transfer(try borrow(words), timeout)
      try connection.send(bytes)
      let (line, _) = try connection.receive()
      if line?["result"]?.text == "stored" { return }
      let reason = line?["reason"]?.text ?? "interrupted"
      guard attempt < Self.attemptsMax, ["superseded", "interrupted"].contains(reason) else {
        throw ControlError(.refused, "'\(words[1])' was not kept: \(reason)", code: 1)
      }
    }
  }

  private func get(
    _ words: [String], _ range: Range<Int>?, _ timeout: Duration
  ) throws(ControlError) -> CachedEntry? {
    try require(words[0])
    let part = range.map { ["--from=\($0.lowerBound)", "--length=\($0.count)"] } ?? []
    for attempt in 1...Self.attemptsMax {
      let (line, rest) = try Transfer(try borrow(words + part), timeout).receive()
      let reason = line?["reason"]?.text ?? "interrupted"
      if let head = line?["head"]?.integer, let body = line?["body"]?.integer,
        let total = line?["total"]?.integer, rest.count == head + body
      {
        return CachedEntry(
          head: Array(rest[..<head]), body: Array(rest[head...]), bodyByteCount: total)
      }
      if attempt < Self.attemptsMax, ["superseded", "interrupted"].contains(reason) { continue }
      guard ["absent", "variant", "stale"].contains(reason) else {
        throw ControlError(.refused, "'\(words[1])' cannot be got: \(reason)", code: 1)
      }
      return nil
    }
    return nil
  }
}

/// How an application's answer says what its body is made of: with this field, whose value is a
/// list (RFC 9651) of fragments and of numbers, so many of the next bytes that it sends itself.
///
/// ```
/// HTTP/1.1 200 OK
/// Ring3-Fragments: "/shop/header", 11, "/shop/footer";from=0;length=40
/// Content-Length: 11
///
/// Hello world
/// ```
///
/// If a fragment is not there, the server asks once more, with the same field, whose value is then
/// ``refusal``: the application sends everything itself. Clients never see the field.
public enum Fragments {
  /// `Ring3-Fragments`
  public static let fieldName = "Ring3-Fragments"
  /// In a request: fragments cannot be used for its answer.
  public static let refusal = "?0"

  /// One part of a body.
  public enum Part: Sendable, Hashable {
    /// So many bytes of the answer's own body.
    case bytes(Int)
    /// A fragment by its path, or by its URL with a host that clients write; nil: all of it.
    case fragment(String, range: Range<Int>? = nil)
  }

  /// The field's value.
  public static func fieldValue(_ parts: [Part]) -> String {
    parts.map { part in
      switch part {
      case .bytes(let count): return "\(count)"
      case .fragment(let name, let range):
        let parameters = range.map { ";from=\($0.lowerBound);length=\($0.count)" } ?? ""
        let escaped = name.flatMap { $0 == "\"" || $0 == "\\" ? "\\\($0)" : "\($0)" }
        return "\"\(String(escaped))\"\(parameters)"
      }
    }.joined(separator: ", ")
  }
}

/// Bytes that go over a lent connection, and what comes back.
private struct Transfer {
  private static let lineBytesMax = 4096

  private let connection: LentSocket
  private let deadline: ContinuousClock.Instant

  init(_ connection: LentSocket, _ timeout: Duration) {
    self.connection = connection
    deadline = ContinuousClock.now + timeout
  }

  /// Sends all, or as much as the other end wants: what it says then is to be read.
  func send(_ bytes: [UInt8]) throws(ControlError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      guard let count = System.send(connection.descriptor, rest, with: []) else { return }
      rest = rest.dropFirst(count)
      if count == 0 { try wait(writable: true) }
    }
  }

  /// One line of JSON and all that comes behind it; nil if the other end has gone before.
  func receive() throws(ControlError) -> (line: JSONValue?, rest: [UInt8]) {
    var bytes: [UInt8] = []
    reading: while true {
      switch System.receive(connection.descriptor) {
      case .wouldBlock: try wait(writable: false)
      case .closed: break reading
      case .bytes(let more, let numbers):
        for number in numbers { _ = LentSocket(adopting: number) }
        bytes += more
      }
    }
    guard let end = bytes.prefix(Self.lineBytesMax).firstIndex(of: UInt8(ascii: "\n")) else {
      return (nil, [])
    }
    return (
      JSONValue(String(decoding: bytes[..<end], as: UTF8.self)), Array(bytes[(end + 1)...])
    )
  }

  private func wait(writable: Bool) throws(ControlError) {
    let left = ContinuousClock.now.duration(to: deadline)
    guard left > .zero else {
      throw ControlError(.timedOut, "the server did not take or give all in time")
    }
    let milliseconds = Int32(clamping: Int64(left / .milliseconds(1)) + 1)
    _ = System.wait(connection.descriptor, writable: writable, milliseconds: milliseconds)
  }
}
