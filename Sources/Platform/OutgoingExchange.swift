// One question to another host and its answer, for processes that may wait: never for a worker.

import CLinux
import Glibc

/// Why there was no answer: the rest of the sentence "HOST …".
package struct OutgoingFailure: Error, Equatable, Sendable {
  package let text: String

  package init(text: String) { self.text = text }
}

package enum OutgoingExchange {
  /// Connects, sends, and receives until the host closes, `isComplete` says so, or there are
  /// `byteCountMax` bytes (an error). `deadline`: monotonic milliseconds for all but the resolver,
  /// which has limits of its own. Addresses are tried in the resolver's order.
  package static func run(
    host: String, port: UInt16, sending request: [UInt8], byteCountMax: Int, deadline: Int64,
    isComplete: ([UInt8]) -> Bool
  ) throws(OutgoingFailure) -> [UInt8] {
    var failure = OutgoingFailure(text: "does not answer in time")
    let addresses: [SocketAddress]
    do {
      addresses = try NameResolver.addresses(of: host, port: port)
    } catch {
      throw OutgoingFailure(text: error.text)
    }
    for address in addresses {
      do throws(OutgoingFailure) {
        let socket = try connect(address, deadline)
        try send(request, socket, deadline)
        return try receive(socket, byteCountMax, deadline, isComplete)
      } catch {
        failure = error
        if Clock.monotonicMilliseconds() >= deadline { break }
      }
    }
    throw failure
  }

  private static func connect(
    _ address: SocketAddress, _ deadline: Int64
  ) throws(OutgoingFailure) -> Descriptor {
    switch Stream.connect(to: address) {
    case .connected(let number): return Descriptor(adopting: number)
    case .inProgress(let number):
      let descriptor = Descriptor(adopting: number)
      try wait(descriptor, CShort(POLLOUT), deadline)
      if let error = Stream.connectError(number) {
        throw failed("cannot be reached", error.code)
      }
      return descriptor
    case .queueFull: throw failed("cannot be reached", EAGAIN)
    case .refused(let error), .exhausted(let error):
      throw failed("cannot be reached", error.code)
    }
  }

  private static func wait(
    _ socket: Descriptor, _ events: CShort, _ deadline: Int64
  ) throws(OutgoingFailure) {
    while true {
      let left = deadline - Clock.monotonicMilliseconds()
      guard left > 0 else { throw OutgoingFailure(text: "does not answer in time") }
      var entry = pollfd(fd: socket.number, events: events, revents: 0)
      if unsafe poll(&entry, 1, CInt(clamping: left)) > 0 { return }
    }
  }

  private static func send(
    _ bytes: [UInt8], _ socket: Descriptor, _ deadline: Int64
  ) throws(OutgoingFailure) {
    var sent = 0
    while sent < bytes.count {
      try wait(socket, CShort(POLLOUT), deadline)
      let count = unsafe bytes.withUnsafeBytes { buffer in
        guard let start = buffer.baseAddress else { return 0 }
        return unsafe Glibc.send(
          socket.number, start + sent, buffer.count - sent, CInt(MSG_NOSIGNAL))
      }
      if count > 0 {
        sent += count
      } else if ring3_errno() != EAGAIN && ring3_errno() != EINTR {
        throw failed("breaks the connection", ring3_errno())
      }
    }
  }

  private static func receive(
    _ socket: Descriptor, _ byteCountMax: Int, _ deadline: Int64, _ isComplete: ([UInt8]) -> Bool
  ) throws(OutgoingFailure) -> [UInt8] {
    var received: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16_384)
    while true {
      try wait(socket, CShort(POLLIN), deadline)
      let count = unsafe chunk.withUnsafeMutableBytes {
        unsafe recv(socket.number, $0.baseAddress, $0.count, 0)
      }
      if count == 0 { return received }
      if count < 0 {
        if ring3_errno() == EAGAIN || ring3_errno() == EINTR { continue }
        throw failed("breaks the connection", ring3_errno())
      }
      received += chunk[..<count]
      guard received.count <= byteCountMax else {
        throw OutgoingFailure(text: "answers with more than \(byteCountMax) bytes")
      }
      if isComplete(received) { return received }
    }
  }

  private static func failed(_ what: String, _ code: CInt) -> OutgoingFailure {
    OutgoingFailure(text: "\(what): \(SystemError.text(of: code))")
  }
}
