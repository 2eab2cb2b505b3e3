// Frames of HTTP/2 (RFC 9113 §4 and §6) as a test writes and reads them.

package struct HTTP2Frame: Equatable, Sendable {
  package enum Kind {
    package static let data: UInt8 = 0
    package static let headers: UInt8 = 1
    package static let priority: UInt8 = 2
    package static let reset: UInt8 = 3
    package static let settings: UInt8 = 4
    package static let pushPromise: UInt8 = 5
    package static let ping: UInt8 = 6
    package static let goAway: UInt8 = 7
    package static let windowUpdate: UInt8 = 8
    package static let continuation: UInt8 = 9
    package static let priorityUpdate: UInt8 = 16
  }

  package enum Flags {
    package static let endStream: UInt8 = 0x1
    package static let acknowledgement: UInt8 = 0x1
    package static let endHeaders: UInt8 = 0x4
    package static let padded: UInt8 = 0x8
    package static let priority: UInt8 = 0x20
  }

  package let kind: UInt8
  package let flags: UInt8
  package let stream: Int
  package let payload: [UInt8]

  package init(_ kind: UInt8, flags: UInt8 = 0, stream: Int = 0, _ payload: [UInt8] = []) {
    self.kind = kind
    self.flags = flags
    self.stream = stream
    self.payload = payload
  }

  package var bytes: [UInt8] {
    let count = payload.count
    return [UInt8(count >> 16 & 0xff), UInt8(count >> 8 & 0xff), UInt8(count & 0xff), kind, flags]
      + HTTP2Frame.word(stream) + payload
  }

  /// Four octets, the highest first.
  package static func word(_ value: Int) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
  }

  static func number(_ bytes: some Collection<UInt8>) -> Int {
    bytes.reduce(0) { $0 << 8 | Int($1) }
  }

  // MARK: Makers

  package static func settings(_ values: [(identifier: Int, value: Int)] = []) -> HTTP2Frame {
    HTTP2Frame(
      Kind.settings,
      values.flatMap { [UInt8($0.identifier >> 8), UInt8($0.identifier & 0xff)] + word($0.value) })
  }

  package static func windowUpdate(stream: Int, _ increment: Int) -> HTTP2Frame {
    HTTP2Frame(Kind.windowUpdate, stream: stream, word(increment))
  }

  package static func reset(stream: Int, code: HTTP2Code = .cancel) -> HTTP2Frame {
    HTTP2Frame(Kind.reset, stream: stream, word(code.rawValue))
  }

  package static func ping(_ number: Int = 0) -> HTTP2Frame {
    HTTP2Frame(Kind.ping, word(0) + word(number))
  }

  package static func data(stream: Int, _ bytes: [UInt8], ends: Bool = false) -> HTTP2Frame {
    HTTP2Frame(Kind.data, flags: ends ? Flags.endStream : 0, stream: stream, bytes)
  }

  package static func headers(stream: Int, _ fields: [HTTP2Field], ends: Bool = true) -> HTTP2Frame
  {
    HTTP2Frame(
      Kind.headers, flags: Flags.endHeaders | (ends ? Flags.endStream : 0), stream: stream,
      HPACKEncoder.block(fields))
  }
}

/// Error codes of RFC 9113 §7.
package enum HTTP2Code: Int, Sendable {
  case noError = 0
  case protocolError = 1
  case internalError = 2
  case flowControlError = 3
  case settingsTimeout = 4
  case streamClosed = 5
  case frameSizeError = 6
  case refusedStream = 7
  case cancel = 8
  case compressionError = 9
  case connectError = 10
  case enhanceYourCalm = 11
  case inadequateSecurity = 12
  case http11Required = 13
}
