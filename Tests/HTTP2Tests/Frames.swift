// Frames made and read by hand, with HPACK literals that use no table.

import CNGHTTP2
import HTTP2
import Platform

/// A frame as it was sent.
struct Frame: Equatable {
  var type: UInt8
  var flags: UInt8 = 0
  var stream: Int32 = 0
  var payload: [UInt8] = []

  static let data: UInt8 = 0
  static let headers: UInt8 = 1
  static let reset: UInt8 = 3
  static let settings: UInt8 = 4
  static let ping: UInt8 = 6
  static let goAway: UInt8 = 7
  static let windowUpdate: UInt8 = 8
  static let continuation: UInt8 = 9
  static let priorityUpdate: UInt8 = 16

  var bytes: [UInt8] {
    let count = payload.count
    return [UInt8(count >> 16 & 0xff), UInt8(count >> 8 & 0xff), UInt8(count & 0xff), type, flags]
      + word(stream) + payload
  }

  var endsStream: Bool { flags & 1 != 0 }
  /// Of RST_STREAM and GOAWAY.
  var code: UInt32 {
    let start = type == Frame.goAway ? 4 : 0
    return payload[start..<(start + 4)].reduce(0) { $0 << 8 | UInt32($1) }
  }

  /// All whole frames in bytes; nil if there is a rest.
  static func read(_ bytes: [UInt8]) -> [Frame]? {
    var frames: [Frame] = []
    var rest = bytes[...]
    while !rest.isEmpty {
      guard rest.count >= 9 else { return nil }
      let head = Array(rest.prefix(9))
      let count = Int(head[0]) << 16 | Int(head[1]) << 8 | Int(head[2])
      guard rest.count >= 9 + count else { return nil }
      let stream = head[5...].reduce(0) { $0 << 8 | Int32($1) }
      frames.append(
        Frame(
          type: head[3], flags: head[4], stream: stream,
          payload: Array(rest.dropFirst(9).prefix(count))))
      rest = rest.dropFirst(9 + count)
    }
    return frames
  }
}

func word(_ value: Int32) -> [UInt8] {
  let value = UInt32(bitPattern: value)
  return [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
}

/// A header block of literals without indexing.
func block(_ fields: [(String, String)]) -> [UInt8] {
  var bytes: [UInt8] = []
  for (name, value) in fields {
    bytes.append(0)
    for text in [name, value] {
      appendInteger(text.utf8.count, to: &bytes)
      bytes += text.utf8
    }
  }
  return bytes
}

/// RFC 7541 §5.1 with a prefix of seven bits.
private func appendInteger(_ value: Int, to bytes: inout [UInt8]) {
  guard value >= 127 else {
    bytes.append(UInt8(value))
    return
  }
  bytes.append(127)
  var rest = value - 127
  while rest >= 128 {
    bytes.append(UInt8(rest & 127) | 128)
    rest >>= 7
  }
  bytes.append(UInt8(rest))
}

let preface = [UInt8]("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

func settingsFrame(_ entries: [(UInt16, Int32)] = []) -> Frame {
  Frame(
    type: Frame.settings,
    payload: entries.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xff)] + word($1) })
}

func resetFrame(_ stream: Int32, _ code: Int32 = 8) -> Frame {
  Frame(type: Frame.reset, stream: stream, payload: word(code))
}

func windowFrame(_ stream: Int32, _ count: Int32) -> Frame {
  Frame(type: Frame.windowUpdate, stream: stream, payload: word(count))
}

func dataFrame(_ stream: Int32, _ text: String, ends: Bool = false) -> Frame {
  Frame(type: Frame.data, flags: ends ? 1 : 0, stream: stream, payload: Array(text.utf8))
}

let usual = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a.example")]

/// HEADERS of a request; `with` replaces pseudo-fields or adds fields.
func requestFrame(
  _ stream: Int32, _ with: [(String, String)] = [], ends: Bool = true
) -> Frame {
  var fields = usual
  for (name, value) in with {
    if let index = usual.firstIndex(where: { $0.0 == name }) {
      fields[index].1 = value
    } else {
      fields.append((name, value))
    }
  }
  return headersFrame(stream, fields, ends: ends)
}

func headersFrame(_ stream: Int32, _ fields: [(String, String)], ends: Bool = true) -> Frame {
  Frame(type: Frame.headers, flags: ends ? 5 : 4, stream: stream, payload: block(fields))
}
