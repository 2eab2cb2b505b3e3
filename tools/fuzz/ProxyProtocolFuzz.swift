// A libFuzzer target for the PROXY protocol: a header is read the same at every split, and what was
// read and written again says the same.

private func parse(_ bytes: [UInt8], _ connection: inout ProxiedConnection) -> ParseOutcome {
  ProxyProtocol.parse(bytes.rawSpan, into: &connection)
}

private func check(_ data: [UInt8]) {
  var whole = ProxiedConnection()
  let outcome = parse(data, &whole)
  for end in 0..<min(data.count, 400) {
    var part = ProxiedConnection()
    switch (parse(Array(data[..<end]), &part), outcome) {
    case (.needMore, _): continue
    case (.rejected, .rejected): return
    case (.complete, .complete):
      precondition(part == whole && end >= whole.byteCount)
      return
    default: preconditionFailure("a split changes the outcome")
    }
  }
  guard case .complete = outcome else { return }
  precondition(whole.byteCount > 0 && whole.byteCount <= data.count)
  guard whole.family != .unix else { return }
  for isText in [true, false] {
    var output: [UInt8] = []
    if isText {
      ProxyProtocol.appendText(whole, to: &output)
      precondition(output.count <= ProxyProtocol.textBytesMax)
    } else {
      ProxyProtocol.appendBinary(whole, to: &output)
    }
    var again = ProxiedConnection()
    guard case .complete = parse(output, &again) else {
      preconditionFailure("what is written is refused")
    }
    again.byteCount = whole.byteCount
    precondition(again == whole)
  }
}

/// Called by libFuzzer with each input.
@_cdecl("LLVMFuzzerTestOneInput")
package func fuzzProxyProtocol(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  unsafe check([UInt8](UnsafeBufferPointer(start: start, count: count)))
  return 0
}
