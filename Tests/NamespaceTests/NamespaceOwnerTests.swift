// Whose a URL is: the same after every restart, and whether an address has a say in it.

import Platform
import Testing

@testable import Namespace

@Suite struct `an owner is a prefix, a user and a queue` {
  private func snapshot(_ prefixes: [String], users: [UInt32] = [7, 8, 9]) throws
    -> NamespaceSnapshot
  {
    let entries = try prefixes.enumerated().map {
      NamespaceEntry(try UrlPrefix($1), queue: $1.contains("/kept/") ? nil : $0)
    }
    let queues = prefixes.indices.map {
      NamespaceQueue(name: "q\($0)", slot: UInt16(100 - $0), serial: 3, user: users[$0])
    }
    let built = NamespaceSnapshot(entries, queues: queues, generation: 1)
    return try #require(NamespaceSnapshot(bytes: built.bytes))
  }

  private func found(
    _ snapshot: NamespaceSnapshot, _ host: String, _ path: String,
    _ configured: NamespaceSnapshot.Configured = .catchAll
  ) throws -> (owner: String?, dependsOnAddress: Bool) {
    let local = SocketAddress(try #require(IPAddress("192.0.2.1")), port: 80)
    let match = snapshot.lookUp(
      isSecure: false, local: local, host: Array(host.utf8), path: Array(path.utf8),
      configured: configured)
    return (
      match.flatMap { snapshot.owner(of: $0)?.text },
      snapshot.dependsOnAddress(match, configured: configured)
    )
  }

  @Test func `its text says all three, and no place in a table`() throws {
    let snapshot = try snapshot(["http://+:80/a/", "http://+:80/b%20c/", "http://+:80/kept/"])
    #expect(try found(snapshot, "x", "/a/1").owner == "http://+:80/a/ 7 q0")
    #expect(try found(snapshot, "x", "/b c/1").owner == "http://+:80/b%20c/ 8 q1")
    #expect(try found(snapshot, "x", "/kept/").owner == nil)
    #expect(try found(snapshot, "x", "/").owner == nil)
  }

  @Test func `what other addresses may lead elsewhere is known as that`() throws {
    let without = try snapshot(["http://+:80/a/", "http://x:80/b/", "http://*:80/c/"])
    for path in ["/a/", "/b/", "/c/", "/d/"] {
      #expect(try !found(without, "x", path).dependsOnAddress)
    }
    let bound = try snapshot(["http://+:80/a/", "http://192.0.2.1:80/b/", "http://*:80/c/"])
    #expect(try !found(bound, "x", "/a/").dependsOnAddress)
    for path in ["/b/", "/c/", "/d/"] {
      #expect(try found(bound, "x", path).dependsOnAddress, "\(path)")
      // Of a virtual host with this name no address is asked.
      #expect(try !found(bound, "x", path, .named).dependsOnAddress)
    }
  }

  @Test func `a prefix covers whole segments, on the hosts that it is for`() throws {
    let prefix = try UrlPrefix("http://*.a.test:80/shop/")
    for path in ["/shop", "/shop/", "/shop/x"] { #expect(prefix.covers(Array(path.utf8))) }
    for path in ["/", "/shopping", "/sho", ""] { #expect(!prefix.covers(Array(path.utf8))) }
    func isFor(_ host: String, isSecure: Bool = false, port: UInt16 = 80) -> Bool {
      prefix.isFor(isSecure: isSecure, host: Array(host.utf8), port: port)
    }
    #expect(isFor("x.a.test") && isFor("x.y.a.test"))
    #expect(!isFor("a.test") && !isFor("xa.test") && !isFor(".a.test") && !isFor("x.b.test"))
    #expect(!isFor("x.a.test", isSecure: true) && !isFor("x.a.test", port: 81))
    #expect(prefix.isBeside(try UrlPrefix("http://*.a.test:80/")))
    #expect(!prefix.isBeside(try UrlPrefix("http://+:80/shop/")))
  }
}
