// The first lines of a response, built once a second and not once a request.

import HTTP
import Platform

/// How the Connection field is spelled for this exchange.
enum ConnectionField: Int {
  /// HTTP/1.1 that stays: no field.
  case none = 0
  /// HTTP/1.0 that stays.
  case keepAlive = 1
  case close = 2
}

/// "HTTP/1.1 200 OK", Date, Server and Connection as most hits have them, ready to
/// be the first piece of a send. Only the date changes; a buffer is built anew when its second is
/// over.
final class ResponsePrefixes {
  private struct Entry {
    let buffer: ByteBuffer
    var second: Int64
  }
  /// By `ConnectionField`.
  private var entries: [Entry] = []
  private let server: [UInt8]
  /// Seconds since 1970; set by the loop once a batch.
  private(set) var second: Int64 = 0
  /// `second` as an IMF-fixdate.
  private(set) var date: [UInt8] = []

  /// `server`: the Server field's value; empty for none.
  init(server: [UInt8]) {
    self.server = server
    entries = (0..<3).map { _ in Entry(buffer: ByteBuffer(capacity: 512), second: -1) }
  }

  func advance(to newSecond: Int64) {
    guard newSecond != second else { return }
    second = newSecond
    date.removeAll(keepingCapacity: true)
    HTTPDate.append(newSecond, to: &date)
  }

  /// For status 200.
  @inline(__always)
  func buffer(_ connection: ConnectionField) -> ByteBuffer {
    if entries[connection.rawValue].second != second { build(connection) }
    return entries[connection.rawValue].buffer
  }

  private func build(_ connection: ConnectionField) {
    let buffer = entries[connection.rawValue].buffer
    buffer.removeAll()
    buffer.append(head(status: 200, connection: connection))
    entries[connection.rawValue].second = second
  }

  /// Status line, Date, Server, Connection for any status, each with its line end. `dateAndAge`:
  /// an application's own lines instead of Date and Server.
  func head(
    status: UInt16, connection: ConnectionField, dateAndAge: [UInt8] = []
  ) -> [UInt8] {
    var bytes: [UInt8] = []
    ResponseHead.appendStatusLine(Int(status), to: &bytes)
    if dateAndAge.isEmpty {
      ResponseHead.appendField("Date", date, to: &bytes)
      if !server.isEmpty { ResponseHead.appendField("Server", server, to: &bytes) }
    } else {
      bytes += dateAndAge
    }
    switch connection {
    case .none: break
    case .keepAlive:
      ResponseHead.appendField("Connection", "keep-alive" as StaticString, to: &bytes)
    case .close: ResponseHead.appendField("Connection", "close" as StaticString, to: &bytes)
    }
    return bytes
  }
}
