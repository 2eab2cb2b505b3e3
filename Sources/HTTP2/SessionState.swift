// One HTTP/2 connection as a state machine: what is known of it, and how it ends.

import HTTP
import Platform

/// All that `HTTP2Session` knows and does; what each of its calls means is written there.
///
/// A value inside of it, so that a call is one access to the whole, not one to each of its parts:
/// the run-time checks that accesses do not overlap took a quarter of a request.
struct SessionState {
  let workspace: HTTP2Workspace
  let settings: HTTP2Settings
  /// Among the sessions of its workspace.
  let number: Int

  var failure: HTTP2Failure?
  var counters = HTTP2Counters()
  var settingsAcknowledged = false
  var peerIsLeaving = false
  var openStreamCount = 0

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

  var streams: StreamTable
  /// Slots of streams that end when what is queued has left: with their head, or by our reset.
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
  var sendWindow = Int32(SessionState.windowBytesUsual)
  var sendWindowInitial = Int32(SessionState.windowBytesUsual)
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

  init(_ settings: HTTP2Settings, _ workspace: HTTP2Workspace, number: Int) {
    precondition(settings.headerListBytesMax <= workspace.headerListBytesMax)
    self.settings = settings
    self.workspace = workspace
    self.number = number
    purses = Purses(settings.limits)
    streams = StreamTable(seed: workspace.seed)
    receiveWindow = Int32(
      clamping: max(settings.windowBytes, SessionState.windowBytesUsual))
    announce()
  }

  private mutating func announce() {
    let block = workspace.scratch
    block.removeAll()
    func entry(_ setting: UInt16, _ value: Int) {
      block.append(bigEndian: setting)
      block.append(bigEndian: UInt32(clamping: value))
    }
    entry(Setting.concurrentStreamsMax, settings.concurrentStreamsMax)
    entry(Setting.initialWindowSize, min(settings.windowBytes, SessionState.windowBytesMax))
    entry(Setting.headerListSizeMax, settings.headerListBytesMax)
    entry(Setting.noEarlierPriorities, 1)
    frames.append(
      FrameHead(type: FrameType.settings, payloadBytes: block.count), block.bytes)
    block.removeAll()
    // The connection's window cannot be announced, only opened (RFC 9113 §6.9.2).
    let more = Int(receiveWindow) - SessionState.windowBytesUsual
    if more > 0 { queueWindow(0, UInt32(more)) }
  }

  // MARK: Facts

  var isDone: Bool {
    if isBroken { return true }
    guard frames.isEmpty else { return false }
    return isTerminated || (isLeaving || peerIsLeaving) && streams.count == 0
  }

  var hasOutput: Bool {
    !isBroken && (!frames.isEmpty || !endingSlots.isEmpty || maySendBodies)
  }

  var maySendBodies: Bool { !isTerminated && sendWindow > 0 && !sendQueue.isEmpty }

  var isBlockedByPeer: Bool {
    guard !isBroken, !hasOutput else { return false }
    var isBlocked = false
    for slot in streams.indices
    where streams[slot].isLiving && streams[slot].hasBody && !streams[slot].isDeferred {
      guard sendWindow <= 0 || streams[slot].sendWindow <= 0 else { return false }
      isBlocked = true
    }
    return isBlocked
  }

  var memoryBytes: Int {
    frames.reservedBytes + readTable.reservedBytes + writer.table.reservedBytes
      + input.reservedBytes + streams.reservedBytes
      + responseTrailers.values.reduce(0) { $0 + $1.capacity }
      + requestTrailers.values.reduce(0) { $0 + $1.count }
  }

  mutating func tick(second now: Int64) {
    guard now != second else { return }
    if second != 0 { tickLateStreams() }
    if second != 0 && now > second {
      purses.pass(seconds: Int32(clamping: now - second), settings.limits)
    }
    second = now
    if streams.count == 0, endingSlots.isEmpty { shrink() }
  }

  /// Nothing is under way: what many streams at once have needed is given back.
  private mutating func shrink() {
    frames.shrink()
    streams.shrink()
    endingSlots = []
  }

  // MARK: The end

  mutating func beginShutdown() {
    guard !isBroken, !isTerminated else { return }
    queueGoAway(last: .max, .noError)
  }

  mutating func finishShutdown() {
    guard !isBroken, !isTerminated else { return }
    isLeaving = true
    // RFC 9113 §6.8: never more than was said before.
    lastServedStream = min(lastStream, lastServedStream)
    queueGoAway(last: lastServedStream, .noError)
  }

  mutating func terminate(_ code: HTTP2ErrorCode) {
    if code == .noError {
      end(code)
    } else {
      fail(.terminated, code: code)
    }
  }

  mutating func fail(_ reason: HTTP2Failure, code: HTTP2ErrorCode? = nil) {
    guard failure == nil else { return }
    failure = reason
    end(code ?? reason.code)
  }

  private mutating func end(_ code: HTTP2ErrorCode) {
    guard !isBroken, !isTerminated else { return }
    isTerminated = true
    queueGoAway(last: min(lastStream, lastServedStream), code)
  }

  private mutating func queueGoAway(last: Int32, _ code: HTTP2ErrorCode) {
    frames.append(
      FrameHead(type: FrameType.goAway, payloadBytes: 8), UInt32(bitPattern: last), code.rawValue)
  }

  /// More memory than one session may have.
  mutating func breakDown() {
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
