// From the fields of a header block to the text of a request head.

import Platform

/// The header block that is being received. Blocks of a connection never interleave.
struct RequestAssembly {
  var slot = -1
  /// A request's end, not its beginning: kept with a body that is kept, else let go.
  var isTrailer = false
  /// As RFC 9113 §6.5.2 counts.
  var listBytes = 0
  var fieldCount = 0
  var isTooLarge = false
  /// Of one that is too large: its answer must have no content.
  var isHead = false
  var isMalformed = false
  /// Ranges of `scratch`.
  var method = 0..<0
  var path = 0..<0
  var authority = 0..<0
  var scheme = 0..<0
  /// Joined, from here to the end of `scratch`; -1 for none.
  var cookieStart = -1
  /// Where the text begins in `heads`.
  var headStart = 0
  /// The request line stands.
  var isBegun = false
  var lineCount = 0
  /// It was told as a request whose body follows.
  var beginsBody = false

  init() {}
  init(slot: Int, isTrailer: Bool, headStart: Int) {
    self.slot = slot
    self.isTrailer = isTrailer
    self.headStart = headStart
  }
}

/// A head that was cut by the end of the received bytes.
struct SuspendedHead {
  let text: [UInt8]
  let scratch: [UInt8]
}

extension HTTP2Session {
  /// Takes one field, which the library has found to be well-formed: a name of lower-case token
  /// characters, a value without control characters and without white space around it.
  @inline(__always)
  func gather(_ name: RawSpan, _ value: RawSpan) {
    assembly.listBytes &+= name.byteCount &+ value.byteCount &+ 32
    guard assembly.listBytes <= settings.headerListBytesMax else {
      return noteTooLarge()
    }
    guard !assembly.isTooLarge, !assembly.isMalformed else { return }
    if assembly.isTrailer { return gatherTrailer(name, value) }
    let first = unsafe name.unsafeLoad(fromUncheckedByteOffset: 0, as: UInt8.self)
    if first == UInt8(ascii: ":") { return gatherPseudo(name, value) }
    // Crumbs of cookies are one field (RFC 9113 §8.2.3).
    if assembly.cookieStart < 0 || !Bytes.equal(name, "cookie") { assembly.fieldCount &+= 1 }
    guard assembly.fieldCount <= settings.fieldCountMax else { return noteTooLarge() }
    if !assembly.isBegun { begin() }
    switch name.byteCount {
    case 4 where Bytes.equal(name, "host"): gatherHost(value)
    case 6 where Bytes.equal(name, "cookie"): gatherCookie(value)
    default: writeLine(name, value)
    }
  }

  /// Gathers no more of this block; far beyond the limit the connection ends.
  @inline(never)
  private func noteTooLarge() {
    if !assembly.isTooLarge {
      assembly.isTooLarge = true
      let scratch = workspace.scratch
      assembly.isHead = Bytes.equal(scratch.bytes.extracting(assembly.method), "HEAD")
      workspace.heads.truncate(to: assembly.headStart)
      workspace.scratch.removeAll()
    }
    if assembly.listBytes > 4 * settings.headerListBytesMax { fail(.headerListFlood) }
  }

  private func gatherPseudo(_ name: RawSpan, _ value: RawSpan) {
    let scratch = workspace.scratch
    let start = scratch.count
    scratch.append(value)
    let range = start..<scratch.count
    // The library has refused repeated, empty and unknown ones, and those behind a field.
    switch unsafe name.unsafeLoad(fromUncheckedByteOffset: 1, as: UInt8.self) {
    case UInt8(ascii: "m"): assembly.method = range
    case UInt8(ascii: "p"): assembly.path = range
    case UInt8(ascii: "a"):
      assembly.authority = range
      // RFC 9113 §8.3.1: no user information.
      if Bytes.contains(value, UInt8(ascii: "@")) { assembly.isMalformed = true }
    case UInt8(ascii: "s"): assembly.scheme = range
    default: assembly.isMalformed = true
    }
  }

  /// The library has refused pseudo-fields here (RFC 9113 §8.1).
  private func gatherTrailer(_ name: RawSpan, _ value: RawSpan) {
    guard streams[assembly.slot].keepsBody else { return }
    assembly.fieldCount &+= 1
    guard assembly.fieldCount <= settings.fieldCountMax else { return noteTooLarge() }
    writeLine(name, value)
  }

  /// Writes the request line and the Host line.
  private func begin() {
    assembly.isBegun = true
    let heads = workspace.heads
    let scratch = workspace.scratch
    let bytes = scratch.bytes
    let method = bytes.extracting(assembly.method)
    let isConnect = Bytes.equal(method, "CONNECT")
    heads.append(method)
    heads.append(UInt8(ascii: " "))
    heads.append(bytes.extracting(isConnect ? assembly.authority : assembly.path))
    Bytes.append(" HTTP/1.1\r\n", to: heads)
    if !assembly.authority.isEmpty {
      Bytes.append("host: ", to: heads)
      heads.append(bytes.extracting(assembly.authority))
      endLine(heads)
    }
  }

  @inline(__always)
  private func endLine(_ heads: ByteBuffer) {
    heads.append(0x0d)
    heads.append(0x0a)
    assembly.lineCount &+= 1
  }

  @inline(__always)
  private func writeLine(_ name: RawSpan, _ value: RawSpan) {
    let heads = workspace.heads
    heads.append(name)
    heads.append(UInt8(ascii: ":"))
    heads.append(UInt8(ascii: " "))
    heads.append(value)
    endLine(heads)
  }

  /// RFC 9113 §8.3.1: Host beside `:authority` must name the same.
  private func gatherHost(_ value: RawSpan) {
    guard !assembly.authority.isEmpty else {
      let heads = workspace.heads
      Bytes.append("host: ", to: heads)
      heads.append(value)
      return endLine(heads)
    }
    let scratch = workspace.scratch
    if !Bytes.equalIgnoringCase(scratch.bytes.extracting(assembly.authority), value) {
      assembly.isMalformed = true
    }
  }

  /// RFC 9113 §8.2.3: crumbs are put together again.
  private func gatherCookie(_ value: RawSpan) {
    if assembly.cookieStart < 0 {
      assembly.cookieStart = workspace.scratch.count
    } else {
      Bytes.append("; ", to: workspace.scratch)
    }
    workspace.scratch.append(value)
  }

  /// The block is complete and the library has no objection: where its text stands in `heads`, or
  /// nil if the request is malformed in a way that only we know of.
  func finishHead() -> Range<Int>? {
    guard !assembly.isMalformed, schemeIsRight() else { return nil }
    if !assembly.isBegun { begin() }
    let heads = workspace.heads
    if assembly.cookieStart >= 0 {
      let scratch = workspace.scratch
      let bytes = scratch.bytes
      Bytes.append("cookie: ", to: heads)
      heads.append(bytes.extracting(assembly.cookieStart..<bytes.byteCount))
      endLine(heads)
    }
    heads.append(0x0d)
    heads.append(0x0a)
    return assembly.headStart..<heads.count
  }

  /// CONNECT has none (RFC 9113 §8.5); the library has seen to that.
  private func schemeIsRight() -> Bool {
    guard !assembly.scheme.isEmpty else { return true }
    let scratch = workspace.scratch
    let value = scratch.bytes.extracting(assembly.scheme)
    let isHTTP = Bytes.equalIgnoringCase(value, "http")
    let isHTTPS = Bytes.equalIgnoringCase(value, "https")
    switch settings.scheme {
    case .http: return isHTTP
    case .https: return isHTTPS
    case nil: return isHTTP || isHTTPS
    }
  }

  // MARK: Across receives

  /// The bytes ended inside a block: its text is kept by the session.
  func suspendAssembly() {
    guard assembly.slot >= 0 else { return }
    suspended = SuspendedHead(
      text: workspace.heads.copy(assembly.headStart..<workspace.heads.count),
      scratch: workspace.scratch.copy(0..<workspace.scratch.count))
  }

  func resumeAssembly() {
    guard let kept = suspended else { return }
    suspended = nil
    assembly.headStart = workspace.heads.count
    workspace.heads.append(kept.text)
    workspace.scratch.append(kept.scratch)
  }
}
