// One question to another host and its answer, for processes that may wait: never for a worker.

import CLinux
import Glibc

/// Why there was no answer: the rest of the sentence "HOST …".
package struct OutgoingFailure: Error, Equatable, Sendable {
  package let text: String

  package init(text: String) { self.text = text }
}

package enum OutgoingExchange {
  /// The files that tell how names are resolved. /etc/resolv.conf is often a link to a file that is
  /// replaced: its directory is named too.
  package static var resolverPaths: [[UInt8]] {
    let file = Array("/etc/resolv.conf".utf8)
    var paths = ["/etc/hosts", "/etc/host.conf", "/etc/gai.conf", "/etc/nsswitch.conf"]
      .map { Array($0.utf8) }
    paths.append(file)
    if let final = File.finalPath(file), let slash = final.lastIndex(of: UInt8(ascii: "/")),
      slash > 0, !final.starts(with: "/etc/".utf8)
    {
      paths.append(Array(final[..<slash]))
    }
    return paths
  }

  /// Names are looked for in /etc/hosts and DNS, both of which the C library does itself: services
  /// that nsswitch.conf names besides are modules, which a sandboxed process could not load.
  /// To be called before the first `run`.
  package static func useBuiltInResolver() { ring3_resolver_use_built_in() }

  /// Connects, sends, and receives until the host closes, `isComplete` says so, or there are
  /// `byteCountMax` bytes (an error). `deadline`: monotonic milliseconds for all but the resolver,
  /// which has limits of its own. Addresses are tried in the resolver's order.
  package static func run(
    host: String, port: UInt16, sending request: [UInt8], byteCountMax: Int, deadline: Int64,
    isComplete: ([UInt8]) -> Bool
  ) throws(OutgoingFailure) -> [UInt8] {
    var failure = OutgoingFailure(text: "has no address")
    for address in try resolve(host, port) {
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

  /// A socket address as the kernel wants it.
  private struct Address {
    let family: CInt
    let bytes: [UInt8]
  }

  private static func resolve(
    _ host: String, _ port: UInt16
  ) throws(OutgoingFailure) -> [Address] {
    var hints = unsafe addrinfo()
    unsafe hints.ai_family = AF_UNSPEC
    unsafe hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
    unsafe hints.ai_flags = AI_NUMERICSERV
    var list: UnsafeMutablePointer<addrinfo>?
    let code = unsafe getaddrinfo(host, "\(port)", &hints, &list)
    guard code == 0 else {
      throw OutgoingFailure(
        text: "cannot be resolved: \(unsafe String(cString: gai_strerror(code)))")
    }
    defer { unsafe freeaddrinfo(list) }
    var addresses: [Address] = []
    var next = unsafe list
    while let entry = unsafe next {
      let info = unsafe entry.pointee
      if let start = unsafe info.ai_addr {
        unsafe addresses.append(
          Address(
            family: info.ai_family,
            bytes: Array(UnsafeRawBufferPointer(start: start, count: Int(info.ai_addrlen)))))
      }
      unsafe next = unsafe info.ai_next
    }
    return addresses
  }

  private static func connect(
    _ address: Address, _ deadline: Int64
  ) throws(OutgoingFailure) -> Descriptor {
    let kind = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    let number = socket(address.family, kind, 0)
    guard number >= 0 else { throw failed("cannot be reached", ring3_errno()) }
    let descriptor = Descriptor(adopting: number)
    let result = unsafe address.bytes.withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress else { return CInt(-1) }
      return unsafe Glibc.connect(
        number, start.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
    }
    if result != 0 {
      guard ring3_errno() == EINPROGRESS else {
        throw failed("cannot be reached", ring3_errno())
      }
      try wait(descriptor, CShort(POLLOUT), deadline)
      var code: CInt = 0
      var size = socklen_t(MemoryLayout<CInt>.size)
      _ = unsafe getsockopt(number, SOL_SOCKET, SO_ERROR, &code, &size)
      guard code == 0 else { throw failed("cannot be reached", code) }
    }
    return descriptor
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
