// Which prefix answers for a request: buckets first, then the longest path, and failing closed.

import Platform
import Testing

@testable import Namespace

/// A snapshot of registrations (each with a queue of its own, in order) and reservations.
private func snapshot(_ registered: [String], reserved: [String] = []) throws -> NamespaceSnapshot {
  let entries =
    try registered.enumerated().map { NamespaceEntry(try UrlPrefix($1), queue: $0) }
    + reserved.map { NamespaceEntry(try UrlPrefix($0), queue: nil) }
  let queues = registered.indices.map {
    NamespaceQueue(name: "Q\($0)", slot: UInt16($0 % 64), serial: 7, user: UInt32(1000 + $0))
  }
  let built = NamespaceSnapshot(entries, queues: queues, generation: 7)
  // Every test goes over the wire.
  return try #require(NamespaceSnapshot(bytes: built.bytes))
}

extension NamespaceSnapshot {
  /// The prefix that answers for "host/path" on port 80; "-" for none, "!" in front of one that is
  /// only reserved.
  fileprivate func answer(
    _ url: String, port: UInt16 = 80, isSecure: Bool = false, local: String = "192.0.2.1",
    configured: Configured = .nothing
  ) -> String {
    let slash = url.firstIndex(of: "/") ?? url.endIndex
    guard let address = IPAddress(local) else { return "no address" }
    let match = lookUp(
      isSecure: isSecure, local: SocketAddress(address, port: port),
      host: Array(url[..<slash].utf8), path: Array(url[slash...].utf8), configured: configured)
    guard let match else { return "-" }
    return (match.queue == nil ? "!" : "") + prefix(of: match.entry).description
  }
}

@Suite struct `a request finds its prefix` {
  // MARK: The published examples

  @Test func `the strong wildcard beats an explicit host`() throws {
    let snapshot = try snapshot([
      "http://+:80/vroot/", "http://adatum.com:80/", "http://*:80/",
    ])
    #expect(snapshot.answer("adatum.com/vroot/subdir/file.htm") == "http://+:80/vroot/")
  }

  @Test func `an explicit host beats the weak wildcard`() throws {
    let snapshot = try snapshot([
      "http://+:80/vroot/", "http://adatum.com:80/", "http://*:80/",
    ])
    #expect(snapshot.answer("adatum.com/default.htm") == "http://adatum.com:80/")
  }

  @Test func `the weak wildcard takes what is left`() throws {
    let snapshot = try snapshot([
      "http://+:80/vroot/", "http://adatum.com:80/", "http://*:80/",
    ])
    #expect(snapshot.answer("otheradatum.com/file.htm") == "http://*:80/")
  }

  @Test(arguments: [
    ("/default.htm", "http://www.adatum.com:80/"),
    ("/dir/sna/snadefault.htm", "http://www.adatum.com:80/dir/sna/"),
    ("/dir/app.htm", "http://www.adatum.com:80/"),
  ])
  func `the longest path wins within a bucket`(path: String, prefix: String) throws {
    let snapshot = try snapshot([
      "http://www.adatum.com:80/", "http://www.adatum.com:80/dir/sna/",
    ])
    #expect(snapshot.answer("www.adatum.com\(path)") == prefix)
  }

  @Test func `a reservation in a higher bucket fails the request`() throws {
    let snapshot = try snapshot(["http://*:80/vroot/"], reserved: ["http://adatum.com:80/"])
    #expect(snapshot.answer("adatum.com/vroot/file.htm") == "!http://adatum.com:80/")
  }

  @Test func `a later reservation takes from a registration at once`() throws {
    let before = try snapshot(["http://adatum.com:80/vroot/"])
    #expect(before.answer("adatum.com/vroot/subdir/file.htm") == "http://adatum.com:80/vroot/")
    let after = try snapshot(
      ["http://adatum.com:80/vroot/"], reserved: ["http://+:80/vroot/subdir/"])
    #expect(after.answer("adatum.com/vroot/subdir/file.htm") == "!http://+:80/vroot/subdir/")
    #expect(after.answer("adatum.com/vroot/file.htm") == "http://adatum.com:80/vroot/")
  }

  // MARK: More of the rules

  @Test(arguments: [
    ("a.example/shop/", "http://+:80/shop/"), ("a.example/shop", "http://+:80/shop/"),
    ("a.example/shop/x", "http://+:80/shop/"), ("a.example/shopping", "-"),
    ("a.example/sho", "-"), ("a.example/Shop/", "-"), ("a.example/", "-"),
    ("a.example/shop.x", "-"), ("a.example/shop/deep/er", "http://+:80/shop/deep/"),
    ("a.example/shop/deepest", "http://+:80/shop/"), ("/shop/", "http://+:80/shop/"),
  ])
  func `paths match on whole segments`(url: String, prefix: String) throws {
    let snapshot = try snapshot([
      "http://+:80/shop/", "http://+:80/shop/deep/", "http://+:80/shop-b/",
    ])
    #expect(snapshot.answer(url) == prefix)
  }

  @Test func `scheme and port are the connection's`() throws {
    let snapshot = try snapshot(["http://+:80/", "https://+:443/a/", "http://+:8080/a/"])
    #expect(snapshot.answer("h/a/") == "http://+:80/")
    #expect(snapshot.answer("h/a/", port: 443, isSecure: true) == "https://+:443/a/")
    #expect(snapshot.answer("h/a/", port: 443) == "-")
    #expect(snapshot.answer("h/a/", port: 8080) == "http://+:8080/a/")
    #expect(snapshot.answer("h/a/", port: 81) == "-")
  }

  @Test(arguments: [
    ("example.com/", "http://example.com:80/"), ("a.example.com/", "http://*.example.com:80/"),
    ("x.a.example.com/", "http://*.a.example.com:80/"),
    ("y.x.a.example.com/", "http://*.a.example.com:80/"),
    ("b.a.example.com/", "http://b.a.example.com:80/"), ("example.org/", "-"),
    ("badexample.com/", "-"), (".example.com/", "-"), ("com/", "-"), ("/", "-"),
  ])
  func `names come first, then the nearest wildcard above`(url: String, prefix: String) throws {
    let snapshot = try snapshot([
      "http://example.com:80/", "http://*.example.com:80/", "http://*.a.example.com:80/",
      "http://b.a.example.com:80/",
    ])
    #expect(snapshot.answer(url) == prefix)
  }

  @Test func `a host whose paths do not fit leaves the search to the next one`() throws {
    let snapshot = try snapshot([
      "http://a.example.com:80/x/", "http://*.example.com:80/y/", "http://*:80/",
    ])
    #expect(snapshot.answer("a.example.com/y/") == "http://*.example.com:80/y/")
    #expect(snapshot.answer("a.example.com/z/") == "http://*:80/")
  }

  @Test func `an address is the one where the connection arrived`() throws {
    let snapshot = try snapshot([
      "http://192.0.2.1:80/", "http://[2001:db8::1]:80/", "http://*:80/",
      "http://named.example:80/",
    ])
    #expect(snapshot.answer("other/") == "http://192.0.2.1:80/")
    #expect(snapshot.answer("192.0.2.9/", local: "::ffff:192.0.2.1") == "http://192.0.2.1:80/")
    #expect(snapshot.answer("other/", local: "2001:db8::1") == "http://[2001:db8::1]:80/")
    #expect(snapshot.answer("other/", local: "2001:db8::2") == "http://*:80/")
    #expect(snapshot.answer("192.0.2.1/", local: "192.0.2.2") == "http://*:80/")
    #expect(snapshot.answer("named.example/") == "http://named.example:80/")
  }

  @Test func `a site found by name owns the root of its host`() throws {
    let snapshot = try snapshot(
      ["http://+:80/s/", "http://a.example:80/", "http://a.example:80/shop/", "http://*:80/weak/"],
      reserved: ["http://192.0.2.1:80/"])
    #expect(snapshot.answer("a.example/s/", configured: .named) == "http://+:80/s/")
    #expect(snapshot.answer("a.example/", configured: .named) == "-")
    #expect(snapshot.answer("a.example/shop/", configured: .named) == "http://a.example:80/shop/")
    #expect(snapshot.answer("b.example/weak/", configured: .named) == "-")
  }

  @Test func `a site that takes what is left owns the root of the weak wildcard`() throws {
    let snapshot = try snapshot(
      ["http://a.example:80/", "http://*:80/", "http://*:80/weak/"],
      reserved: ["http://192.0.2.1:80/ip/"])
    #expect(snapshot.answer("a.example/", configured: .catchAll) == "http://a.example:80/")
    #expect(snapshot.answer("b.example/", configured: .catchAll) == "-")
    #expect(snapshot.answer("b.example/weak/", configured: .catchAll) == "http://*:80/weak/")
    #expect(snapshot.answer("b.example/ip/", configured: .catchAll) == "!http://192.0.2.1:80/ip/")
  }

  @Test func `nothing is found in an empty snapshot`() throws {
    #expect(try snapshot([]).answer("a/b") == "-")
  }
}

// MARK: Against a model

/// The rules as a walk over all prefixes.
private struct NaiveNamespace {
  let entries: [NamespaceEntry]

  func answer(
    isSecure: Bool, local: SocketAddress, host: [UInt8], path: [UInt8]
  ) -> UrlPrefix? {
    let segments = path.split(separator: 0x2f)
    func fits(_ prefix: UrlPrefix) -> Bool {
      prefix.scheme == (isSecure ? .https : .http) && prefix.port == local.port
        && segments.starts(with: prefix.path.split(separator: 0x2f))
    }
    func rank(_ prefix: UrlPrefix) -> Int? {
      switch prefix.host {
      case .strong: return 0
      case .name(let name): return name == host ? 1 : nil
      case .below(let name):
        let tail = [0x2e] + name
        return host.count > tail.count && host.suffix(tail.count).elementsEqual(tail)
          ? 1000 - name.count : nil
      case .address(let address): return address == local.address.unmapped ? 1001 : nil
      case .weak: return 1002
      }
    }
    let candidates = entries.map(\.prefix).filter(fits).compactMap { prefix in
      rank(prefix).map { (rank: $0, prefix: prefix) }
    }
    let best = candidates.map(\.rank).min()
    return candidates.filter { $0.rank == best }.map(\.prefix)
      .max { $0.path.count < $1.path.count }
  }
}

@Suite struct `the snapshot is what the rules say` {
  @Test func `for any prefixes and any request`() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededGenerator(state: seed)
    let hosts = ["+", "*", "a.b", "b", "c.a.b", "*.b", "*.a.b", "*.c.a.b", "10.0.0.1", "[::1]"]
    let segments = ["a", "b", "ab", "a-", "%01"]
    func path() -> String {
      let count = Int.random(in: 0...3, using: &generator)
      return "/"
        + (0..<count).map { _ in (segments.randomElement(using: &generator) ?? "") + "/" }.joined()
    }
    for _ in 0..<200 {
      var prefixes: Set<UrlPrefix> = []
      for _ in 0..<Int.random(in: 0...40, using: &generator) {
        let scheme = ["http", "https"].randomElement(using: &generator) ?? ""
        let host = hosts.randomElement(using: &generator) ?? ""
        prefixes.insert(
          try UrlPrefix("\(scheme)://\(host):\(Int.random(in: 1...2, using: &generator))\(path())"))
      }
      let entries = prefixes.enumerated().map { NamespaceEntry($1, queue: $0 % 3 == 0 ? nil : 0) }
      let queues = [NamespaceQueue(name: "q", slot: 0, serial: 7, user: 7)]
      let built = NamespaceSnapshot(entries, queues: queues, generation: 1)
      let snapshot = try #require(NamespaceSnapshot(bytes: built.bytes))
      let naive = NaiveNamespace(entries: entries)
      for _ in 0..<50 {
        let host =
          ["", "b", "a.b", "c.a.b", "d.c.a.b", "x.b", ".b", "xb", "[::1]"]
          .randomElement(using: &generator) ?? ""
        let address = try #require(
          IPAddress(["10.0.0.1", "::1", "::ffff:10.0.0.1"].randomElement(using: &generator) ?? ""))
        let local = SocketAddress(address, port: UInt16.random(in: 1...2, using: &generator))
        var asked = Array(path().utf8)
        if asked.count > 1, generator.next() % 2 == 0 { asked.removeLast() }
        if generator.next() % 8 == 0 { asked += Array("\u{1}".utf8) }
        let isSecure = generator.next() % 2 == 0
        let found = snapshot.lookUp(
          isSecure: isSecure, local: local, host: Array(host.utf8), path: asked,
          configured: .nothing)
        // Whichever answered before.
        if snapshot.entryCount > 0 {
          let guessed = snapshot.lookUp(
            isSecure: isSecure, local: local, host: Array(host.utf8), path: asked,
            configured: .nothing, guess: Int.random(in: 0..<snapshot.entryCount, using: &generator))
          #expect(guessed == found, "seed \(seed)")
        }
        let expected = naive.answer(
          isSecure: isSecure, local: local, host: Array(host.utf8), path: asked)
        #expect(
          found.map { snapshot.prefix(of: $0.entry) } == expected,
          "seed \(seed): \(host) \(String(decoding: asked, as: UTF8.self))")
        let entry = entries.first { $0.prefix == expected }
        #expect(found?.queue == entry?.queue, "seed \(seed)")
      }
    }
  }

  @Test func `damaged bytes are refused or harmless`() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededGenerator(state: seed)
    let good = try snapshot(
      ["http://+:80/a/", "http://+:80/a/b/", "http://b.a:80/", "http://10.0.0.1:80/"],
      reserved: ["http://*.a:80/x/"]
    ).bytes
    for count in 0..<good.count { #expect(NamespaceSnapshot(bytes: Array(good[..<count])) == nil) }
    for _ in 0..<20_000 {
      var bytes = good
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8(
          truncatingIfNeeded: generator.next())
      }
      guard let snapshot = NamespaceSnapshot(bytes: bytes) else { continue }
      for url in ["x/a/b/c", "b.a/", "x/", "c.b.a/x/y"] {
        _ = snapshot.answer(url, local: "10.0.0.1")
      }
      for index in 0..<snapshot.entryCount { _ = snapshot.prefix(of: index).description }
    }
  }

  @Test func `ten thousand prefixes cost little more than ten`() throws {
    func microseconds(_ count: Int) throws -> Double {
      let snapshot = try snapshot((0..<count).map { "http://+:80/app\($0)/v1/" })
      let local = SocketAddress(try #require(IPAddress("10.0.0.1")), port: 80)
      let path = Array("/app7/v1/things/by/name".utf8)
      let started = ContinuousClock.now
      for _ in 0..<20_000 {
        let match = snapshot.lookUp(
          isSecure: false, local: local, host: [], path: path, configured: .catchAll)
        guard match != nil else { throw UrlPrefixError(byteOffset: 0, message: "not found") }
      }
      let took = (ContinuousClock.now - started).components
      return (Double(took.seconds) * 1e6 + Double(took.attoseconds) / 1e12) / 20_000
    }
    let few = try microseconds(10)
    let many = try microseconds(10_000)
    print("look-up: \(few) µs of 10 prefixes, \(many) µs of 10,000")
    // A thousand times as many; ten steps more. Generous, for a machine with other work.
    #expect(many < 20 * few + 50)
  }
}
