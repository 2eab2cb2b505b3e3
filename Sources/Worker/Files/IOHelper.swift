// The I/O helper: a process that waits for disks so that workers need not.

import Platform

/// Several helper processes share all channels; whoever gets a packet does its work and replies on
/// the same channel.
package enum IOHelper {
  /// Serves until every channel has ended, or its parent is dead and nothing was asked for a while;
  /// returns the exit code. `channels`: the helpers' ends of SOCK_SEQPACKET pairs, one per worker.
  /// The caller must not hold the workers' ends, or no channel ever ends. With `sandbox` it locks
  /// itself in, and returns `renewalCode` when one that does so anew could read other files.
  package static func run(channels: [Descriptor], sandbox: SandboxPlan? = nil) -> Int32 {
    guard let poller = try? Poller(batchMax: 16) else { return 1 }
    var open = channels.map { Optional(MessageSocket($0)) }
    for (index, channel) in channels.enumerated() {
      let isAdded: Void? = try? poller.add(
        channel.number, token: UInt64(index), interest: [.readable, .exclusive])
      guard isAdded != nil else { return 1 }
    }
    let parent = ProcessNumber.parent
    let sandboxed = sandbox.map { SandboxedFiles(entering: $0) }
    var quietSince = Clock.monotonicMilliseconds()
    while open.contains(where: { $0 != nil }) {
      let count = poller.wait(timeoutMilliseconds: 1_000)
      for index in 0..<count {
        let place = Int(poller.event(index).token)
        // Before a packet is taken: whoever comes after us finds it.
        if let sandboxed, sandboxed.isOutdated { return renewalCode }
        guard let socket = open[place] else { continue }
        switch serveOne(socket, sandboxed) {
        case .done: break
        case .ended:
          poller.remove(socket.descriptor.number)
          open[place] = nil
        case .outdated: return renewalCode
        }
      }
      if let sandboxed, sandboxed.isOutdated { return renewalCode }
      let now = Clock.monotonicMilliseconds()
      if count > 0 { quietSince = now }
      // Workers outlive their master while they drain, and need us for it.
      if ProcessNumber.parent != parent && now - quietSince > orphanMilliseconds { return 0 }
    }
    return 0
  }

  private static let orphanMilliseconds: Int64 = 5_000

  /// Its exit code when another helper is to take its place at once.
  package static let renewalCode: Int32 = 3

  /// What became of a channel's turn.
  enum Turn: Equatable {
    case done
    /// The channel has ended.
    case ended
    /// Whoever asked has been told to ask again; this process is to be replaced.
    case outdated
  }

  /// Does the work; waits for disks.
  package static func handle(_ request: HelperRequest) -> HelperReply {
    switch request {
    case .resolve(let file):
      switch FileResolver.resolve(file, mode: .mayWait) {
      case .done(let answer): return .answer(answer)
      case .needsHelper:
        return .answer(.failed(SystemError(code: SystemError.wouldBlock, operation: "open")))
      }
    case .warm(let file, let offset, let count):
      File.warm(file, at: offset, count: count)
      return .warmed
    }
  }

  /// One packet, so that siblings get the next one.
  static func serveOne(_ socket: MessageSocket, _ sandboxed: SandboxedFiles? = nil) -> Turn {
    do {
      switch try socket.receive(byteCountMax: HelperMessage.byteCountMax) {
      case .wouldBlock: return .done
      case .closed: return .ended
      case .message(let bytes, let descriptors):
        guard let (identifier, request) = HelperMessage.decodeRequest(bytes, descriptors) else {
          return .done
        }
        let answer = handle(request)
        if case .resolve(let file) = request, case .answer(.forbidden(.sandbox)) = answer,
          let sandboxed, sandboxed.mayHaveChanged(for: file)
        {
          return reply(.outdated, identifier, socket) ? .outdated : .ended
        }
        return reply(answer, identifier, socket) ? .done : .ended
      }
    } catch {
      // A packet that was too long or lost its descriptors; its sender's deadline ends it.
      return .done
    }
  }

  /// Waits a little for a worker that does not read; one that still does not is stopped or dead.
  private static func reply(
    _ reply: HelperReply, _ identifier: UInt64, _ socket: MessageSocket
  ) -> Bool {
    let (bytes, descriptors) = HelperMessage.encode(reply, identifier: identifier)
    let deadline = Clock.monotonicMilliseconds() + 1_000
    repeat {
      do {
        if try socket.send(bytes, descriptors: descriptors) { return true }
      } catch {
        if error.code != SystemError.tooManyReferences { return false }
      }
      File.waitUntilWritable(socket.descriptor, milliseconds: 20)
    } while Clock.monotonicMilliseconds() < deadline
    return true
  }
}
