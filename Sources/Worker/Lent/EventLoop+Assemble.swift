// Responses that are put together from fragments: an application says of which, and this process
// does it before anything leaves.

import Cache
import Configuration
import HTTP
import Namespace
import Platform

/// Why a response is not put together.
private enum AssemblyRefusal: Error {
  /// A fragment is not there, or there is no room: the application is asked to do without.
  case unusable
  /// The application says what cannot be.
  case wrong(String)
}

extension EventLoop {
  /// A head has come that says what its body is made of. True: the response is over, and the
  /// application is asked once more or the client has got an error; nothing has left before.
  func takeFragments(_ bytes: RawSpan, _ forwarding: Forwarding, hasMore: Bool) -> Bool {
    // Of nobody else is it believed; what it may say of no body means nothing.
    guard forwarding.target.queue != nil, !Status.forbidsContent(forwarding.response.status) else {
      return false
    }
    do throws(AssemblyRefusal) {
      let assembly = try assemble(bytes, forwarding)
      let isHead = forwarding.exchange.head.method == .head
      forwarding.response.replaceBody(byteCount: assembly.byteCount, isSent: !isHead)
      if !isHead { forwarding.assembly = assembly }
      return false
    } catch {
      return refuse(error, forwarding, hasMore: hasMore)
    }
  }

  private func refuse(
    _ refusal: AssemblyRefusal, _ forwarding: Forwarding, hasMore: Bool
  ) -> Bool {
    let mayAsk =
      forwarding.exchange.head.method.isRetrieval && !forwarding.doesWithoutFragments
      && forwarding.isReplayable && forwarding.requestIsComplete
    switch refusal {
    case .unusable where mayAsk:
      forwarding.doesWithoutFragments = true
      askAnew(
        forwarding, isReusable: !hasMore && forwarding.response.framing == .none)
    case .unusable:
      log(of: forwarding).write(
        .error, "a response wants a fragment that is not there", client: forwarding.stream?.client)
      failForwarding(forwarding, 502, .fragments)
    case .wrong(let why):
      log(of: forwarding).write(
        .error, "Ring3-Fragments of a response: \(why)", client: forwarding.stream?.client)
      failForwarding(forwarding, 502, .fragments)
    }
    return true
  }

  private func assemble(
    _ bytes: RawSpan, _ forwarding: Forwarding
  ) throws(AssemblyRefusal) -> FragmentAssembly {
    var lines: [[UInt8]] = []
    forEachField(of: forwarding.response, in: bytes) { _, value, known in
      if known == .ring3Fragments { lines.append(value.array) }
    }
    guard let parts = FragmentList.parse(lines) else {
      throw .wrong("that is no list of strings and numbers, or it is too long")
    }
    var pieces: [FragmentAssembly.Piece] = []
    var byteCount = 0
    for part in parts {
      switch part {
      case .bytes(let count):
        byteCount += count
        pieces.append(.own(count))
      case .fragment(let name, let from, let length):
        let copy = try copy(
          name, from: from, length: length, byteCountMax: objectBytesMax - byteCount, forwarding)
        byteCount += copy.count
        pieces.append(.copied(copy))
      }
      guard byteCount <= objectBytesMax else { throw .unusable }
    }
    guard let assembly = FragmentAssembly(pieces, collections) else { throw .unusable }
    switch forwarding.response.framing {
    case .length(let count) where count != UInt64(assembly.ownByteCount):
      throw .wrong("the body has \(count) bytes of its own, not \(assembly.ownByteCount)")
    case .none
    where forwarding.exchange.head.method != .head && assembly.ownByteCount != 0:
      throw .wrong("the body has no bytes of its own, not \(assembly.ownByteCount)")
    default: return assembly
    }
  }

  /// A part of a fragment, copied while it is held.
  private func copy(
    _ name: [UInt8], from: Int, length: Int?, byteCountMax: Int, _ forwarding: Forwarding
  ) throws(AssemblyRefusal) -> ByteBuffer {
    guard let cache, let (owner, path) = fragmentOwner(name, forwarding),
      let hit = holdFragment(path, of: owner)
    else { throw .unusable }
    defer { cache.release() }
    let total = cache.bodyByteCount(hit)
    guard from <= total else { throw .unusable }
    let count = length ?? total - from
    guard count <= total - from, count <= byteCountMax else { throw .unusable }
    let copy = ByteBuffer(capacity: max(1, count))
    let region = cache.region
    cache.forEachPart(of: hit, from: from, count: count) { part in
      copy.append(region.span(at: part.offset, count: part.count))
      return true
    }
    return copy
  }

  /// Whose fragment is meant: it must be of the application that answers.
  private func fragmentOwner(
    _ name: [UInt8], _ forwarding: Forwarding
  ) -> (owner: ClaimedOwner, path: [UInt8])? {
    guard let named = findFragment(name, forwarding), let queue = forwarding.target.queue,
      let known = namespace?.queues.first(where: {
        Int($0.slot) == queue.slot && $0.serial == queue.serial
      }), named.owner.name.user == queue.user, named.owner.name.queue == known.name
    else { return nil }
    return named
  }

  private func findFragment(
    _ name: [UInt8], _ forwarding: Forwarding
  ) -> (owner: ClaimedOwner, path: [UInt8])? {
    guard !name.contains(0x3f), !namespaceIsUnknown else { return nil }
    if name.first == ASCII.slash {
      guard case .success(let path) = RequestTarget.decodePath(name.rawSpan, encodedSlashes: .off),
        case .application(let owner) = findOwner(path, forwarding.exchange, forwarding.origin)
      else { return nil }
      return (owner, path)
    }
    guard let namespace, let address = forwarding.origin.local?.address,
      let url = try? CacheURL(String(decoding: name, as: UTF8.self), model)
    else { return nil }
    let local = SocketAddress(address, port: url.port)
    let configured = NamespaceSnapshot.Configured(model.site(local: local, host: url.host))
    let match = namespace.lookUp(
      isSecure: url.isSecure, local: local, host: url.host, path: url.paths[0],
      configured: configured)
    guard !namespace.dependsOnAddress(match, configured: configured), let match,
      let owner = owner(of: match)
    else { return nil }
    return (owner, url.paths[0])
  }
}
