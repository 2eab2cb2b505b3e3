// Requests through a queue that wait for what another one of them fetches.

import Configuration
import HTTP
import Platform

extension EventLoop {
  /// A request waits for another one's answer and takes no credit, but it waits in its queue like
  /// everybody. Returns why it may not.
  func joinQueue(
    _ queue: QueueReference, _ caching: CachingExchange, byteCount: Int
  ) -> EndReason? {
    let isNew = caching.ticket == 0
    if let reason = refusal(of: queue, isNew: isNew) { return reason }
    if isNew {
      if heritage.queues?.isFull(queue.slot, adding: byteCount) == true { return .queueFull }
      caching.ticket = nextTicket()
    }
    let known = flightWaiters.inQueues[queue.slot]
    flightWaiters.inQueues[queue.slot] = (
      (known?.count ?? 0) + 1, min(known?.oldest ?? .max, caching.ticket)
    )
    tellSharedWaits(queue.slot)
    return nil
  }

  /// Why a request waits for another one's answer no longer; nil: it may.
  func endOfWaiting(_ waiter: FlightWaiters.Waiter) -> EndReason? {
    guard let queue = waiter.queue else { return nil }
    if let reason = refusal(of: queue, isNew: false) { return reason }
    let age = (heritage.queues?.ageMilliseconds(queue.slot) ?? .max).multipliedReportingOverflow(
      by: 1000)
    let present = UInt64(Clock.monotonicMicroseconds())
    guard !age.overflow, present > waiter.since,
      present - waiter.since >= UInt64(max(0, age.partialValue))
    else { return nil }
    return .timerRequestQueue
  }

  /// Its client has gone, or nobody knows it any more.
  func noteCancelled(_ waiter: FlightWaiters.Waiter) {
    if let queue = waiter.queue { heritage.queues?.count(.cancelled, queue, slot: slot) }
  }

  /// They wait no longer.
  func leaveShared(_ waiters: [FlightWaiters.Waiter]) {
    let places = waiters.compactMap { $0.queue?.slot }
    for place in places { flightWaiters.inQueues[place]?.count -= 1 }
    for place in Set(places) {
      if flightWaiters.inQueues[place]?.count == 0 { flightWaiters.inQueues[place] = nil }
      tellSharedWaits(place)
    }
  }

  /// Counts them anew: some have gone.
  func tellSharedWaits() {
    guard !flightWaiters.inQueues.isEmpty else { return }
    let places = Array(flightWaiters.inQueues.keys)
    flightWaiters.inQueues = [:]
    for waiter in flightWaiters.byTicket.values.joined() {
      guard let place = waiter.queue?.slot else { continue }
      let known = flightWaiters.inQueues[place]
      flightWaiters.inQueues[place] = (
        (known?.count ?? 0) + 1, min(known?.oldest ?? .max, waiter.since)
      )
    }
    for place in places { tellSharedWaits(place) }
  }

  private func tellSharedWaits(_ place: Int) {
    let waits = flightWaiters.inQueues[place]
    heritage.queues?.setShared(
      place, slot: slot, count: waits?.count ?? 0, oldest: waits?.oldest ?? 0)
  }
}
