// The codes of RFC 9113 §7.

import HTTP2
import Testing

@Suite struct `error codes of HTTP/2` {
  @Test func `they have the numbers of the RFC`() {
    #expect(HTTP2ErrorCode.enhanceYourCalm.rawValue == 11)
    #expect(HTTP2ErrorCode(rawValue: 14) == nil)
  }
}
