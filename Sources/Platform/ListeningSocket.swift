// TCP sockets that listen: one of many on an address, the probe before the first.

import Glibc

/// Opens, probes, adopts and ends listening sockets; `Stream` accepts on them.
package enum ListeningSocket {
  /// A socket bound to `address` with SO_REUSEPORT (and IPV6_V6ONLY): non-blocking, close-on-exec.
  /// It takes no connection before `listen`, and no share of the address's connections.
  package static func bound(to address: SocketAddress) throws(SystemError) -> Descriptor {
    let socket = try make(address)
    try set(socket, SOL_SOCKET, SO_REUSEPORT, on: address)
    // Accepted connections inherit it.
    try set(socket, CInt(IPPROTO_TCP), TCP_NODELAY, on: address)
    try bind(socket, address)
    return socket
  }

  /// Starts taking connections; a second call only changes the backlog. listen(2).
  package static func listen(_ socket: Descriptor, backlog: Int32) throws(SystemError) {
    _ = try systemCall("listen") { Glibc.listen(socket.number, backlog) }
  }

  /// Throws EADDRINUSE if anybody listens on the address already, this user's processes included:
  /// with SO_REUSEPORT alone two servers of one user would share a port without noticing.
  package static func probe(_ address: SocketAddress) throws(SystemError) {
    try bind(try make(address), address)
  }

  /// Ends a listener for every process that holds it; queued connections are reset. shutdown(2).
  package static func end(_ socket: Descriptor) {
    _ = Glibc.shutdown(socket.number, CInt(SHUT_RD))
  }

  /// Whether the descriptor is a TCP socket that listens. For sockets from a service manager.
  package static func isListening(_ socket: Descriptor) -> Bool {
    var value: CInt = 0
    var size = socklen_t(MemoryLayout<CInt>.size)
    return unsafe getsockopt(socket.number, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0
      && value != 0
  }

  /// Makes an inherited listener like our own: SO_REUSEPORT, so that further slots of its address
  /// can be bound beside it, and non-blocking, close-on-exec.
  package static func adopt(_ socket: Descriptor) throws(SystemError) {
    try set(socket, SOL_SOCKET, SO_REUSEPORT, on: nil)
    try set(socket, CInt(IPPROTO_TCP), TCP_NODELAY, on: nil)
    let flags = try systemCall("fcntl") { fcntl(socket.number, F_GETFL, 0) }
    _ = try systemCall("fcntl") { fcntl(socket.number, F_SETFL, flags | O_NONBLOCK) }
    try socket.setCloseOnExec(true)
  }

  /// Whether the machine has IPv6 at all: `Listen 80` opens [::] only then.
  package static var hasIPv6: Bool {
    do {
      try probe(SocketAddress(IPAddress(v6High: 0, low: 1), port: 0))
      return true
    } catch {
      return false
    }
  }

  private static func make(_ address: SocketAddress) throws(SystemError) -> Descriptor {
    let kind = CInt(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    let family = address.address.family == .v4 ? AF_INET : AF_INET6
    let number: CInt
    do {
      number = try systemCall("socket") { socket(family, kind, 0) }
    } catch {
      throw error.on(address.description)
    }
    let descriptor = Descriptor(adopting: number)
    // Without it a restart would wait for the connections of the last run in TIME_WAIT.
    try set(descriptor, SOL_SOCKET, SO_REUSEADDR, on: address)
    if address.address.family == .v6 {
      try set(descriptor, CInt(IPPROTO_IPV6), IPV6_V6ONLY, on: address)
    }
    return descriptor
  }

  private static func set(
    _ socket: Descriptor, _ level: CInt, _ option: CInt, on address: SocketAddress?
  ) throws(SystemError) {
    do {
      _ = try systemCall("setsockopt") {
        var on: CInt = 1
        return unsafe setsockopt(socket.number, level, option, &on, 4)
      }
    } catch {
      throw error.on(address?.description ?? "")
    }
  }

  private static func bind(
    _ socket: Descriptor, _ address: SocketAddress
  ) throws(SystemError) {
    do {
      _ = try systemCall("bind") {
        var (storage, size) = address.socketAddress
        return unsafe withUnsafeBytes(of: &storage) {
          unsafe Glibc.bind(
            socket.number, $0.assumingMemoryBound(to: sockaddr.self).baseAddress, size)
        }
      }
    } catch {
      throw error.on(address.description)
    }
  }
}

extension SocketAddress {
  /// The kernel's form and its size.
  var socketAddress: (sockaddr_storage, socklen_t) {
    var storage = sockaddr_storage()
    switch address.family {
    case .v4:
      var value = sockaddr_in()
      value.sin_family = sa_family_t(AF_INET)
      value.sin_port = port.bigEndian
      value.sin_addr.s_addr = UInt32(truncatingIfNeeded: address.low).bigEndian
      unsafe withUnsafeMutableBytes(of: &storage) {
        unsafe $0.storeBytes(of: value, as: sockaddr_in.self)
      }
      return (storage, socklen_t(MemoryLayout<sockaddr_in>.size))
    case .v6:
      var value = sockaddr_in6()
      value.sin6_family = sa_family_t(AF_INET6)
      value.sin6_port = port.bigEndian
      unsafe withUnsafeMutableBytes(of: &value.sin6_addr) {
        unsafe $0.storeBytes(of: address.high.bigEndian, as: UInt64.self)
        unsafe $0.storeBytes(of: address.low.bigEndian, toByteOffset: 8, as: UInt64.self)
      }
      unsafe withUnsafeMutableBytes(of: &storage) {
        unsafe $0.storeBytes(of: value, as: sockaddr_in6.self)
      }
      return (storage, socklen_t(MemoryLayout<sockaddr_in6>.size))
    }
  }
}
