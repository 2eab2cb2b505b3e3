// From the names of hosts to their addresses, for processes that may wait: never for a worker.

import CLinux
import Glibc

/// Why a name has no addresses.
package struct NameFailure: Error, Equatable, Sendable {
  /// EAI_… of getaddrinfo(3), which are negative; 1: there is no error and no address.
  package let code: Int32

  package init(code: Int32) { self.code = code }

  /// The rest of the sentence "HOST …".
  package var text: String {
    code == 1
      ? "has no address"
      : "cannot be resolved: \(unsafe String(cString: gai_strerror(code)))"
  }
}

/// The C library's resolver.
package enum NameResolver {
  /// The files that tell how names are resolved. /etc/resolv.conf is often a link to a file that is
  /// replaced: its directory is named too.
  package static var paths: [[UInt8]] {
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
  /// To be called before the first `addresses`.
  package static func useBuiltIn() { ring3_resolver_use_built_in() }

  /// All addresses of a name or literal in the order in which they are to be tried, never none.
  /// Waits as long as the resolver's own limits say. getaddrinfo(3).
  package static func addresses(
    of host: String, port: UInt16
  ) throws(NameFailure) -> [SocketAddress] {
    var hints = unsafe addrinfo()
    unsafe hints.ai_family = AF_UNSPEC
    unsafe hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
    unsafe hints.ai_flags = AI_NUMERICSERV
    var list: UnsafeMutablePointer<addrinfo>?
    let code = unsafe getaddrinfo(host, "\(port)", &hints, &list)
    guard code == 0 else { throw NameFailure(code: code) }
    defer { unsafe freeaddrinfo(list) }
    var addresses: [SocketAddress] = []
    var next = unsafe list
    while let entry = unsafe next {
      let info = unsafe entry.pointee
      let size = unsafe Int(info.ai_addrlen)
      if let start = unsafe info.ai_addr, size <= MemoryLayout<sockaddr_storage>.size {
        var storage = sockaddr_storage()
        unsafe withUnsafeMutableBytes(of: &storage) {
          unsafe $0.copyMemory(from: UnsafeRawBufferPointer(start: start, count: size))
        }
        addresses.append(Stream.socketAddress(storage))
      }
      unsafe next = unsafe info.ai_next
    }
    guard !addresses.isEmpty else { throw NameFailure(code: 1) }
    return addresses
  }
}
