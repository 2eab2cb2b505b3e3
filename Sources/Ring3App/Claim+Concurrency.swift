// A claim for Swift's concurrency: events as a sequence, and nothing that holds up a thread of it.

import Dispatch
import Synchronization

extension Claim {
  /// Where events are waited for and requests wait for answers.
  private static let waiting = DispatchQueue(label: "Ring3App", attributes: .concurrent)

  /// Events as they come, until ``close()``; the first is ``ClaimEvent/attached(_:)``.
  ///
  /// Each event is given once, so there is to be one reader. The claim lives as long as it reads.
  public var events: AsyncStream<ClaimEvent> {
    let (stream, continuation) = AsyncStream.makeStream(of: ClaimEvent.self)
    // The claim lives, and its descriptor stays open, as long as somebody waits for it.
    let watch = ReadableWatch(descriptor, on: Claim.waiting) {
      while let event = self.nextEvent() { continuation.yield(event) }
      if self.isClosed { continuation.finish() }
    }
    continuation.onTermination = { _ in watch.cancel() }
    return stream
  }

  /// Asks the server something without holding up a thread that tasks run on.
  ///
  /// ```swift
  /// let statistics = try await claim.perform { claim throws(ControlError) in
  ///   try claim.statistics()
  /// }
  /// ```
  public func perform<Value: Sendable>(
    _ body: @escaping @Sendable (Claim) throws(ControlError) -> Value
  ) async throws(ControlError) -> Value {
    let result = await withCheckedContinuation { continuation in
      Claim.waiting.async {
        do throws(ControlError) {
          continuation.resume(returning: Result<Value, ControlError>.success(try body(self)))
        } catch {
          continuation.resume(returning: .failure(error))
        }
      }
    }
    return try result.get()
  }

  /// Gives the URLs back and waits until the requests that are in the queue are answered, or the
  /// time is up. The application goes on accepting meanwhile; afterwards it can stop, and
  /// ``close()`` the claim.
  ///
  /// A claim without prefixes only says that it accepts no more: others of the queue do.
  ///
  /// - Returns: whether all were answered.
  @discardableResult
  public func drain(timeout: Duration = .seconds(30)) async -> Bool {
    let deadline = ContinuousClock.now + timeout
    let hadPrefixes = state.withLock { !$0.terms.prefixes.isEmpty }
    guard hadPrefixes else {
      return (try? await perform { claim throws(ControlError) in try claim.setProcesses(0) }) != nil
    }
    do {
      try await perform { claim throws(ControlError) in try claim.giveBack() }
      // Workers are told within milliseconds, and may have sent a request just before.
      try await Task.sleep(for: Claim.tellingTime)
      guard session?.capabilities.contains("statistics") == true else { return true }
      while ContinuousClock.now < deadline {
        let statistics = try await perform { claim throws(ControlError) in
          try claim.statistics()
        }
        if statistics.active == 0 && statistics.waiting == 0 { return true }
        try await Task.sleep(for: Claim.lookingTime)
      }
    } catch {
      // Without the server there are no requests any more; or this task was cancelled.
      return false
    }
    return false
  }

  private static let tellingTime: Duration = .milliseconds(100)
  private static let lookingTime: Duration = .milliseconds(20)
}
