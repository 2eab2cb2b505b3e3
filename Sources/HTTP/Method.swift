// Request methods (RFC 9110 §9): the registered ones that a server meets, and "another".

/// What the client asks to be done. Names are case-sensitive (RFC 9110 §9.1).
package enum Method: UInt8, Sendable, CaseIterable {
  case get
  case head
  case post
  case put
  case delete
  case connect
  case options
  case trace
  case patch
  /// A well-formed token that is none of the above; the bytes are in `RequestHead.methodRange`.
  case other

  /// GET and HEAD: what the cache and files can answer.
  @inlinable
  package var isRetrieval: Bool { self == .get || self == .head }

  /// Asks for nothing to be changed (RFC 9110 §9.2.1).
  package var isSafe: Bool {
    switch self {
    case .get, .head, .options, .trace: true
    default: false
    }
  }

  /// Sent twice it means what it means sent once (RFC 9110 §9.2.2).
  package var isIdempotent: Bool { isSafe || self == .put || self == .delete }

  /// As written in a request line; empty for `other`.
  package var name: StaticString {
    switch self {
    case .get: "GET"
    case .head: "HEAD"
    case .post: "POST"
    case .put: "PUT"
    case .delete: "DELETE"
    case .connect: "CONNECT"
    case .options: "OPTIONS"
    case .trace: "TRACE"
    case .patch: "PATCH"
    case .other: ""
    }
  }

  /// The method spelled by exactly these bytes.
  package init(_ bytes: RawSpan) {
    for candidate in Method.allCases where candidate != .other {
      if Scan.equal(bytes, candidate.name) {
        self = candidate
        return
      }
    }
    self = .other
  }
}
