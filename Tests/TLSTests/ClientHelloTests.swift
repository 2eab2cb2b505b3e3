// The extensions of a hello are read strictly: names become names of files.

import Testing

@testable import TLS

@Suite struct `client hellos` {
  func serverName(_ name: String) -> String? {
    let bytes = Array(name.utf8)
    let entry = [0, UInt8(bytes.count >> 8), UInt8(bytes.count & 255)] + bytes
    let list = [UInt8(entry.count >> 8), UInt8(entry.count & 255)] + entry
    return ClientHello.serverName(in: list).map { String(decoding: $0, as: UTF8.self) }
  }

  @Test func `names of hosts become lower case`() {
    #expect(serverName("Example.ORG") == "example.org")
    #expect(serverName("xn--bcher-kva.example") == "xn--bcher-kva.example")
    #expect(serverName("a_b.example") == "a_b.example")
    #expect(serverName(String(repeating: "a", count: 63) + ".b") != nil)
  }

  @Test(arguments: [
    "", ".", "..", "a..b", ".a", "a.", "../etc/passwd", "a/b", "a\0b", "a b", "é.example", "a:443",
    "[::1]", "*.example.org",
  ])
  func `what is no name is none`(name: String) {
    #expect(serverName(name) == nil)
  }

  @Test func `too long labels and names are none`() {
    #expect(serverName(String(repeating: "a", count: 64)) == nil)
    let label = String(repeating: "a", count: 63)
    #expect(serverName([label, label, label, label].joined(separator: ".")) == nil)
  }

  @Test func `lists that lie about their length are none`() {
    let good: [UInt8] = [0, 4, 0, 0, 1, 0x61]
    #expect(ClientHello.serverName(in: good) == [0x61])
    for index in 0..<5 {
      var bad = good
      bad[index] ^= 1
      #expect(ClientHello.serverName(in: bad) == nil)
    }
    #expect(ClientHello.serverName(in: good + [0]) == nil)
    for count in 0..<good.count {
      #expect(ClientHello.serverName(in: Array(good.prefix(count))) == nil)
    }
    #expect(ClientHello.protocols(in: [0, 3, 2, 0x68, 0x32]).map(Array.init) == [[0x68, 0x32]])
    #expect(ClientHello.protocols(in: [0, 3, 3, 0x68, 0x32]).isEmpty)
    #expect(ClientHello.protocols(in: [0, 3, 0, 0x68, 0x32]).isEmpty)
  }
}
