// The server's side of one HTTP/2 connection: bytes in, events out; orders in, bytes out.

import CNGHTTP2
import Platform

/// One HTTP/2 connection, without a socket and without a clock.
///
/// The owner feeds what it received (`receive`), takes what happened (`nextEvent`) until there is
/// nothing more, answers (`respond`, `reset`), and lets frames be written into its buffer
/// (`produce`); calls of `produce`, `reset` and the like may bring further events. It closes the
/// connection when `isDone`, or when a deadline of its own is over: see the facts. Nothing is
/// called back, but the body source during `produce`.
///
/// What changes several times a request is stored without run-time checks of exclusivity: one
/// thread touches it, in steps that call nothing.
@safe package final class HTTP2Session {
  let workspace: HTTP2Workspace
  let settings: HTTP2Settings
  /// Nil if there was no memory; the session is then broken from the start.
  var session: OpaquePointer? {
    @inline(__always) get { unsafe sessionStored }
  }
  @exclusivity(unchecked) private var sessionStored: OpaquePointer?
  private let memory: UnsafeMutablePointer<MemoryMeter>

  /// Why this side ended the connection; nil as long as it has not.
  package internal(set) var failure: HTTP2Failure? {
    @inline(__always) get { unsafe failureStored }
    @inline(__always) _modify { yield unsafe &failureStored }
  }
  @exclusivity(unchecked) private var failureStored: HTTP2Failure?
  package internal(set) var counters: HTTP2Counters {
    @inline(__always) get { unsafe countersStored }
    @inline(__always) _modify { yield unsafe &countersStored }
  }
  @exclusivity(unchecked) private var countersStored = HTTP2Counters()
  /// The peer has acknowledged our SETTINGS (RFC 9113 §6.5.3): without, the owner's clock decides.
  package internal(set) var settingsAcknowledged = false
  /// The peer has said GOAWAY: it opens no further stream.
  package internal(set) var peerIsLeaving = false
  /// The library can do nothing more, not even say goodbye.
  var isBroken: Bool {
    @inline(__always) get { unsafe isBrokenStored }
    @inline(__always) _modify { yield unsafe &isBrokenStored }
  }
  @exclusivity(unchecked) private var isBrokenStored = false

  var meter = FrameMeter()
  var purses: Purses {
    @inline(__always) get { unsafe pursesStored }
    @inline(__always) _modify { yield unsafe &pursesStored }
  }
  @exclusivity(unchecked) private var pursesStored: Purses
  private var second: Int64 = 0
  var assembly: RequestAssembly {
    @inline(__always) get { unsafe assemblyStored }
    @inline(__always) _modify { yield unsafe &assemblyStored }
  }
  @exclusivity(unchecked) private var assemblyStored = RequestAssembly()
  var suspended: SuspendedHead?
  var keptBodies = KeptBodies()
  /// Trailers of responses that wait for the end of their body, by slot.
  var responseTrailers: [Int: ByteBuffer] = [:]
  /// Trailers of requests whose bodies are kept, by slot.
  var requestTrailers: [Int: [UInt8]] = [:]
  /// Some streams may have been answered before their requests ended.
  var hasLateStreams = false

  /// By slot.
  var streams: [StreamRecord] {
    @inline(__always) get { unsafe streamsStored }
    @inline(__always) _modify { yield unsafe &streamsStored }
  }
  @exclusivity(unchecked) private var streamsStored: [StreamRecord] = []
  var firstFreeSlot: Int32 {
    @inline(__always) get { unsafe firstFreeSlotStored }
    @inline(__always) _modify { yield unsafe &firstFreeSlotStored }
  }
  @exclusivity(unchecked) private var firstFreeSlotStored: Int32 = -1
  /// Streams that the owner knows and that are not over.
  package internal(set) var openStreamCount: Int {
    @inline(__always) get { unsafe openStreamCountStored }
    @inline(__always) _modify { yield unsafe &openStreamCountStored }
  }
  @exclusivity(unchecked) private var openStreamCountStored = 0

  /// Only while `produce` runs.
  var output: ByteBuffer?
  var bodies: (any HTTP2BodySource)?
  /// Where the head of the DATA frame belongs that is being written; -1 for none.
  var dataHeadOffset: Int {
    @inline(__always) get { unsafe dataHeadOffsetStored }
    @inline(__always) _modify { yield unsafe &dataHeadOffsetStored }
  }
  @exclusivity(unchecked) private var dataHeadOffsetStored: Int = -1
  /// The part of a frame that did not fit into the output.
  var leftover: [UInt8] {
    @inline(__always) get { unsafe leftoverStored }
    @inline(__always) _modify { yield unsafe &leftoverStored }
  }
  @exclusivity(unchecked) private var leftoverStored: [UInt8] = []

  /// A session whose first octets are the client's connection preface.
  package init(settings: HTTP2Settings, workspace: HTTP2Workspace) {
    precondition(settings.headerListBytesMax <= workspace.headerListBytesMax)
    self.settings = settings
    self.workspace = workspace
    unsafe pursesStored = Purses(settings.limits)
    unsafe memory = .allocate(capacity: 1)
    unsafe memory.initialize(to: MemoryMeter(max: settings.limits.memoryBytesMax))
    open()
  }

  deinit {
    unsafe nghttp2_session_del(session)
    unsafe memory.deallocate()
  }

  private func open() {
    var option: OpaquePointer?
    guard unsafe nghttp2_option_new(&option) == 0 else { return breakDown() }
    defer { unsafe nghttp2_option_del(option) }
    unsafe nghttp2_option_set_builtin_recv_extension_type(
      option, UInt8(NGHTTP2_PRIORITY_UPDATE.rawValue))
    unsafe nghttp2_option_set_max_outbound_ack(option, settings.limits.acknowledgementsMax)
    unsafe nghttp2_option_set_max_deflate_dynamic_table_size(
      option, settings.compressionTableBytes)
    unsafe nghttp2_option_set_no_closed_streams(option, 1)
    // Windows are given back by hand, for who keeps a body decides when.
    unsafe nghttp2_option_set_no_auto_window_update(option, 1)
    // Ours come first: they know what is useful, and CONTINUATION frames are counted by the
    // library each time it is given a part of one.
    unsafe nghttp2_option_set_stream_reset_rate_limit(option, 1 << 30, 1 << 20)
    unsafe nghttp2_option_set_max_continuations(option, 1 << 20)
    var functions = unsafe SessionMemory.functions(memory)
    guard
      unsafe nghttp2_session_server_new3(
        &sessionStored, workspace.callbacks, Unmanaged.passUnretained(self).toOpaque(), option,
        &functions) == 0
    else { return breakDown() }
    announce()
  }

  private func announce() {
    func entry(_ setting: nghttp2_settings_id, _ value: Int) -> nghttp2_settings_entry {
      nghttp2_settings_entry(settings_id: Int32(setting.rawValue), value: UInt32(clamping: value))
    }
    let entries = [
      entry(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, settings.concurrentStreamsMax),
      entry(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, settings.windowBytes),
      entry(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, settings.headerListBytesMax),
      entry(NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, settings.compressionTableBytes),
      entry(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1),
    ]
    let flags = UInt8(NGHTTP2_FLAG_NONE.rawValue)
    guard unsafe nghttp2_submit_settings(session, flags, entries, entries.count) == 0 else {
      return breakDown()
    }
    if settings.windowBytes > 65_535 {
      // The connection's window cannot be announced, only opened.
      check(
        unsafe nghttp2_session_set_local_window_size(
          session, flags, 0, Int32(clamping: settings.windowBytes)))
    }
  }

  // MARK: Events

  /// The next thing that happened; nil when all have been told.
  package func nextEvent() -> HTTP2Event? { workspace.takeEvent(of: self) }

  // MARK: Facts

  /// Nothing is left to be read or written: the connection can be closed.
  package var isDone: Bool {
    if isBroken { return true }
    guard leftover.isEmpty else { return false }
    return unsafe nghttp2_session_want_read(session) == 0
      && nghttp2_session_want_write(session) == 0
  }

  /// `produce` has something to write, as far as is known without asking the bodies.
  package var hasOutput: Bool {
    unsafe !isBroken && (!leftover.isEmpty || nghttp2_session_want_write(session) != 0)
  }

  /// There are bodies to be sent and none may go on before the peer opens a window: a peer that
  /// keeps this up holds memory for nothing.
  package var isBlockedByPeer: Bool {
    guard !isBroken, !hasOutput else { return false }
    let connectionWindow = unsafe nghttp2_session_get_remote_window_size(session)
    var isBlocked = false
    for record in streams where record.isLiving && record.isResponding {
      if record.isDeferred { continue }
      let window = unsafe nghttp2_session_get_stream_remote_window_size(session, record.id)
      guard connectionWindow <= 0 || window <= 0 else { return false }
      isBlocked = true
    }
    return isBlocked
  }

  /// Bytes of memory that the library holds for this session now, and held at most.
  package var libraryMemoryBytes: (now: Int, most: Int) {
    unsafe (memory.pointee.used, memory.pointee.most)
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
  }

  // MARK: The end

  /// First step of an orderly end: tells the peer to open no further stream, while those under way
  /// are still served (RFC 9113 §6.8). A round trip later `finishShutdown` belongs.
  package func beginShutdown() {
    guard !isBroken, failure == nil else { return }
    check(unsafe nghttp2_submit_shutdown_notice(session))
  }

  /// Second step: streams opened from now on are not served; `isDone` when the rest has been.
  package func finishShutdown() {
    guard !isBroken, failure == nil else { return }
    check(
      unsafe nghttp2_submit_goaway(
        session, UInt8(NGHTTP2_FLAG_NONE.rawValue),
        nghttp2_session_get_last_proc_stream_id(session),
        HTTP2ErrorCode.noError.rawValue, nil, 0))
  }

  /// Ends everything at once: the next `produce` writes GOAWAY, and that is all.
  package func terminate(_ code: HTTP2ErrorCode) {
    if code == .noError {
      guard !isBroken, failure == nil else { return }
      check(unsafe nghttp2_session_terminate_session(session, code.rawValue))
    } else {
      fail(.terminated, code: code)
    }
  }

  func fail(_ reason: HTTP2Failure, code: HTTP2ErrorCode? = nil) {
    guard failure == nil else { return }
    failure = reason
    guard !isBroken else { return }
    let code = code ?? reason.code
    if unsafe nghttp2_session_terminate_session(session, code.rawValue) != 0 { isBroken = true }
  }

  /// No memory, or worse.
  func breakDown(_ reason: HTTP2Failure = .memory) {
    isBroken = true
    if failure == nil { failure = reason }
  }

  /// Takes the result of an order that can fail only for want of memory; false if it did.
  @discardableResult
  func check(_ result: CInt) -> Bool {
    guard result < 0 else { return true }
    if result == NGHTTP2_ERR_NOMEM.rawValue { breakDown() } else { fail(.internal) }
    return false
  }
}
