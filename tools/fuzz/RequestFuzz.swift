// A libFuzzer target for everything that reads bytes from the network; built with Sources/HTTP.
<<<<<<< HEAD
=======
//
//   swiftc -sanitize=fuzzer -parse-as-library -O -swift-version 6 -package-name ring3 \
//     -enable-experimental-feature Lifetimes $(find Sources/HTTP -name '*.swift') \
//     tools/fuzz/RequestFuzz.swift -o /tmp/request-fuzz && /tmp/request-fuzz -max_total_time=20 tools/fuzz/corpus/request
>>>>>>> 8cd01f3cec6466b7cc3e155318861ba8204ddc46

/// What must hold whatever arrives; a broken invariant traps, which libFuzzer reports.
private struct Invariants {
  let data: [UInt8]
  let parser = RequestParser(
    limits: RequestLimits(
      requestLineBytesMax: 300, fieldCountMax: 20, fieldBytesMax: 200, headerBytesMax: 1500))

  func check() {
    var whole = RequestHead(fieldCapacity: 1)
    let outcome = parser.parse(data.rawSpan, into: &whole)
    if case .complete = outcome {
      checkRanges(whole)
      checkUses(whole)
      checkChunks(from: whole.headByteCount)
    } else {
      checkChunks(from: 0)
    }
    checkSplits(outcome, whole)
    checkPieces()
  }

  private func checkRanges(_ head: RequestHead) {
    precondition(head.headByteCount <= data.count && head.headByteCount > 0)
    func check(_ range: BufferRange) { precondition(range.end <= head.headByteCount) }
    check(head.methodRange)
    check(head.target)
    check(head.path)
    check(head.query ?? head.path)
    check(head.authority)
    check(head.host)
    check(head.requestLine)
    for number in 0..<head.fieldCount {
      let line = head.field(at: number)
      check(line.name)
      check(line.value)
      precondition(!line.name.isEmpty && line.name.end < line.value.start + 1)
      for byte in line.value.copy(from: data.rawSpan) {
        precondition(byte != 0 && byte != ASCII.carriageReturn && byte != ASCII.lineFeed)
      }
    }
  }

  /// What the worker does with a head must not trap either.
  private func checkUses(_ head: RequestHead) {
    let bytes = data.rawSpan
    _ = AcceptEncoding.negotiate(head, in: bytes, available: [.br, .gzip, .zstd])
    let validators = Validators(entityTag: [UInt8]("\"a\"".utf8), lastModified: 784_111_777)
    _ = Preconditions.evaluate(head, in: bytes, validators: validators, now: 1_700_000_000)
    if let range = head.known(.range) {
      for size: UInt64 in [0, 1, 1000, .max] {
        checkRange(ByteRanges.resolve(range.span(in: bytes), size: size), size)
      }
    }
    if head.targetForm == .origin { checkPath(head.path.copy(from: bytes)) }
  }

  private func checkRange(_ request: RangeRequest, _ size: UInt64) {
    switch request {
    case .single(let range): precondition(range.first <= range.last && range.last < size)
    case .multiple(let ranges):
      precondition(ranges.count > 1)
      for range in ranges { precondition(range.first <= range.last && range.last < size) }
    case .ignored, .unsatisfiable: break
    }
  }

  /// A decoded path starts with "/", has no empty and no dot segment, and is its own canonical
  /// form.
  private func checkPath(_ path: [UInt8]) {
    for slashes in [EncodedSlashes.off, .on, .noDecode] {
      guard
        case .success(let decoded) = RequestTarget.decodePath(
          path.rawSpan, encodedSlashes: slashes)
      else { continue }
      precondition(decoded.first == ASCII.slash && !decoded.contains(0))
      let segments = decoded.split(separator: ASCII.slash, omittingEmptySubsequences: false)
      for (index, segment) in segments.enumerated() {
        precondition(!segment.elementsEqual([0x2e]) && !segment.elementsEqual([0x2e, 0x2e]))
        precondition(!segment.isEmpty || index == 0 || index == segments.count - 1)
      }
      if RequestTarget.isCanonical(path.rawSpan) { precondition(decoded == path) }
    }
  }

  private func checkSplits(_ outcome: ParseOutcome, _ whole: RequestHead) {
    var head = RequestHead(fieldCapacity: 1)
    var progress = ParseProgress()
    let step = data.count > 400 ? 17 : 1
    for end in stride(from: 0, to: data.count, by: step) {
      let part = Array(data[..<end])
      let partial = parser.parse(part.rawSpan, into: &head, resuming: &progress)
      switch (partial, outcome) {
      case (.needMore, _): continue
      case (.complete, .complete):
        precondition(head.headByteCount == whole.headByteCount)
        precondition(head.fieldCount == whole.fieldCount && head.body == whole.body)
        precondition(head.path == whole.path && head.host == whole.host)
        return
      case (.rejected, .rejected): return
      default: preconditionFailure("a split changes the outcome")
      }
    }
    if case .complete = outcome {
      guard case .complete = parser.parse(data.rawSpan, into: &head, resuming: &progress) else {
        preconditionFailure("resumed parsing refuses what whole parsing accepts")
      }
    }
  }

  private func decodeChunks(from start: Int, step: Int) -> (body: [UInt8], end: Int?) {
    var decoder = ChunkedDecoder()
    var body: [UInt8] = []
    var consumed = start
    var available = start
    while true {
      let window = Array(data[consumed..<available])
      switch decoder.step(window.rawSpan) {
      case .needMore(let count):
        precondition(count == window.count)
        consumed += count
        guard available < data.count else { return (body, nil) }
        available = min(data.count, available + step)
      case .body(let range, let count):
        precondition(count > 0 && range.end <= count && count <= window.count)
        body += range.copy(from: window.rawSpan)
        consumed += count
      case .done(let count): return (body, consumed + count)
      case .rejected: return (body, -1)
      }
    }
  }

  private func checkChunks(from start: Int) {
    let whole = decodeChunks(from: start, step: data.count + 1)
    let split = decodeChunks(from: start, step: 1)
    precondition(whole.body == split.body && whole.end == split.end)
  }

  /// Readers of single values, given bytes that no request parser has cleaned.
  private func checkPieces() {
    let bytes = data.rawSpan
    if let date = HTTPDate.parse(bytes, now: 1_700_000_000) {
      var written: [UInt8] = []
      HTTPDate.append(date, to: &written)
      precondition(HTTPDate.parse(written.rawSpan, now: 1_700_000_000) == date)
    }
    _ = EntityTag.list(bytes, contains: [UInt8]("\"a\"".utf8).rawSpan, strongly: false)
    _ = AcceptEncoding.negotiate(bytes, available: [.br, .gzip])
    checkRange(ByteRanges.resolve(bytes, size: 77), 77)
    checkPath(data)
    var value: [UInt8] = []
    ResponseHead.append(value: bytes, to: &value)
    precondition(!value.contains(ASCII.carriageReturn) && !value.contains(ASCII.lineFeed))
  }
}

/// Called by libFuzzer with each input.
@_cdecl("LLVMFuzzerTestOneInput")
package func fuzzRequest(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  unsafe Invariants(data: [UInt8](UnsafeBufferPointer(start: start, count: count))).check()
  return 0
}
