// A stream of bytes cut into frames, wherever its pieces begin and end.

/// Where the bytes that were received so far have ended.
struct FrameInput {
  enum Phase {
    /// In the client's preface.
    case preface
    /// In or before the head of a frame.
    case head
    /// In the payload of a DATA frame: its content is taken as it comes.
    case data
    /// In a payload that is worked on when it is whole.
    case payload
    /// In a payload that nobody wants.
    case skipped
  }

  var phase = Phase.preface
  /// Bytes of the preface that have come.
  var prefaceBytes = 0
  /// The frame whose payload is being received.
  var frame = FrameHead(type: 0, payloadBytes: 0)
  /// Bytes of its payload still to come.
  var payloadLeft = 0
  /// What was received of a head, or of a payload that is to be whole.
  var collected: [UInt8] = []
  /// Of a padded frame, once its first byte has come.
  var paddingLeft = 0
  var awaitsPadding = false
  /// What has come of a DATA frame beside its padding.
  var contentBytes = 0
  /// The stream whose header block goes on in CONTINUATION frames; 0: none does.
  var blockStream: Int32 = 0
  var blockEndsStream = false
  var block: [UInt8] = []

  var reservedBytes: Int { collected.capacity + block.capacity }
}
