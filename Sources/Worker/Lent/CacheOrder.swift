// What an application wants with the cache's entries and fragments of its own URLs, as the master
// has allowed it.

import HTTP

/// How long an application wants something to be kept.
package enum KeepPolicy: Equatable, Sendable, CustomStringConvertible {
  /// As the fields of its answer say.
  case own
  case untilInvalidated
  case seconds(Int)

  /// "none", "until-invalidated", "seconds:N"; nil for anything else.
  package init?(_ text: String) {
    switch text {
    case "none": self = .own
    case "until-invalidated": self = .untilInvalidated
    default:
      guard text.hasPrefix("seconds:"), let seconds = Int(text.dropFirst(8)),
        (1...KeepPolicy.secondsMax).contains(seconds)
      else { return nil }
      self = .seconds(seconds)
    }
  }

  /// As long as anything is kept.
  package static let secondsMax = Int(StorageRules.untilInvalidatedSeconds)

  package var description: String {
    switch self {
    case .own: "none"
    case .untilInvalidated: "until-invalidated"
    case .seconds(let seconds): "seconds:\(seconds)"
    }
  }

  /// As a targeted field (RFC 9213), which comes before all else that a response says; nil: what it
  /// says counts.
  var targetedField: [UInt8]? {
    switch self {
    case .own: nil
    case .untilInvalidated: Array("until-invalidated".utf8)
    case .seconds(let seconds): Array("max-age=\(seconds)".utf8)
    }
  }
}

/// Goes to a worker with one end of a connection to the application.
package struct CacheOrder: Equatable, Sendable {
  package enum Kind: String, Sendable {
    /// An answer comes over the connection, to be kept as if the application had been asked.
    case put
    /// What is kept is to be sent over it.
    case get
    case putFragment = "put-fragment"
    case getFragment = "get-fragment"

    package var isPut: Bool { self == .put || self == .putFragment }
    package var isOfFragment: Bool { self == .putFragment || self == .getFragment }
  }

  package let kind: Kind
  /// `NamespaceOwner.text` of whom the URL leads to.
  package let owner: String
  package var isSecure = false
  package var port: UInt16 = 0
  /// As entries name it; of a fragment that of its owner's prefix.
  package var host = ""
  /// Path and query as they are written; of a fragment the canonical path.
  package var target = ""
  /// How many bytes come.
  package var byteCount = 0
  package var policy = KeepPolicy.own
  /// The cache's generation before the application asked: what it calls back afterwards is gone.
  package var asOf: UInt64 = 0
  /// Which part of the body is wanted.
  package var offset = 0
  package var length: Int?
  /// Field lines of the request that an answer is for, or that something is looked for.
  package var fields: [String] = []

  /// What a packet between processes has room for, with some to spare.
  package static let bytesMax = 12_288

  package init(_ kind: Kind, owner: String) {
    self.kind = kind
    self.owner = owner
  }
}

extension CacheOrder {
  /// Lines: no part holds the end of one.
  package var bytes: [UInt8] {
    let lines: [String] = [
      kind.rawValue, owner, isSecure ? "1" : "0", "\(port)", host, target, "\(byteCount)",
      "\(policy)", "\(asOf)", "\(offset)", length.map { "\($0)" } ?? "",
    ]
    return Array((lines + fields).joined(separator: "\n").utf8)
  }

  /// nil for bytes that no master of this build sends.
  package init?(bytes: some Sequence<UInt8>) {
    let lines = String(decoding: Array(bytes), as: UTF8.self)
      .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    guard lines.count >= 11, let kind = Kind(rawValue: lines[0]), let port = UInt16(lines[3]),
      let byteCount = Int(lines[6]), byteCount >= 0, let policy = KeepPolicy(lines[7]),
      let asOf = UInt64(lines[8]), let offset = Int(lines[9]), offset >= 0
    else { return nil }
    self.init(kind, owner: lines[1])
    isSecure = lines[2] == "1"
    self.port = port
    host = lines[4]
    target = lines[5]
    self.byteCount = byteCount
    self.policy = policy
    self.asOf = asOf
    self.offset = offset
    if !lines[10].isEmpty {
      guard let length = Int(lines[10]), length >= 0 else { return nil }
      self.length = length
    }
    fields = Array(lines[11...])
  }
}
