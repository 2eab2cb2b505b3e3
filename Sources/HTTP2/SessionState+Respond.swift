// Orders of the owner: answer, reset, resume, prefer.

import HTTP
import Platform

extension SessionState {
  mutating func respond(to stream: HTTP2Stream, bodyFollows: Bool) -> Bool {
    defer { workspace.responseHead.removeAll() }
    guard !isTerminated, let slot = slot(of: stream), !streams[slot].isResponding,
      !streams[slot].isEnding
    else { return false }
    guard let isInterim = writeHead() else {
      _ = reset(stream, .internalError)
      return false
    }
    let endsStream = !isInterim && !bodyFollows
    queueBlock(stream.id, endsStream: endsStream)
    guard !isBroken else { return false }
    guard !isInterim else { return true }
    streams[slot].isResponding = true
    if bodyFollows {
      streams[slot].hasBody = true
      noteSendWindow(slot)
    } else {
      streams[slot].endsWithHead = true
      endingSlots.append(stream.slot)
    }
    return true
  }

  /// Writes the response's head as a header block; whether its status is an interim one, nil if it
  /// is no head. Lines that are about the connection stay behind (RFC 9113 §8.2.2).
  private mutating func writeHead() -> Bool? {
    let head = workspace.responseHead
    let written = workspace.writtenHead
    if workspace.blockOwner == number, workspace.blockVersion == writer.version, !writer.hasNews,
      Scan.equal(head.bytes, written.bytes)
    {
      return false
    }
    workspace.blockOwner = 0
    workspace.block.removeAll()
    let version = writer.version
    let isInterim = HeadWriter.write(head.bytes, &writer, workspace)
    // A block that has changed the table would be another one next time.
    guard let isInterim, !isInterim, writer.version == version else { return isInterim }
    written.removeAll()
    written.append(head.bytes)
    workspace.blockOwner = number
    workspace.blockVersion = version
    return false
  }

  /// HEADERS, and CONTINUATION as far as it is needed, of what stands in the workspace's block.
  private mutating func queueBlock(_ stream: Int32, endsStream: Bool) {
    let block = workspace.block
    let bytes = block.bytes
    var start = 0
    repeat {
      let count = min(bytes.byteCount - start, FrameHead.payloadBytesMax)
      let isFirst = start == 0
      var flags = isFirst && endsStream ? FrameFlag.endStream : FrameFlag.none
      if start + count == bytes.byteCount { flags |= FrameFlag.endHeaders }
      let type = isFirst ? FrameType.headers : FrameType.continuation
      frames.append(
        FrameHead(type: type, flags: flags, stream: stream, payloadBytes: count),
        bytes.extracting(start..<start + count))
      start += count
    } while start < bytes.byteCount
    if frames.byteCount > FrameHead.payloadBytesMax,
      memoryBytes > settings.limits.memoryBytesMax
    {
      breakDown()
    }
  }

  mutating func setTrailers(_ lines: RawSpan, of stream: HTTP2Stream) -> Bool {
    guard !isTerminated, let slot = slot(of: stream), !streams[slot].isEnding,
      lines.byteCount > 0, lines.byteCount <= workspace.responseHead.capacity
    else { return false }
    let buffer = ByteBuffer(capacity: lines.byteCount)
    buffer.append(lines)
    responseTrailers[slot] = buffer
    return true
  }

  /// The body is at its end: queues its trailers; false if it has none.
  mutating func queueTrailers(_ slot: Int) -> Bool {
    guard !responseTrailers.isEmpty, let lines = responseTrailers.removeValue(forKey: slot) else {
      return false
    }
    // The last head's block is overwritten.
    workspace.blockOwner = 0
    workspace.block.removeAll()
    guard HeadWriter.writeLines(lines.bytes, &writer, workspace) else { return false }
    queueBlock(streams[slot].id, endsStream: true)
    return true
  }

  mutating func resume(_ stream: HTTP2Stream) -> Bool {
    guard !isTerminated, let slot = slot(of: stream), streams[slot].isDeferred else { return false }
    streams[slot].isDeferred = false
    noteSendWindow(slot)
    return true
  }

  mutating func reset(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) -> Bool {
    guard !isTerminated, let slot = slot(of: stream), !streams[slot].isEnding else { return false }
    streams[slot].isResetByUs = true
    dropBody(slot)
    endStream(slot, code)
    return true
  }

  mutating func prefer(_ stream: HTTP2Stream, urgency: Int, isIncremental: Bool) {
    guard !isTerminated, let slot = slot(of: stream), !streams[slot].isEnding else { return }
    var priority = StreamPriority()
    priority.urgency = UInt8(min(max(urgency, 0), 7))
    priority.isIncremental = isIncremental
    streams[slot].isPreferred = true
    change(slot, priority)
  }
}
