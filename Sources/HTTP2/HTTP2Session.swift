// The server's side of one HTTP/2 connection: bytes in, events out; orders in, bytes out.

import HTTP
import Platform

/// One HTTP/2 connection, without a socket and without a clock.
///
/// The owner feeds what it received (`receive`), takes what happened (`nextEvent`) until there is
/// nothing more, answers (`respond`, `reset`), and lets frames be written into its buffer
/// (`produce`, which may bring further events). It closes the connection when `isDone`, or when a
/// deadline of its own is over: see the facts. Nothing is called back, but the body source during
/// `produce`.
///
/// A stream that this side resets is over with the next `produce`, not before: so only `receive`
/// and `produce`, which belong to a turn of the connection, tell of anything.
package final class HTTP2Session {
  let workspace: HTTP2Workspace
  let settings: HTTP2Settings
  /// Among the sessions of its workspace.
  let number: Int

  /// Why this side ended the connection; nil as long as it has not.
  package internal(set) var failure: HTTP2Failure?
  package internal(set) var counters = HTTP2Counters()
  /// The peer has acknowledged our SETTINGS (RFC 9113 §6.5.3): without, the owner's clock decides.
  package internal(set) var settingsAcknowledged = false
  /// The peer has said GOAWAY: it opens no further stream.
  package internal(set) var peerIsLeaving = false
  /// Streams that the owner knows and that are not over.
  package internal(set) var openStreamCount = 0

  // MARK: Bytes in

  var input = FrameInput()
  /// The peer's first SETTINGS have come.
  var hasPeerSettings = false
  var meter = FrameMeter()
  var purses: Purses
  private var second: Int64 = 0
  /// The fields that the peer has told to be remembered.
  var readTable = FieldTable()
  var assembly = RequestAssembly()
  /// The highest number of a stream that the peer has opened.
  var lastStream: Int32 = 0
  /// Streams above it are not served; what our last GOAWAY said.
  var lastServedStream = Int32.max
  /// What PRIORITY_UPDATE said of streams that are still to come (RFC 9218 §7.1).
  var earlyPriorities: [Int32: StreamPriority] = [:]

  // MARK: Streams

  var streams = StreamTable()
  /// Slots of streams that a reset of ours ends.
  var endingSlots: [Int32] = []
  var keptBodies = KeptBodies()
  /// Trailers of responses that wait for the end of their body, by slot.
  var responseTrailers: [Int: ByteBuffer] = [:]
  /// Trailers of requests whose bodies are kept, by slot.
  var requestTrailers: [Int: [UInt8]] = [:]
  /// Some streams may have been answered before their requests ended.
  var hasLateStreams = false

  // MARK: Bytes out

  var frames = FrameQueue()
  var sendQueue = SendQueue()
  var writer = FieldWriter()
  /// What we may send on all streams together, and at first on each.
  var sendWindow = Int32(HTTP2Session.windowBytesUsual)
  var sendWindowInitial = Int32(HTTP2Session.windowBytesUsual)
  /// What the peer may still send on all streams together; what was taken of that, but not given
  /// back yet.
  var receiveWindow: Int32
  var takenBytes: Int32 = 0

  /// Behind our last GOAWAY there is nothing.
  var isTerminated = false
  /// Not even that can be said.
  var isBroken = false
  /// When the streams under way are over, so is the connection.
  var isLeaving = false

  /// RFC 9113 §6.9.2
  static let windowBytesUsual = 65_535
  static let windowBytesMax = Int(Int32.max)

  /// A session whose first octets are the client's connection preface.
  package init(settings: HTTP2Settings, workspace: HTTP2Workspace) {
    precondition(settings.headerListBytesMax <= workspace.headerListBytesMax)
    self.settings = settings
    self.workspace = workspace
    number = workspace.takeNumber()
    purses = Purses(settings.limits)
    receiveWindow = Int32(
      clamping: max(settings.windowBytes, HTTP2Session.windowBytesUsual))
    announce()
  }

  private func announce() {
    let block = workspace.scratch
    block.removeAll()
    func entry(_ setting: UInt16, _ value: Int) {
      block.append(bigEndian: setting)
      block.append(bigEndian: UInt32(clamping: value))
    }
    entry(Setting.concurrentStreamsMax, settings.concurrentStreamsMax)
    entry(Setting.initialWindowSize, min(settings.windowBytes, HTTP2Session.windowBytesMax))
    entry(Setting.headerListSizeMax, settings.headerListBytesMax)
    entry(Setting.noEarlierPriorities, 1)
    frames.append(
      FrameHead(type: FrameType.settings, payloadBytes: block.count), block.bytes)
    block.removeAll()
    // The connection's window cannot be announced, only opened (RFC 9113 §6.9.2).
    let more = Int(receiveWindow) - HTTP2Session.windowBytesUsual
    if more > 0 { queueWindow(0, UInt32(more)) }
  }

  // MARK: Events

  /// The next thing that happened; nil when all have been told.
  package func nextEvent() -> HTTP2Event? { workspace.takeEvent(of: self) }

  // MARK: Facts

  /// Nothing is left to be read or written: the connection can be closed.
  package var isDone: Bool {
    if isBroken { return true }
    guard frames.isEmpty else { return false }
    return isTerminated || (isLeaving || peerIsLeaving) && streams.count == 0
  }

  /// `produce` has something to write, as far as is known without asking the bodies.
  package var hasOutput: Bool {
    !isBroken && (!frames.isEmpty || !endingSlots.isEmpty || maySendBodies)
  }

  var maySendBodies: Bool { !isTerminated && sendWindow > 0 && !sendQueue.isEmpty }

  /// There are bodies to be sent and none may go on before the peer opens a window: a peer that
  /// keeps this up holds memory for nothing.
  package var isBlockedByPeer: Bool {
    guard !isBroken, !hasOutput else { return false }
    var isBlocked = false
    for slot in streams.indices
    where streams[slot].isLiving && streams[slot].hasBody && !streams[slot].isDeferred {
      guard sendWindow <= 0 || streams[slot].sendWindow <= 0 else { return false }
      isBlocked = true
    }
    return isBlocked
  }

  /// Bytes of memory that are held for this session, bodies that are kept not counted.
  package var memoryBytes: Int {
    frames.reservedBytes + readTable.reservedBytes + writer.table.reservedBytes
      + input.reservedBytes + streams.reservedBytes
      + responseTrailers.values.reduce(0) { $0 + $1.capacity }
      + requestTrailers.values.reduce(0) { $0 + $1.count }
  }

  /// Lets time pay into the budgets, and ends streams that were answered some seconds ago but whose
  /// requests do not end: `hasOutput` tells. `now` in whole seconds of any clock that never goes
  /// back; to be called about once a second.
  package func tick(second now: Int64) {
    guard now != second else { return }
    if second != 0 { tickLateStreams() }
    if second != 0 && now > second {
      purses.pass(seconds: Int32(clamping: now - second), settings.limits)
    }
    second = now
    if streams.count == 0 { frames.shrink() }
  }

  // MARK: The end

  /// First step of an orderly end: tells the peer to open no further stream, while those under way
  /// are still served (RFC 9113 §6.8). A round trip later `finishShutdown` belongs.
  package func beginShutdown() {
    guard !isBroken, !isTerminated else { return }
    queueGoAway(last: .max, .noError)
  }

  /// Second step: streams opened from now on are not served; `isDone` when the rest has been.
  package func finishShutdown() {
    guard !isBroken, !isTerminated else { return }
    isLeaving = true
    lastServedStream = lastStream
    queueGoAway(last: lastStream, .noError)
  }

  /// Ends everything at once: the next `produce` writes GOAWAY, and that is all.
  package func terminate(_ code: HTTP2ErrorCode) {
    if code == .noError {
      end(code)
    } else {
      fail(.terminated, code: code)
    }
  }

  func fail(_ reason: HTTP2Failure, code: HTTP2ErrorCode? = nil) {
    guard failure == nil else { return }
    failure = reason
    end(code ?? reason.code)
  }

  private func end(_ code: HTTP2ErrorCode) {
    guard !isBroken, !isTerminated else { return }
    isTerminated = true
    queueGoAway(last: min(lastStream, lastServedStream), code)
  }

  private func queueGoAway(last: Int32, _ code: HTTP2ErrorCode) {
    frames.append(
      FrameHead(type: FrameType.goAway, payloadBytes: 8), UInt32(bitPattern: last), code.rawValue)
  }

  /// More memory than one session may have.
  func breakDown() {
    isBroken = true
    frames.removeAll()
    if failure == nil { failure = .memory }
  }
}

/// The parameters of SETTINGS (RFC 9113 §6.5.2, RFC 8441 §3, RFC 9218 §2.1).
enum Setting {
  static let headerTableSize: UInt16 = 0x1
  static let enablePush: UInt16 = 0x2
  static let concurrentStreamsMax: UInt16 = 0x3
  static let initialWindowSize: UInt16 = 0x4
  static let frameSizeMax: UInt16 = 0x5
  static let headerListSizeMax: UInt16 = 0x6
  static let enableConnectProtocol: UInt16 = 0x8
  static let noEarlierPriorities: UInt16 = 0x9
}
