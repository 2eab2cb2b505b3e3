// Who a client is, by what proxies say: X-Forwarded-For and Forwarded from right to left.

@testable import HTTP
import Testing

/// All hops from right to left; "?" for what is no address.
private func hops(_ value: String, forwarded: Bool) -> [String] {
  let data = bytes(value)
  var chain =
    forwarded
    ? ForwardedChain(forwarded: data.rawSpan) : ForwardedChain(xForwardedFor: data.rawSpan)
  var found: [String] = []
  while let hop = chain.next(), found.count < 100 {
    switch hop {
    case .address(let range): found.append(text(range.copy(from: data.rawSpan)))
    case .other: found.append("?")
    }
  }
  return found
}

@Suite struct `who a client is` {
  @Test(arguments: [
    ("", []), (" , ,", []), ("192.0.2.1", ["192.0.2.1"]),
    ("10.0.0.1, 192.0.2.1", ["192.0.2.1", "10.0.0.1"]), (",a,,192.0.2.1,", ["192.0.2.1", "?"]),
    ("192.0.2.1:80", ["192.0.2.1"]), ("::1", ["::1"]), ("[::1]", ["::1"]),
    ("[::1]:80", ["::1"]), ("\"[::1]:80\"", ["::1"]), ("\"192.0.2.1\"", ["192.0.2.1"]),
    ("192.0.2.1:", ["?"]), ("192.0.2.1:x", ["?"]), ("192.0.2.1:65536", ["?"]),
    ("192.0.2.1:000080", ["?"]), ("192.0.2.01", ["?"]), ("192.0.2", ["?"]), ("[::1", ["?"]),
    ("[::1]x", ["?"]), ("[192.0.2.1]", ["?"]), ("fe80::1%eth0", ["?"]), ("unknown", ["?"]),
    ("_hidden", ["?"]), ("\"", ["?"]), ("\"\"", ["?"]), ("1.2.3.4 5.6.7.8", ["?"]),
    ("[]", ["?"]), (":", ["?"]), ("example.com", ["?"]), ("1.2.3.4.5", ["?"]),
  ])
  func `X-Forwarded-For is read from right to left`(value: String, expected: [String]) {
    #expect(hops(value, forwarded: false) == expected)
  }

  @Test(arguments: [
    ("", []), ("for=192.0.2.1", ["192.0.2.1"]), ("For=192.0.2.1;proto=https", ["192.0.2.1"]),
    ("proto=http; FOR=\"[2001:db8::1]:4711\" ; by=x", ["2001:db8::1"]),
    ("for=192.0.2.43, for=198.51.100.17", ["198.51.100.17", "192.0.2.43"]),
    ("for=a;host=\"x, for=1.2.3.4\", for=1.2.3.5", ["1.2.3.5", "?"]),
    ("for=1.2.3.4;host=\"a\\\", for=5.6.7.8\"", ["1.2.3.4"]),
    ("for=unknown", ["?"]), ("for=_x", ["?"]), ("proto=https", ["?"]),
    ("for=1.2.3.4, proto=https", ["?", "1.2.3.4"]), ("for=\"1.2.3.4:_port\"", ["1.2.3.4"]),
    ("for=1.2.3.4;for=5.6.7.8", ["?"]), ("for=\"1.2.3.4", ["?"]), ("for=", ["?"]),
    ("for", ["?"]), ("for =1.2.3.4", ["?"]), ("for=1.2.3.4 x, for=5.6.7.8", ["?"]),
    ("for=\"abc, for=1.2.3.4", ["?"]), ("for=[::1]", ["?"]), ("=x", ["?"]),
    ("for=\"1.2.3.4\\", ["?"]), (",;,for=1.2.3.4,;", ["1.2.3.4"]),
  ])
  func `Forwarded is read from right to left`(value: String, expected: [String]) {
    #expect(hops(value, forwarded: true) == expected)
  }

  @Test(arguments: [
    ("evil, 10.0.0.1", false, 1, "10.0.0.1"), ("evil, 10.0.0.1", false, 2, "evil, 10.0.0.1"),
    ("a , ,1.2.3.4 ,", false, 1, "1.2.3.4 ,"), ("a", false, 0, ""),
    ("for=a;proto=x , for=1.2.3.4 ; proto=https", true, 1, "for=1.2.3.4 ; proto=https"),
    ("for=a, proto=http;for=b", true, 2, "for=a, proto=http;for=b"), ("for=\"a", true, 1, ""),
  ])
  func `an element begins where its first word does`(
    value: String, forwarded: Bool, count: Int, expected: String
  ) {
    let data = bytes(value)
    var chain =
      forwarded
      ? ForwardedChain(forwarded: data.rawSpan) : ForwardedChain(xForwardedFor: data.rawSpan)
    for _ in 0..<count { _ = chain.next() }
    #expect(text(Array(data[chain.elementStart...])) == expected)
  }

  @Test func `values of one parameter are found in all elements, without quotes`() {
    for (value, expected) in [
      ("for=a;proto=http, PROTO=\"https\"", ["http", "https"]), ("for=a", []),
      ("proto=a, proto=\"b", []),
    ] {
      let data = bytes(value)
      let found = ForwardedChain.values(of: "proto", in: data.rawSpan).map {
        text($0.copy(from: data.rawSpan))
      }
      #expect(found == expected)
    }
  }

  @Test func `what has not been asked for is hearsay, and stays in the field`() {
    let data = bytes("evil, 10.0.0.1 , 192.0.2.1")
    var chain = ForwardedChain(xForwardedFor: data.rawSpan)
    #expect(chain.next() == .address(BufferRange(17, 26)))
    #expect(text(Array(data[..<chain.restByteCount])) == "evil, 10.0.0.1 ")
    #expect(chain.next() == .address(BufferRange(6, 14)))
    #expect(text(Array(data[..<chain.restByteCount])) == "evil")
    #expect(chain.next() == .other)
    #expect(chain.restByteCount == 0)
    #expect(chain.next() == nil)
  }

  @Test(arguments: [
    ("::", "0:0:0:0:0:0:0:0"), ("::1", "0:0:0:0:0:0:0:1"), ("1::", "1:0:0:0:0:0:0:0"),
    ("2001:DB8::ffff:192.0.2.1", "2001:db8:0:0:0:ffff:c000:201"),
    ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"), ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"),
    ("1::8", "1:0:0:0:0:0:0:8"), ("::1.2.3.4", "0:0:0:0:0:0:102:304"),
    ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("", nil), (":", nil), (":::", nil), ("1", nil),
    ("1::2::3", nil), ("1:2:3:4:5:6:7", nil), ("1:2:3:4:5:6:7:8:9", nil), ("12345::", nil),
    ("::g", nil), ("1:2:3:4:5:6:7:8::", nil), ("::1.2.3", nil), ("1.2.3.4", nil),
    ("::1.2.3.4:5", nil), (":1::", nil), ("1:2:3:4:5:6:7:1.2.3.4", nil), ("::1:", nil),
    ("1:2:3:4:5:6::1.2.3.4", nil),
  ])
  func `IPv6 addresses are read strictly`(address: String, expected: String?) {
    let parsed = IPv6Text.parse(bytes(address).rawSpan)
    #expect((parsed == nil) == (expected == nil))
    guard let parsed, let expected else { return }
    var output: [UInt8] = []
    IPv6Text.append(parsed, to: &output)
    #expect(text(output) == expected)
  }
}
