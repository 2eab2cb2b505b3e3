// What a session announces, and how much of each nuisance it bears.

/// The transport's scheme, to compare `:scheme` with.
package enum HTTP2Scheme: Sendable {
  case http
  case https
}

/// How often something that costs us more than the peer may happen. A budget starts full; each
/// occurrence takes one, time and useful work give back, never above `burst`.
package struct HTTP2Budget: Equatable, Sendable {
  /// Occurrences borne at once; 0 …
  package var burst: Int32
  /// Given back a second.
  package var perSecond: Int32
  /// Given back for each unit of useful work: see `HTTP2Limits`.
  package var perWork: Int32

  package init(burst: Int32, perSecond: Int32, perWork: Int32) {
    self.burst = burst
    self.perSecond = perSecond
    self.perWork = perWork
  }
}

/// When a connection's behaviour is no longer borne. Beyond any of these the session ends with
/// GOAWAY ENHANCE_YOUR_CALM and the failure's word.
package struct HTTP2Limits: Equatable, Sendable {
  /// RST_STREAM by the peer and by us for the peer's errors, refused streams included. Work: a
  /// completed response.
  package var resets = HTTP2Budget(burst: 200, perSecond: 10, perWork: 1)
  /// SETTINGS, each of which we must answer. Work: a completed response, which earns none.
  package var settings = HTTP2Budget(burst: 20, perSecond: 1, perWork: 0)
  /// PING, each of which we must answer. Work: a completed response.
  package var pings = HTTP2Budget(burst: 60, perSecond: 2, perWork: 1)
  /// DATA without content that ends nothing; HEADERS that open no stream and end no request. Work:
  /// a completed response.
  package var emptyFrames = HTTP2Budget(burst: 100, perSecond: 10, perWork: 1)
  /// WINDOW_UPDATE. Work: a DATA frame sent; an honest peer answers it by at most two.
  package var windowUpdates = HTTP2Budget(burst: 1000, perSecond: 100, perWork: 4)
  /// PRIORITY and PRIORITY_UPDATE. Work: a completed response.
  package var priorities = HTTP2Budget(burst: 400, perSecond: 10, perWork: 4)
  /// Frames of unknown types, which must be ignored (RFC 9113 §5.5). Work: a completed response.
  package var unknownFrames = HTTP2Budget(burst: 100, perSecond: 10, perWork: 1)
  /// CONTINUATION frames of one header block.
  package var continuationsMax = 16
  /// Answers to PING and SETTINGS that wait to be sent.
  package var acknowledgementsMax = 100
  /// Frames of any kind, but DATA, that wait to be sent.
  package var outboundFramesMax = 1000
  /// Bytes of kept bodies, over all streams, from which on the connection's window is held back:
  /// at most this and one window of the connection are kept. Beyond it nothing ends, all wait.
  package var keptBodyBytesMax = 1 << 20
  /// All memory that one session holds, in bytes; kept bodies are not among it.
  package var memoryBytesMax = 2 << 20

  package init() {}
}

/// What a session is made with.
package struct HTTP2Settings: Equatable, Sendable {
  /// SETTINGS_MAX_CONCURRENT_STREAMS (H2MaxSessionStreams), 1 …
  package var concurrentStreamsMax = 100
  /// SETTINGS_INITIAL_WINDOW_SIZE (H2WindowSize): bytes of body that may come before we gave more
  /// room, 0 … 2³¹ - 1.
  package var windowBytes = 65_535
  /// SETTINGS_MAX_HEADER_LIST_SIZE, counted as RFC 9113 §6.5.2 does. A longer one is answered 431;
  /// four times as much, or a block that takes twice as much on its way, ends the connection. At
  /// most what the workspace was made for.
  package var headerListBytesMax = 65_536
  /// Fields of a request (LimitRequestFields), pseudo-fields not counted; more is answered 431.
  package var fieldCountMax = 100
  /// The scheme that requests must name; nil: http or https.
  package var scheme: HTTP2Scheme?
  package var limits = HTTP2Limits()

  package init() {}
}
