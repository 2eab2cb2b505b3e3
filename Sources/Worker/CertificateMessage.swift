// Certificates between master and worker: what replaces a context, and questions by server name.

import TLS

/// Master to worker, in a sealed file beside `WorkerOrder.certificates`: make a new context.
package struct CertificateUpdate: Equatable, Sendable {
  /// Bytes of one update at most: all files of a site together.
  package static let bytesMax = 64 << 20

  /// Indices in `Model.sites` of the generation; all have one policy.
  package var sites: [Int]
  package var material: CertificateMaterial

  package init(sites: [Int], material: CertificateMaterial) {
    self.sites = sites
    self.material = material
  }

  /// In one piece of memory, so that the caller can wipe it: keys are in it.
  package var bytes: [UInt8] {
    let pieces = material.pieces.values.joined()
    var writer = MessageWriter()
    writer.bytes.reserveCapacity(
      pieces.reduce(0) { $0 + $1.bytes.count + 2 * $1.name.utf8.count + 32 }
        + material.pieces.keys.reduce(0) { $0 + $1.path.utf8.count + 32 }
        + 8 * sites.count + 64)
    writer.write(sites.count)
    for site in sites { writer.write(site) }
    writer.write(material.pieces.count)
    for (input, pieces) in material.pieces {
      switch input {
      case .file(let path): writer.write(0, Array(path.utf8))
      case .issuers(let path): writer.write(1, Array(path.utf8))
      case .revocations(let path): writer.write(2, Array(path.utf8))
      }
      writer.write(pieces.count)
      for piece in pieces {
        writer.write(Array(piece.name.utf8))
        writer.write(piece.bytes)
      }
    }
    return writer.bytes
  }

  /// nil for bytes that no master of this build writes.
  package init?(bytes: [UInt8]) {
    var reader = MessageReader(bytes)
    sites = []
    material = CertificateMaterial()
    guard let siteCount = reader.count() else { return nil }
    for _ in 0..<siteCount {
      guard let site = reader.number() else { return nil }
      sites.append(site)
    }
    guard let inputCount = reader.count() else { return nil }
    for _ in 0..<inputCount {
      guard let kind = reader.number(), let path = reader.text(), let pieceCount = reader.count()
      else { return nil }
      var pieces: [TLSNamedBytes] = []
      for _ in 0..<pieceCount {
        guard let name = reader.text(), let content = reader.bytes() else { return nil }
        pieces.append(TLSNamedBytes(name: name, bytes: content))
      }
      switch kind {
      case 0: material.pieces[.file(path)] = pieces
      case 1: material.pieces[.issuers(directory: path)] = pieces
      case 2: material.pieces[.revocations(directory: path)] = pieces
      default: return nil
      }
    }
    guard reader.isAtEnd else { return nil }
  }
}

/// Master to worker, in a sealed file beside `WorkerOrder.staple`: staple this from now on.
package struct StapleUpdate: Equatable, Sendable {
  /// SHA-256 of the certificate that the response speaks of: 32 bytes.
  package var fingerprint: [UInt8]
  /// DER of the OCSP response; empty: none any more.
  package var response: [UInt8]

  /// Bytes of one response at most.
  package static let responseBytesMax = 64 << 10
  /// Bytes of one update at most.
  package static let bytesMax = responseBytesMax + 64

  package init(fingerprint: [UInt8], response: [UInt8]) {
    self.fingerprint = fingerprint
    self.response = response
  }

  package var bytes: [UInt8] { fingerprint + response }

  /// nil for bytes that no master of this build writes.
  package init?(bytes: [UInt8]) {
    guard bytes.count >= 32, bytes.count <= StapleUpdate.bytesMax else { return nil }
    self.init(fingerprint: Array(bytes[..<32]), response: Array(bytes[32...]))
  }
}

/// Worker to master: whose certificate is in the site's `SSLCertificateDirectory` for a name?
package struct CertificateQuestion: Equatable, Sendable {
  /// Index in `Model.sites`.
  package var site: Int
  /// As `CertificateName.isValid` has it.
  package var name: [UInt8]
  /// What the worker has already of the file for exactly this name, and of the one for the names
  /// beside it; 0: nothing.
  package var exactIdentity: UInt64
  package var wildcardIdentity: UInt64

  package init(site: Int, name: [UInt8], exactIdentity: UInt64, wildcardIdentity: UInt64) {
    self.site = site
    self.name = name
    self.exactIdentity = exactIdentity
    self.wildcardIdentity = wildcardIdentity
  }

  package var bytes: [UInt8] {
    var writer = MessageWriter()
    writer.write(site)
    writer.write(exactIdentity)
    writer.write(wildcardIdentity)
    writer.write(name)
    return writer.bytes
  }

  package init?(bytes: [UInt8]) {
    var reader = MessageReader(bytes)
    guard let site = reader.number(), let exact = reader.word(), let wildcard = reader.word(),
      let name = reader.bytes(), reader.isAtEnd
    else { return nil }
    self.init(site: site, name: name, exactIdentity: exact, wildcardIdentity: wildcard)
  }
}

/// Master to worker: the answer to a question; a changed file is attached.
package struct CertificateAnswer: Equatable, Sendable {
  package enum Finding: Equatable, Sendable {
    case absent
    /// What the worker has is still right.
    case unchanged(isWildcard: Bool)
    /// There is a file, and it cannot be used: what the worker has stays.
    case unusable
    /// The file is attached, sealed.
    case file(isWildcard: Bool, identity: UInt64)
  }

  /// The question's.
  package var site: Int
  package var name: [UInt8]
  package var finding: Finding

  package init(site: Int, name: [UInt8], finding: Finding) {
    self.site = site
    self.name = name
    self.finding = finding
  }

  package var bytes: [UInt8] {
    var writer = MessageWriter()
    writer.write(site)
    switch finding {
    case .absent: writer.write(0, 0, 0)
    case .unusable: writer.write(3, 0, 0)
    case .unchanged(let isWildcard): writer.write(1, isWildcard ? 1 : 0, 0)
    case .file(let isWildcard, let identity): writer.write(2, isWildcard ? 1 : 0, identity)
    }
    writer.write(name)
    return writer.bytes
  }

  package init?(bytes: [UInt8]) {
    var reader = MessageReader(bytes)
    guard let site = reader.number(), let kind = reader.number(), let wildcard = reader.number(),
      let identity = reader.word(), let name = reader.bytes(), reader.isAtEnd
    else { return nil }
    let finding: Finding
    switch kind {
    case 0: finding = .absent
    case 3: finding = .unusable
    case 1: finding = .unchanged(isWildcard: wildcard != 0)
    case 2: finding = .file(isWildcard: wildcard != 0, identity: identity)
    default: return nil
    }
    self.init(site: site, name: name, finding: finding)
  }
}

/// Names of files in a `SSLCertificateDirectory`.
package enum CertificateName {
  /// Lower case labels of letters, digits, `-` and `_`, 1 … 63 bytes each, 253 together: safe as
  /// a file's name.
  package static func isValid(_ name: [UInt8]) -> Bool {
    guard name.count <= 253 else { return false }
    return name.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy {
      (1...63).contains($0.count)
        && $0.allSatisfy { byte in
          switch byte {
          case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
          default: false
          }
        }
    }
  }

  /// "*.example.org" for "www.example.org"; nil for a name of one label.
  package static func wildcard(of name: [UInt8]) -> [UInt8]? {
    guard let dot = name.firstIndex(of: UInt8(ascii: ".")) else { return nil }
    return [UInt8(ascii: "*")] + name[dot...]
  }

  /// "www.example.org.pem"
  package static func file(_ name: [UInt8]) -> [UInt8] { name + Array(".pem".utf8) }
}

/// Numbers and counted bytes, one after the other.
private struct MessageWriter {
  var bytes: [UInt8] = []

  mutating func write(_ word: UInt64) {
    for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: word >> (8 * UInt64(shift)))) }
  }

  mutating func write(_ number: Int) { write(UInt64(number)) }

  mutating func write(_ first: Int, _ second: Int, _ third: UInt64) {
    write(first)
    write(second)
    write(third)
  }

  mutating func write(_ content: [UInt8]) {
    write(content.count)
    bytes += content
  }

  mutating func write(_ number: Int, _ content: [UInt8]) {
    write(number)
    write(content)
  }
}

/// Reads what a `MessageWriter` wrote; nil where there is no such thing.
private struct MessageReader {
  private let content: [UInt8]
  private var position = 0

  init(_ content: [UInt8]) { self.content = content }

  var isAtEnd: Bool { position == content.count }

  mutating func word() -> UInt64? {
    guard content.count - position >= 8 else { return nil }
    defer { position += 8 }
    return (0..<8).reduce(0) { $0 | UInt64(content[position + $1]) << (8 * UInt64($1)) }
  }

  mutating func number() -> Int? { word().flatMap { Int(exactly: $0) } }

  /// A number of things that are still to come: there cannot be more than bytes.
  mutating func count() -> Int? {
    guard let count = number(), count <= content.count - position else { return nil }
    return count
  }

  mutating func bytes() -> [UInt8]? {
    guard let count = count() else { return nil }
    defer { position += count }
    return Array(content[position..<position + count])
  }

  mutating func text() -> String? { bytes().map { String(decoding: $0, as: UTF8.self) } }
}
