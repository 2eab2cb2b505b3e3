// The worker's side of the channel to the I/O helpers.

import Platform

/// Requests that wait for a helper. The event loop watches `descriptor` for `interest`, calls
/// `receive` when it is readable and `flush` when it is writable, and `expire` from its timers.
package final class HelperClient {
  /// A refused request is answered with 503 at once rather than after a time-out.
  package static let outstandingMax = 1024
  /// How long an answer may take.
  package static let timeoutMilliseconds: Int64 = 10_000

  private let socket: MessageSocket
  private var nextIdentifier: UInt64 = 1
  /// Deadlines by request number. An answer whose number is not here came too late: its descriptor
  /// is closed with it.
  private var deadlines: [UInt64: Int64] = [:]
  /// Not yet sent, because the channel was full.
  private var unsent: [(identifier: UInt64, bytes: [UInt8], descriptors: [Descriptor])] = []
  /// The other end is gone: every helper died and the master too.
  package private(set) var isClosed = false

  package init(_ channel: MessageSocket) { socket = channel }

  /// What to watch.
  package var descriptor: CInt { socket.descriptor.number }
  package var interest: Interest { unsent.isEmpty ? .readable : [.readable, .writable] }
  package var outstandingCount: Int { deadlines.count }

  /// Sends a request; its number comes back with the reply, or from `expire`. nil: refused, because
  /// too many are under way or the channel is gone. `now`: milliseconds of CLOCK_MONOTONIC. Look
  /// at `interest` afterwards.
  package func send(_ request: HelperRequest, now: Int64) -> UInt64? {
    guard !isClosed, deadlines.count < Self.outstandingMax else { return nil }
    let identifier = nextIdentifier
    let (bytes, descriptors) = HelperMessage.encode(request, identifier: identifier)
    guard bytes.count <= HelperMessage.byteCountMax else { return nil }
    nextIdentifier += 1
    deadlines[identifier] = now + Self.timeoutMilliseconds
    unsent.append((identifier, bytes, descriptors))
    flush()
    if isClosed { deadlines[identifier] = nil }
    return isClosed ? nil : identifier
  }

  /// Sends what waits for room in the channel.
  package func flush() {
    var sentCount = 0
    for packet in unsent {
      // Who has given up needs no answer.
      guard deadlines[packet.identifier] != nil else {
        sentCount += 1
        continue
      }
      do {
        guard try socket.send(packet.bytes, descriptors: packet.descriptors) else { break }
      } catch {
        // Too many descriptors are on their way: not now, but later.
        if error.code == SystemError.tooManyReferences { break }
        close()
        return
      }
      sentCount += 1
    }
    unsent.removeFirst(sentCount)
  }

  /// The replies that have arrived. After the channel's end `isClosed` is true and `expire` gives
  /// back all that is outstanding.
  package func receive() -> [(identifier: UInt64, reply: HelperReply)] {
    var replies: [(identifier: UInt64, reply: HelperReply)] = []
    while !isClosed && replies.count < Self.outstandingMax {
      do {
        switch try socket.receive(byteCountMax: HelperMessage.byteCountMax) {
        case .wouldBlock: return replies
        case .closed: close()
        case .message(let bytes, let descriptors):
          guard let (identifier, reply) = HelperMessage.decodeReply(bytes, descriptors),
            deadlines.removeValue(forKey: identifier) != nil
          else { continue }
          replies.append((identifier, reply))
        }
      } catch {
        // The packet is lost, with the number of its request: its deadline ends it. What else may
        // be there is found when the channel is readable again.
        return replies
      }
    }
    return replies
  }

  /// Whoever asked is gone: a later reply is dropped.
  package func cancel(_ identifier: UInt64) { deadlines[identifier] = nil }

  /// The requests whose time is over, or all of them after the channel's end: answer 503.
  package func expire(now: Int64) -> [UInt64] {
    if deadlines.isEmpty { return [] }
    let expired = deadlines.filter { isClosed || $0.value <= now }.map { $0.key }.sorted()
    for identifier in expired { deadlines[identifier] = nil }
    return expired
  }

  private func close() {
    isClosed = true
    unsent.removeAll()
  }
}
