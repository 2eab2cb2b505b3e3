// OCSP stapling: what is shown to clients, how long it holds, and who fetches the next one.

import Configuration
import Platform
import TLS
import Worker

/// What is known of one certificate's state, whoever uses it.
struct Staple {
  /// DER; empty: there is none that may be shown.
  var response: [UInt8] = []
  /// Seconds since 1970 after which it may not be shown any more.
  var validUntilSeconds: Int64 = 0
  /// Monotonic milliseconds when to ask, and when that was done last.
  var askAt: Int64 = 0
  var askedAt: Int64?
  /// The number of the question that is on its way.
  var question: UInt64?
  /// Why the last question brought nothing.
  var problem: String?
  /// Monotonic milliseconds; nil: its certificate is in use.
  var unwantedSince: Int64?
}

/// The fetcher's channel, which outlives its processes, and the process at present.
struct StapleSeat {
  let masterEnd: MessageSocket
  let fetcherEnd: Descriptor
  var process: Int32?
  /// Whom the process may ask, and how it is locked in.
  var ports: [UInt16] = []
  var mode = SandboxMode.off
  /// It has been killed to make room for the next one.
  var isReplaced = false
  var backOff = BackOff()
  var lastStartAt: Int64 = 0
  var respawnAt: Int64?
  var lastNumber: UInt64 = 0

  var ends: [Descriptor] { [masterEnd.descriptor, fetcherEnd] }

  init() throws(SystemError) {
    let (mine, theirs) = try MessageSocket.pair()
    masterEnd = mine
    fetcherEnd = theirs.descriptor
  }
}

/// A certificate in use that wants a staple.
private struct StapleWish {
  let fingerprint: [UInt8]
  let settings: SiteTLS.Stapling
  /// Of the responder.
  let port: UInt16
  let source: Source

  /// Where its chain is.
  enum Source {
    /// PEM files; the first one may hold the key too.
    case files([String])
    case named(NamedFile)
  }

  /// nil: nobody can be asked.
  init?(_ facts: TLSCertificateFacts, _ settings: SiteTLS.Stapling, _ source: Source) {
    guard let url = settings.responderURL?.text ?? facts.ocspURL else { return nil }
    fingerprint = facts.fingerprint
    self.settings = settings
    port = ResponderURL(url)?.port ?? 80
    self.source = source
  }

  /// nil: another certificate is there by now, of which a response would speak.
  func chain() throws(CertificateProblem) -> [UInt8]? {
    var chain: [UInt8] = []
    switch source {
    case .files(let paths):
      for path in paths { chain += try CertificateReader.certificates(path) }
    case .named(let file): chain = try CertificateDirectory.chain(file)
    }
    let pem = TLSNamedBytes(name: "the chain", bytes: chain)
    let facts = try? TLSCertificateFacts(pem: pem)
    return facts?.fingerprint == fingerprint ? chain : nil
  }
}

extension Master {
  /// About once a second.
  func tendStaples(_ now: Int64) {
    let wishes = stapleWishes()
    let wanted = Set(wishes.map(\.fingerprint))
    forgetStaples(except: wanted, now)
    guard !wishes.isEmpty else {
      if let process = stapleSeat?.process { ChildProcess.signal(process, SignalSource.kill) }
      return
    }
    renewFetcher(wishes)
    let isDue = wishes.contains { wish in
      staples[wish.fingerprint].map { $0.question != nil || $0.askAt <= now } ?? true
    }
    if isDue { startFetcher(wishes, now) }
    let seconds = Clock.realSeconds()
    // The fetcher takes one after the other: more would only wait there.
    var asked = staples.values.count { $0.question != nil }
    // What has waited longest comes first: responders that do not answer must not keep the fetcher
    // from the others.
    let waiting = wishes.map { (wish: $0, since: staples[$0.fingerprint]?.askAt ?? now) }
    for (wish, _) in waiting.sorted(by: { $0.since < $1.since }) {
      var staple = staples[wish.fingerprint] ?? Staple(askAt: now)
      staple.unwantedSince = nil
      if !staple.response.isEmpty, staple.validUntilSeconds < seconds {
        staple.response = []
        log.write(.warn, "an OCSP response has become too old and is not shown any more")
      }
      let limit = wish.settings.responderTimeoutMilliseconds + Limits.stapleGraceMilliseconds
      if staple.question != nil, now - (staple.askedAt ?? 0) > limit {
        // A resolver that hangs: the next process tries again.
        staple.question = nil
        if let process = stapleSeat?.process { ChildProcess.signal(process, SignalSource.kill) }
      }
      if staple.question == nil, staple.askAt <= now, asked < Limits.stapleQuestionsMax {
        ask(&staple, wish, now)
        asked += 1
      }
      staples[wish.fingerprint] = staple
      show(staple.response, of: wish.fingerprint)
    }
  }

  /// A certificate that is used no more may be shown by some worker for a few seconds, and some
  /// clients do not take it without a response, which fits no other one.
  private func forgetStaples(except wanted: Set<[UInt8]>, _ now: Int64) {
    let seconds = Clock.realSeconds()
    for (fingerprint, staple) in staples where !wanted.contains(fingerprint) {
      let since = staple.unwantedSince ?? now
      staples[fingerprint]?.unwantedSince = since
      staples[fingerprint]?.question = nil
      let isOver =
        now - since >= Limits.stapleKeptMilliseconds || staple.validUntilSeconds < seconds
      if isOver, show([], of: fingerprint) { staples[fingerprint] = nil }
    }
  }

  /// Of the generations that shake hands, the newest first: each certificate once.
  private func stapleWishes() -> [StapleWish] {
    var wishes: [StapleWish] = []
    var known: Set<[UInt8]> = []
    func add(_ wish: StapleWish?) {
      if let wish, known.insert(wish.fingerprint).inserted { wishes.append(wish) }
    }
    var directories: [String: SiteTLS.Stapling] = [:]
    for number in generations.keys.sorted(by: >) where shakesHands(number) {
      guard let record = generations[number] else { continue }
      for group in record.certificates?.groups ?? [] {
        guard let tls = group.sites.first.flatMap({ record.model.sites[$0].tls }),
          let settings = tls.stapling
        else { continue }
        if let directory = tls.certificateDirectory?.text, directories[directory] == nil {
          directories[directory] = settings
        }
        for certificate in group.certificates {
          let paths = [certificate.path] + (tls.chainFile.map { [$0.text] } ?? [])
          add(StapleWish(certificate.facts, settings, .files(paths)))
        }
      }
    }
    for (file, entry) in namedCertificates.entries {
      guard let settings = directories[file.directory], let facts = entry.facts else { continue }
      add(StapleWish(facts, settings, .named(file)))
    }
    return wishes
  }

  private func ask(_ staple: inout Staple, _ wish: StapleWish, _ now: Int64) {
    guard let seat = stapleSeat, seat.process != nil else { return }
    staple.askAt = now + wish.settings.retrySeconds * 1_000
    do {
      guard let chain = try wish.chain() else {
        staple.askAt = now + Limits.stapleChangedMilliseconds
        return
      }
      let question = StapleQuestion(
        number: seat.lastNumber + 1,
        timeoutMilliseconds: wish.settings.responderTimeoutMilliseconds,
        skewSeconds: wish.settings.timeSkewSeconds,
        url: wish.settings.responderURL?.text ?? "")
      let content = try File.sealed(chain)
      if try seat.masterEnd.send(question.bytes, descriptors: [content]) {
        stapleSeat?.lastNumber = question.number
        staple.question = question.number
        staple.askedAt = now
      }
    } catch {
      staple.problem = (error as? CertificateProblem)?.text ?? "\(error)"
    }
  }

  /// The fetcher has answered.
  func readStaples() {
    while let seat = stapleSeat {
      switch try? seat.masterEnd.receive() {
      case .message(let bytes, let files):
        guard let reply = StapleReply(bytes: bytes),
          let fingerprint = staples.first(where: { $0.value.question == reply.number })?.key
        else { continue }
        take(reply, files.first, fingerprint)
      case .wouldBlock, .closed, nil: return
      }
    }
  }

  private func take(_ reply: StapleReply, _ file: Descriptor?, _ fingerprint: [UInt8]) {
    guard var staple = staples[fingerprint],
      let settings = stapleWishes().first(where: { $0.fingerprint == fingerprint })?.settings
    else { return }
    let now = Clock.monotonicMilliseconds()
    staple.question = nil
    if let file, reply.problem.isEmpty,
      let response = try? File.content(of: file, byteCountMax: StapleFetcher.responseBytesMax)
    {
      staple.response = response
      staple.problem = nil
      let seconds = Clock.realSeconds()
      let until = reply.nextUpdateSeconds > 0 ? reply.nextUpdateSeconds : seconds + 86_400
      staple.validUntilSeconds = min(
        until, settings.responseAgeSecondsMax.map { reply.thisUpdateSeconds + $0 } ?? .max)
      // Well before it ends, so that a responder may be away for a while.
      let half = max(1, (staple.validUntilSeconds - seconds) / 2)
      staple.askAt = now + min(settings.refreshSeconds, half) * 1_000
      log.write(.info, "a new OCSP response is shown")
    } else {
      if staple.problem != reply.problem {
        log.write(.error, "no OCSP response: \(reply.problem)")
      }
      staple.problem = reply.problem
      staple.askAt = now + settings.retrySeconds * 1_000
      if reply.problem.contains("REVOKED") { staple.response = [] }
    }
    staples[fingerprint] = staple
    show(staple.response, of: fingerprint)
  }

  /// New handshakes of all workers show it, when it is another one. False: not yet.
  @discardableResult
  private func show(_ response: [UInt8], of fingerprint: [UInt8]) -> Bool {
    guard shownStaples.response(of: fingerprint) != response else { return true }
    do throws(SystemError) {
      let update = StapleUpdate(fingerprint: fingerprint, response: response)
      let file = try File.sealed(update.bytes)
      shownStaples.show(response, of: fingerprint)
      for record in workers.values where !record.isInherited && shakesHands(record.generation) {
        send(.staple, to: record.name, [file])
      }
      return true
    } catch {
      // Descriptors are short: tried again at the next turn.
      log.write(.debug, "an OCSP response is not shown yet: \(error)")
      return false
    }
  }

  // MARK: The process

  /// One that may not ask whom it has to, or is locked in otherwise than is wanted now, makes room.
  private func renewFetcher(_ wishes: [StapleWish]) {
    guard let seat = stapleSeat, let process = seat.process else { return }
    if seat.mode != sandbox.mode || !wishes.allSatisfy({ seat.ports.contains($0.port) }) {
      stapleSeat?.isReplaced = true
      ChildProcess.signal(process, SignalSource.kill)
    }
  }

  private func startFetcher(_ wishes: [StapleWish], _ now: Int64) {
    do throws(SystemError) {
      if stapleSeat == nil {
        let seat = try StapleSeat()
        stapleSeat = seat
        try poller.add(
          seat.masterEnd.descriptor.number, token: Token.stapleFetcher, interest: .readable)
      }
      guard let seat = stapleSeat, seat.process == nil, seat.respawnAt ?? 0 <= now,
        !supervisor.isStopping
      else { return }
      stapleSeat?.lastStartAt = now
      stapleSeat?.respawnAt = nil
      let ports = Set(wishes.map(\.port)).sorted()
      stapleSeat?.ports = ports
      stapleSeat?.mode = sandbox.mode
      stapleSeat?.isReplaced = false
      let plan = fetcherPlan(ports)
      switch try ChildProcess.fork() {
      case .child:
        cache = nil
        becomeHelperProcess(keeping: [seat.fetcherEnd])
        ChildProcess.exit(StapleFetcher.run(channel: seat.fetcherEnd, sandbox: plan))
      case .parent(let process): stapleSeat?.process = process
      }
    } catch {
      log.write(.error, "cannot start the OCSP fetcher: \(error)")
      stapleSeat?.respawnAt = now + Limits.backOffMaxMilliseconds
    }
  }

  func fetcherEnded(_ process: Int32, _ end: ProcessEnd) {
    guard let seat = stapleSeat else { return }
    stapleSeat?.process = nil
    // It had nothing to do. A question that came too late for it waits for the next one.
    if end == .exited(0) { return }
    let now = Clock.monotonicMilliseconds()
    for (fingerprint, staple) in staples where staple.question != nil {
      staples[fingerprint]?.question = nil
      if seat.isReplaced { staples[fingerprint]?.askAt = now }
    }
    if supervisor.isStopping || staples.isEmpty || seat.isReplaced { return }
    log.write(.error, "OCSP fetcher (pid \(process)) \(words(for: process, end))")
    let delay = stapleSeat?.backOff.delay(afterLiving: now - seat.lastStartAt) ?? 0
    stapleSeat?.respawnAt = now + delay
  }
}
