// From the fields of a header block to the text of a request head.

import HTTP
import Platform

/// The header block that is being worked on.
struct RequestAssembly {
  /// Of trailers: their stream's; -1 for a request, which has none before it is whole.
  var slot = -1
  /// A request's end, not its beginning: kept with a body that is kept, else let go.
  var isTrailer = false
  /// Of a stream that is over or will not be served: only the tables count.
  var isIgnored = false
  /// As RFC 9113 §6.5.2 counts.
  var listBytes = 0
  var fieldCount = 0
  var isTooLarge = false
  /// Of one that is too large: its answer must have no content.
  var isHead = false
  var isMalformed = false
  /// Ranges of `scratch`; empty: there was none.
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
  var hasHost = false
  /// -1: none.
  var contentLength: Int64 = -1
  var hasPriority = false
  var priority: StreamPriority?
  var lineCount = 0
  /// It was told as a request whose body follows.
  var beginsBody = false
}

extension SessionState {
  /// Takes one field; its line is in `text`.
  @inline(__always)
  mutating func gather(_ field: FieldEntry, _ text: RawSpan) {
    assembly.listBytes &+= field.nameBytes &+ field.valueBytes &+ FieldTable.entryBytes
    guard assembly.listBytes <= settings.headerListBytesMax else { return noteTooLarge() }
    guard !assembly.isTooLarge, !assembly.isMalformed else { return }
    if assembly.isTrailer { return gatherTrailer(field, text) }
    switch field.kind {
    case .method: gather(field, text, into: \.method)
    case .path: gather(field, text, into: \.path)
    case .authority: gather(field, text, into: \.authority)
    case .scheme: gather(field, text, into: \.scheme)
    case .malformed: assembly.isMalformed = true
    default: gatherField(field, text)
    }
  }

  /// Gathers no more of this block; far beyond the limit the connection ends.
  @inline(never)
  private mutating func noteTooLarge() {
    if !assembly.isTooLarge {
      assembly.isTooLarge = true
      let scratch = workspace.scratch
      assembly.isHead = Scan.equal(scratch.bytes.extracting(assembly.method), "HEAD")
      workspace.heads.truncate(to: assembly.headStart)
      workspace.scratch.removeAll()
    }
    if assembly.listBytes > 4 * settings.headerListBytesMax { fail(.headerListFlood) }
  }

  /// RFC 9113 §8.3: each once, and before all others.
  @inline(__always)
  private mutating func gather(
    _ field: FieldEntry, _ text: RawSpan, into place: WritableKeyPath<RequestAssembly, Range<Int>>
  ) {
    guard assembly[keyPath: place].isEmpty, !assembly.isBegun, assembly.cookieStart < 0 else {
      assembly.isMalformed = true
      return
    }
    let start = workspace.scratch.count
    workspace.scratch.append(text.extracting(field.values))
    assembly[keyPath: place] = start..<workspace.scratch.count
  }

  @inline(__always)
  private mutating func gatherField(_ field: FieldEntry, _ text: RawSpan) {
    // Crumbs of cookies are one field (RFC 9113 §8.2.3).
    if field.kind != .cookie || assembly.cookieStart < 0 { assembly.fieldCount &+= 1 }
    guard assembly.fieldCount <= settings.fieldCountMax else { return noteTooLarge() }
    if !assembly.isBegun { begin() }
    switch field.kind {
    case .host: return gatherHost(text.extracting(field.values))
    case .cookie: return gatherCookie(text.extracting(field.values))
    case .contentLength:
      // RFC 9113 §8.1.1: two of them could be read differently.
      guard assembly.contentLength < 0 else {
        assembly.isMalformed = true
        return
      }
      assembly.contentLength = number(text.extracting(field.values))
    // The first counts: few bytes can name a long one again and again.
    case .priority where !assembly.hasPriority:
      assembly.hasPriority = true
      assembly.priority = StreamPriority(text.extracting(field.values))
    default: break
    }
    writeLine(field, text)
  }

  private func number(_ digits: RawSpan) -> Int64 {
    var value: Int64 = 0
    for index in 0..<digits.byteCount {
      value = value * 10 + Int64(Scan.byte(digits, at: index) & 0xf)
    }
    return value
  }

  /// RFC 9113 §8.1: no pseudo-fields, and nothing that a head may not have.
  private mutating func gatherTrailer(_ field: FieldEntry, _ text: RawSpan) {
    switch field.kind {
    case .malformed, .method, .path, .authority, .scheme: assembly.isMalformed = true
    default:
      guard streams[assembly.slot].keepsBody else { return }
      assembly.fieldCount &+= 1
      guard assembly.fieldCount <= settings.fieldCountMax else { return noteTooLarge() }
      writeLine(field, text)
    }
  }

  /// Writes the request line and the Host line.
  private mutating func begin() {
    assembly.isBegun = true
    let heads = workspace.heads
    let scratch = workspace.scratch
    let bytes = scratch.bytes
    let method = bytes.extracting(assembly.method)
    let isConnect = Scan.equal(method, "CONNECT")
    heads.append(method)
    heads.append(UInt8(ascii: " "))
    heads.append(bytes.extracting(isConnect ? assembly.authority : assembly.path))
    heads.append(" HTTP/1.1\r\n")
    if !assembly.authority.isEmpty {
      heads.append("host: ")
      heads.append(bytes.extracting(assembly.authority))
      endLine(heads)
    }
  }

  @inline(__always)
  private mutating func endLine(_ heads: ByteBuffer) {
    heads.append(0x0d)
    heads.append(0x0a)
    assembly.lineCount &+= 1
  }

  @inline(__always)
  private mutating func writeLine(_ field: FieldEntry, _ text: RawSpan) {
    workspace.heads.append(text.extracting(field.start..<field.start &+ field.lineBytes))
    assembly.lineCount &+= 1
  }

  /// RFC 9113 §8.3.1: Host beside `:authority` must name the same.
  private mutating func gatherHost(_ value: RawSpan) {
    guard !assembly.hasHost else {
      assembly.isMalformed = true
      return
    }
    assembly.hasHost = true
    guard !assembly.authority.isEmpty else {
      let heads = workspace.heads
      heads.append("host: ")
      heads.append(value)
      return endLine(heads)
    }
    let scratch = workspace.scratch
    if !FieldName.equal(scratch.bytes.extracting(assembly.authority), value) {
      assembly.isMalformed = true
    }
  }

  /// RFC 9113 §8.2.3: crumbs are put together again.
  private mutating func gatherCookie(_ value: RawSpan) {
    if assembly.cookieStart < 0 {
      assembly.cookieStart = workspace.scratch.count
    } else {
      workspace.scratch.append("; ")
    }
    workspace.scratch.append(value)
  }

  /// The block is complete: where its text stands in `heads`, or nil if it is no request
  /// (RFC 9113 §8.3.1).
  mutating func finishHead() -> Range<Int>? {
    guard !assembly.isMalformed, hasPseudoFields(), schemeIsRight() else { return nil }
    if !assembly.isBegun { begin() }
    let heads = workspace.heads
    if assembly.cookieStart >= 0 {
      let scratch = workspace.scratch
      let bytes = scratch.bytes
      heads.append("cookie: ")
      heads.append(bytes.extracting(assembly.cookieStart..<bytes.byteCount))
      endLine(heads)
    }
    heads.append(ASCII.carriageReturn)
    heads.append(ASCII.lineFeed)
    return assembly.headStart..<heads.count
  }

  private func hasPseudoFields() -> Bool {
    let scratch = workspace.scratch
    let bytes = scratch.bytes
    guard !assembly.method.isEmpty else { return false }
    let method = bytes.extracting(assembly.method)
    if Scan.equal(method, "CONNECT") {
      // RFC 9113 §8.5
      return assembly.path.isEmpty && assembly.scheme.isEmpty && !assembly.authority.isEmpty
    }
    guard !assembly.path.isEmpty, !assembly.scheme.isEmpty,
      !assembly.authority.isEmpty || assembly.hasHost
    else { return false }
    return Scan.byte(bytes, at: assembly.path.lowerBound) == ASCII.slash
      || Scan.equal(method, "OPTIONS")
  }

  private func schemeIsRight() -> Bool {
    // CONNECT has none.
    guard !assembly.scheme.isEmpty else { return true }
    let scratch = workspace.scratch
    let value = scratch.bytes.extracting(assembly.scheme)
    let isHTTP = FieldName.equal(value, "http")
    let isHTTPS = FieldName.equal(value, "https")
    switch settings.scheme {
    case .http: return isHTTP
    case .https: return isHTTPS
    case nil: return isHTTP || isHTTPS
    }
  }
}
