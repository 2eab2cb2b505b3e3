// Telling the error log, seldom, whose requests the namespace and its queues refuse.

import Configuration
import HTTP
import Namespace
import Platform

/// What was told lately, and how often it happened since.
struct RefusalNotes {
  private static let pauseMilliseconds: Int64 = 10_000
  private static let countMax = 1024
  private var told: [String: (at: Int64, more: Int)] = [:]

  /// How often something has happened unsaid before this time; nil: it is not said now either.
  mutating func note(_ what: String, now: Int64) -> Int? {
    if let last = told[what], now - last.at < Self.pauseMilliseconds {
      told[what]?.more += 1
      return nil
    }
    let more = told[what]?.more ?? 0
    if told.count >= Self.countMax { told = [:] }
    told[what] = (now, 0)
    return more
  }
}

extension EventLoop {
  /// The name of a queue, as it is or was.
  func name(of queue: QueueReference) -> String {
    guard let known = claims.queues[queue.slot], known.serial == queue.serial else {
      return "\(queue.slot)"
    }
    return known.name
  }

  /// `why`: in the administrator's words; the client does not see it.
  func noteRefusal(_ reason: EndReason, _ why: String, _ stream: RequestStream?) {
    let text = "request refused with 503 (\(reason.word)): \(why)"
    guard let stream, let more = claims.refusals.note(text, now: now) else { return }
    log(of: stream).write(
      .warn, text + (more > 0 ? "; \(more) more since this was said last" : ""),
      client: stream.client)
  }

  func noteRefusal(_ reason: EndReason, _ queue: QueueReference, _ stream: RequestStream?) {
    let subject = "queue '\(name(of: queue))' of user \(queue.user)"
    let why: String
    switch reason {
    case .queueFull: why = "\(subject) is full"
    case .timerRequestQueue: why = "it has waited too long in \(subject)"
    case .disabled: why = "\(subject) is disabled, or draining"
    case .applicationOffline: why = "the application of \(subject) is offline"
    default: why = "\(subject) has ended"
    }
    noteRefusal(reason, why, stream)
  }
}
