// A libFuzzer target for what an application sends over HTTP: heads, trailers, single values.

/// What must hold whatever arrives; a broken invariant traps, which libFuzzer reports.
private struct Invariants {
  /// The first byte of the input says what the request's method was.
  let method: Method
  let data: [UInt8]
  let parser = ResponseParser(
    limits: RequestLimits(
      requestLineBytesMax: 100, fieldCountMax: 20, fieldBytesMax: 200, headerBytesMax: 1500))

  func check() {
    var whole = ReceivedResponse(fieldCapacity: 1)
    let outcome = parser.parse(data.rawSpan, into: &whole, to: method)
    if case .complete = outcome {
      checkHead(whole)
      if whole.framing == .chunked { checkTrailers(from: whole.headByteCount) }
    }
    checkSplits(outcome, whole)
    checkPieces()
  }

  private func checkHead(_ head: ReceivedResponse) {
    precondition(head.headByteCount <= data.count && head.headByteCount > 0)
    precondition(head.status >= 100 && head.status <= 999)
    precondition(head.reason.end <= head.headByteCount)
    if head.framing == .untilClose || head.framing == .tunnel { precondition(!head.keepAlive) }
    if case .length(let count) = head.framing {
      precondition(count > 0 && head.contentLength == count)
    }
    if head.framing == .chunked { precondition(head.contentLength == nil) }
    for number in 0..<head.fieldCount {
      let field = head.field(at: number)
      precondition(!field.name.isEmpty && field.name.end < field.value.start + 1)
      precondition(field.value.end <= head.headByteCount)
      for byte in field.value.copy(from: data.rawSpan) {
        precondition(byte != 0 && byte != ASCII.carriageReturn && byte != ASCII.lineFeed)
      }
    }
    checkPassed(head)
  }

  /// What is passed on makes a head again, of the same fields, and nothing is left to leave out.
  private func checkPassed(_ head: ReceivedResponse) {
    var output = [UInt8]("HTTP/1.1 200 OK\r\n".utf8)
    var head = head
    head.appendPassedFields(in: data.rawSpan, leavingOut: [.contentLength], to: &output)
    output += [ASCII.carriageReturn, ASCII.lineFeed]
    var again = ReceivedResponse()
    guard case .complete = ResponseParser().parse(output.rawSpan, into: &again, to: .get) else {
      preconditionFailure("what is passed on is no head")
    }
    precondition(again.headByteCount == output.count && again.framing == .untilClose)
    for number in 0..<again.fieldCount {
      precondition(again.isForwarded(again.field(at: number), in: output.rawSpan))
    }
  }

  private func checkTrailers(from start: Int) {
    var decoder = ChunkedDecoder(keepsTrailers: true)
    var index = start
    while true {
      let window = Array(data[index...])
      switch decoder.step(window.rawSpan) {
      case .body(_, let count): index += count
      case .needMore, .rejected: return
      case .done:
        Trailers.forEachForwarded(in: decoder.trailers.rawSpan) { name, _ in
          precondition(ResponseHead.isToken(name) && !HopByHop.contains(name))
        }
        return
      }
    }
  }

  private func checkSplits(_ outcome: ParseOutcome, _ whole: ReceivedResponse) {
    var head = ReceivedResponse(fieldCapacity: 1)
    var progress = ParseProgress()
    let step = data.count > 400 ? 17 : 1
    for end in stride(from: 0, to: data.count, by: step) {
      let part = Array(data[..<end])
      switch (parser.parse(part.rawSpan, into: &head, to: method, resuming: &progress), outcome) {
      case (.needMore, _): continue
      case (.complete, .complete):
        precondition(head.headByteCount == whole.headByteCount && head.status == whole.status)
        precondition(head.fieldCount == whole.fieldCount && head.framing == whole.framing)
        return
      case (.rejected, .rejected): return
      default: preconditionFailure("a split changes the outcome")
      }
    }
    if case .complete = outcome {
      guard
        case .complete = parser.parse(
          data.rawSpan, into: &head, to: method, resuming: &progress)
      else { preconditionFailure("resumed parsing refuses what whole parsing accepts") }
    }
  }

  /// Readers of single values, given bytes that no parser has cleaned.
  private func checkPieces() {
    _ = Via.names([0x61], in: data)
    for isForwarded in [false, true] {
      var chain =
        isForwarded
        ? ForwardedChain(forwarded: data.rawSpan) : ForwardedChain(xForwardedFor: data.rawSpan)
      var count = 0
      while let hop = chain.next() {
        count += 1
        precondition(count <= data.count + 1)
        guard case .address(let range) = hop else { continue }
        let text = range.span(in: data.rawSpan)
        precondition(IPv4Text.parse(text) != nil || IPv6Text.isValid(text))
      }
    }
    var output: [UInt8] = []
    let from = Array(data.prefix(3))
    if ReverseRewrite.appendLocation(data.rawSpan, from: from, to: [ASCII.slash], into: &output) {
      precondition(output.first == ASCII.slash)
      precondition(output.count < 2 || (output[1] != ASCII.slash && output[1] != 0x5c))
    }
    output = []
    for attribute in [ReverseRewrite.CookieAttribute.path, .domain] {
      let fits = ReverseRewrite.appendCookie(
        data.rawSpan, attribute, from: [ASCII.slash], to: [], into: &output)
      precondition(fits || output.isEmpty)
      output = []
    }
  }
}

extension Via {
  fileprivate static func names(_ pseudonym: [UInt8], in value: [UInt8]) -> Bool {
    names(pseudonym.rawSpan, in: value.rawSpan)
  }
}

/// Called by libFuzzer with each input.
@_cdecl("LLVMFuzzerTestOneInput")
package func fuzzResponse(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let input = unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
  let method: Method =
    switch input.first {
    case 0x48: .head
    case 0x43: .connect
    default: .get
    }
  Invariants(method: method, data: Array(input.dropFirst())).check()
  return 0
}
