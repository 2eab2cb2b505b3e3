// Giving a client's connection to an application, together with what was read of it (TUX's way).

import Configuration
import HTTP
import Platform

/// What an application is sent on a connection of its queue, in front of the client's bytes, when
/// it has registered with `--handoff`. The client's socket comes with the first byte (SCM_RIGHTS).
package enum HandOffPreamble {
  /// "ring3-handoff 1 COUNT ADDRESS LF": so many bytes follow, and who the client is.
  package static func bytes(count: Int, client: SocketAddress) -> [UInt8] {
    Array("ring3-handoff 1 \(count) \(client.address.unmapped)\n".utf8)
  }
}

extension EventLoop {
  /// At the end of the batch: what has been read behind the head is kept by then.
  func planHandOff(_ forwarding: Forwarding) {
    forwarding.phase = .queued
    handOffs.append(forwarding)
  }

  func performHandOffs() {
    let forwardings = handOffs
    handOffs.removeAll()
    for forwarding in forwardings where forwarding.phase == .queued { handOff(forwarding) }
  }

  private func handOff(_ forwarding: Forwarding) {
    guard let connection = forwarding.stream as? Connection, connection.output == nil else {
      return failForwarding(forwarding, 502, .proxyBroken)
    }
    guard case .unix(let path) = endpoint(of: forwarding) else {
      return failQueue(forwarding, .reserved)
    }
    let descriptor: CInt
    switch Stream.connect(toUnix: path) {
    case .connected(let number), .inProgress(let number): descriptor = number
    case .queueFull: return knockLater(forwarding)
    case .exhausted: return pauseQueues(forwarding)
    case .refused: return failQueue(forwarding, .reserved)
    }
    let input = connection.input
    let rest = input?.bytes.array ?? []
    let count = forwarding.exchange.bytes.count + rest.count
    forwarding.request.removeAll()
    forwarding.requestHeadByteCount = 0
    forwarding.requestSent = 0
    forwarding.append(HandOffPreamble.bytes(count: count, client: connection.client))
    forwarding.append(forwarding.exchange.bytes)
    forwarding.append(rest)
    do throws(SystemError) {
      // A fresh socket has room for a byte; the rest follows.
      guard
        try MessageSocket.send(
          [forwarding.request[0]], numbers: [connection.descriptor], on: descriptor)
      else {
        Descriptor.close(descriptor)
        return knockLater(forwarding)
      }
    } catch {
      Descriptor.close(descriptor)
      log(of: forwarding).write(.error, "\(error)", client: connection.client)
      return failForwarding(forwarding, 503, .proxyConnect)
    }
    forwarding.requestSent = 1
    enterHandOff(descriptor, forwarding)
    release(connection, forwarding)
  }

  /// The connection is the application's from here on.
  private func release(_ connection: Connection, _ forwarding: Forwarding) {
    let exchange = forwarding.exchange
    head = exchange.head
    let bytes = exchange.bytes
    let record = makeRecord(
      connection, site: exchange.site.site, status: 0, exchange.head, bytes.rawSpan)
    finishRecord(record, reason: .handedOver)
    endCaching(forwarding, .abandoned)
    forwarding.stream = nil
    exchange.forwarding = nil
    connection.exchange = nil
    connection.input = nil
    // Before it is closed: the application holds it too.
    poller.remove(connection.descriptor)
    close(connection, .handedOver)
  }

  private func enterHandOff(_ descriptor: CInt, _ forwarding: Forwarding) {
    guard let upstream = admit(descriptor, forwarding, interest: [.readable, .writable]) else {
      forwarding.phase = .ended
      return endAttempt(forwarding)
    }
    upstream.isConnected = true
    upstream.forwarding = forwarding
    forwarding.upstream = upstream
    forwarding.phase = .handedOff
    deadlines[Int(descriptor)] = .max
    pushRequest(forwarding)
  }

  /// The application takes more of what was read, or has closed: it is free for the next request.
  func continueHandOff(
    _ forwarding: Forwarding, _ upstream: UpstreamConnection, _ readiness: Readiness
  ) {
    if readiness.contains(.writable) { pushRequest(forwarding) }
    guard !readiness.subtracting(.writable).isEmpty else { return }
    received.removeAll()
    switch Stream.receive(upstream.descriptor, into: received) {
    case .received, .wouldBlock: received.removeAll()
    case .closed, .broken:
      noteServed(forwarding)
      forwarding.phase = .ended
      closeUpstream(upstream)
      endAttempt(forwarding)
    }
  }

  /// Whether an application is at work for this process though no client waits here: with its end
  /// the application would count as free. Asked for when a process leaves only.
  var holdsCredits: Bool {
    upstreams.objects.contains {
      $0.credit != nil || $0.forwarding?.credit != nil || $0.plainPass?.credit != nil
    }
  }
}
