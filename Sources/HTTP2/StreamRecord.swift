// What is remembered of a stream beside the library's own.

import CNGHTTP2

/// One slot.
struct StreamRecord {
  /// 0 for a free slot.
  var id: Int32
  /// The owner was told of it.
  var isKnown = false
  var requestEnded = false
  /// The body's last frame has begun.
  var hasLastFrame = false
  /// Its body is kept until it is taken.
  var keepsBody = false
  /// Bytes of its body were let go.
  var hasLostBody = false
  /// A final response was ordered.
  var isResponding = false
  /// A whole response was put into the output.
  var isCompleted = false
  /// Bytes of the request's body that came after the whole response was put into the output.
  var lateBytes = 0
  /// Seconds since then in which the request did not end.
  var lateSeconds: UInt8 = 0
  /// The body said "deferred".
  var isDeferred = false
  /// Reset by the owner's will, or by ours after a whole response.
  var isResetByUs = false
  /// A slot that waits for its `.closed` to be taken is not free.
  var nextFree: Int32 = -1

  var isLiving: Bool { id != 0 }
}

extension HTTP2Session {
  /// A slot for a new stream; the library remembers its number with the stream.
  func takeSlot(for id: Int32) -> Int {
    if firstFreeSlot >= 0 {
      let slot = Int(firstFreeSlot)
      firstFreeSlot = streams[slot].nextFree
      streams[slot] = StreamRecord(id: id)
      return slot
    }
    streams.append(StreamRecord(id: id))
    return streams.count - 1
  }

  func freeSlot(_ slot: Int) {
    streams[slot].id = 0
    streams[slot].nextFree = firstFreeSlot
    firstFreeSlot = Int32(truncatingIfNeeded: slot)
  }

  /// The slot of a stream that the library knows; nil if it has none.
  @inline(__always)
  func slot(of id: Int32) -> Int? {
    guard let user = unsafe nghttp2_session_get_stream_user_data(session, id) else { return nil }
    return Int(bitPattern: user) &- 1
  }

  /// The slot of a handle; nil if its stream is over.
  @inline(__always)
  func slot(of stream: HTTP2Stream) -> Int? {
    let slot = Int(stream.slot)
    guard slot >= 0, slot < streams.count, streams[slot].id == stream.id, stream.id != 0 else {
      return nil
    }
    return slot
  }

  @inline(__always)
  func handle(_ slot: Int) -> HTTP2Stream {
    HTTP2Stream(id: streams[slot].id, slot: Int32(truncatingIfNeeded: slot))
  }
}
