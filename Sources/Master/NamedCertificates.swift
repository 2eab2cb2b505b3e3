// Which certificates of `SSLCertificateDirectory` are in use: those are stapled and watched for
// their end, the thousands that nobody wants are not even read.

import TLS

/// A file of a directory of certificates by name.
struct NamedFile: Hashable {
  let directory: String
  /// "www.example.org.pem", "*.example.org.pem"
  let name: [UInt8]

  var path: String { directory + "/" + String(decoding: name, as: UTF8.self) }
}

/// What clients have wanted lately. Pure: times are monotonic milliseconds.
struct NamedCertificates {
  struct Entry {
    /// Another one for every change of the file.
    var identity: UInt64
    /// nil: it holds no certificate.
    var facts: TLSCertificateFacts?
    var usedAt: Int64
  }

  private(set) var entries: [NamedFile: Entry] = [:]

  /// A worker uses a file. True when it should be read and kept: it is unknown, and there is room,
  /// or it has changed.
  mutating func use(_ file: NamedFile, _ identity: UInt64, now: Int64) -> Bool {
    guard let entry = entries[file] else { return entries.count < Limits.namedCertificatesMax }
    entries[file]?.usedAt = now
    return entry.identity != identity
  }

  mutating func keep(_ file: NamedFile, _ entry: Entry) { entries[file] = entry }

  mutating func drop(_ file: NamedFile) { entries[file] = nil }

  /// Forgets what is in none of these directories or has not been used for long. A worker in use
  /// asks every few seconds, so what is in use stays even where there are more than fit.
  mutating func forget(except directories: Set<String>, now: Int64) {
    let isFull = entries.count >= Limits.namedCertificatesMax
    let limit =
      isFull ? Limits.namedCertificateScarceMilliseconds : Limits.namedCertificateIdleMilliseconds
    entries = entries.filter {
      directories.contains($0.key.directory) && now - $0.value.usedAt < limit
    }
  }
}
