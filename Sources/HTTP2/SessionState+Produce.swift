// Bytes out: what was queued, then bodies, straight into the output.

import HTTP
import Platform

extension SessionState {
  /// The least room in which a DATA frame is begun; less would make many small frames.
  static let dataBytesMin = 1024

  /// The least capacity of a buffer for `produce`.
  static let outputBytesMin = 4096

  mutating func produce(into output: ByteBuffer, bodies: any HTTP2BodySource) -> Int {
    precondition(output.capacity >= SessionState.outputBytesMin)
    let before = output.count
    while !isBroken {
      if !frames.isEmpty {
        frames.move(to: output)
        guard frames.isEmpty else { break }
      }
      if !endingSlots.isEmpty {
        finishStreams()
        continue
      }
      guard !isTerminated, sendWindow > 0, let slot = sendQueue.next,
        sendData(slot, output, bodies)
      else { break }
    }
    return output.count - before
  }

  /// Streams that ended with their head, or by a reset of ours.
  private mutating func finishStreams() {
    let slots = endingSlots
    endingSlots.removeAll(keepingCapacity: true)
    for place in slots {
      let slot = Int(place)
      guard streams[slot].isLiving else { continue }
      if streams[slot].isEnding {
        closeStream(slot)
      } else if streams[slot].endsWithHead, !streams[slot].isCompleted {
        complete(slot)
      }
    }
  }

  /// Writes one DATA frame of a stream; false if there is too little room for one.
  private mutating func sendData(_ slot: Int, _ output: ByteBuffer, _ bodies: any HTTP2BodySource)
    -> Bool
  {
    let most = min(
      Int(min(sendWindow, streams[slot].sendWindow)), FrameHead.payloadBytesMax)
    let room = output.free - FrameHead.byteCount
    guard room >= min(most, SessionState.dataBytesMin) else { return false }
    let start = output.count
    let id = streams[slot].id
    FrameHead(type: FrameType.data, stream: id, payloadBytes: 0).write(to: output)
    let step = bodies.appendBody(of: handle(slot), to: output, upTo: min(most, room))
    let count = output.count - start - FrameHead.byteCount
    precondition(count >= 0 && count <= most, "a body wrote more than it was asked for")
    switch step {
    case .more where count > 0:
      FrameHead(type: FrameType.data, stream: id, payloadBytes: count)
        .overwrite(at: start, of: output)
      noteSent(count, slot)
      if streams[slot].sendWindow > 0 {
        sendQueue.passTurn(slot, &streams)
      } else {
        sendQueue.remove(slot, &streams)
      }
    case .end:
      endBody(slot, count, at: start, output)
    case .more, .deferred:
      output.truncate(to: start)
      streams[slot].isDeferred = true
      sendQueue.remove(slot, &streams)
    case .failed:
      output.truncate(to: start)
      streams[slot].isResetByUs = true
      endStream(slot, .internalError)
    }
    return true
  }

  /// The last bytes of a body are in the output: they end the stream, or its trailers do.
  private mutating func endBody(_ slot: Int, _ count: Int, at start: Int, _ output: ByteBuffer) {
    let id = streams[slot].id
    let hasTrailers = queueTrailers(slot)
    guard !isBroken else { return output.truncate(to: start) }
    if hasTrailers, count == 0 {
      output.truncate(to: start)
    } else {
      let flags = hasTrailers ? FrameFlag.none : FrameFlag.endStream
      FrameHead(type: FrameType.data, flags: flags, stream: id, payloadBytes: count)
        .overwrite(at: start, of: output)
      noteSent(count, slot)
    }
    sendQueue.remove(slot, &streams)
    streams[slot].hasBody = false
    complete(slot)
  }

  private mutating func noteSent(_ count: Int, _ slot: Int) {
    sendWindow -= Int32(count)
    streams[slot].sendWindow -= Int32(count)
    purses.windowUpdates.work(settings.limits.windowUpdates)
  }

  /// The whole response is in the output: its stream is over when the request is.
  private mutating func complete(_ slot: Int) {
    streams[slot].isCompleted = true
    counters.completed += 1
    purses.responseCompleted(settings.limits)
    if streams[slot].requestEnded {
      closeStream(slot)
    } else {
      responseOvertookBody(slot)
    }
  }
}
