// What the owner of a queue says about it, and what the server says about a queue.

/// Properties of a queue. What is nil stays as it is; see the session's `queue` request in
/// ring3app(7) for what a queue has at first.
public struct QueueProperties: Sendable, Hashable {
  /// What clients get whose requests are refused.
  public enum Verbosity: String, Sendable, Hashable {
    /// Nothing: the connection is closed.
    case basic
    /// 503, and no reason.
    case limited
    /// 503, and the reason.
    case full
  }

  /// How many requests may wait.
  public var length: Int?
  /// How many bytes of requests may wait.
  public var byteCountMax: Int?
  /// How long a request may wait, in seconds.
  public var ageSeconds: Int?
  /// What clients get whose requests are refused.
  public var verbosity: Verbosity?
  /// Whether connections to the application carry more than one request.
  public var keepsConnections: Bool?
  /// How many requests one process answers at a time.
  public var concurrency: Int?
  /// A group whose members may accept from the queue too.
  public var group: String?
  /// Users whose applications may give requests to this queue; see ``Delegation``.
  public var delegators: [String]?

  /// Sets what is not nil.
  public init(
    length: Int? = nil, byteCountMax: Int? = nil, ageSeconds: Int? = nil,
    verbosity: Verbosity? = nil, keepsConnections: Bool? = nil, concurrency: Int? = nil,
    group: String? = nil, delegators: [String]? = nil
  ) {
    self.length = length
    self.byteCountMax = byteCountMax
    self.ageSeconds = ageSeconds
    self.verbosity = verbosity
    self.keepsConnections = keepsConnections
    self.concurrency = concurrency
    self.group = group
    self.delegators = delegators
  }

  /// The words of the request; none if nothing is set.
  var words: [String] {
    let values: [(String, String?)] = [
      ("length", length.map { "\($0)" }), ("bytes", byteCountMax.map { "\($0)" }),
      ("age", ageSeconds.map { "\($0)" }), ("verbosity", verbosity?.rawValue),
      ("keepalive", keepsConnections.map { $0 ? "on" : "off" }),
      ("concurrency", concurrency.map { "\($0)" }), ("group", group),
      ("delegators", delegators?.joined(separator: ",")),
    ]
    return values.compactMap { name, value in value.map { "--\(name)=\($0)" } }
  }
}

/// What a queue does at a moment, and has done since it was made.
public struct QueueStatistics: Sendable, Hashable {
  /// The queue's name.
  public let queue: String
  /// Whose it is.
  public let user: String
  /// `enabled`, `disabled`, `draining` or `offline`.
  public let state: String
  /// How many processes accept from it, over all sessions.
  public let processes: Int
  /// How many requests one of them answers at a time.
  public let concurrency: Int
  /// How many requests may be with the application at a time.
  public let credits: Int
  /// How many are.
  public let active: Int
  /// How many wait.
  public let waiting: Int
  /// How long the first of them has waited.
  public let oldestMilliseconds: Int
  /// How many bytes wait.
  public let waitingBytes: Int
  /// Requests that the application answered.
  public let served: Int
  /// Those that were refused: no room, disabled, offline.
  public let refused: Int
  /// Those that waited too long.
  public let expired: Int
  /// Those whose clients went away while they waited.
  public let cancelled: Int
  /// Those that were given to another process, after one had broken off.
  public let retried: Int
  /// Those that a process broke off, and nothing more could be done for.
  public let failed: Int
  /// All of it as the server said it: one JSON object, maybe with more members.
  public let json: String

  /// Reads the server's line; nil if it is no object. A count that it lacks is 0.
  init?(_ json: String) {
    guard case .object(let members)? = JSONValue(json) else { return nil }
    func count(_ name: String) -> Int { members[name]?.integer ?? 0 }
    self.json = json
    queue = members["queue"]?.text ?? ""
    user = members["user"]?.text ?? ""
    state = members["state"]?.text ?? ""
    processes = count("processes")
    concurrency = count("concurrency")
    credits = count("credits")
    active = count("active")
    waiting = count("waiting")
    oldestMilliseconds = count("oldestMilliseconds")
    waitingBytes = count("waitingBytes")
    served = count("served")
    refused = count("refused")
    expired = count("expired")
    cancelled = count("cancelled")
    retried = count("retried")
    failed = count("failed")
  }
}
