// Frames that wait to be sent: everything but bodies, in the order in which it was decided.

import Platform

/// Bytes behind each other, taken from the front; memory is had only while something waits, but for
/// the little that most answers need.
struct FrameQueue {
  private var buffer: ByteBuffer?
  private var start = 0
  /// Since the queue was empty.
  private(set) var frameCount = 0
  private(set) var acknowledgementCount = 0

  private static let keptBytes = 1024

  var byteCount: Int { (buffer?.count ?? 0) - start }
  var isEmpty: Bool { frameCount == 0 }
  var reservedBytes: Int { buffer?.capacity ?? 0 }

  mutating func append(_ head: FrameHead, _ payload: RawSpan) {
    let buffer = room(for: FrameHead.byteCount + payload.byteCount)
    head.write(to: buffer)
    buffer.append(payload)
    note(head)
  }

  /// A frame with one or two words of payload.
  mutating func append(_ head: FrameHead, _ first: UInt32, _ second: UInt32? = nil) {
    let buffer = room(for: FrameHead.byteCount + 8)
    head.write(to: buffer)
    buffer.append(bigEndian: first)
    if let second { buffer.append(bigEndian: second) }
    note(head)
  }

  private mutating func note(_ head: FrameHead) {
    frameCount += 1
    let isAnswer = head.type == FrameType.ping || head.type == FrameType.settings
    if isAnswer, head.isAcknowledgement { acknowledgementCount += 1 }
  }

  private mutating func room(for byteCount: Int) -> ByteBuffer {
    if let buffer, buffer.free >= byteCount { return buffer }
    var capacity = FrameQueue.keptBytes
    while capacity < self.byteCount + byteCount { capacity *= 2 }
    let larger = ByteBuffer(capacity: capacity)
    if let buffer { larger.append(buffer.bytes.extracting(start..<buffer.count)) }
    buffer = larger
    start = 0
    return larger
  }

  /// Moves what fits to the end of a buffer.
  mutating func move(to output: ByteBuffer) {
    guard let buffer else { return }
    let fitting = min(byteCount, output.free)
    output.append(buffer.bytes.extracting(start..<start + fitting))
    start += fitting
    guard start == buffer.count else { return }
    removeAll()
  }

  mutating func removeAll() {
    if let kept = buffer, kept.capacity <= FrameQueue.keptBytes {
      kept.removeAll()
    } else {
      buffer = nil
    }
    start = 0
    frameCount = 0
    acknowledgementCount = 0
  }

  /// Lets go what it keeps for the next frames.
  mutating func shrink() { if isEmpty { buffer = nil } }
}
