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
  /// Calls `body` with the field lines that are passed on, as they were sent, with their line ends:
  /// all but those in `HopByHop` and those that Connection names. `isKept` may leave out more;
  /// whoever writes Host, Content-Length, Expect, Trailer or the fields about the client anew does.
  ///
  /// - Precondition: `options` were read from this head.
  package func forEachPassedRun(
    in bytes: RawSpan, options: ConnectionOptions, where isKept: (FieldLine) -> Bool,
    _ body: (RawSpan) -> Void
  ) {
    index.forEachRun(
      lines, headByteCount, in: bytes,
      where: { line in
        options.allowsForwarding(line.name.span(in: bytes), in: bytes) && isKept(line)
      }, body)
  }

  /// The same, appended to bytes.
  package func appendPassedFields(
    in bytes: RawSpan, options: ConnectionOptions, to output: inout [UInt8],
    where isKept: (FieldLine) -> Bool
  ) {
    forEachPassedRun(in: bytes, options: options, where: isKept) { output.append(copying: $0) }
  }
}

extension ReceivedResponse {
  /// Calls `body` with the field lines that are passed on, as they were sent, with their line ends;
  /// see `isForwarded`. More may be left out. Not for CGI, whose lines may end with LF.
  ///
  /// It changes nothing; but an object's property is lent to what might, and copied for the rest.
  package mutating func forEachPassedRun(
    in bytes: RawSpan, leavingOut fields: ResponseFieldSet, _ body: (RawSpan) -> Void
  ) {
    let leftOut = fields.bits | ResponseField.hopByHopBits
    index.forEachRun(
      lines, headByteCount, in: bytes,
      where: { line in
        let name = line.name.span(in: bytes)
        guard line.knownNumber != FieldLine.unknown else {
          return connection.allowsForwarding(name, in: bytes)
        }
        return leftOut & (1 &<< UInt64(line.knownNumber)) == 0
          && !connection.names(name, in: bytes)
      }, body)
  }

  /// The same, appended to bytes.
  package mutating func appendPassedFields(
    in bytes: RawSpan, leavingOut fields: ResponseFieldSet = [], to output: inout [UInt8]
  ) {
    forEachPassedRun(in: bytes, leavingOut: fields) { output.append(copying: $0) }
  }
}

extension FieldIndex {
  /// Lines as they are. Neighbours go together: mostly that is all of them but two or three.
  @inline(__always)
  func forEachRun(
    _ lines: [FieldLine], _ headByteCount: Int, in bytes: RawSpan,
    where isKept: (FieldLine) -> Bool, _ body: (RawSpan) -> Void
  ) {
    var runStart: Int?
    for number in 0..<count {
      let start = lines[number].name.start
      if isKept(lines[number]) {
        runStart = runStart ?? start
      } else if let first = runStart {
        body(bytes.extracting(first..<start))
        runStart = nil
      }
    }
    // The empty line is the last two bytes of the head.
    guard let runStart else { return }
    body(bytes.extracting(runStart..<(headByteCount - 2)))
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
