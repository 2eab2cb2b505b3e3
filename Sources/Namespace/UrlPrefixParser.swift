// Reads a URL prefix strictly: one spelling of each part, an exact place for each mistake.

import HTTP
import Platform

extension UrlPrefix {
  /// Reads "scheme://host:port/path/". Host: "+", "*", a name, "*.name", an IPv4 address or
  /// "[IPv6]"; names in any case and script, one dot at the end is dropped. The path is decoded as
  /// a request's is; an encoded slash, "." and ".." and empty segments are refused.
  package init(_ text: String) throws(UrlPrefixError) {
    self = try UrlPrefixParser(bytes: Array(text.utf8)).parse()
  }
}

struct UrlPrefixParser {
  let bytes: [UInt8]

  func parse() throws(UrlPrefixError) -> UrlPrefix {
    if bytes.count > UrlPrefix.byteCountMax {
      throw refuse(
        UrlPrefix.byteCountMax, "a prefix has at most \(UrlPrefix.byteCountMax) bytes")
    }
    if let place = bytes.firstIndex(where: { $0 <= 0x20 || $0 == 0x7f }) {
      throw refuse(
        place, "a prefix cannot hold the byte \(bytes[place]); in a path write it as %XX")
    }
    let (scheme, hostStart) = try self.scheme()
    let hostEnd = try endOfHost(hostStart)
    let host = try self.host(hostStart, hostEnd)
    let portEnd = end(from: hostEnd) { $0 == ASCII.slash || $0 == 0x3f || $0 == 0x23 }
    let port = try self.port(hostEnd, portEnd, scheme)
    let prefix = UrlPrefix(scheme: scheme, host: host, port: port, path: try path(portEnd))
    if prefix.description.utf8.count > UrlPrefix.byteCountMax {
      throw refuse(
        portEnd, "a prefix has at most \(UrlPrefix.byteCountMax) bytes, its path percent-encoded")
    }
    return prefix
  }

  private func refuse(_ place: Int, _ message: String) -> UrlPrefixError {
    UrlPrefixError(byteOffset: place, message: message)
  }

  private func text(_ range: Range<Int>) -> String {
    String(decoding: bytes[range], as: UTF8.self)
  }

  private func end(from start: Int, _ isEnd: (UInt8) -> Bool) -> Int {
    bytes[start...].firstIndex(where: isEnd) ?? bytes.count
  }

  private func scheme() throws(UrlPrefixError) -> (UrlPrefix.Scheme, hostStart: Int) {
    let lower = bytes.map(ASCII.lowercase)
    for scheme in [UrlPrefix.Scheme.http, .https] {
      let mark = Array("\(scheme.text)://".utf8)
      if bytes.starts(with: mark) { return (scheme, mark.count) }
      if lower.starts(with: mark) {
        throw refuse(0, "the scheme is written in lower case: '\(scheme.text)://'")
      }
    }
    if let mark = text(0..<bytes.count).firstRange(of: "://") {
      let scheme = text(0..<bytes.count)[..<mark.lowerBound]
      throw refuse(0, "the scheme is 'http' or 'https', not '\(scheme)'")
    }
    throw refuse(0, "a prefix is expected: http://HOST:PORT/PATH/ or https://HOST:PORT/PATH/")
  }

  // MARK: Host

  private func endOfHost(_ start: Int) throws(UrlPrefixError) -> Int {
    if start < bytes.count, bytes[start] == 0x5b {
      guard let close = bytes[start...].firstIndex(of: 0x5d) else {
        throw refuse(start, "']' is missing behind the IPv6 address")
      }
      return close + 1
    }
    let authorityEnd = end(from: start) { $0 == ASCII.slash || $0 == 0x3f || $0 == 0x23 }
    if let at = bytes[start..<authorityEnd].firstIndex(of: 0x40) {
      throw refuse(at, "a prefix holds no user name and no password")
    }
    if bytes[start..<authorityEnd].count(where: { $0 == ASCII.colon }) > 1 {
      throw refuse(start, "an IPv6 address stands in brackets, with a port behind: '[::1]:80'")
    }
    let end = min(authorityEnd, self.end(from: start) { $0 == ASCII.colon })
    if end == start {
      throw refuse(start, "a host is expected: a name, an IP address, '+' or '*'")
    }
    return end
  }

  private func host(_ start: Int, _ end: Int) throws(UrlPrefixError) -> UrlPrefix.Host {
    let host = bytes[start..<end]
    if host.first == 0x5b {
      guard let address = IPAddress(text(start + 1..<end - 1)), address.family == .v6 else {
        throw refuse(start + 1, "'\(text(start + 1..<end - 1))' is no IPv6 address")
      }
      return .address(address.unmapped)
    }
    if host.elementsEqual([0x2b]) { return .strong }
    if host.elementsEqual([0x2a]) { return .weak }
    let isWildcard = host.starts(with: [0x2a, ASCII.dot])
    let nameStart = isWildcard ? start + 2 : start
    if let star = bytes[nameStart..<end].firstIndex(of: 0x2a) {
      throw refuse(
        star, "'*' stands alone, or for the left-most labels of a name: '*.example.com'")
    }
    if !isWildcard, let address = IPAddress(text(start..<end)) { return .address(address) }
    let name = try self.name(nameStart, end)
    return isWildcard ? .below(name) : .name(name)
  }

  private func name(_ start: Int, _ end: Int) throws(UrlPrefixError) -> [UInt8] {
    var end = end
    if end > start, bytes[end - 1] == ASCII.dot { end -= 1 }
    let written = bytes[start..<end].map(ASCII.lowercase)
    try check(written) { start + $0 }
    let needsTables =
      written.contains { $0 >= 0x80 }
      || written.split(separator: ASCII.dot).contains { $0.starts(with: "xn--".utf8) }
    var name = written
    if needsTables {
      do throws(InternationalName.Failure) {
        name = Array(try InternationalName.ascii(String(decoding: written, as: UTF8.self)).utf8)
      } catch {
        throw refuse(start, "'\(text(start..<end))' is no international name: \(error.message)")
      }
      // Its dots and digits may have been those of another script.
      if name.contains(where: { $0 >= 0x80 }) {
        throw refuse(start, "'\(text(start..<end))' is no international name")
      }
      try check(name) { _ in start }
    }
    if name.count > 253 { throw refuse(start, "a name has at most 253 bytes") }
    // As browsers have it: what ends in a number is an address, or nothing.
    let last = name[((name.lastIndex(of: ASCII.dot) ?? -1) + 1)...]
    if last.allSatisfy(ASCII.isDigit) || last.starts(with: "0x".utf8) {
      throw refuse(
        start, "'\(text(start..<end))' is neither a name nor an IPv4 address (192.0.2.1)")
    }
    return name
  }

  /// Labels of letters, digits, "-" and "_"; bytes above 127 are for later.
  private func check(
    _ name: [UInt8], place: (Int) -> Int
  ) throws(UrlPrefixError) {
    var labelStart = 0
    for index in 0...name.count {
      let byte = index < name.count ? name[index] : ASCII.dot
      if byte == ASCII.dot {
        if index == labelStart { throw refuse(place(index), "a name's label is missing") }
        if index - labelStart > 63 && name.allSatisfy({ $0 < 0x80 }) {
          throw refuse(place(labelStart), "a name's label has at most 63 bytes")
        }
        for edge in [labelStart, index - 1] where name[edge] == 0x2d {
          throw refuse(place(edge), "a name's label neither begins nor ends with '-'")
        }
        labelStart = index + 1
      } else if byte < 0x80, !ASCII.isDigit(byte), byte &- 0x61 >= 26, byte != 0x2d, byte != 0x5f {
        let character = Character(Unicode.Scalar(byte))
        throw refuse(
          place(index), "a name holds letters, digits, '-', '_' and '.', not '\(character)'")
      }
    }
  }

  // MARK: Port and path

  private func port(
    _ colon: Int, _ end: Int, _ scheme: UrlPrefix.Scheme
  ) throws(UrlPrefixError) -> UInt16 {
    let usual = scheme == .http ? 80 : 443
    guard colon < bytes.count, bytes[colon] == ASCII.colon else {
      throw refuse(colon, "a port is expected behind the host, also the usual one: ':\(usual)'")
    }
    let digits = bytes[(colon + 1)..<end]
    guard let first = digits.first else {
      throw refuse(colon + 1, "a port from 1 to 65535 is expected: ':\(usual)'")
    }
    if first == 0x2a || first == 0x2b {
      throw refuse(colon + 1, "a port is never a wildcard; write one prefix for each port")
    }
    if let odd = digits.firstIndex(where: { !ASCII.isDigit($0) }) {
      throw refuse(odd, "a port is a number from 1 to 65535, not '\(text(colon + 1..<end))'")
    }
    if first == 0x30 {
      throw refuse(colon + 1, "a port is a number from 1 to 65535 without zeros in front")
    }
    guard let port = UInt16(text(colon + 1..<end)) else {
      throw refuse(colon + 1, "a port is at most 65535, not \(text(colon + 1..<end))")
    }
    return port
  }

  private func path(_ start: Int) throws(UrlPrefixError) -> [UInt8] {
    if let mark = bytes[start...].firstIndex(where: { $0 == 0x3f || $0 == 0x23 }) {
      throw refuse(
        mark,
        bytes[mark] == 0x3f
          ? "a prefix holds no query; a question mark in a path is written %3F"
          : "a prefix holds no fragment; '#' in a path is written %23")
    }
    let path = bytes[start...]
    guard !path.isEmpty else {
      throw refuse(start, "a prefix ends in '/'; write it behind the port")
    }
    let decoded: [UInt8]
    switch RequestTarget.decodePath(Array(path).rawSpan, encodedSlashes: .off) {
    case .success(let bytes): decoded = bytes
    case .failure(let rejection):
      let place = start + Int(rejection.byteOffset)
      if bytes[place...].starts(with: "%2f".utf8) || bytes[place...].starts(with: "%2F".utf8) {
        throw refuse(place, "an encoded slash cannot stand in a prefix")
      }
      throw refuse(place, "\(rejection.message)")
    }
    guard path.last == ASCII.slash, decoded.last == ASCII.slash else {
      throw refuse(
        bytes.count, "a prefix names a whole subtree and ends in '/'; write '/' at its end")
    }
    // Escapes take two bytes more than what they stand for; anything else that went was a segment.
    if decoded.count + 2 * path.count(where: { $0 == 0x25 }) != path.count {
      var canonical: [UInt8] = []
      PercentEncoding.append(path: decoded.rawSpan, to: &canonical)
      throw refuse(
        start,
        "'.', '..' and empty segments cannot stand in a prefix; write '"
          + "\(String(decoding: canonical, as: UTF8.self))'")
    }
    return decoded
  }
}
