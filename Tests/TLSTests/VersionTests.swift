// What the versions are called.

import TLS
import Testing

@Suite struct `versions of TLS` {
  @Test func `the newer one is greater and both are named as in httpd`() {
    #expect(TLSVersion.tls12 < .tls13)
    #expect(TLSVersion.allCases.map(\.name) == ["TLSv1.2", "TLSv1.3"])
  }
}
