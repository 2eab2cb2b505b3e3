// Which certificate a client is shown.

import Configuration
import Platform
import TLS

/// What a worker inherits for encrypted connections.
package struct TLSHeritage: Sendable {
  /// For connections whose server name is not known yet; its certificates are never shown.
  package let hello: TLSContext
  /// By site; nil: it has none, or only certificates by name.
  package let contexts: [TLSContext?]
  /// For contexts that the worker makes itself; nil: sessions cannot be resumed.
  package let tickets: TLSTicketKeys?
  /// By site, for those with certificates by name: whose certificates clients may show.
  package let authorities: [Int: CertificateMaterial]
  /// What contexts of sites with `SSLUseStapling` staple.
  package let staples: TLSStaples

  package init(
    hello: TLSContext, contexts: [TLSContext?], tickets: TLSTicketKeys? = nil,
    authorities: [Int: CertificateMaterial] = [:], staples: TLSStaples = TLSStaples()
  ) {
    self.hello = hello
    self.contexts = contexts
    self.tickets = tickets
    self.authorities = authorities
    self.staples = staples
  }
}

/// The contexts of a worker: by site, and those of `SSLCertificateDirectory` by name, which the
/// master is asked for when a client first wants them. Pure but for the making of contexts: the
/// caller sends the questions and knows the time (monotonic milliseconds).
final class CertificateStore {
  enum Choice {
    case context(TLSContext)
    /// It is being fetched; the handshake goes on when it is here.
    case awaited
    case none
  }

  /// A name of a site; in `named` also "*.example.org".
  private struct Key: Hashable {
    let site: Int
    let name: [UInt8]
  }

  /// A file of a directory, as it was last read.
  private struct Named {
    /// nil: it cannot be used.
    var context: TLSContext?
    var identity: UInt64
    var usedAt: Int64
  }

  /// Where a name's certificate is.
  private struct Verdict {
    enum Place { case exact, wildcard, absent }
    var place: Place
    var expiresAt: Int64
  }

  private struct Pending {
    var askedAt: Int64
    /// Connections whose handshakes wait.
    var tokens: [UInt64] = []
  }

  let hello: TLSContext
  private let model: Model
  private let tickets: TLSTicketKeys?
  private let staples: TLSStaples
  private var sites: [TLSContext?]
  private var authorities: [Int: CertificateMaterial]
  private var named: [Key: Named] = [:]
  private var verdicts: [Key: Verdict] = [:]
  /// The keys of `verdicts` in the order in which they came; written round and round.
  private var verdictRing: [Key] = []
  private var verdictNext = 0
  private var pending: [Key: Pending] = [:]

  init(_ heritage: TLSHeritage, _ model: Model) {
    hello = heritage.hello
    self.model = model
    tickets = heritage.tickets
    staples = heritage.staples
    sites = heritage.contexts
    authorities = heritage.authorities
  }

  /// For a handshake of `token`. `ask` sends a question to the master; false: it could not.
  func choose(
    site: Int, serverName: [UInt8]?, token: UInt64, now: Int64,
    ask: (CertificateQuestion) -> Bool
  ) -> Choice {
    guard let serverName, model.sites[site].tls?.certificateDirectory != nil,
      CertificateName.isValid(serverName)
    else { return ofSite(site) }
    let key = Key(site: site, name: serverName)
    if let verdict = verdicts[key] {
      let isCurrent = now < verdict.expiresAt
      let file = verdict.place == .wildcard ? wildcard(key) : key
      let isFresh = now < verdict.expiresAt + Limits.certificateStaleMilliseconds
      if verdict.place != .absent, isFresh, let context = use(file, now) {
        // What is at hand is shown while the master looks whether it has changed; not what nobody
        // has wanted for long, which may have ended meanwhile.
        if !isCurrent { _ = question(key, now, ask) }
        return .context(context)
      }
      if isCurrent { return ofSite(site) }
    }
    guard question(key, now, ask) else { return atHand(key, now) }
    pending[key]?.tokens.append(token)
    return .awaited
  }

  private func ofSite(_ site: Int) -> Choice { sites[site].map { .context($0) } ?? .none }

  /// The master cannot be asked now.
  private func atHand(_ key: Key, _ now: Int64) -> Choice {
    if let context = use(key, now) ?? use(wildcard(key), now) { return .context(context) }
    return ofSite(key.site)
  }

  private func wildcard(_ key: Key) -> Key {
    Key(site: key.site, name: CertificateName.wildcard(of: key.name) ?? [])
  }

  private func use(_ key: Key, _ now: Int64) -> TLSContext? {
    guard let context = named[key]?.context else { return nil }
    named[key]?.usedAt = now
    return context
  }

  /// True when the master has been asked, now or a moment ago.
  private func question(
    _ key: Key, _ now: Int64, _ ask: (CertificateQuestion) -> Bool
  ) -> Bool {
    if let earlier = pending[key], now - earlier.askedAt < Limits.certificateAnswerMilliseconds {
      return true
    }
    guard pending[key] != nil || pending.count < Limits.certificateQuestionsMax else {
      // Questions whose answer was lost do not block others for ever.
      pending = pending.filter { now - $0.value.askedAt < Limits.certificateAnswerMilliseconds }
      return false
    }
    let question = CertificateQuestion(
      site: key.site, name: key.name, exactIdentity: named[key]?.identity ?? 0,
      wildcardIdentity: named[wildcard(key)]?.identity ?? 0)
    guard ask(question) else { return false }
    pending[key, default: Pending(askedAt: now)].askedAt = now
    return true
  }

  /// Takes the master's answer, with the file if it sent one. Returns the connections that wait for
  /// it, and what is wrong with the file.
  func take(
    _ answer: CertificateAnswer, _ content: [UInt8]?, now: Int64
  ) -> (tokens: [UInt64], problem: String?) {
    let key = Key(site: answer.site, name: answer.name)
    let tokens = pending.removeValue(forKey: key)?.tokens ?? []
    guard model.sites.indices.contains(answer.site),
      let directory = model.sites[answer.site].tls?.certificateDirectory
    else { return (tokens, nil) }
    var problem: String?
    switch answer.finding {
    case .absent:
      named[key] = nil
      note(key, Verdict(place: .absent, expiresAt: now + Limits.certificateAbsentMilliseconds))
    case .unusable:
      if use(key, now) != nil || use(wildcard(key), now) != nil {
        note(key, named[key]?.context == nil, now)
      } else {
        note(key, Verdict(place: .absent, expiresAt: now + Limits.certificateAbsentMilliseconds))
      }
    case .unchanged(let isWildcard):
      if isWildcard { named[key] = nil }
      // Dropped meanwhile: whoever wants it asks again.
      if named[isWildcard ? wildcard(key) : key] != nil { note(key, isWildcard, now) }
    case .file(let isWildcard, let identity):
      // Without its descriptor, which may be lost where there are too many, it was no answer.
      guard let content else { return (tokens, "a certificate's file did not arrive") }
      if isWildcard { named[key] = nil }
      let file = isWildcard ? wildcard(key) : key
      let path =
        directory.text + "/" + String(decoding: CertificateName.file(file.name), as: UTF8.self)
      do throws(TLSError) {
        let policy = TLSPolicy(
          model.sites[key.site], authorities[key.site] ?? CertificateMaterial(),
          certificate: TLSNamedBytes(name: path, bytes: content))
        let context = try TLSContext(policy, tickets: tickets, staples: staples(of: key.site))
        problem = context.warnings.first
        keep(file, Named(context: context, identity: identity, usedAt: now))
      } catch {
        // The one before stays; this one is not asked for again until it changes.
        problem = "\(error)"
        keep(
          file, Named(context: named[file]?.context, identity: identity, usedAt: now))
      }
      note(key, isWildcard, now)
    }
    return (tokens, problem)
  }

  private func staples(of site: Int) -> TLSStaples? {
    model.sites[site].tls?.stapling == nil ? nil : staples
  }

  /// New handshakes show this response with the certificate that it speaks of.
  func take(_ staple: StapleUpdate) { staples.show(staple.response, of: staple.fingerprint) }

  private func keep(_ key: Key, _ certificate: Named) {
    if named[key] == nil, named.count >= Limits.namedCertificatesMax,
      let oldest = named.min(by: { $0.value.usedAt < $1.value.usedAt })?.key
    {
      named[oldest] = nil
    }
    named[key] = certificate
  }

  private func note(_ key: Key, _ isWildcard: Bool, _ now: Int64) {
    note(
      key,
      Verdict(
        place: isWildcard ? .wildcard : .exact,
        expiresAt: now + Limits.certificateCurrentMilliseconds))
  }

  private func note(_ key: Key, _ verdict: Verdict) {
    guard verdicts.updateValue(verdict, forKey: key) == nil else { return }
    if verdictRing.count < Limits.certificateVerdictsMax {
      verdictRing.append(key)
    } else {
      verdicts[verdictRing[verdictNext]] = nil
      verdictRing[verdictNext] = key
      verdictNext = (verdictNext + 1) % verdictRing.count
    }
  }

  /// New handshakes of some sites use other certificates from now on; living connections keep
  /// theirs.
  func take(_ update: CertificateUpdate) throws(TLSError) {
    guard let first = update.sites.first, update.sites.allSatisfy(model.sites.indices.contains),
      let tls = model.sites[first].tls
    else { return }
    if !tls.certificates.isEmpty {
      let context = try TLSContext(
        TLSPolicy(model.sites[first], update.material), tickets: tickets,
        staples: staples(of: first))
      for site in update.sites { sites[site] = context }
    }
    guard tls.certificateDirectory != nil else { return }
    let trusted = update.material.authorities(of: tls)
    for site in update.sites where authorities[site] != trusted {
      authorities[site] = trusted
      // They are made anew, each when it is next wanted.
      for key in named.keys where key.site == site { named[key] = nil }
    }
  }
}

extension Limits {
  /// Contexts of `SSLCertificateDirectory` in one worker, tens of KiB each.
  static let namedCertificatesMax = 1_024
  /// Names whose file is known, or known to be absent.
  static let certificateVerdictsMax = 4_096
  /// Questions to the master at a time; beyond, handshakes take what is at hand.
  static let certificateQuestionsMax = 64
  /// After that an answer counts as lost.
  static let certificateAnswerMilliseconds: Int64 = 5_000
  /// How long a file is taken for unchanged, and for absent.
  static let certificateCurrentMilliseconds: Int64 = 5_000
  static let certificateStaleMilliseconds: Int64 = 30_000
  static let certificateAbsentMilliseconds: Int64 = 2_000
}
