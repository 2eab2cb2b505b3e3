// FastCGI 1.0, the web server's side: records written to an application.
// https://fastcgi-archives.github.io/FastCGI_Specification.html

/// Writes the records of one request. A connection carries one request at a time: its id is 1.
package enum FastCGI {
  /// Types of records (§8).
  enum RecordType: UInt8 {
    case beginRequest = 1
    case abortRequest = 2
    case endRequest = 3
    case parameters = 4
    case input = 5
    case output = 6
    case error = 7
    case data = 8
    case values = 9
    case valuesResult = 10
    case unknown = 11
  }

  /// The id of the only request on a connection.
  static let requestID: UInt16 = 1
  /// Bytes in front of each record's content.
  package static let headerByteCount = 8
  /// The most content one record holds.
  package static let contentBytesMax = 65_535

  /// `version type id length padding reserved` (§3.3)
  static func appendHeader(
    _ type: RecordType, contentByteCount: Int, to output: inout [UInt8]
  ) {
    precondition(contentByteCount >= 0 && contentByteCount <= contentBytesMax)
    output += [
      1, type.rawValue, UInt8(requestID >> 8), UInt8(requestID & 0xff),
      UInt8(contentByteCount >> 8), UInt8(contentByteCount & 0xff), 0, 0,
    ]
  }

  /// Begins a request in the role of a responder (§5.1).
  package static func appendBegin(keepsConnection: Bool, to output: inout [UInt8]) {
    appendHeader(.beginRequest, contentByteCount: 8, to: &output)
    output += [0, 1, keepsConnection ? 1 : 0, 0, 0, 0, 0, 0]
  }

  /// One name and value (§3.4), for `appendParameters`. A value of 2^31 bytes or more traps; request
  /// limits keep them far below.
  package static func appendPair(name: RawSpan, value: RawSpan, to pairs: inout [UInt8]) {
    appendLength(name.byteCount, to: &pairs)
    appendLength(value.byteCount, to: &pairs)
    pairs.append(copying: name)
    pairs.append(copying: value)
  }

  package static func appendPair(
    name: StaticString, value: RawSpan, to pairs: inout [UInt8]
  ) {
    appendLength(name.utf8CodeUnitCount, to: &pairs)
    appendLength(value.byteCount, to: &pairs)
    ResponseHead.append(literal: name, to: &pairs)
    pairs.append(copying: value)
  }

  private static func appendLength(_ count: Int, to pairs: inout [UInt8]) {
    guard count > 127 else {
      pairs.append(UInt8(count))
      return
    }
    precondition(count <= 0x7fff_ffff)
    for shift in [24, 16, 8, 0] {
      pairs.append(UInt8(count >> shift & 0xff) | (shift == 24 ? 0x80 : 0))
    }
  }

  /// The stream of parameters in as many records as it takes, and its end (§5.2).
  package static func appendParameters(_ pairs: RawSpan, to output: inout [UInt8]) {
    var start = 0
    while start < pairs.byteCount {
      let end = min(start + contentBytesMax, pairs.byteCount)
      appendHeader(.parameters, contentByteCount: end - start, to: &output)
      output.append(copying: pairs.extracting(start..<end))
      start = end
    }
    appendHeader(.parameters, contentByteCount: 0, to: &output)
  }

  /// What stands in front of `contentByteCount` bytes of the request's body, up to
  /// `contentBytesMax`; 0 ends the body (§5.3).
  package static func appendInputHeader(contentByteCount: Int, to output: inout [UInt8]) {
    appendHeader(.input, contentByteCount: contentByteCount, to: &output)
  }

  /// Asks for the request to be given up (§5.4).
  package static func appendAbort(to output: inout [UInt8]) {
    appendHeader(.abortRequest, contentByteCount: 0, to: &output)
  }

  /// Appends a field of the request as `HTTP_NAME` (RFC 3875 §4.1.18). Returns false, and appends
  /// nothing, for names that could be taken for another's, as `X_A` for `X-A`, for Proxy, which
  /// libraries take for the address of a proxy, and for Content-Length and Content-Type, which have
  /// variables of their own.
  package static func appendField(
    name: RawSpan, value: RawSpan, to pairs: inout [UInt8]
  ) -> Bool {
    guard name.byteCount > 0, !FieldName.equal(name, "proxy"),
      !FieldName.equal(name, "content-length"), !FieldName.equal(name, "content-type")
    else { return false }
    for index in 0..<name.byteCount {
      let byte = Scan.byte(name, at: index)
      guard ASCII.isDigit(byte) || ASCII.lowercase(byte) &- 0x61 < 26 || byte == 0x2d else {
        return false
      }
    }
    appendLength(name.byteCount + 5, to: &pairs)
    appendLength(value.byteCount, to: &pairs)
    pairs += "HTTP_".utf8
    for index in 0..<name.byteCount {
      let byte = ASCII.lowercase(Scan.byte(name, at: index))
      pairs.append(byte == 0x2d ? 0x5f : byte &- 0x61 < 26 ? byte & 0xdf : byte)
    }
    pairs.append(copying: value)
    return true
  }
}
