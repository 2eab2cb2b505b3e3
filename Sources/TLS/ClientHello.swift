// What a client's first message says about the host it wants, read strictly.

import COpenSSL

/// RFC 6066, section 3, and RFC 7301.
struct ClientHello: Equatable {
  /// In lower case: labels of letters, digits, `-` and `_`, at most 253 bytes; nil when there is
  /// none or when it is none.
  var serverName: [UInt8]?
  /// There was a name, which cannot be one.
  var hasInvalidServerName = false
  var offersHTTP2 = false
  var offersHTTP1 = false

  init() {}

  /// The extensions as they came.
  init(serverNames: [UInt8]?, protocols: [UInt8]?) {
    if let serverNames {
      serverName = ClientHello.serverName(in: serverNames)
      hasInvalidServerName = serverName == nil
    }
    for name in ClientHello.protocols(in: protocols ?? []) {
      if name.elementsEqual("h2".utf8) { offersHTTP2 = true }
      if name.elementsEqual("http/1.1".utf8) { offersHTTP1 = true }
    }
  }

  /// Out of the hello that OpenSSL is parsing.
  @unsafe init(_ ssl: OpaquePointer) {
    unsafe self.init(
      serverNames: ClientHello.bytes(ssl, CUnsignedInt(TLSEXT_TYPE_server_name)),
      protocols: ClientHello.bytes(
        ssl, CUnsignedInt(TLSEXT_TYPE_application_layer_protocol_negotiation)))
  }

  @unsafe private static func bytes(_ ssl: OpaquePointer, _ type: CUnsignedInt) -> [UInt8]? {
    var start: UnsafePointer<UInt8>?
    var count = 0
    guard unsafe SSL_client_hello_get0_ext(ssl, type, &start, &count) == 1 else { return nil }
    return unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
  }

  /// One entry of type host_name and nothing else: list length, type, name length, name.
  static func serverName(in bytes: [UInt8]) -> [UInt8]? {
    guard bytes.count > 5, Int(bytes[0]) << 8 | Int(bytes[1]) == bytes.count - 2, bytes[2] == 0,
      Int(bytes[3]) << 8 | Int(bytes[4]) == bytes.count - 5, bytes.count - 5 <= 253
    else { return nil }
    var name: [UInt8] = []
    name.reserveCapacity(bytes.count - 5)
    var labelCount = 0
    for byte in bytes[5...] {
      switch byte {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"):
        name.append(byte | 0x20)
        labelCount += 1
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
        UInt8(ascii: "-"), UInt8(ascii: "_"):
        name.append(byte)
        labelCount += 1
      case UInt8(ascii: ".") where labelCount > 0:
        name.append(byte)
        labelCount = 0
      default: return nil
      }
      if labelCount > 63 { return nil }
    }
    // A name that ends with a dot is none (RFC 6066: "without a trailing dot").
    return labelCount > 0 ? name : nil
  }

  /// The names of a well-formed list; none of another.
  static func protocols(in bytes: [UInt8]) -> [ArraySlice<UInt8>] {
    guard bytes.count >= 2, Int(bytes[0]) << 8 | Int(bytes[1]) == bytes.count - 2 else { return [] }
    return names(in: bytes[2...])
  }

  /// Names, each behind its length of one byte.
  static func names(in list: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
    var names: [ArraySlice<UInt8>] = []
    var rest = list
    while let length = rest.first {
      guard length > 0, rest.count > Int(length) else { return [] }
      names.append(rest.dropFirst().prefix(Int(length)))
      rest = rest.dropFirst(1 + Int(length))
    }
    return names
  }
}
