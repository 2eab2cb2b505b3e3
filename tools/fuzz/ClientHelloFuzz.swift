// A libFuzzer target for what is read out of a client's hello: the server name and the protocols.

/// What must hold whatever a client sends; a broken invariant traps, which libFuzzer reports.
private enum Invariants {
  /// A name becomes a file's name and a key: nothing but labels of these bytes, as they came.
  static func check(serverNames bytes: [UInt8], _ hello: ClientHello) {
    precondition(hello.hasInvalidServerName == (hello.serverName == nil))
    guard let name = hello.serverName else { return }
    precondition(name.count == bytes.count - 5 && (1...253).contains(name.count))
    for (came, kept) in zip(bytes.dropFirst(5), name) {
      precondition(kept == came || kept == came | 0x20 && (0x41...0x5a).contains(came))
    }
    for label in name.split(separator: 0x2e, omittingEmptySubsequences: false) {
      precondition((1...63).contains(label.count))
      for byte in label {
        switch byte {
        case 0x30...0x39, 0x61...0x7a, 0x2d, 0x5f: break
        default: preconditionFailure("a byte that no host's name has")
        }
      }
    }
  }

  /// A list is read whole or not at all; the slices keep their places in it, which become offsets
  /// into memory of OpenSSL's.
  static func check(protocols bytes: [UInt8], _ hello: ClientHello) {
    let names = ClientHello.protocols(in: bytes)
    var place = 2
    for name in names {
      precondition((1...255).contains(name.count) && Int(bytes[place]) == name.count)
      precondition(name.startIndex == place + 1 && name.endIndex <= bytes.count)
      precondition(name.elementsEqual(bytes[name.startIndex..<name.endIndex]))
      place = name.endIndex
    }
    if !names.isEmpty { precondition(place == bytes.count) }
    precondition(hello.offersHTTP2 == names.contains { $0.elementsEqual("h2".utf8) })
    precondition(hello.offersHTTP1 == names.contains { $0.elementsEqual("http/1.1".utf8) })
  }
}

/// Called by libFuzzer with each input: one byte that says which extensions there are, one for the
/// length of the first, the first, the second.
@_cdecl("LLVMFuzzerTestOneInput")
package func fuzzClientHello(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let data = unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
  guard data.count >= 2 else { return 0 }
  let first = Array(data.dropFirst(2).prefix(Int(data[1])))
  let second = Array(data.dropFirst(2 + first.count))
  let serverNames = data[0] & 1 == 0 ? first : nil
  let protocols = data[0] & 2 == 0 ? second : nil
  let hello = ClientHello(serverNames: serverNames, protocols: protocols)
  if let serverNames {
    Invariants.check(serverNames: serverNames, hello)
  } else {
    precondition(hello.serverName == nil && !hello.hasInvalidServerName)
  }
  Invariants.check(protocols: protocols ?? [], hello)
  return 0
}
