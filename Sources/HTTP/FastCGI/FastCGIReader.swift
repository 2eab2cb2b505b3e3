// FastCGI 1.0, the web server's side: records read from an application, fed as they arrive.

/// What came of one step of a `FastCGIReader`.
package enum FastCGIStep: Sendable {
  /// Nothing more can be told before more bytes arrive; all given are done.
  case needMore
  /// Bytes of the response, as a range of those given; continue after `consumedByteCount`.
  case output(BufferRange, consumedByteCount: Int)
  /// Bytes for the error log, likewise.
  case error(BufferRange, consumedByteCount: Int)
  /// The request has ended; another one may be sent on the connection, if it was to be kept and no
  /// bytes follow.
  case end(FastCGIEnd, consumedByteCount: Int)
  /// The bytes are not what a FastCGI application sends; `byteOffset` counts from the bytes given.
  case rejected(RequestRejection)
}

/// How an application ended a request (§5.5).
package struct FastCGIEnd: Equatable, Sendable {
  package enum Status: UInt8, Sendable {
    case complete = 0
    case cannotMultiplex = 1
    /// Too busy: answer 503, or try another member.
    case overloaded = 2
    case unknownRole = 3
  }
  package var status: Status
  /// The exit status of a CGI program; 0 for success.
  package var applicationStatus: UInt32
}

/// Reads what an application sends about one request.
///
/// Feed it what has arrived; drop the bytes it consumed and feed it again. It keeps no content.
package struct FastCGIReader: Sendable {
  private enum State: UInt8 { case header, content, padding, done }

  private var state = State.header
  private var type = FastCGI.RecordType.output
  /// The header while it is read, then the content of a record that ends a request.
  private var fixed = InlineArray<8, UInt8>(repeating: 0)
  private var fixedCount = 0
  private var contentLeft = 0
  private var paddingLeft = 0
  /// The content is for nobody.
  private var isSkipped = false
  private var end: FastCGIEnd?
  /// The application has said that no more output comes.
  package private(set) var outputHasEnded = false

  package init() {}

  /// Takes the next step over `bytes`.
  package mutating func step(_ bytes: RawSpan) -> FastCGIStep {
    var index = 0
    while index < bytes.byteCount {
      switch state {
      case .header:
        fixed[fixedCount] = Scan.byte(bytes, at: index)
        fixedCount += 1
        if let refusal = checkHeader() { return FastCGIReader.rejected(index, refusal) }
        index += 1
      case .content:
        let start = index
        index += min(contentLeft, bytes.byteCount - index)
        contentLeft -= index - start
        if contentLeft == 0 { state = .padding }
        switch type {
        case _ where isSkipped: break
        case .endRequest:
          if let refusal = takeEnd(bytes.extracting(start..<index)) {
            return FastCGIReader.rejected(start, refusal)
          }
        case .error: return .error(BufferRange(start, index), consumedByteCount: index)
        default: return .output(BufferRange(start, index), consumedByteCount: index)
        }
      case .padding:
        let count = min(paddingLeft, bytes.byteCount - index)
        paddingLeft -= count
        index += count
      case .done: return .end(ending, consumedByteCount: index)
      }
      if state == .padding && paddingLeft == 0 { state = end == nil ? .header : .done }
    }
    return state == .done ? .end(ending, consumedByteCount: index) : .needMore
  }

  private var ending: FastCGIEnd {
    end ?? FastCGIEnd(status: .complete, applicationStatus: 0)
  }

  private static func rejected(_ offset: Int, _ message: StaticString) -> FastCGIStep {
    .rejected(
      RequestRejection(status: 502, reason: .badRequest, byteOffset: offset, message: message))
  }

  /// Looks at the header's last byte; says why it must not be there.
  private mutating func checkHeader() -> StaticString? {
    if fixedCount == 1 && fixed[0] != 1 { return "a version of FastCGI other than 1" }
    guard fixedCount == FastCGI.headerByteCount else { return nil }
    fixedCount = 0
    let id = UInt16(fixed[2]) << 8 | UInt16(fixed[3])
    contentLeft = Int(fixed[4]) << 8 | Int(fixed[5])
    paddingLeft = Int(fixed[6])
    state = contentLeft > 0 ? .content : .padding
    // Records of no request are about the application (§3.3); we asked it nothing.
    isSkipped = id == 0
    if isSkipped { return nil }
    guard id == FastCGI.requestID else { return "a FastCGI record of another request" }
    switch FastCGI.RecordType(rawValue: fixed[1]) {
    case .output:
      type = .output
      guard !outputHasEnded else { return "FastCGI output after its end" }
      if contentLeft == 0 { outputHasEnded = true }
    case .error: type = .error
    case .endRequest:
      type = .endRequest
      guard contentLeft == 8 else { return "a FastCGI end of request that is not 8 bytes" }
    default: return "a type of FastCGI record that an application does not send"
    }
    return nil
  }

  /// Collects the eight bytes that end a request.
  private mutating func takeEnd(_ bytes: RawSpan) -> StaticString? {
    for index in 0..<bytes.byteCount {
      fixed[fixedCount] = Scan.byte(bytes, at: index)
      fixedCount += 1
    }
    guard contentLeft == 0 else { return nil }
    fixedCount = 0
    guard let status = FastCGIEnd.Status(rawValue: fixed[4]) else {
      return "a FastCGI end of request with an unknown status"
    }
    var code: UInt32 = 0
    for index in 0..<4 { code = code << 8 | UInt32(fixed[index]) }
    end = FastCGIEnd(status: status, applicationStatus: code)
    return nil
  }
}
