// What HPACK knows from the start: the fields of RFC 7541 appendix A, the code of appendix B.

enum HPACKTables {
  /// Entry 1 first.
  static let fields = text.split(separator: "|").map { entry in
    let parts = entry.split(separator: "=", maxSplits: 1)
    return HTTP2Field(String(parts[0]), parts.count > 1 ? String(parts[1]) : "")
  }

  private static let text = """
    :authority|:method=GET|:method=POST|:path=/|:path=/index.html|:scheme=http|:scheme=https|\
    :status=200|:status=204|:status=206|:status=304|:status=400|:status=404|:status=500|\
    accept-charset|accept-encoding=gzip, deflate|accept-language|accept-ranges|accept|\
    access-control-allow-origin|age|allow|authorization|cache-control|content-disposition|\
    content-encoding|content-language|content-length|content-location|content-range|\
    content-type|cookie|date|etag|expect|expires|from|host|if-match|if-modified-since|\
    if-none-match|if-range|if-unmodified-since|last-modified|link|location|max-forwards|\
    proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after|server|\
    set-cookie|strict-transport-security|transfer-encoding|user-agent|vary|via|\
    www-authenticate
    """

  /// How many bits each symbol has; the last is the end of string. The code is canonical: symbols
  /// of one length have consecutive codes in their own order, and shorter codes come first.
  private static let lengths: [UInt8] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30,
    28, 28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5,
    7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22,
    22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23,
    22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22,
    21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26,
    26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20,
    24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27,
    27, 28, 27, 27, 27, 27, 27, 26, 30,
  ]

  /// Of each length the first code and the symbols that have it.
  private static let codes: [Int: (first: UInt32, symbols: [Int])] = {
    var codes: [Int: (first: UInt32, symbols: [Int])] = [:]
    var code: UInt32 = 0
    for length in 5...30 {
      let symbols = lengths.indices.filter { Int(lengths[$0]) == length }
      codes[length] = (code, symbols)
      code = (code + UInt32(symbols.count)) << 1
    }
    return codes
  }()

  /// RFC 7541 §5.2: what pads the last octet is the beginning of the end of string.
  static func decode(_ bytes: [UInt8]) throws -> [UInt8] {
    var decoded: [UInt8] = []
    var code: UInt32 = 0
    var length = 0
    for byte in bytes {
      for bit in stride(from: 7, through: 0, by: -1) {
        code = code << 1 | UInt32(byte >> UInt8(bit) & 1)
        length += 1
        guard length <= 30 else { throw HPACKViolation.badHuffman }
        guard let row = codes[length], code >= row.first,
          code - row.first < UInt32(row.symbols.count)
        else { continue }
        let symbol = row.symbols[Int(code - row.first)]
        guard symbol < 256 else { throw HPACKViolation.badHuffman }
        decoded.append(UInt8(symbol))
        code = 0
        length = 0
      }
    }
    guard length < 8, code == 1 << UInt32(length) - 1 else { throw HPACKViolation.badHuffman }
    return decoded
  }
}
