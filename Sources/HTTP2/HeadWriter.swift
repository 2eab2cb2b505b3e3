// The head of a response, as HTTP/1.1 has it, turned into a header block.

import HTTP
import Platform

/// A line of a head: where its name, its value and itself end.
struct HeadLine {
  let start: Int
  let nameEnd: Int
  let valueStart: Int
  let valueEnd: Int
}

enum HeadWriter {
  /// Writes a block; whether the status is an interim one, nil if the head is none: then nothing
  /// has been written, and nobody's table has changed.
  static func write(
    _ head: RawSpan, _ writer: inout FieldWriter, _ workspace: HTTP2Workspace
  ) -> Bool? {
    // "HTTP/1.1 200"
    guard head.byteCount >= 14 else { return nil }
    for index in 9..<12 where !ASCII.isDigit(Scan.byte(head, at: index)) { return nil }
    let isInterim = Scan.byte(head, at: 9) == 0x31
    // 101 is not spoken here (RFC 9113 §8.6).
    if isInterim, Scan.byte(head, at: 11) == 0x31 { return nil }
    let lineEnd = Scan.firstIndex(of: ASCII.lineFeed, in: head, from: 12, to: head.byteCount)
    guard lineEnd < head.byteCount, find(head, from: lineEnd + 1, workspace) else { return nil }
    writer.begin(workspace.block)
    writer.append(status: head.extracting(9..<12), to: workspace.block, workspace)
    append(head, &writer, workspace)
    return isInterim
  }

  /// Writes lines alone, which are trailers; false if there are none, or they are no fields.
  static func writeLines(
    _ lines: RawSpan, _ writer: inout FieldWriter, _ workspace: HTTP2Workspace
  ) -> Bool {
    guard find(lines, from: 0, workspace), !workspace.lines.isEmpty else { return false }
    writer.begin(workspace.block)
    append(lines, &writer, workspace)
    return true
  }

  private static func append(
    _ text: RawSpan, _ writer: inout FieldWriter, _ workspace: HTTP2Workspace
  ) {
    let line = workspace.line
    for found in workspace.lines {
      line.removeAll()
      line.append(lowercasing: text.extracting(found.start..<found.nameEnd))
      line.append(": ")
      line.append(text.extracting(found.valueStart..<found.valueEnd))
      line.append("\r\n")
      writer.append(
        line.bytes, nameBytes: found.nameEnd - found.start, to: workspace.block, workspace)
    }
  }

  /// Finds the lines up to an empty one or the end, but for those about the connection
  /// (RFC 9113 §8.2.2); false if something is no line.
  private static func find(_ text: RawSpan, from start: Int, _ workspace: HTTP2Workspace) -> Bool {
    workspace.lines.removeAll(keepingCapacity: true)
    var start = start
    while start < text.byteCount {
      let feed = Scan.firstIndex(of: ASCII.lineFeed, in: text, from: start, to: text.byteCount)
      guard feed < text.byteCount else { return false }
      var end = feed
      if end > start, Scan.byte(text, at: end - 1) == ASCII.carriageReturn { end -= 1 }
      guard end > start else { return true }
      let colon = Scan.firstIndex(of: ASCII.colon, in: text, from: start, to: end)
      guard colon < end, colon > start,
        workspace.lines.count < HTTP2Workspace.responseFieldCountMax
      else { return false }
      var valueStart = colon + 1
      while valueStart < end, ASCII.isBlank(Scan.byte(text, at: valueStart)) { valueStart += 1 }
      while end > valueStart, ASCII.isBlank(Scan.byte(text, at: end - 1)) { end -= 1 }
      if !isOfConnection(text.extracting(start..<colon)) {
        workspace.lines.append(
          HeadLine(start: start, nameEnd: colon, valueStart: valueStart, valueEnd: end))
      }
      start = feed + 1
    }
    return true
  }

  /// Whether a field speaks of the connection, so that it has no place here.
  private static func isOfConnection(_ name: RawSpan) -> Bool {
    switch name.byteCount {
    case 7: return FieldName.equal(name, "upgrade")
    case 10: return FieldName.equal(name, "connection") || FieldName.equal(name, "keep-alive")
    case 16: return FieldName.equal(name, "proxy-connection")
    case 17: return FieldName.equal(name, "transfer-encoding")
    default: return false
    }
  }
}
