// Long work for clients of the control socket, in steps between the master's other work.

import Cache
import Platform

/// Something that takes many turns of the loop: a walk through the cache.
protocol ControlJob: AnyObject {
  /// Works until about this time, in monotonic microseconds, or until the client has enough to read
  /// for now. True when the client has been answered.
  func work(_ master: Master, _ client: UInt64, until: Int64) -> Bool
}

extension Master {
  /// A look into the cache through a process slot that nobody uses. nil without a cache, or when
  /// all slots are in use.
  func withCacheAttached<Result>(_ body: (CacheStore) -> Result) -> Result? {
    guard let cache,
      let slot = cache.vacantProcessSlot(below: Limits.processSlots, except: slotsInUse)
    else { return nil }
    cache.attach(processSlot: slot)
    defer { cache.clearProcessSlot(slot) }
    return body(cache)
  }

  /// Begins a job for a client, which is answered when it is done.
  func begin(_ job: any ControlJob, for client: UInt64) -> CommandOutcome {
    jobs[client] = job
    return .later
  }

  /// Whether some job need not wait for its client.
  var hasReadyJobs: Bool { jobs.keys.contains(where: isReady) }

  /// Ready too when the client is gone: then the job is to end.
  private func isReady(_ client: UInt64) -> Bool {
    control?.backlog(client) ?? 0 < Limits.controlBacklogBytes
  }

  /// One step of one job, of the client that has waited longest.
  func workOnJobs() {
    guard let client = jobs.keys.filter(isReady).min(), let job = jobs[client] else { return }
    guard control?.backlog(client) != nil else {
      jobs[client] = nil
      return
    }
    let until = Clock.monotonicMicroseconds() + Limits.jobMicroseconds
    if job.work(self, client, until: until) { jobs[client] = nil }
  }
}
