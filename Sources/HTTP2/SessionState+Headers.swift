// Header blocks (RFC 9113 §4.3, §6.2, §6.10): requests begin with them, and may end with them.

import HTTP
import Platform

extension SessionState {
  mutating func takeHeaders(_ frame: FrameHead, _ payload: RawSpan) {
    guard frame.stream & 1 == 1 else { return fail(.protocolError) }
    var start = 0
    var end = payload.byteCount
    if frame.isPadded {
      guard end > 0 else { return fail(.frameSize) }
      end -= Int(Scan.byte(payload, at: 0))
      start = 1
    }
    // A dependency and a weight, which are not used any more.
    if frame.flags & FrameFlag.priority != 0 { start += 5 }
    guard start <= end else { return fail(start > payload.byteCount ? .frameSize : .protocolError) }
    guard !frame.endsBlock else {
      return takeBlock(payload.extracting(start..<end), frame.stream, frame.endsStream)
    }
    input.blockStream = frame.stream
    input.blockEndsStream = frame.endsStream
    input.block += payload.extracting(start..<end).array
  }

  mutating func takeContinuation(_ frame: FrameHead, _ payload: RawSpan) {
    input.block += payload.array
    guard frame.endsBlock else { return }
    let block = input.block
    input.block = []
    input.blockStream = 0
    takeBlock(block.rawSpan, frame.stream, input.blockEndsStream)
  }

  // MARK: Blocks

  private mutating func takeBlock(_ block: RawSpan, _ id: Int32, _ endsStream: Bool) {
    workspace.scratch.removeAll()
    assembly = RequestAssembly()
    assembly.headStart = workspace.heads.count
    if id > lastStream {
      lastStream = id
      assembly.isIgnored = id > lastServedStream
    } else if let slot = streams.slot(of: id), !streams[slot].isEnding {
      // RFC 9113 §5.1: behind its end a stream has no fields.
      guard !streams[slot].requestEnded else { return fail(.streamClosed) }
      assembly.slot = slot
      assembly.isTrailer = true
    } else {
      // They may have been on their way when the stream ended.
      assembly.isIgnored = true
    }
    guard read(block), !assembly.isIgnored else { return dropAssembly() }
    if assembly.isTrailer { endTrailers(endsStream) } else { endRequest(id, endsStream) }
  }

  /// Reads all fields; false: the connection is at its end.
  private mutating func read(_ block: RawSpan) -> Bool {
    var table = FieldTable()
    swap(&table, &readTable)
    defer { swap(&table, &readTable) }
    var reader = FieldReader(block)
    let known = workspace.staticTable.text
    let line = workspace.line
    while true {
      switch reader.next(of: block, &table, workspace) {
      case .field(let field):
        guard !assembly.isIgnored else { continue }
        switch field.place {
        case .staticTable: gather(field.entry, known.bytes)
        case .table: if let text = table.text { gather(field.entry, text.bytes) }
        case .line: gather(field.entry, line.bytes)
        }
        guard failure == nil else { return false }
      case .end: return true
      case .broken:
        fail(.compression)
        return false
      }
    }
  }

  private mutating func dropAssembly() {
    workspace.heads.truncate(to: assembly.headStart)
    workspace.scratch.removeAll()
  }

  /// RFC 9113 §8.1: trailers end their stream.
  private mutating func endTrailers(_ endsStream: Bool) {
    let slot = assembly.slot
    guard endsStream, !assembly.isMalformed else {
      dropAssembly()
      counters.malformed += 1
      return endStream(slot, .protocolError)
    }
    // The HEADERS frame was charged when it came; this one was worth it.
    purses.emptyFrames.give(1, settings.limits.emptyFrames)
    let section = assembly.headStart..<workspace.heads.count
    if !section.isEmpty {
      requestTrailers[slot] = workspace.heads.copy(section)
      if memoryBytes > settings.limits.memoryBytesMax { breakDown() }
    }
    dropAssembly()
    counters.trailers += 1
    bodyEnded(slot)
  }

  private mutating func endRequest(_ id: Int32, _ endsStream: Bool) {
    guard streams.count < settings.concurrentStreamsMax else {
      dropAssembly()
      return queueReset(id, .refusedStream, isProvoked: true)
    }
    if assembly.isTooLarge {
      let isHead = assembly.isHead
      dropAssembly()
      let slot = open(id, endsStream)
      return tell(.headTooLarge(handle(slot), isHead: isHead, bodyFollows: !endsStream), slot)
    }
    // RFC 9113 §8.1.1: a length that was said is the body's.
    guard !endsStream || assembly.contentLength <= 0, let head = finishHead() else {
      dropAssembly()
      counters.malformed += 1
      return queueReset(id, .protocolError, isProvoked: true)
    }
    let slot = open(id, endsStream)
    let request = HTTP2Request(
      stream: handle(slot), head: head, fieldCount: assembly.lineCount, bodyFollows: !endsStream)
    assembly.beginsBody = !endsStream
    tell(.request(request), slot)
  }

  private mutating func open(_ id: Int32, _ endsStream: Bool) -> Int {
    var record = StreamRecord(
      id: id, sendWindow: sendWindowInitial, receiveWindow: receiveWindowInitial)
    record.requestEnded = endsStream
    record.bodyBytesLeft = endsStream ? -1 : assembly.contentLength
    var priority = assembly.priority
    if !earlyPriorities.isEmpty { priority = earlyPriorities.removeValue(forKey: id) ?? priority }
    if let priority {
      record.urgency = priority.urgency
      record.isIncremental = priority.isIncremental
    }
    return streams.take(record)
  }

  private mutating func tell(_ event: HTTP2Event, _ slot: Int) {
    purses.emptyFrames.give(1, settings.limits.emptyFrames)
    counters.requests += 1
    openStreamCount += 1
    streams[slot].isKnown = true
    workspace.add(event, of: number)
  }
}
