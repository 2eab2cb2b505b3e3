// A libFuzzer target for URL prefixes and for snapshots of the namespace; built with Namespace.

import Namespace
import Platform

/// What is read has one canonical text, and is found by a request for it.
private func check(prefix text: String) {
  guard let prefix = try? UrlPrefix(text) else { return }
  guard let again = try? UrlPrefix(prefix.description) else {
    preconditionFailure("a canonical text cannot be read")
  }
  precondition(again == prefix && again.description == prefix.description)
  precondition(prefix.path.first == 0x2f && prefix.path.last == 0x2f)
  let queues = [NamespaceQueue(name: "q", slot: 0, serial: 7, user: 7)]
  let built = NamespaceSnapshot(
    [NamespaceEntry(prefix, queue: 0)], queues: queues, generation: 1)
  guard let snapshot = NamespaceSnapshot(bytes: built.bytes) else {
    preconditionFailure("a snapshot cannot be read")
  }
  var host: [UInt8] = []
  var address = IPAddress.anyV4
  switch prefix.host {
  case .name(let name): host = name
  case .below(let name): host = Array("x.".utf8) + name
  case .address(let bound): address = bound
  case .strong, .weak: break
  }
  let match = snapshot.lookUp(
    isSecure: prefix.scheme == .https, local: SocketAddress(address, port: prefix.port), host: host,
    path: prefix.path + [0x61], configured: .nothing)
  precondition(match.map { snapshot.prefix(of: $0.entry) } == prefix)
}

/// Bytes that are taken cannot harm a look-up.
private func check(snapshot bytes: [UInt8]) {
  guard let snapshot = NamespaceSnapshot(bytes: bytes) else { return }
  for index in 0..<min(snapshot.entryCount, 16) {
    let prefix = snapshot.prefix(of: index)
    _ = prefix.description
    for host in ["", "a", "b.a", "c.b.a"] {
      let match = snapshot.lookUp(
        isSecure: prefix.scheme == .https, local: SocketAddress(.anyV4, port: prefix.port),
        host: Array(host.utf8), path: prefix.path, configured: .nothing)
      if let match, let queue = match.queue { _ = snapshot.queues[queue] }
    }
  }
  precondition(snapshot.bytes == bytes)
}

/// Called by libFuzzer with each input.
@_cdecl("LLVMFuzzerTestOneInput")
package func fuzzNamespace(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let data = unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
  if data.starts(with: "R3NS".utf8) {
    check(snapshot: data)
  } else {
    check(prefix: String(decoding: data, as: UTF8.self))
  }
  return 0
}
