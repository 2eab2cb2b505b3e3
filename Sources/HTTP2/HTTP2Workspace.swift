// Room that is needed only while a session is worked on: one for all sessions of a loop.

import CNGHTTP2
import Platform

/// Buffers and tables shared by the sessions of one event loop, so that an idle session costs
/// little. Events belong to the session that was worked on last: those not taken when another one
/// is worked on are lost, which suits a connection that was closed meanwhile, and none else.
@safe package final class HTTP2Workspace {
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
  /// For `respond`.
  let fields: UnsafeMutablePointer<nghttp2_nv>
  /// Field lines of a response.
  static let responseFieldCountMax = 512
  let callbacks: OpaquePointer
  private var events: [HTTP2Event] {
    @inline(__always) get { unsafe eventsStored }
    @inline(__always) _modify { yield unsafe &eventsStored }
  }
  @exclusivity(unchecked) private var eventsStored: [HTTP2Event] = []
  private var nextEvent: Int {
    @inline(__always) get { unsafe nextEventStored }
    @inline(__always) _modify { yield unsafe &nextEventStored }
  }
  @exclusivity(unchecked) private var nextEventStored = 0
  private var owner: ObjectIdentifier?

  /// `headerListBytesMax`: the largest of all sessions' settings; `responseHeadBytesMax`: what the
  /// longest head of a response may have.
  package init(headerListBytesMax: Int = 65_536, responseHeadBytesMax: Int = 65_536) {
    self.headerListBytesMax = headerListBytesMax
    heads = ByteBuffer(capacity: 3 * (headerListBytesMax + HTTP2Workspace.slackBytes))
    scratch = ByteBuffer(capacity: headerListBytesMax + HTTP2Workspace.slackBytes)
    responseHead = ByteBuffer(capacity: responseHeadBytesMax)
    unsafe fields = .allocate(capacity: HTTP2Workspace.responseFieldCountMax)
    unsafe callbacks = Callbacks.make()
    events.reserveCapacity(64)
  }

  deinit {
    unsafe fields.deallocate()
    unsafe nghttp2_session_callbacks_del(callbacks)
  }

  /// What a head's text may have beyond the list it is made from.
  static let slackBytes = 256

  /// Room for one more head, however long.
  @inline(__always)
  var hasRoom: Bool { heads.free >= headerListBytesMax + HTTP2Workspace.slackBytes }

  /// What earlier events spoke of may be overwritten.
  @inline(__always)
  func begin() {
    forgetEvents()
    heads.removeAll()
    scratch.removeAll()
  }

  @inline(__always)
  private func forgetEvents() {
    events.removeAll(keepingCapacity: true)
    nextEvent = 0
  }

  @inline(__always)
  func add(_ event: HTTP2Event, of session: HTTP2Session) {
    let session = ObjectIdentifier(session)
    if nextEvent == events.count || owner != session { forgetEvents() }
    owner = session
    events.append(event)
  }

  /// Adds to the last event if it speaks of the same body.
  func add(bodyBytes byteCount: Int, _ stream: HTTP2Stream, of session: HTTP2Session) {
    if owner == ObjectIdentifier(session), nextEvent < events.count,
      case .body(stream, let before) = events[events.count - 1]
    {
      events[events.count - 1] = .body(stream, byteCount: before + byteCount)
    } else {
      add(.body(stream, byteCount: byteCount), of: session)
    }
  }

  @inline(__always)
  func takeEvent(of session: HTTP2Session) -> HTTP2Event? {
    guard nextEvent < events.count, owner == ObjectIdentifier(session) else { return nil }
    let event = events[nextEvent]
    nextEvent &+= 1
    return event
  }
}
