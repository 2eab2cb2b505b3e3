// Cache keys: which bytes name a response.

import Cache
import Configuration
import HTTP
import Platform

/// A key is: version, scheme, port, address class, host (lower case, no port), NUL, path or target.
/// A *raw* key holds the target as sent, a *canonical* one the decoded, normalised path, encoded
/// again; for what most clients send the two are equal, byte for byte, and one probe finds the
/// entry. A coded variant has its coding as selector. Canonical encoding leaves no "?" in a path,
/// so no target with a query can be taken for one. `KeyShape` is what the store knows of this.
enum CacheKeys {
  static let version: UInt8 = 1
  static let schemeHTTP: UInt8 = 1
  static let schemeHTTPS: UInt8 = 2

  /// The part of a key that a connection decides.
  static func prefix(local: SocketAddress, model: Model) -> [UInt8] {
    [
      version, model.isEncrypted(local: local) ? schemeHTTPS : schemeHTTP,
      UInt8(truncatingIfNeeded: local.port >> 8),
      UInt8(truncatingIfNeeded: local.port),
    ] + model.addressClass(local: local).bytes
  }

  /// Writes a raw key; false when it would not fit, and then the request is not looked up.
  @inline(__always)
  static func writeRaw(
    _ key: ByteBuffer, prefix: [UInt8], host: RawSpan, target: RawSpan
  ) -> Bool {
    key.removeAll()
    guard prefix.count &+ host.byteCount &+ target.byteCount < key.capacity &- 16 else {
      return false
    }
    key.append(prefix)
    key.append(lowercasing: host)
    key.append(0)
    key.append(target)
    return true
  }

  /// The canonical key of a normalised path; `host` is lower case and has no dot at its end.
  static func canonical(prefix: [UInt8], host: [UInt8], path: [UInt8]) -> [UInt8] {
    var key = prefix
    key.reserveCapacity(prefix.count + host.count + path.count + 16)
    key += host
    key.append(0)
    PercentEncoding.append(path: path.rawSpan, to: &key)
    return key
  }

  /// The selector of an encoded variant.
  static func selector(_ coding: ContentCoding) -> [UInt8] {
    coding == .identity ? [] : [coding.rawValue]
  }
}

/// The one word of an entry that moves (DESIGN 3.7): under which routing epoch it was found right,
/// for which site, and when.
struct ValidatedWord: Equatable {
  private static let siteBits: UInt64 = 18
  private static let timeBits: UInt64 = 28
  /// What begins anew after these bits: see `CacheStore.raiseEpoch`.
  static let epochMask = UInt64(CacheStore.epochMask)
  static let siteCountMax = 1 << Int(siteBits)
  static let timeMask: UInt64 = (1 << timeBits) - 1
  /// A time is counted in eighths of a second of CLOCK_BOOTTIME; it wraps after a year, which only
  /// makes an entry be looked at again.
  static let millisecondsPerTick: Int64 = 125

  let raw: UInt64

  @inline(__always)
  init(raw: UInt64) { self.raw = raw }

  init(epoch: UInt32, site: Int, ticks: UInt64) {
    raw =
      (UInt64(epoch) & ValidatedWord.epochMask) << 46 | UInt64(site) << 28
      | ticks & ValidatedWord.timeMask
  }

  @inline(__always) var epoch: UInt64 { raw >> 46 }
  @inline(__always) var site: Int {
    Int(truncatingIfNeeded: raw >> 28 & ((1 << ValidatedWord.siteBits) - 1))
  }

  /// Ticks since it was found right.
  @inline(__always)
  func age(at ticks: UInt64) -> UInt64 {
    let age = (ticks &- raw) & ValidatedWord.timeMask
    // Another process may be a tick ahead of this one's batch.
    return age > ValidatedWord.timeMask &- 4096 ? 0 : age
  }
}
