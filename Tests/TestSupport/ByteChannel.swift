// What a client's protocol runs over: a socket, or TLS on one. Waiting has a deadline in both.

/// Bytes in both directions, never waiting unless asked to.
package protocol ByteChannel: AnyObject {
  /// What to wait for.
  var socket: ClientSocket { get }
  /// Bytes were received that `receiveSome` has not told yet, or taken that are not sent yet:
  /// waiting for the socket alone would be wrong.
  var hasPending: Bool { get }
  /// Sends what is taken now; nil when nothing is.
  func sendSome(_ bytes: ArraySlice<UInt8>) throws(SocketFailure) -> Int?
  /// Receives what is there into `buffer`: its count, 0 at the end of the stream, nil when nothing
  /// has arrived yet.
  func receiveSome(into buffer: inout [UInt8]) throws(SocketFailure) -> Int?
}

extension ByteChannel {
  /// Sends everything.
  package func send(_ bytes: [UInt8]) throws(SocketFailure) {
    var rest = bytes[...]
    while !rest.isEmpty {
      if let sent = try sendSome(rest) {
        rest = rest.dropFirst(sent)
      } else {
        try socket.waitForRoom()
      }
    }
  }

  package func send(_ text: String) throws(SocketFailure) { try send(Array(text.utf8)) }

  /// Receives at least one byte; empty at the end of the stream.
  package func receive(atMost count: Int = 65_536) throws(SocketFailure) -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: count)
    while true {
      if let received = try receiveSome(into: &buffer) { return Array(buffer.prefix(received)) }
      try socket.waitForInput()
    }
  }

  /// Everything up to the end of the stream; a reset counts as an end.
  package func receiveToEnd() throws(SocketFailure) -> [UInt8] {
    var all: [UInt8] = []
    while true {
      do {
        let bytes = try receive()
        if bytes.isEmpty { return all }
        all += bytes
      } catch SocketFailure.reset {
        return all
      }
    }
  }
}
