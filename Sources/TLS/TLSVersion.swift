// The versions of TLS that Ring3 speaks.

import COpenSSL

/// RFC 8996 retired everything older.
package enum TLSVersion: UInt8, Comparable, Sendable, CaseIterable {
  case tls12 = 12
  case tls13 = 13

  package static func < (left: TLSVersion, right: TLSVersion) -> Bool {
    left.rawValue < right.rawValue
  }

  /// As httpd's SSL_PROTOCOL writes it.
  package var name: String { self == .tls12 ? "TLSv1.2" : "TLSv1.3" }

  /// As it stands on the wire and in OpenSSL's interface.
  var wireNumber: CInt { self == .tls12 ? CInt(TLS1_2_VERSION) : CInt(TLS1_3_VERSION) }
}
