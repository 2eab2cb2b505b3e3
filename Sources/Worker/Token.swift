// What epoll names descriptors by.

/// What epoll gives back: a connection's serial and descriptor, or one of the loop's own sources.
enum Token {
  static let specialBit: UInt64 = 1 << 63
  /// Not epoll's: names a stream of an HTTP/2 connection by its place in `EventLoop.streams`.
  static let streamBit: UInt64 = 1 << 62
  /// Both name a connection to an application by its descriptor.
  static let upstreamBits = specialBit | streamBit

  enum Kind: UInt64 {
    case listener = 0
    case control = 1
    case fileHelper = 2
    case successor = 3
    case predecessor = 4
    case wakes = 5
  }

  static func special(_ kind: Kind, _ index: Int) -> UInt64 {
    specialBit | kind.rawValue << 32 | UInt64(UInt32(truncatingIfNeeded: index))
  }

  static func kind(of token: UInt64) -> Kind {
    guard let kind = Kind(rawValue: token >> 32 & 0xff) else {
      preconditionFailure("a token that nobody made")
    }
    return kind
  }
}
