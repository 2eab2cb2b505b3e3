// What the kernel says of TLS, from texts as it writes them.

import Testing

@testable import Platform

@Suite struct `TLS in the kernel` {
  @Test(arguments: [
    ("", KernelTLS.absent), ("\n", .absent), ("mptcp\n", .absent), ("espintcp tlsx\n", .absent),
    ("tls\n", .offered), ("espintcp mptcp tls\n", .offered),
  ])
  func `it is offered when the kernel lists it`(list: String, expected: KernelTLS) {
    let found = KernelTLS.probe { path in
      #expect(path == "/proc/sys/net/ipv4/tcp_available_ulp")
      return Array(list.utf8)
    }
    #expect(found == expected)
    #expect(found.text.contains("not offered") == (expected == .absent))
  }
}
