// Whether the kernel can encrypt TLS records itself (kTLS), for whoever wants to know.

/// Documentation/networking/tls.rst of the kernel.
package enum KernelTLS: String, Equatable, Sendable {
  case offered
  case absent

  /// What sockets may put on top of TCP; a module that has never been used is not in it.
  private static let listPath = "/proc/sys/net/ipv4/tcp_available_ulp"

  /// Asks the kernel.
  package static func probe() -> KernelTLS { probe(readFile: PseudoFile.read) }

  /// The same of a kernel that the caller plays.
  static func probe(readFile: (_ path: String) -> [UInt8]) -> KernelTLS {
    let names = readFile(listPath).split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") }
    return names.contains { $0.elementsEqual("tls".utf8) } ? .offered : .absent
  }

  /// For an operator.
  package var text: String {
    switch self {
    case .offered: "kTLS offered by this kernel (SSLOpenSSLConfCmd Options KTLS)"
    case .absent: "kTLS not offered by this kernel"
    }
  }
}
