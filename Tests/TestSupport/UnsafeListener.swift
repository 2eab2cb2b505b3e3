// Listening sockets for applications and servers that tests write themselves.

import Foundation
import Glibc

/// A TCP socket of 127.0.0.1 that listens, and the connections it gives.
package final class TestListener: @unchecked Sendable {
  package let port: UInt16
  private let number: Int32
  private let lock = NSLock()
  private var isOpen = true

  /// `port` 0: any that is free. `backlog`: how many, and one, may wait to be accepted.
  package init(port wanted: UInt16 = 0, backlog: Int32 = 1024) {
    let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    let socket = Glibc.socket(AF_INET, kind, 0)
    number = socket
    var on: Int32 = 1
    unsafe setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, 4)
    var name = sockaddr_in()
    name.sin_family = sa_family_t(AF_INET)
    name.sin_port = wanted.bigEndian
    name.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = unsafe withUnsafeMutablePointer(to: &name) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe bind(socket, $0, size) | getsockname(socket, $0, &size)
      }
    }
    precondition(result == 0 && listen(socket, backlog) == 0, "cannot listen on port \(wanted)")
    port = UInt16(bigEndian: name.sin_port)
  }

  /// A Unix socket at a path.
  package init(unixPath path: String) {
    let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    number = Glibc.socket(AF_UNIX, kind, 0)
    var name = sockaddr_un()
    name.sun_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &name.sun_path) { bytes in
      unsafe bytes.copyBytes(from: path.utf8.prefix(bytes.count - 1))
    }
    let socket = number
    let result = unsafe withUnsafePointer(to: &name) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe bind(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    precondition(result == 0 && listen(number, 16) == 0, "cannot listen at \(path)")
    port = 0
  }

  /// A number of the caller's for the socket, which accepts without waiting from then on.
  package func nonBlockingDuplicate() -> Int32 {
    _ = fcntl(number, F_SETFL, O_NONBLOCK)
    return fcntl(number, F_DUPFD_CLOEXEC, 0)
  }

  /// The next connection; nil after the listener was ended.
  package func accept() -> TestPeer? {
    while true {
      let accepted = Glibc.accept(number, nil, nil)
      if accepted >= 0 { return TestPeer(accepted) }
      guard errno == EINTR || errno == ECONNABORTED else { return nil }
    }
  }

  /// Ends `accept`, also in another thread; nobody can connect any more.
  package func end() {
    lock.withLock {
      guard isOpen else { return }
      // Once: the number may be somebody else's by now.
      isOpen = false
      shutdown(number, Int32(SHUT_RDWR))
      close(number)
    }
  }
}

/// The server's side of a connection, in the hands of a test. Operations wait at most ten seconds.
package final class TestPeer: @unchecked Sendable {
  private let number: Int32
  private let lock = NSLock()
  private var isOpen = true

  /// Of a connection that somebody else has accepted.
  package convenience init(adopting number: Int32) { self.init(number) }

  /// For whoever works on it beside this object.
  package var descriptor: Int32 { number }

  init(_ number: Int32) {
    self.number = number
    var limit = timeval(tv_sec: 10, tv_usec: 0)
    let size = socklen_t(MemoryLayout<timeval>.size)
    unsafe setsockopt(number, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
    unsafe setsockopt(number, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
    var on: Int32 = 1
    unsafe setsockopt(number, Int32(IPPROTO_TCP), TCP_NODELAY, &on, 4)
  }

  deinit { close() }

  /// Whether a connection waits in a listening socket, or comes in time.
  package static func hasWaiting(_ listener: Int32, milliseconds: Int) -> Bool {
    var item = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
    return unsafe poll(&item, 1, Int32(milliseconds)) > 0
  }

  /// The next connection of a listening socket that somebody else owns; nil if none comes in time.
  package static func next(from listener: Int32, milliseconds: Int) -> TestPeer? {
    guard hasWaiting(listener, milliseconds: milliseconds) else { return nil }
    let accepted = Glibc.accept(listener, nil, nil)
    return accepted >= 0 ? TestPeer(accepted) : nil
  }

  /// What has arrived; empty at the end, or when nothing comes for too long.
  package func receive(upTo count: Int = 65_536) -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: count)
    let received = unsafe buffer.withUnsafeMutableBytes {
      unsafe recv(number, $0.baseAddress, $0.count, 0)
    }
    return received > 0 ? Array(buffer[..<received]) : []
  }

  /// Sends all of it; false when the other side is gone.
  @discardableResult
  package func send(_ bytes: [UInt8]) -> Bool {
    var sent = 0
    while sent < bytes.count {
      let count = unsafe bytes[sent...].withUnsafeBytes {
        unsafe Glibc.send(number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return false }
      sent += count
    }
    return true
  }

  @discardableResult
  package func send(_ text: String) -> Bool { send(Array(text.utf8)) }

  package func finishSending() { shutdown(number, Int32(SHUT_WR)) }

  /// Ends the connection with a reset.
  package func reset() {
    var value = linger(l_onoff: 1, l_linger: 0)
    unsafe setsockopt(
      number, SOL_SOCKET, SO_LINGER, &value, socklen_t(MemoryLayout<linger>.size))
    close()
  }

  package func close() {
    lock.withLock {
      if isOpen { Glibc.close(number) }
      isOpen = false
    }
  }
}
