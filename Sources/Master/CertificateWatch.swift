// Certificates, keys and lists that change on disk: used without a reload, or reported.

import Configuration
import Platform
import TLS
import Worker

extension CertificateGroup {
  /// The state of all files now.
  private var state: [String: FileFacts?] {
    var state: [String: FileFacts?] = [:]
    for path in facts.keys { state.updateValue(File.facts(path: path), forKey: path) }
    return state
  }

  private func isAsRead(_ state: [String: FileFacts?]) -> Bool {
    facts.allSatisfy { path, read in
      (state[path] ?? nil).map { $0.isUnchanged(since: read) } ?? false
    }
  }

  /// What to do now.
  enum Step: Equatable {
    case wait
    /// Read again: the files differ and have stayed so.
    case read
    /// The last attempt failed and nothing has changed since: say so.
    case tell
  }

  /// Looks at the files; called about once a second with monotonic milliseconds.
  mutating func look(now: Int64) -> Step {
    let state = state
    guard !isAsRead(state) else {
      change = .none
      problem = nil
      return .wait
    }
    switch change {
    case .seen(let before) where before == state:
      change = .tried(state, at: now, isTold: false)
      return .read
    case .tried(let before, let at, let isTold) where before == state:
      guard !isTold, now - at >= Limits.certificatePatienceMilliseconds else { return .wait }
      change = .tried(state, at: at, isTold: true)
      return .tell
    case .none, .seen, .tried:
      change = .seen(state)
      return .wait
    }
  }
}

extension Master {
  /// Looks for changed files of the generations that shake hands; a part of them at a time.
  func tendCertificates(_ now: Int64) {
    guard now - certificatesLookedAt >= Limits.certificateLookMilliseconds else { return }
    certificatesLookedAt = now
    rotateTicketKeys()
    if supervisor.isStopping { return }
    namedCertificates.forget(except: certificateDirectoriesInUse, now: now)
    tendStaples(now)
    if currentRecord != nil, now - (expiryLookedAt ?? .min / 2) >= Limits.expiryLookMilliseconds {
      expiryLookedAt = now
      tellExpiry(now)
    }
    for number in generations.keys.sorted() {
      guard shakesHands(number), var set = generations[number]?.certificates, !set.groups.isEmpty
      else { continue }
      var count = 0
      for _ in set.groups.indices where count < Limits.certificateFilesPerLook {
        let place = set.nextLook % set.groups.count
        set.nextLook = place + 1
        count += set.groups[place].facts.count
        let step = set.groups[place].look(now: now)
        if step != .wait { renew(&set, place, step, number) }
      }
      generations[number]?.certificates = set
    }
  }

  private var certificateDirectoriesInUse: Set<String> {
    var paths: Set<String> = []
    for (number, record) in generations where shakesHands(number) {
      for group in record.certificates?.groups ?? [] {
        let tls = group.sites.first.flatMap { record.model.sites[$0].tls }
        if let path = tls?.certificateDirectory?.text { paths.insert(path) }
      }
    }
    return paths
  }

  /// Starting, serving, or the one that may take over again.
  func shakesHands(_ number: UInt32) -> Bool {
    number == supervisor.previous
      || supervisor.generations.contains { generation in
        guard generation.number == number else { return false }
        if case .draining = generation.phase { return false }
        return true
      }
  }

  private func renew(
    _ set: inout CertificateSet, _ place: Int, _ step: CertificateGroup.Step, _ number: UInt32
  ) {
    guard let model = generations[number]?.model else { return }
    if step == .tell {
      log.write(
        .error,
        "changed certificate files are not used: \(set.groups[place].problem ?? "unusable"); "
          + "connections go on with the ones before")
      return
    }
    do throws(CertificateProblem) {
      let (update, warnings) = try set.groups[place].renew(
        model, tickets: set.tickets, staples: set.staples)
      set.groups[place].change = .none
      let names = set.groups[place].certificates.map { "'\($0.path)'" }.joined(separator: ", ")
      log.write(.notice, "certificate files have changed and are used: \(names)")
      for warning in warnings { log.write(.warn, warning) }
      announce(update, to: number)
    } catch {
      set.groups[place].problem = error.text
    }
  }

  /// New handshakes of a generation's workers use it; those that are forked later inherit it.
  func announce(_ update: CertificateUpdate, to number: UInt32) {
    do throws(SystemError) {
      let bytes = update.bytes
      defer {
        bytes.wipe()
        if let tls = update.sites.first.flatMap({ generations[number]?.model.sites[$0].tls }) {
          update.material.wipeKeys(of: tls)
        }
      }
      let file = try File.sealed(bytes)
      for record in workers.values where record.generation == number {
        send(.certificates, to: record.name, [file])
      }
    } catch {
      log.write(.error, "changed certificates reach workers only at the next reload: \(error)")
    }
  }
}

/// A configuration with all that is read along with it.
struct PreparedConfiguration {
  /// nil if any diagnostic is an error.
  let model: Model?
  /// nil: no site is encrypted, or nothing has been read.
  let certificates: CertificateSet?
  let diagnostics: [Diagnostic]

  /// Reads the certificates too. `tickets`: the server's own keys; nil to check only.
  /// `staples`: what is stapled.
  init(
    _ loaded: LoadResult, tickets: (Model) -> TLSTicketKeys? = { _ in nil },
    staples: TLSStaples = TLSStaples()
  ) {
    guard let model = loaded.model else {
      (self.model, certificates, diagnostics) = (nil, nil, loaded.diagnostics)
      return
    }
    let read = CertificateLoader.load(model, tickets: tickets(model), staples: staples)
    let problems =
      read.diagnostics + ReservationNames(model).diagnostics
      + ApplicationNames(model).diagnostics + model.reservationWarnings
    let hasErrors = problems.contains { $0.severity == .error }
    self.model = hasErrors ? nil : model
    certificates = hasErrors ? nil : read.set
    diagnostics = loaded.diagnostics + problems
  }

  init(unread loaded: LoadResult) {
    model = loaded.model
    certificates = nil
    diagnostics = loaded.diagnostics
  }
}

extension Master {
  /// Loads the configuration and its certificates, for a generation.
  func prepare() -> PreparedConfiguration {
    PreparedConfiguration(
      rooms.load(arguments),
      tickets: { model in
        model.usesTLS && model.server.ticketKeyFiles.isEmpty ? ownTicketKeys() : nil
      }, staples: shownStaples)
  }
}

/// The keys of session tickets.
extension Master {
  /// The server's own, made once: shared by all workers of all generations, kept by an exec in
  /// place. nil: sessions cannot be resumed, which is no reason not to serve.
  func ownTicketKeys() -> TLSTicketKeys? {
    if let ticketKeys { return ticketKeys }
    do {
      let region = try ticketRegion ?? SharedRegion(secret: TLSTicketKeys.regionBytes)
      ticketRegion = region
      try TLSLibrary.initialise()
      ticketKeys = try TLSTicketKeys(region: region)
    } catch {
      log.write(.error, "sessions cannot be resumed: \(error)")
    }
    return ticketKeys
  }

  /// By the clock; the keys of files are the operator's.
  private func rotateTicketKeys() {
    guard let ticketKeys else { return }
    do throws(TLSError) {
      if try ticketKeys.rotate(nowSeconds: Clock.realSeconds()) {
        log.write(.info, "a new key for session tickets is in use")
      }
    } catch {
      log.write(.error, "the key of session tickets is not renewed: \(error)")
    }
  }

  /// At the end: nobody who reads this memory later may open sessions that were recorded.
  func wipeTicketKeys() {
    guard let ticketRegion else { return }
    ticketRegion.fill(at: 0, count: ticketRegion.byteCount, with: 0)
  }
}
