// Room that is needed only while a session is worked on: one for all sessions of a loop.

import HTTP
import Platform

/// Buffers and tables shared by the sessions of one event loop, so that an idle session costs
/// little. Events belong to the session that was worked on last: those not taken when another one
/// is worked on are lost, which suits a connection that was closed meanwhile, and none else.
package final class HTTP2Workspace {
  /// Heads of requests, as `HTTP2Request.head` tells.
  package let heads: ByteBuffer
  /// The head of a response: a status line and field lines as HTTP/1.1 has them, each with its line
  /// end; the empty line at the end may be missing. Filled piece by piece for `respond`, which
  /// empties it.
  package let responseHead: ByteBuffer
  /// Header lists beyond this never fit.
  package let headerListBytesMax: Int

  /// Pseudo-fields and cookies of the head that is being gathered.
  let scratch: ByteBuffer
  /// A field's line, while it is read or written.
  let line: ByteBuffer
  /// Where the lines of a head stand that is being written.
  var lines: [HeadLine] = []
  /// The last head that was written, and what became of it: the next answer is often the same, byte
  /// by byte.
  let writtenHead: ByteBuffer
  let block: ByteBuffer
  /// Whose table the block was written for, and what the table was like; 0: nobody's.
  var blockOwner = 0
  var blockVersion = 0
  let staticTable = StaticTable()
  let huffman = HuffmanCode()
  /// What spreads the numbers of streams over their tables.
  let seed = UInt32.random(in: .min ... .max)
  /// Numbers for sessions, from 1.
  private var sessionCount = 0

  private var events: [HTTP2Event] = []
  private var nextEvent = 0
  /// Told or not; what is behind them in `events` is of earlier times.
  private var eventCount = 0
  private var owner = 0

  /// Field lines of a response.
  static let responseFieldCountMax = 512

  /// `headerListBytesMax`: the largest of all sessions' settings, at most 65,536;
  /// `responseHeadBytesMax`: what the longest head of a response may have.
  package init(headerListBytesMax: Int = 65_536, responseHeadBytesMax: Int = 65_536) {
    precondition(headerListBytesMax <= 65_536)
    self.headerListBytesMax = headerListBytesMax
    let longBytes = 4 * headerListBytesMax + 2 * HTTP2Workspace.slackBytes
    heads = ByteBuffer(capacity: longBytes)
    scratch = ByteBuffer(capacity: headerListBytesMax + HTTP2Workspace.slackBytes)
    line = ByteBuffer(capacity: max(longBytes, responseHeadBytesMax + HTTP2Workspace.slackBytes))
    responseHead = ByteBuffer(capacity: responseHeadBytesMax)
    writtenHead = ByteBuffer(capacity: responseHeadBytesMax)
    // No field takes more than its line and what says how long its strings are.
    block = ByteBuffer(
      capacity: responseHeadBytesMax + 16 * HTTP2Workspace.responseFieldCountMax)
    events.reserveCapacity(64)
  }

  func takeNumber() -> Int {
    sessionCount += 1
    return sessionCount
  }

  /// What a head's text may have beyond the list it is made from.
  static let slackBytes = 256

  /// Room for one more head, however long, and its events soon enough: what a few requests take
  /// is given back before the next ones come.
  @inline(__always)
  var hasRoom: Bool {
    heads.free >= 2 * headerListBytesMax + HTTP2Workspace.slackBytes
      && eventCount < HTTP2Workspace.eventsWaitingMax
  }
  private static let eventsWaitingMax = 4

  /// What earlier events spoke of may be overwritten.
  @inline(__always)
  func begin() {
    forgetEvents()
    heads.removeAll()
    scratch.removeAll()
  }

  @inline(__always)
  private func forgetEvents() {
    eventCount = 0
    nextEvent = 0
  }

  @inline(__always)
  func add(_ event: HTTP2Event, of session: Int) {
    if nextEvent == eventCount || owner != session { forgetEvents() }
    owner = session
    if eventCount < events.count { events[eventCount] = event } else { events.append(event) }
    eventCount &+= 1
  }

  /// Adds to the last event if it speaks of the same body.
  func add(bodyBytes byteCount: Int, _ stream: HTTP2Stream, of session: Int) {
    if owner == session, nextEvent < eventCount,
      case .body(stream, let before) = events[eventCount - 1]
    {
      events[eventCount - 1] = .body(stream, byteCount: before + byteCount)
    } else {
      add(.body(stream, byteCount: byteCount), of: session)
    }
  }

  @inline(__always)
  func takeEvent(of session: Int) -> HTTP2Event? {
    guard nextEvent < eventCount, owner == session else { return nil }
    let event = events[nextEvent]
    nextEvent &+= 1
    return event
  }
}
