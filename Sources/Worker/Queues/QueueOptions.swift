// What a request queue allows, and what is counted of it.

/// Whether a queue takes requests.
package enum QueueState: UInt64, Sendable {
  /// There is no such queue (any more).
  case gone = 0
  case enabled = 1
  /// Nothing is taken, and nothing waits.
  case disabled = 2
  /// Nothing new is taken; what waits is still served.
  case draining = 3
  /// Whoever runs the application has given it up.
  case offline = 4
}

/// How a request that the queue refuses is answered; as HTTP_503_RESPONSE_VERBOSITY of HTTP.sys.
package enum QueueVerbosity: UInt64, Sendable, CaseIterable {
  /// The connection is reset: a load balancer in front tries another server.
  case basic = 0
  /// 503 (Service Unavailable), no more.
  case limited = 1
  /// 503 with the reason's word.
  case full = 2

  package init?(word: String) {
    guard let found = Self.allCases.first(where: { "\($0)" == word }) else { return nil }
    self = found
  }
}

/// What a queue allows; the defaults are those of HTTP.sys where it has them.
package struct QueueOptions: Equatable, Sendable {
  /// Requests that may wait.
  package var lengthMax = 1000
  /// Bytes that they may hold: heads, and up to 64 KiB of each body.
  package var bytesMax = 64 << 20
  /// How long each may wait.
  package var ageMilliseconds: Int64 = 120_000
  package var verbosity = QueueVerbosity.limited
  /// Connections to the application carry more than one request.
  package var keepsAlive = false
  /// Requests that one process works on at a time.
  package var concurrency = 1

  /// Users whose applications may delegate requests to it, beside its own.
  package var delegators: [UInt32] = []
  package static let delegatorsMax = 8

  package init() {}

  /// In one word of the board: from here on upwards the concurrency.
  static let concurrencyShift: UInt64 = 8
  var flags: UInt64 {
    verbosity.rawValue | (keepsAlive ? 4 : 0)
      | UInt64(clamping: concurrency) << QueueOptions.concurrencyShift
  }
}

/// What is counted of one queue. The values are places in a line of the board.
package enum QueueCounter: Int, CaseIterable, Sendable {
  /// Requests that its application answered.
  case served = 3
  /// 503: full, disabled or offline.
  case refused = 4
  /// 503: waited too long.
  case expired = 5
  /// Their clients went away while they waited.
  case cancelled = 6
  /// Given to another process after one had broken off.
  case retried = 7
  /// No whole answer came: broken off, no HTTP, or too late; and nothing more could be done.
  case failed = 8

  package var name: String { "\(self)" }
}
