// What master and worker say to each other over their SOCK_SEQPACKET channel: one message a packet.

/// Master to worker. Descriptors travel beside the bytes (SCM_RIGHTS), in the order named here.
package enum WorkerOrder: Equatable, Sendable {
  /// Accept on these listeners too: slots of a dead sibling, or surplus ones.
  case serve([UInt32])
  /// Leave these listeners (EPOLL_CTL_DEL) without closing them.
  case leave([UInt32])
  /// A socketpair end to a worker of the next generation (one descriptor attached): connections may
  /// be handed to it. Sent before `drain`, once per successor.
  case successor
  /// A socketpair end (one descriptor attached) from which connections of the previous generation
  /// arrive.
  case predecessor
  /// Stop accepting, hand idle connections over, finish what is in flight, report `drained`, exit.
  /// What waits in the queues of the listeners that end is taken along: nobody else serves them.
  case drain(ending: [UInt32])
  /// The next generation failed: accept again on the listeners served before `drain`, and publish
  /// under this routing epoch, which the master raised for the generation that goes on.
  case resume(epoch: UInt32)
  /// The log files were reopened: the error log's descriptor, then one per `Heritage.logs`.
  case reopenLogs
  /// Finish what is in flight for at most this many milliseconds, without successors; then exit.
  case quit(milliseconds: UInt32)
  /// Exit now.
  case stop
  /// Certificates have changed: new handshakes of some sites use what is in the sealed file
  /// (`CertificateUpdate`; one descriptor attached).
  case certificates
  /// The answer to `certificateWanted`; a file that the worker does not have is attached.
  case certificate(CertificateAnswer)
  /// Another OCSP response is shown with a certificate: the one in the sealed file (`StapleUpdate`;
  /// one descriptor attached).
  case staple
  /// Who owns which URLs has changed: the snapshot in the sealed file (`NamespaceSnapshot`; one
  /// descriptor attached). The routing epoch is this worker's from now on; 0: it keeps its own.
  case namespace(epoch: UInt32)

  /// An application puts something into the cache, or gets it (one descriptor attached: the
  /// connection with it).
  case cache(CacheOrder)

  /// Whether a packet is a `namespace`.
  package static func isNamespace(_ bytes: [UInt8]) -> Bool { bytes.first == 13 }

  /// Whether a packet is a `cache`.
  package static func isCache(_ bytes: [UInt8]) -> Bool { bytes.first == 14 }
}

/// Worker to master.
package enum WorkerReport: Equatable, Sendable {
  /// Everything is set up and the worker accepts on its served listeners.
  case ready
  /// The listeners of the last `serve` or `leave` are now so.
  case serving([UInt32])
  /// No connection is left; the process is about to exit.
  case drained
  /// `MaxConnectionsPerChild` is reached: please replace me. The worker goes on until told to
  /// drain.
  case retiring
  /// It could not start; the text is for the error log and for who asked for the reload.
  case failed(String)
  /// A client wants a name that may have a certificate of its own; handshakes wait for the answer.
  case certificateWanted(CertificateQuestion)
  /// The last `namespace` order came without its file: please send it again.
  case namespaceWanted
  /// Requests are led by the snapshot of this number (`NamespaceSnapshot.generation`) from now on.
  case namespaceTaken(generation: UInt64)
}

extension WorkerOrder {
  package var bytes: [UInt8] {
    switch self {
    case .serve(let listeners): return [1] + encode(listeners)
    case .leave(let listeners): return [2] + encode(listeners)
    case .successor: return [3]
    case .predecessor: return [4]
    case .drain(let ending): return [5] + encode(ending)
    case .resume(let epoch): return [6] + encode([epoch])
    case .reopenLogs: return [7]
    case .quit(let milliseconds): return [8] + encode([milliseconds])
    case .stop: return [9]
    case .certificates: return [10]
    case .certificate(let answer): return [11] + answer.bytes
    case .staple: return [12]
    case .namespace(let epoch): return [13] + encode([epoch])
    case .cache(let order): return [14] + order.bytes
    }
  }

  /// nil for bytes that no master of this build sends.
  package init?(bytes: [UInt8]) {
    guard let kind = bytes.first else { return nil }
    let words = decode(bytes.dropFirst())
    switch kind {
    case 1: self = .serve(words)
    case 2: self = .leave(words)
    case 3: self = .successor
    case 4: self = .predecessor
    case 5: self = .drain(ending: words)
    case 6:
      guard let epoch = words.first else { return nil }
      self = .resume(epoch: epoch)
    case 7: self = .reopenLogs
    case 8:
      guard let milliseconds = words.first else { return nil }
      self = .quit(milliseconds: milliseconds)
    case 9: self = .stop
    case 10: self = .certificates
    case 11:
      guard let answer = CertificateAnswer(bytes: Array(bytes.dropFirst())) else { return nil }
      self = .certificate(answer)
    case 12: self = .staple
    case 13:
      guard let epoch = words.first else { return nil }
      self = .namespace(epoch: epoch)
    case 14:
      guard let order = CacheOrder(bytes: bytes.dropFirst()) else { return nil }
      self = .cache(order)
    default: return nil
    }
  }
}

extension WorkerReport {
  package var bytes: [UInt8] {
    switch self {
    case .ready: return [1]
    case .serving(let listeners): return [2] + encode(listeners)
    case .drained: return [3]
    case .retiring: return [4]
    case .failed(let text): return [5] + Array(text.utf8.prefix(4096))
    case .certificateWanted(let question): return [6] + question.bytes
    case .namespaceWanted: return [7]
    case .namespaceTaken(let generation):
      return [8]
        + encode([
          UInt32(truncatingIfNeeded: generation), UInt32(truncatingIfNeeded: generation >> 32),
        ])
    }
  }

  /// nil for bytes that no worker of this build sends: a worker is not trusted.
  package init?(bytes: [UInt8]) {
    guard let kind = bytes.first else { return nil }
    switch kind {
    case 1: self = .ready
    case 2: self = .serving(decode(bytes.dropFirst()))
    case 3: self = .drained
    case 4: self = .retiring
    case 5: self = .failed(String(decoding: bytes.dropFirst(), as: UTF8.self))
    case 6:
      guard let question = CertificateQuestion(bytes: Array(bytes.dropFirst())) else {
        return nil
      }
      self = .certificateWanted(question)
    case 7: self = .namespaceWanted
    case 8:
      let words = decode(bytes.dropFirst())
      guard words.count == 2 else { return nil }
      self = .namespaceTaken(generation: UInt64(words[1]) << 32 | UInt64(words[0]))
    default: return nil
    }
  }
}

private func encode(_ words: [UInt32]) -> [UInt8] {
  words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * UInt32($0))) } }
}

private func decode(_ bytes: ArraySlice<UInt8>) -> [UInt32] {
  let bytes = Array(bytes)
  return (0..<bytes.count / 4).map { index in
    (0..<4).reduce(0) { $0 | UInt32(bytes[index * 4 + $1]) << (8 * UInt32($1)) }
  }
}
