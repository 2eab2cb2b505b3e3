// What the cache holds, for people: one entry, and whether a URL would be answered from it.

import Cache
import Configuration
import HTTP
import Platform

/// One entry as it was at one moment.
package struct CacheEntryView: Sendable {
  /// Whether it may be used as it is.
  package enum State: String, Sendable {
    case good
    /// Invalidated softly: compared with its origin before its next use.
    case stale
    /// Invalidated for good: never used again, and dropped when it is met.
    case gone
    /// Found under an older routing epoch: routed again at its next use.
    case reroute
  }

  package let key: [UInt8]
  /// "http://host[:port]/path" in printable ASCII.
  package let url: String
  package let kind: EntryKind
  package let status: UInt16
  /// Of the body.
  package let byteCount: Int
  /// Header, key, head and body, as they take room.
  package let storedByteCount: Int
  package let ageSeconds: Int
  /// Milliseconds since it was last compared with its origin.
  package let comparedMilliseconds: Int64
  /// About how often it was used; 0 to 18.
  package let uses: Int
  package let coding: ContentCoding
  package let codingsAvailable: ContentCodings
  /// Bytes that tell it from other variants, beside those of a coding; in hexadecimal.
  package let selector: String
  /// Tags and groups that the application gave.
  package let labels: [String]
  /// Of a claimed URL's response: prefix, user and queue of the application that made it.
  package let owner: String?
  /// How many processes pin it for unfinished sends.
  package let pins: Int
  package let state: State
  /// Who may see it depends on the client.
  package let dependsOnClient: Bool
  /// The key that an alias stands for.
  package let aliasTarget: [UInt8]?
  /// nil: it is no application's response.
  package let response: ResponseView?

  /// Reads a held entry; changes nothing.
  package init(_ cache: CacheStore, _ hit: CacheHit, pins: CachePinTable) {
    let region = cache.region
    func copy(_ range: RegionRange) -> [UInt8] {
      region.copyOut(at: range.offset, count: range.count)
    }
    key = copy(cache.keyRange(hit))
    url = CacheInspection.url(ofKey: key)
    let facts = cache.facts(hit)
    kind = facts.kind
    status = facts.status
    byteCount = cache.bodyByteCount(hit)
    storedByteCount = cache.storedByteCount(hit)
    ageSeconds = Int(Clock.bootSeconds() &- cache.createdSeconds(hit))
    let word = ValidatedWord(raw: cache.validated(hit))
    comparedMilliseconds =
      Int64(word.age(at: CacheInspection.ticks)) * ValidatedWord.millisecondsPerTick
    uses = cache.approximateUses(hit)
    coding = ContentCoding(rawValue: facts.coding) ?? .identity
    codingsAvailable = ContentCodings(rawValue: facts.variantsAvailable)
    let selectorBytes = copy(cache.selectorRange(hit))
    selector =
      selectorBytes == CacheKeys.selector(coding)
      ? "" : selectorBytes.map { CacheInspection.hexadecimal($0) }.joined()
    let labelBytes = copy(cache.labelRange(hit))
    labels = labelBytes.split(separator: 0).filter { OwnerLabels.isTag($0) }.map {
      CacheInspection.printable(Array($0))
    }
    owner = OwnerLabels.ownerText(in: labelBytes)
    self.pins = pins.processes(pinning: hit)
    switch cache.peekStanding(hit) {
    case .gone: state = .gone
    case .stale: state = .stale
    case .good:
      state = word.epoch == UInt64(cache.epoch) & ValidatedWord.epochMask ? .good : .reroute
    }
    dependsOnClient = facts.checks & EntryChecks.clientAddress != 0
    aliasTarget = cache.aliasTarget(hit)
    response = ResponseView(facts, word, selector: selectorBytes, at: CacheInspection.ticks)
  }

  /// What a variant is called: its coding, and what else tells it apart; of an application's
  /// response, the fields of the requests that it answers.
  package var variant: String {
    if let response { return response.selection.isEmpty ? "any" : response.selection }
    let name = "\(coding.token)"
    return selector.isEmpty ? name : "\(name)+\(selector)"
  }
}

/// What the cache holds, for people. The cache must be attached.
package enum CacheInspection {
  static var ticks: UInt64 {
    UInt64(Clock.bootMilliseconds() / ValidatedWord.millisecondsPerTick)
  }

  /// "1024 bytes, compared with the file 0.4 s ago", or "no", for the plain variant of a path.
  /// `host` as a client writes it, without port.
  package static func describe(
    _ cache: CacheStore, _ model: Model, local: SocketAddress, host: [UInt8], path: [UInt8]
  ) -> String {
    let key = CacheKeys.canonical(
      prefix: CacheKeys.prefix(local: local, model: model),
      host: CacheURL.canonicalHost(host), path: path)
    let entries = variants(cache, key)
    guard let entry = entries.first(where: { $0.coding == .identity }) ?? entries.first else {
      return "no"
    }
    let size = "\(entry.byteCount) bytes"
    switch entry.state {
    case .reroute: return "\(size), to be routed again before use"
    case .stale: return "\(size), invalidated: to be compared with the file before use"
    case .gone: return "\(size), invalidated: never used again"
    case .good: return "\(size), compared with the file \(age(entry)) ago"
    }
  }

  /// "0.4 s" since an entry was compared with its file.
  static func age(_ entry: CacheEntryView) -> String {
    let tenths = entry.comparedMilliseconds / 100
    return "\(tenths / 10).\(tenths % 10) s"
  }

  /// All entries under a key.
  static func variants(_ cache: CacheStore, _ key: [UInt8]) -> [CacheEntryView] {
    let pins = cache.pinTable()
    var entries: [CacheEntryView] = []
    cache.forEachVariant(of: key.rawSpan) {
      entries.append(CacheEntryView(cache, $0, pins: pins))
    }
    return entries
  }

  /// The responses that are stored for a URL, in whatever address class and variant.
  package static func entries(
    _ cache: CacheStore, _ model: Model, _ url: CacheURL
  ) -> [CacheEntryView] {
    // An alias is no response of its own: what it stands for has a key that is looked for too.
    url.keys(model).flatMap { variants(cache, $0) }.filter { $0.aliasTarget == nil }
  }

  /// The key of a held entry, copied.
  package static func key(_ cache: CacheStore, _ hit: CacheHit) -> [UInt8] {
    let range = cache.keyRange(hit)
    return cache.region.copyOut(at: range.offset, count: range.count)
  }

  /// The URL that a key stands for, in printable ASCII: other bytes as %XX.
  package static func url(ofKey key: [UInt8]) -> String {
    String(decoding: urlBytes(ofKey: key), as: UTF8.self)
  }

  /// The same as bytes, for who looks at very many.
  package static func urlBytes(ofKey key: [UInt8]) -> [UInt8] {
    guard key.count > KeyShape.hostOffset, isKnown(key[0]),
      let end = key[KeyShape.hostOffset...].firstIndex(of: 0)
    else { return Array("key:".utf8) + key.flatMap { Array(hexadecimal($0).utf8) } }
    var url: [UInt8] = []
    url.reserveCapacity(key.count + 16)
    if key[0] == CacheKeys.fragmentVersion { url += "fragment ".utf8 }
    let isSecure = key[1] == CacheKeys.schemeHTTPS
    url += (isSecure ? "https://" : "http://").utf8
    append(printable: key[KeyShape.hostOffset..<end], to: &url)
    let port = Int(key[2]) << 8 | Int(key[3])
    if port != (isSecure ? 443 : 80) { url += ":\(port)".utf8 }
    append(printable: key[(end + 1)...], to: &url)
    return url
  }

  private static func isKnown(_ version: UInt8) -> Bool {
    version == CacheKeys.version || version == CacheKeys.fragmentVersion
  }

  /// What invalidates exactly the resource that a key names, with all its variants; nil for bytes
  /// that are no key.
  package static func resource(ofKey key: [UInt8]) -> CacheTarget? {
    parts(ofKey: key).map {
      .resource(authority: $0.authority, host: $0.host, target: $0.target)
    }
  }

  private static func parts(
    ofKey key: [UInt8]
  ) -> (authority: [UInt8], host: [UInt8], target: [UInt8])? {
    guard key.count > KeyShape.hostOffset, isKnown(key[0]),
      let end = key[KeyShape.hostOffset...].firstIndex(of: 0)
    else { return nil }
    let authority = key[KeyShape.authorityOffset...].prefix(KeyShape.authorityCount)
    return (Array(authority), Array(key[KeyShape.hostOffset..<end]), Array(key[(end + 1)...]))
  }

  static func printable(_ bytes: [UInt8]) -> String {
    var text: [UInt8] = []
    append(printable: bytes[...], to: &text)
    return String(decoding: text, as: UTF8.self)
  }

  private static func append(printable bytes: ArraySlice<UInt8>, to text: inout [UInt8]) {
    for byte in bytes {
      if byte > 0x20 && byte < 0x7f {
        text.append(byte)
      } else {
        text += "%\(hexadecimal(byte).uppercased())".utf8
      }
    }
  }

  static func hexadecimal(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 16)
    return byte < 16 ? "0\(digits)" : digits
  }
}
