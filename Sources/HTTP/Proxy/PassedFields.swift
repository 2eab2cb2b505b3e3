// Writing the head of a request for an application, and passing fields on in either direction.

/// The first line of a request that the server itself sends.
package enum RequestLine {
  /// Appends `method SP target SP HTTP/1.1 CR LF`. Returns false, and appends nothing, if the
  /// method is no token or the target has a byte that would end it, or the line, early.
  package static func append(
    method: RawSpan, target: RawSpan, to output: inout [UInt8]
  ) -> Bool {
    guard ResponseHead.isToken(method), target.byteCount > 0,
      Scan.endOfRun(target, from: 0, to: target.byteCount, lowest: 0x21) == target.byteCount
    else { return false }
    output.append(copying: method)
    output.append(ASCII.space)
    output.append(copying: target)
    output += " HTTP/1.1\r\n".utf8
    return true
  }
}

extension RequestHead {
  /// Appends the field lines that are passed on, as they were sent, with their line ends: all but
  /// those in `HopByHop` and those that Connection names. `isKept` may leave out more; whoever
  /// writes Host, Content-Length, Expect, Trailer or the fields about the client anew does.
  ///
  /// - Precondition: `options` were read from this head.
  package func appendPassedFields(
    in bytes: RawSpan, options: ConnectionOptions, to output: inout [UInt8],
    where isKept: (FieldLine) -> Bool
  ) {
    index.appendLines(lines, headByteCount, in: bytes, to: &output) { line in
      options.allowsForwarding(line.name.span(in: bytes), in: bytes) && isKept(line)
    }
  }
}

extension ReceivedResponse {
  /// Appends the field lines that are passed on, as they were sent, with their line ends; see
  /// `isForwarded`. `isKept` may leave out more. Not for CGI, whose lines may end with LF.
  package func appendPassedFields(
    in bytes: RawSpan, to output: inout [UInt8], where isKept: (ReceivedField) -> Bool
  ) {
    index.appendLines(lines, headByteCount, in: bytes, to: &output) { line in
      let field = ReceivedField(line)
      return isForwarded(field, in: bytes) && isKept(field)
    }
  }
}

extension FieldIndex {
  /// Appends lines as they are. Neighbours are copied together: mostly that is all of them but two
  /// or three.
  @inline(__always)
  func appendLines(
    _ lines: [FieldLine], _ headByteCount: Int, in bytes: RawSpan, to output: inout [UInt8],
    where isKept: (FieldLine) -> Bool
  ) {
    var runStart: Int?
    for number in 0..<count {
      let start = lines[number].name.start
      if isKept(lines[number]) {
        runStart = runStart ?? start
      } else if let first = runStart {
        output.append(copying: bytes.extracting(first..<start))
        runStart = nil
      }
    }
    // The empty line is the last two bytes of the head.
    guard let runStart else { return }
    output.append(copying: bytes.extracting(runStart..<(headByteCount - 2)))
  }
}

/// Whether a request that failed may be sent again, to another member or on another connection.
package enum RequestRetry {
  /// How far a failed attempt had come.
  package enum Progress: Sendable {
    /// Not a byte reached the application: there was no connection.
    case notSent
    /// It may have begun to act.
    case sent
    /// Bytes of a response have been passed to the client.
    case answered
  }

  /// A request that the application may have seen is repeated only if its method is idempotent
  /// (RFC 9110 §9.2.2); any, only if all of its body can be sent again.
  package static func isAllowed(
    _ method: Method, _ progress: Progress, bodyIsReplayable: Bool
  ) -> Bool {
    switch progress {
    case .notSent: bodyIsReplayable
    case .sent: bodyIsReplayable && method.isIdempotent
    case .answered: false
    }
  }
}
