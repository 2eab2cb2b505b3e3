// Which versions of HTTP a site speaks, and what bounds HTTP/2 connections.

/// `Protocols`; the raw values are ALPN's names (RFC 7301), except that h2c is never negotiated.
package enum ApplicationProtocol: String, Sendable, Hashable, CaseIterable {
  /// HTTP/2 over TLS.
  case http2 = "h2"
  /// HTTP/2 in clear text, with prior knowledge.
  case http2ClearText = "h2c"
  case http1 = "http/1.1"
}

/// mod_http2's directives. A connection is bound by those of the site that its handshake chose; in
/// clear text by those of the first site of its address.
package struct SiteHTTP2: Sendable, Hashable {
  /// `H2MaxSessionStreams`: streams open at a time.
  package var streamsMax = 100
  /// `H2WindowSize`: bytes of a request's body that a client may send unasked.
  package var windowBytes = 65_535
  /// `H2MaxDataFrameLen`; 0: as long as the client takes.
  package var dataFrameBytesMax = 0
  /// `H2MaxStreamErrors`: streams that may fail by the client's fault before its connection is
  /// ended; 0: no limit.
  package var streamErrorsMax = 8
  /// `H2StreamTimeout`; nil: `Timeout`.
  package var streamTimeoutMilliseconds: Int64?
  /// `H2ModernTLSOnly`: TLS 1.2 only with what RFC 9113 §9.2.2 allows.
  package var modernTLSOnly = true
  /// `H2Direct`: a clear-text connection may begin with the preface.
  package var direct = true

  package init() {}
}
