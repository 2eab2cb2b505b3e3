// Requests that wait for a connection to their member: `max` are open, or its queue is full.

import Configuration
import HTTP
import Platform

extension EventLoop {
  /// A Unix socket's queue is full.
  func knockLater(_ forwarding: Forwarding) {
    forwarding.phase = .queued
    if forwarding.knockingSince == 0 { forwarding.knockingSince = now }
    knocking.append(forwarding)
    nextTick = min(nextTick, now + Limits.knockMilliseconds)
  }

  /// Unix sockets whose queue was full are tried again, until the request has waited too long.
  func knockAgain() {
    guard !knocking.isEmpty else { return }
    let forwardings = knocking
    knocking.removeAll()
    for forwarding in forwardings where forwarding.phase == .queued {
      if now - forwarding.knockingSince > timeout(of: forwarding) {
        failForwarding(forwarding, 504, .proxyTimeout)
      } else {
        connect(forwarding)
      }
    }
  }

  /// Somebody may wait for a connection to this member. Taken up at the end of the batch, since
  /// whoever gave the room is in the middle of something.
  func takeUpQueued(_ member: Int) {
    if pools[member].hasWaiting { membersWithRoom.append(member) }
  }

  func takeUpQueued() {
    let members = membersWithRoom
    membersWithRoom.removeAll()
    for member in members {
      let most = model.proxyMembers[member].parameters.connectionsMax ?? .max
      for _ in pools[member].waiting.indices
      where !pools[member].waiting.isEmpty
        && (pools[member].idleCount > 0 || pools[member].openCount < most)
      {
        let forwarding = pools[member].waiting.removeFirst()
        if forwarding.phase == .queued { connect(forwarding) }
      }
    }
  }

  /// `max` connections are busy: the request waits for one of them.
  func awaitRoom(_ forwarding: Forwarding) {
    forwarding.phase = .queued
    if forwarding.roomAwaitedSince == 0 { forwarding.roomAwaitedSince = now }
    pools[forwarding.member].waiting.append(forwarding)
    nextTick = min(nextTick, forwarding.roomAwaitedSince + patience(of: forwarding))
  }

  /// How long a request waits for a connection to its member: `acquire`, or its balancer's
  /// `timeout`.
  private func patience(of forwarding: Forwarding) -> Int64 {
    model.proxyMembers[forwarding.member].parameters.acquireMilliseconds
      ?? model.proxyBalancers[forwarding.target.balancer].waitMilliseconds
      ?? timeout(of: forwarding)
  }

  /// Requests that have waited for a connection for too long.
  func expireQueued() {
    for member in pools.indices where !pools[member].waiting.isEmpty {
      let late = pools[member].waiting.filter {
        $0.phase != .queued || now - $0.roomAwaitedSince >= patience(of: $0)
      }
      guard !late.isEmpty else { continue }
      pools[member].waiting.removeAll { one in late.contains { $0 === one } }
      for forwarding in late where forwarding.phase == .queued {
        failForwarding(forwarding, 503, .proxyUnavailable)
      }
    }
  }
}
