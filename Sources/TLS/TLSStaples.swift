// The OCSP responses that a process has at hand, each shown with the certificate it speaks of.

import Synchronization

/// Shared by all contexts of a process that staple, as ticket keys are: a new response is shown
/// with the next handshake, and no context is made anew for it. A fork copies it.
package final class TLSStaples: Sendable {
  /// DER, by the fingerprints of the certificates.
  private let responses = Mutex<[[UInt8]: [UInt8]]>([:])

  package init() {}

  /// Shows a response with the certificate of this fingerprint (`TLSCertificateFacts`) from now on;
  /// an empty one: none any more.
  package func show(_ response: [UInt8], of fingerprint: [UInt8]) {
    responses.withLock { $0[fingerprint] = response.isEmpty ? nil : response }
  }

  /// Empty: there is none.
  package func response(of fingerprint: [UInt8]) -> [UInt8] {
    responses.withLock { $0[fingerprint] ?? [] }
  }

  var isEmpty: Bool { responses.withLock { $0.isEmpty } }
}
