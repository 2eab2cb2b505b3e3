// Client sockets with deadlines, for tests and tools that talk to the real server.

import Glibc

/// Why a socket operation did not succeed.
package enum SocketFailure: Error, Equatable, CustomStringConvertible {
  case refused
  case reset
  case timedOut
  /// TLS: the stream ended without a close_notify.
  case truncated
  /// TLS: an alert, or whatever else OpenSSL says.
  case secure(String)
  case failed(operation: String, errno: Int32)

  package var description: String {
    switch self {
    case .refused: return "connection refused"
    case .reset: return "connection reset"
    case .timedOut: return "timed out"
    case .truncated: return "truncated"
    case .secure(let text): return text
    case .failed(let operation, let errno): return "\(operation): errno \(errno)"
    }
  }

  static func last(_ operation: String) -> SocketFailure {
    switch errno {
    case ECONNREFUSED: return .refused
    case ECONNRESET, EPIPE: return .reset
    default: return .failed(operation: operation, errno: errno)
    }
  }
}

/// Milliseconds of CLOCK_MONOTONIC.
package func monotonicMilliseconds() -> Int64 {
  var time = timespec()
  unsafe clock_gettime(CLOCK_MONOTONIC, &time)
  return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
}

/// Sleeps this thread.
package func pause(milliseconds: Int) {
  usleep(UInt32(milliseconds * 1000))
}

/// A connected, non-blocking stream socket. Operations that wait give up at `timeoutMilliseconds`.
package final class ClientSocket: ByteChannel {
  package let number: Int32
  package var timeoutMilliseconds: Int
  private var isOpen = true

  /// Connects over TCP to an IPv4 or (with a colon in it) IPv6 address.
  package init(
    to address: String = "127.0.0.1", port: UInt16, timeoutMilliseconds: Int = 15_000
  ) throws(SocketFailure) {
    self.timeoutMilliseconds = timeoutMilliseconds
    let family = address.utf8.contains(UInt8(ascii: ":")) ? AF_INET6 : AF_INET
    number = Glibc.socket(family, streamType, 0)
    guard number >= 0 else { throw .last("socket") }
    var on: Int32 = 1
    unsafe setsockopt(number, Int32(IPPROTO_TCP), TCP_NODELAY, &on, 4)
    try connect(to: address, port: port, family: family)
  }

  /// Connects to a Unix-domain socket.
  package init(unixPath: String, timeoutMilliseconds: Int = 15_000) throws(SocketFailure) {
    self.timeoutMilliseconds = timeoutMilliseconds
    number = Glibc.socket(AF_UNIX, streamType, 0)
    guard number >= 0 else { throw .last("socket") }
    var name = sockaddr_un()
    name.sun_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &name.sun_path) { room in
      for (index, byte) in unixPath.utf8.prefix(room.count - 1).enumerated() {
        unsafe room[index] = byte
      }
    }
    try connect { unsafe withAddress(of: &name) { unsafe Glibc.connect($0, $1, $2) } }
  }

  deinit { close() }

  package var socket: ClientSocket { self }
  package var hasPending: Bool { false }

  private func connect(to address: String, port: UInt16, family: Int32) throws(SocketFailure) {
    if family == AF_INET {
      var name = sockaddr_in()
      name.sin_family = sa_family_t(AF_INET)
      name.sin_port = port.bigEndian
      guard unsafe inet_pton(AF_INET, address, &name.sin_addr) == 1 else {
        throw .failed(operation: "inet_pton", errno: EINVAL)
      }
      try connect { unsafe withAddress(of: &name) { unsafe Glibc.connect($0, $1, $2) } }
    } else {
      var name = sockaddr_in6()
      name.sin6_family = sa_family_t(AF_INET6)
      name.sin6_port = port.bigEndian
      guard unsafe inet_pton(AF_INET6, address, &name.sin6_addr) == 1 else {
        throw .failed(operation: "inet_pton", errno: EINVAL)
      }
      try connect { unsafe withAddress(of: &name) { unsafe Glibc.connect($0, $1, $2) } }
    }
  }

  private func withAddress<Name>(
    of name: inout Name, _ body: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Int32
  ) -> Int32 {
    let number = self.number
    return unsafe withUnsafePointer(to: &name) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe body(number, $0, socklen_t(MemoryLayout<Name>.size))
      }
    }
  }

  private func connect(_ attempt: () -> Int32) throws(SocketFailure) {
    let started = monotonicMilliseconds()
    var result = attempt()
    while result != 0 && errno == EAGAIN {  // A Unix socket whose backlog is full.
      guard monotonicMilliseconds() - started < Int64(timeoutMilliseconds) else { throw .timedOut }
      pause(milliseconds: 5)
      result = attempt()
    }
    if result == 0 { return }
    guard errno == EINPROGRESS else { throw .last("connect") }
    try wait(for: Int16(POLLOUT))
    var code: Int32 = 0
    var size = socklen_t(4)
    unsafe getsockopt(number, SOL_SOCKET, SO_ERROR, &code, &size)
    guard code == 0 else {
      errno = code
      throw .last("connect")
    }
  }

  /// Waits until the socket is ready (or at its end).
  private func wait(for events: Int16) throws(SocketFailure) {
    var entry = pollfd(fd: number, events: events, revents: 0)
    guard unsafe poll(&entry, 1, Int32(timeoutMilliseconds)) > 0 else { throw .timedOut }
  }

  package func waitForInput() throws(SocketFailure) { try wait(for: Int16(POLLIN)) }
  package func waitForRoom() throws(SocketFailure) { try wait(for: Int16(POLLOUT)) }

  /// Sends what the kernel takes now; nil when it takes nothing.
  package func sendSome(_ bytes: ArraySlice<UInt8>) throws(SocketFailure) -> Int? {
    let sent = unsafe bytes.withUnsafeBytes {
      unsafe Glibc.send(number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
    }
    if sent >= 0 { return sent }
    if errno == EAGAIN || errno == EINTR { return nil }
    throw .last("send")
  }

  /// Receives what is there into `buffer`: its count, 0 at the end of the stream, nil when nothing
  /// has arrived yet.
  package func receiveSome(into buffer: inout [UInt8]) throws(SocketFailure) -> Int? {
    let received = unsafe buffer.withUnsafeMutableBytes {
      unsafe Glibc.recv(number, $0.baseAddress, $0.count, 0)
    }
    if received >= 0 { return received }
    if errno == EAGAIN || errno == EINTR { return nil }
    throw .last("recv")
  }

  /// shutdown(2) of our direction.
  package func finishSending() { shutdown(number, Int32(SHUT_WR)) }

  /// Ends the connection with a reset.
  package func reset() {
    var value = linger(l_onoff: 1, l_linger: 0)
    unsafe setsockopt(
      number, SOL_SOCKET, SO_LINGER, &value, socklen_t(MemoryLayout<linger>.size))
    close()
  }

  /// Makes the kernel keep little of what is not read yet: the sender soon has to wait.
  package func limitReceiveBuffer(byteCount: Int32) {
    var count = byteCount
    unsafe setsockopt(number, SOL_SOCKET, SO_RCVBUF, &count, 4)
  }

  /// The port of our end.
  package var localPort: UInt16 {
    var name = sockaddr_in()
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let number = self.number
    let result = unsafe withUnsafeMutablePointer(to: &name) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe getsockname(number, $0, &size)
      }
    }
    return result == 0 ? UInt16(bigEndian: name.sin_port) : 0
  }

  package func close() {
    if isOpen { Glibc.close(number) }
    isOpen = false
  }
}

private var streamType: Int32 {
  Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
}

/// A TCP port of 127.0.0.1 that nobody listens on at the moment.
package func freePort() -> UInt16 {
  let number = socket(AF_INET, streamType, 0)
  defer { close(number) }
  var name = sockaddr_in()
  name.sin_family = sa_family_t(AF_INET)
  name.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
  var size = socklen_t(MemoryLayout<sockaddr_in>.size)
  let result = unsafe withUnsafeMutablePointer(to: &name) { pointer in
    unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      unsafe bind(number, $0, size) | getsockname(number, $0, &size)
    }
  }
  precondition(result == 0, "no port to be had on 127.0.0.1")
  return UInt16(bigEndian: name.sin_port)
}

/// A port held without listening, so that nobody else may bind it.
package final class OccupiedPort {
  private let number: Int32
  package let port: UInt16

  package init() {
    number = socket(AF_INET, streamType, 0)
    port = freePort()
    var name = sockaddr_in()
    name.sin_family = sa_family_t(AF_INET)
    name.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    name.sin_port = port.bigEndian
    let number = self.number
    _ = unsafe withUnsafeMutablePointer(to: &name) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe bind(number, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    listen(number, 1)
  }

  deinit { close(number) }
}

/// Whether IPv6 loopback exists here.
package func hasIPv6Loopback() -> Bool {
  do {
    _ = try ClientSocket(to: "::1", port: 9, timeoutMilliseconds: 1000)
    return true
  } catch {
    return error == .refused
  }
}

/// One socket to wait for.
package struct Interest {
  package let socket: ClientSocket
  package let wantsOutput: Bool

  package init(_ socket: ClientSocket, wantsOutput: Bool = false) {
    self.socket = socket
    self.wantsOutput = wantsOutput
  }
}

/// The places in `interests` whose sockets have input, room for output if wanted, or an end; after
/// at most this long. poll(2): glibc's Swift module does not have epoll, and a client can wait.
package func ready(_ interests: [Interest], milliseconds: Int) -> [Int] {
  var entries = interests.map { interest in
    let events = interest.wantsOutput ? POLLIN | POLLOUT : POLLIN
    return pollfd(fd: interest.socket.number, events: Int16(events), revents: 0)
  }
  guard unsafe poll(&entries, nfds_t(entries.count), Int32(milliseconds)) > 0 else { return [] }
  return entries.indices.filter { entries[$0].revents != 0 }
}
