// Why a whole connection was ended by this side, for logs and counters.

/// The reasons for which a session says GOAWAY with an error. Raw values index counters: append,
/// never renumber.
package enum HTTP2Failure: UInt8, Error, Sendable, CaseIterable {
  /// The bytes do not begin with the client's connection preface (RFC 9113 §3.4).
  case preface = 0
  /// A rule of RFC 9113 that none of the next four names was broken.
  case protocolError = 1
  case flowControl = 2
  case frameSize = 3
  /// HPACK could not be decoded; the connection's compression state is lost (RFC 7541).
  case compression = 4
  case streamClosed = 5
  /// Streams opened only to be reset, or made to be reset by us (CVE-2023-44487, CVE-2025-8671).
  case rapidReset = 6
  /// A header block in too many frames (CVE-2024-27316).
  case continuationFlood = 7
  /// A header list far beyond what is allowed: not even worth an answer.
  case headerListFlood = 8
  case settingsFlood = 9
  case pingFlood = 10
  /// DATA without content and header blocks that open nothing.
  case emptyFrameFlood = 11
  case windowUpdateFlood = 12
  case priorityFlood = 13
  /// Frames of unknown types.
  case unknownFrameFlood = 14
  /// The peer makes us queue answers that it does not take.
  case outboundFlood = 15
  /// The session's cap on memory was reached.
  case memory = 16
  /// The worker ended the session with an error code of its own.
  case terminated = 18

  /// The word written to logs and shown by counters.
  package var word: String {
    switch self {
    case .preface: "H2_Preface"
    case .protocolError: "H2_Protocol"
    case .flowControl: "H2_FlowControl"
    case .frameSize: "H2_FrameSize"
    case .compression: "H2_Compression"
    case .streamClosed: "H2_StreamClosed"
    case .rapidReset: "H2_Rapid_Reset"
    case .continuationFlood: "H2_Continuation_Flood"
    case .headerListFlood: "H2_HeaderList_Flood"
    case .settingsFlood: "H2_Settings_Flood"
    case .pingFlood: "H2_Ping_Flood"
    case .emptyFrameFlood: "H2_EmptyFrame_Flood"
    case .windowUpdateFlood: "H2_WindowUpdate_Flood"
    case .priorityFlood: "H2_Priority_Flood"
    case .unknownFrameFlood: "H2_UnknownFrame_Flood"
    case .outboundFlood: "H2_Outbound_Flood"
    case .memory: "H2_Memory"
    case .terminated: "H2_Terminated"
    }
  }

  /// What the peer is told.
  package var code: HTTP2ErrorCode {
    switch self {
    case .preface, .protocolError: .protocolError
    case .flowControl: .flowControlError
    case .frameSize: .frameSizeError
    case .compression: .compressionError
    case .streamClosed: .streamClosed
    case .terminated, .memory: .internalError
    case .rapidReset, .continuationFlood, .headerListFlood, .settingsFlood, .pingFlood,
      .emptyFrameFlood, .windowUpdateFlood, .priorityFlood, .unknownFrameFlood, .outboundFlood:
      .enhanceYourCalm
    }
  }
}
