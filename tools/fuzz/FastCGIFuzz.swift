// A libFuzzer target for what a FastCGI application sends: records, and the CGI response in them.

/// What must hold whatever arrives; a broken invariant traps, which libFuzzer reports.
private struct Invariants {
  let data: [UInt8]

  func check() {
    let whole = read(step: max(data.count, 1))
    for step in [1, 3, 8] { precondition(read(step: step) == whole, "a split changes the records") }
    checkHead(data)
    checkHead(whole.output)
  }

  private struct Reading: Equatable {
    var output: [UInt8] = []
    var errors: [UInt8] = []
    var end: FastCGIEnd?
    var endOffset = 0
    var isRejected = false
  }

  private func read(step: Int) -> Reading {
    var reader = FastCGIReader()
    var reading = Reading()
    var start = 0
    var available = 0
    while true {
      let window = Array(data[start..<available])
      switch reader.step(window.rawSpan) {
      case .needMore:
        start = available
        guard available < data.count else { return reading }
        available = min(data.count, available + step)
      case .output(let range, let count):
        precondition(!range.isEmpty && range.end == count && count <= window.count)
        reading.output += range.copy(from: window.rawSpan)
        start += count
      case .error(let range, let count):
        precondition(!range.isEmpty && range.end == count && count <= window.count)
        reading.errors += range.copy(from: window.rawSpan)
        start += count
      case .end(let end, let count):
        precondition(count <= window.count)
        reading.end = end
        reading.endOffset = start + count
        return reading
      case .rejected:
        reading.isRejected = true
        return reading
      }
    }
  }

  private func checkHead(_ bytes: [UInt8]) {
    let parser = CGIResponseParser(
      limits: RequestLimits(fieldCountMax: 10, fieldBytesMax: 100, headerBytesMax: 500))
    var whole = ReceivedResponse(fieldCapacity: 1)
    let outcome = parser.parse(bytes.rawSpan, into: &whole, to: .get)
    if case .complete = outcome {
      precondition(whole.headByteCount <= bytes.count && whole.fieldCount > 0)
      precondition(whole.status >= 200 && whole.status <= 999)
      precondition(whole.reason.end <= whole.headByteCount)
      for number in 0..<whole.fieldCount {
        let field = whole.field(at: number)
        precondition(field.value.end < whole.headByteCount)
        for byte in field.value.copy(from: bytes.rawSpan) {
          precondition(byte >= 0x20 || byte == ASCII.tab)
        }
      }
    }
    var head = ReceivedResponse(fieldCapacity: 1)
    var progress = ParseProgress()
    for end in 0...min(bytes.count, 600) {
      let part = Array(bytes[..<end])
      switch (parser.parse(part.rawSpan, into: &head, to: .get, resuming: &progress), outcome) {
      case (.needMore, _): continue
      case (.rejected, .rejected): return
      case (.complete, .complete):
        precondition(head.headByteCount == whole.headByteCount && head.status == whole.status)
        precondition(head.framing == whole.framing && head.fieldCount == whole.fieldCount)
        return
      default: preconditionFailure("a split changes the outcome")
      }
    }
  }
}

/// Called by libFuzzer with each input.
@_cdecl("LLVMFuzzerTestOneInput")
package func fuzzFastCGI(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  unsafe Invariants(data: [UInt8](UnsafeBufferPointer(start: start, count: count))).check()
  return 0
}
