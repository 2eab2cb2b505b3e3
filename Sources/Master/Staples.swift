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

/// A certificate of the serving or a starting generation that wants a staple.
private struct StapleWish {
  let generation: UInt32
  let place: Int
  let fingerprint: [UInt8]
  let settings: SiteTLS.Stapling
  /// Of the responder.
  let port: UInt16
}

extension Master {
  /// About once a second.
  func tendStaples(_ now: Int64) {
    let wishes = stapleWishes()
    guard !wishes.isEmpty else {
      if let process = stapleSeat?.process { ChildProcess.signal(process, SignalSource.kill) }
      staples = [:]
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
    for wish in wishes {
      var staple = staples[wish.fingerprint] ?? Staple(askAt: now)
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
      show(staple.response, wish)
    }
    let wanted = Set(wishes.map(\.fingerprint))
    staples = staples.filter { wanted.contains($0.key) }
  }

  private func stapleWishes() -> [StapleWish] {
    var wishes: [StapleWish] = []
    for (number, record) in generations where shakesHands(number) {
      for (place, group) in (record.certificates?.groups ?? []).enumerated() {
        guard let site = group.sites.first, let settings = record.model.sites[site].tls?.stapling,
          let certificate = group.certificates.first,
          let url = settings.responderURL?.text ?? certificate.facts.ocspURL
        else { continue }
        wishes.append(
          StapleWish(
            generation: number, place: place, fingerprint: certificate.facts.fingerprint,
            settings: settings, port: ResponderURL(url)?.port ?? 80))
      }
    }
    return wishes
  }

  private func ask(_ staple: inout Staple, _ wish: StapleWish, _ now: Int64) {
    guard let seat = stapleSeat, seat.process != nil,
      let record = generations[wish.generation],
      let group = record.certificates?.groups[wish.place],
      let tls = record.model.sites[group.sites[0]].tls, let file = tls.certificates.first?.file
    else { return }
    staple.askAt = now + wish.settings.retrySeconds * 1_000
    do {
      // The file may hold the key too.
      var chain = try CertificateReader.certificates(file.text)
      if let more = tls.chainFile { chain += try CertificateReader.certificates(more.text) }
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
      staple.problem = "\(error)"
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
    let wishes = stapleWishes().filter { $0.fingerprint == fingerprint }
    guard var staple = staples[fingerprint], let settings = wishes.first?.settings else { return }
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
    for wish in wishes { show(staple.response, wish) }
  }

  /// Makes the context of a wish anew when it shows something else.
  private func show(_ response: [UInt8], _ wish: StapleWish) {
    guard var set = generations[wish.generation]?.certificates,
      let model = generations[wish.generation]?.model, set.groups[wish.place].staple != response
    else { return }
    set.groups[wish.place].staple = response
    do throws(CertificateProblem) {
      let (update, _) = try set.groups[wish.place].renew(model, tickets: set.tickets)
      generations[wish.generation]?.certificates = set
      announce(update, to: wish.generation)
    } catch {
      // Files that are being replaced: tried again at the next turn.
      log.write(.debug, "an OCSP response is not shown yet: \(error.text)")
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
