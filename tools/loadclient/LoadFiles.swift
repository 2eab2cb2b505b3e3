// The files of the load test: their bytes follow from their names, so a client knows every byte.

/// A file that a site of the load test serves.
struct LoadFile: Sendable {
  /// Beneath the site's directory: "1024.bin".
  let name: String
  let bytes: [UInt8]

  /// Bytes of a generator seeded by site and name: no two files share a long run.
  init(site: String, byteCount: Int) {
    name = "\(byteCount).bin"
    var state = "\(site)/\(name)".utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { hash, byte in
      (hash ^ UInt64(byte)) &* 0x100_0000_01b3  // FNV-1a
    }
    bytes = (0..<byteCount).map { _ in
      state ^= state >> 12  // xorshift64*
      state ^= state << 25
      state ^= state >> 27
      return UInt8(truncatingIfNeeded: (state &* 0x2545_f491_4f6c_dd1d) >> 56)
    }
  }
}

/// A site of the load test, with the hosts by which it is reached.
struct LoadSite: Sendable {
  /// Its directory beneath the test's own.
  let directory: String
  let hosts: [String]
  let files: [LoadFile]

  init(directory: String, hosts: [String]) {
    self.directory = directory
    self.hosts = hosts
    files = LoadSite.sizes.map { LoadFile(site: directory, byteCount: $0) }
  }

  /// Small ones, the border of one run in the cache (64 KiB), the largest that the cache takes,
  /// and one that goes by sendfile.
  static let sizes = [200, 1024, 10_000, 65_536, 65_537, 262_144, 1_048_576, 3_000_000]

  /// One by name, one by wildcard, two tenants of one regular expression. `tools/loadtest` writes
  /// the configuration to match.
  static func all() -> [LoadSite] {
    [
      LoadSite(directory: "www", hosts: ["www.load.test", "WWW.Load.Test"]),
      LoadSite(directory: "wild", hosts: ["a.wild.load.test", "b.c.wild.load.test"]),
      LoadSite(directory: "tenants/red", hosts: ["red.tenants.load.test"]),
      LoadSite(directory: "tenants/blue", hosts: ["blue.tenants.load.test"]),
    ]
  }
}

/// One request and the bytes that must answer it.
struct Expectation {
  let target: String
  let host: String
  let body: [UInt8]
  let description: String
  let isHead: Bool

  var method: String { isHead ? "HEAD" : "GET" }
  /// As HTTP/1.1 writes it.
  var request: [UInt8] { Array("\(method) \(target) HTTP/1.1\r\nHost: \(host)\r\n\r\n".utf8) }
}

/// Draws requests; small files come far more often than large ones.
struct RequestSource {
  let sites: [LoadSite]
  /// Said at the start, so that a run can be repeated.
  var generator: SplitMix

  mutating func next() -> Expectation {
    let site = sites[generator.below(sites.count)]
    let host = site.hosts[generator.below(site.hosts.count)]
    let rank = min(generator.below(site.files.count), generator.below(site.files.count))
    let file = site.files[rank]
    let isHead = generator.below(16) == 0
    // A query makes another target of the same file: the cache must not mix them up.
    let query = generator.below(4) == 0 ? "?\(generator.below(1000))" : ""
    return Expectation(
      target: "/\(file.name)\(query)", host: host, body: file.bytes,
      description: "\(isHead ? "HEAD" : "GET") /\(file.name)\(query) on \(host)", isHead: isHead)
  }
}

/// SplitMix64, a small generator with a printable seed.
struct SplitMix {
  var state: UInt64

  mutating func below(_ limit: Int) -> Int {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
    return Int((mixed ^ mixed >> 31) % UInt64(limit))
  }
}
