// Descriptors that clients of the control socket send, and how they keep nobody waiting.
//
// Whoever drops the last reference to a file waits for it as long as its maker likes: for a TCP
// socket that lingers, for a file system in user space. So nobody may send any, as far as the
// kernel can forbid it; and of those who may register, only listening sockets of queues are taken.
// What else lies beside bytes is held by a child while the master takes the bytes.

import Platform

extension ControlServer {
  /// From now on a client may send back what this server had lent.
  func allowLending(_ serial: UInt64, from directory: String) {
    guard let client = clients[serial] else { return }
    clients[serial]?.lendsFrom = directory
    UnixSocket.passDescriptors(client.descriptor, true)
  }

  func bringsDescriptors(_ connection: Descriptor) -> Bool {
    UnixSocket.peek(connection, byteCountMax: Limits.controlRequestBytes)?.hasDescriptors ?? false
  }

  /// Before a connection is closed.
  func hold(_ connection: Descriptor, isUnsure: Bool = false) {
    guard isUnsure || !refusesDescriptors, let hold = UnixSocket.holdUnread(connection) else {
      return
    }
    holds.append(hold)
  }

  /// What a session has sent that may lend.
  func receiveLent(_ serial: UInt64, from directory: String) {
    guard let client = clients[serial],
      let next = UnixSocket.peek(client.descriptor, byteCountMax: Limits.controlRequestBytes)
    else { return }
    guard next.byteCount > 0 else { return close(serial) }
    guard next.hasDescriptors else { return takeBytes(serial, client, next.byteCount) }
    guard
      let (areOurs, hold) = UnixSocket.holdDescriptors(
        client.descriptor, byteCount: next.byteCount, directory: directory)
    else { return close(serial) }
    // Without them: `attach` says that what came is nothing of ours.
    guard areOurs else {
      clients[serial]?.hasSentForeign = true
      takeBytes(serial, client, next.byteCount)
      return withExtendedLifetime(hold) {}
    }
    let socket = MessageSocket(client.descriptor)
    switch try? socket.receive(byteCountMax: next.byteCount) {
    case .wouldBlock?: break
    case .closed?, nil: close(serial)
    case .message(let bytes, let descriptors)?:
      clients[serial]?.input += bytes
      clients[serial]?.lent += descriptors
      if clients[serial]?.lent.count ?? 0 > Limits.controlDescriptors { close(serial) }
    }
  }

  private func takeBytes(_ serial: UInt64, _ client: Client, _ byteCount: Int) {
    switch UnixSocket.receive(client.descriptor, byteCountMax: byteCount) {
    case .wouldBlock: break
    case .closed: close(serial)
    case .bytes(let bytes): clients[serial]?.input += bytes
    }
  }
}
