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

/// "HTTP/1.1 200 OK", Date, Server and Connection for the three statuses that hits have, ready to
/// be the first piece of a send. Only the date changes; a buffer is built anew when its second is
/// over.
final class ResponsePrefixes {
  private struct Entry {
    let buffer: ByteBuffer
    var second: Int64
  }
  private var entries: [Entry] = []
  private let server: [UInt8]
  /// Seconds since 1970; set by the loop once a batch.
  private(set) var second: Int64 = 0
  /// `second` as an IMF-fixdate.
  private(set) var date: [UInt8] = []

  /// `server`: the Server field's value; empty for none.
  init(server: [UInt8]) {
    self.server = server
    entries = (0..<9).map { _ in Entry(buffer: ByteBuffer(capacity: 512), second: -1) }
  }

  func advance(to newSecond: Int64) {
    guard newSecond != second else { return }
    second = newSecond
    date.removeAll(keepingCapacity: true)
    HTTPDate.append(newSecond, to: &date)
  }

  /// Row 0: 200, 1: 206, 2: 304.
  @inline(__always)
  func buffer(row: Int, connection: ConnectionField) -> ByteBuffer {
    let index = row &* 3 &+ connection.rawValue
    if entries[index].second != second { build(index, row, connection) }
    return entries[index].buffer
  }

  private func build(_ index: Int, _ row: Int, _ connection: ConnectionField) {
    let buffer = entries[index].buffer
    buffer.removeAll()
    buffer.append(head(status: [200, 206, 304][row], connection: connection))
    entries[index].second = second
  }

  /// Status line, Date, Server, Connection for any status, each with its line end.
  func head(status: UInt16, connection: ConnectionField) -> [UInt8] {
    var bytes: [UInt8] = []
    ResponseHead.appendStatusLine(Int(status), to: &bytes)
    ResponseHead.appendField("Date", date, to: &bytes)
    if !server.isEmpty { ResponseHead.appendField("Server", server, to: &bytes) }
    switch connection {
    case .none: break
    case .keepAlive:
      ResponseHead.appendField("Connection", "keep-alive" as StaticString, to: &bytes)
    case .close: ResponseHead.appendField("Connection", "close" as StaticString, to: &bytes)
    }
    return bytes
  }
}
