// What has changed since workers were told last, and the order of prefixes that is kept for them: a
// change costs as much as it changes, and a copy of the rest.

/// What a prefix is to workers.
package enum NamespaceStanding: Hashable, Sendable {
  case nothing
  case reserved
  case registered(queue: QueueKey, handsOff: Bool)
}

/// A prefix in its place among others.
struct PlacedPrefix: Sendable {
  let key: NamespaceSnapshot.SortKey
  let standing: NamespaceStanding
}

/// All prefixes in the order of a snapshot.
struct NamespaceOrder: Sendable {
  private(set) var placed: [PlacedPrefix] = []

  /// Puts changes in their places; those that are nothing any more leave.
  ///
  /// - Parameter comesBefore: the order of keys; to count how often it is asked.
  mutating func update(
    _ changes: [PlacedPrefix],
    comesBefore: (NamespaceSnapshot.SortKey, NamespaceSnapshot.SortKey) -> Bool = { $0 < $1 }
  ) {
    let sorted = changes.sorted { comesBefore($0.key, $1.key) }
    var result: [PlacedPrefix] = []
    result.reserveCapacity(placed.count + sorted.count)
    var start = 0
    for change in sorted {
      var low = start
      var high = placed.count
      while low < high {
        let middle = (low + high) / 2
        if comesBefore(placed[middle].key, change.key) { low = middle + 1 } else { high = middle }
      }
      result += placed[start..<low]
      let isThere = low < placed.count && !comesBefore(change.key, placed[low].key)
      start = isThere ? low + 1 : low
      if change.standing != .nothing { result.append(change) }
    }
    result += placed[start...]
    placed = result
  }
}

/// Prefixes that have been touched since a snapshot was taken.
package struct NamespaceChanges: Sendable {
  struct Touch: Sendable {
    let before: NamespaceStanding
    /// Who touched it last; nil: the configuration, or an administrator's reservation.
    var user: UInt32?
  }

  private(set) var touched: [UrlPrefix: Touch] = [:]
  /// Whose changes wait; some may be none after all.
  package private(set) var users: Set<UInt32> = []
  /// The configuration has changed, or an administrator a reservation.
  package private(set) var isUrgent = false
  package var isAny: Bool { !touched.isEmpty }
  fileprivate var order = NamespaceOrder()
  /// Those of the last snapshot.
  fileprivate var queues: [QueueKey: NamespaceQueue] = [:]

  /// Call before the change.
  mutating func touch(_ prefix: UrlPrefix, from standing: NamespaceStanding, by user: UInt32?) {
    if touched[prefix] == nil {
      touched[prefix] = Touch(before: standing, user: user)
    } else {
      touched[prefix]?.user = user
    }
    if let user { users.insert(user) } else { isUrgent = true }
  }

  /// What waits is an operator's wish: it waits no longer.
  package mutating func hurry() { isUrgent = true }

  fileprivate mutating func forget() {
    touched = [:]
    users = []
    isUrgent = false
  }
}

extension NamespaceBook {
  package func standing(_ prefix: UrlPrefix) -> NamespaceStanding {
    if let registration = registrations[prefix] {
      return .registered(queue: registration.queueKey, handsOff: registration.handsOff)
    }
    return reservation(prefix) == nil ? .nothing : .reserved
  }

  /// Whose changes make the next snapshot another one than the last; nil: nothing does, as when
  /// what was registered is given back. Those of the configuration are nobody's.
  package func changedUsers(queues: [NamespaceQueue]) -> Set<UInt32>? {
    let named = Self.named(queues)
    var users: Set<UInt32> = []
    var isChanged = false
    for (prefix, touch) in changes.touched {
      let now = standing(prefix)
      if case .registered(let queue, _) = now, now == touch.before {
        guard named[queue] != changes.queues[queue] else { continue }
      } else if now == touch.before {
        continue
      }
      isChanged = true
      if let user = touch.user { users.insert(user) }
    }
    return isChanged ? users : nil
  }

  /// What has been touched is as it was.
  package mutating func forgetChanges() { changes.forget() }

  /// As `snapshot`, and begins to count changes anew. Takes no sorting but of what has changed.
  package mutating func takeSnapshot(
    queues: [NamespaceQueue], generation: UInt64
  ) -> NamespaceSnapshot {
    changes.order.update(
      changes.touched.keys.map {
        PlacedPrefix(key: NamespaceSnapshot.SortKey($0), standing: standing($0))
      })
    changes.queues = Self.named(queues)
    changes.forget()
    return NamespaceSnapshot(
      ordered: changes.order.placed, queues: queues, generation: generation)
  }

  private static func named(_ queues: [NamespaceQueue]) -> [QueueKey: NamespaceQueue] {
    Dictionary(queues.map { ($0.key, $0) }) { first, _ in first }
  }
}
