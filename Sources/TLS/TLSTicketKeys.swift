// The keys that session tickets are made with, in memory that all processes share.

import Platform
import Synchronization

/// One key as it encrypts and authenticates tickets (RFC 5077, section 4).
struct TicketKey: Equatable {
  /// 16 bytes that stand in front of each ticket.
  var name: [UInt8]
  /// 16 or 32 bytes: HMAC-SHA256.
  var authenticationKey: [UInt8]
  /// 16 or 32 bytes: AES in CBC mode.
  var encryptionKey: [UInt8]
}

/// A ring of keys that the master rotates and every worker of every generation reads; or keys from
/// files, which the operator rotates.
///
/// The master writes a new key into the slot behind the newest one, then moves the head. Readers
/// never look at the slot behind the head, and each slot carries its number before and after it is
/// written, so that even a reader that slept for the time of several rotations takes no torn key.
/// A master that dies at any instruction leaves a ring whose head is whole.
package final class TLSTicketKeys: Sendable {
  /// A key encrypts for so long, if the master calls `rotate` often enough.
  package static let rotationSeconds = 8 * 3_600
  /// A ticket is accepted until its key is so old.
  package static let acceptedSeconds = 24 * 3_600

  /// Bytes that `init(region:)` needs.
  package static let regionBytes = 4_096
  private static let magic: UInt64 = 0x5233_5449_434B_5931
  private static let magicOffset = 0
  /// The number of the newest key; 0: there is none. Key n lies in slot n % slotCount.
  private static let headOffset = 8
  private static let slotCount: UInt64 = 8
  private static let slotsOffset = 64
  private static let slotBytes = 128
  // A slot: its key's number (0 while it is written), seconds when it was made, name, keys.
  private static let createdOffset = 8
  private static let nameOffset = 16
  private static let authenticationOffset = 32
  private static let encryptionOffset = 64

  /// Nil when the keys come from files.
  private let region: SharedRegion?
  private let fixed: [TicketKey]

  /// Fresh keys that live as long as this mapping: made by the master before it forks.
  package convenience init(nowSeconds: Int64 = Clock.realSeconds()) throws(TLSError) {
    let region: SharedRegion
    do throws(SystemError) {
      region = try SharedRegion(anonymous: TLSTicketKeys.regionBytes)
    } catch { throw TLSError("no memory for the keys of session tickets: \(error)") }
    try self.init(region: region, nowSeconds: nowSeconds)
  }

  /// Keys in a region that may already hold some, of a master before: those go on. The region must
  /// be readable by nobody else and `regionBytes` long.
  package init(region: SharedRegion, nowSeconds: Int64 = Clock.realSeconds()) throws(TLSError) {
    precondition(region.byteCount >= TLSTicketKeys.regionBytes)
    self.region = region
    fixed = []
    if region.loadAcquire64(at: TLSTicketKeys.magicOffset) != TLSTicketKeys.magic {
      region.fill(at: 0, count: TLSTicketKeys.regionBytes, with: 0)
      region.storeRelease64(TLSTicketKeys.magic, at: TLSTicketKeys.magicOffset)
    }
    try rotate(nowSeconds: nowSeconds)
  }

  /// Keys from files, as in `SSLSessionTicketKeyFile`: 48 bytes (name, HMAC key and AES key of 16
  /// each, as httpd has them) or 80 (name of 16, HMAC key and AES key of 32 each). The first
  /// encrypts, the others only decrypt; they never rotate by themselves.
  package init(files: [TLSNamedBytes]) throws(TLSError) {
    precondition(!files.isEmpty)
    region = nil
    var keys: [TicketKey] = []
    for file in files {
      let bytes = file.bytes
      let size = bytes.count == 48 ? 16 : 32
      guard bytes.count == 48 || bytes.count == 80 else {
        throw TLSError(
          "'\(file.name)' must hold 48 or 80 random bytes for session tickets, not \(bytes.count) "
            + "(openssl rand -out FILE 80)")
      }
      keys.append(
        TicketKey(
          name: Array(bytes[..<16]), authenticationKey: Array(bytes[16..<16 + size]),
          encryptionKey: Array(bytes[(16 + size)...])))
    }
    fixed = keys
  }

  deinit { wipeFixed() }

  private func wipeFixed() {
    for key in fixed { [key.name, key.authenticationKey, key.encryptionKey].forEach { $0.wipe() } }
  }

  /// This process has no use for them; others go on with them. They may not be used here any more.
  package func discard() {
    wipeFixed()
    region?.discard()
  }

  private static func slot(_ number: UInt64) -> Int {
    slotsOffset + Int(number % slotCount) * slotBytes
  }

  /// Seconds until `rotate` has something to do; nil when the keys come from files.
  package func secondsUntilRotation(nowSeconds: Int64) -> Int64? {
    guard let region else { return nil }
    let head = region.loadAcquire64(at: TLSTicketKeys.headOffset)
    guard head > 0 else { return 0 }
    let age = nowSeconds - created(head, region)
    return age < 0 ? 0 : max(0, Int64(TLSTicketKeys.rotationSeconds) - age)
  }

  /// Makes a new key if the newest is older than `rotationSeconds`, lies in the future (the clock
  /// was set back), or `isForced`; true when it did. By the master only.
  @discardableResult
  package func rotate(
    nowSeconds: Int64, isForced: Bool = false
  ) throws(TLSError) -> Bool {
    guard let region, isForced || secondsUntilRotation(nowSeconds: nowSeconds) == 0 else {
      return false
    }
    let bytes = try TLSLibrary.randomBytes(16 + 32 + 32)
    let number = region.loadAcquire64(at: TLSTicketKeys.headOffset) &+ 1
    let slot = TLSTicketKeys.slot(number)
    region.storeRelaxed64(0, at: slot)
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    region.store(nowSeconds, at: slot + TLSTicketKeys.createdOffset)
    region.copyIn(bytes.rawSpan, at: slot + TLSTicketKeys.nameOffset)
    bytes.wipe()
    region.storeRelease64(number, at: slot)
    region.storeRelease64(number, at: TLSTicketKeys.headOffset)
    return true
  }

  private func created(_ number: UInt64, _ region: SharedRegion) -> Int64 {
    region.load(at: TLSTicketKeys.slot(number) + TLSTicketKeys.createdOffset, as: Int64.self)
  }

  /// A key by its number; nil when it is gone or too old.
  private func read(_ number: UInt64, _ region: SharedRegion, _ nowSeconds: Int64) -> TicketKey? {
    let slot = TLSTicketKeys.slot(number)
    guard region.loadAcquire64(at: slot) == number,
      nowSeconds - created(number, region) < Int64(TLSTicketKeys.acceptedSeconds)
    else { return nil }
    let key = TicketKey(
      name: region.copyOut(at: slot + TLSTicketKeys.nameOffset, count: 16),
      authenticationKey: region.copyOut(at: slot + TLSTicketKeys.authenticationOffset, count: 32),
      encryptionKey: region.copyOut(at: slot + TLSTicketKeys.encryptionOffset, count: 32))
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    return region.loadRelaxed64(at: slot) == number ? key : nil
  }

  /// The key for new tickets; nil when there is none (then no ticket is made).
  func current(nowSeconds: Int64) -> TicketKey? {
    guard let region else { return fixed.first }
    return read(region.loadAcquire64(at: TLSTicketKeys.headOffset), region, nowSeconds)
  }

  /// The key that a ticket names, and whether a new one is the current key by now.
  func find(name: [UInt8], nowSeconds: Int64) -> (key: TicketKey, isOld: Bool)? {
    guard let region else {
      guard let index = fixed.firstIndex(where: { $0.name == name }) else { return nil }
      return (fixed[index], index > 0)
    }
    let head = region.loadAcquire64(at: TLSTicketKeys.headOffset)
    // Not the oldest slot: it is the one that the next rotation writes.
    for age in 0..<TLSTicketKeys.slotCount - 1 where head > age {
      let number = head - age
      if let key = read(number, region, nowSeconds), key.name == name { return (key, age > 0) }
    }
    return nil
  }
}
