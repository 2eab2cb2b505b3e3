// The contexts of a model: loaded whole or not at all, one for all sites of equal policy.

import Configuration
import Platform
import TLS
import Worker

/// Sites that share one context, and what it was made from.
struct CertificateGroup {
  /// Indices in `Model.sites`.
  let sites: [Int]
  /// Whose certificates clients may show. The keys are in `context` alone.
  var authorities = CertificateMaterial()
  /// nil: the sites have certificates by name only.
  var context: TLSContext?
  /// Of each certificate, in the order of the configuration.
  var certificates: [CertificateFacts] = []
  /// By path, as they were when they were read.
  var facts: [String: FileFacts] = [:]
  /// What is known of changes since then.
  var change = CertificateChange.none
  /// Why the files as they are now cannot be used.
  var problem: String?
}

/// Files are replaced one after the other: a new certificate without its key is no mistake yet.
enum CertificateChange: Equatable {
  case none
  /// They differ from what was read; tried when they have stayed so for a moment.
  case seen([String: FileFacts?])
  /// In this state they could not be used; told when it lasts.
  case tried([String: FileFacts?], at: Int64, isTold: Bool)
}

/// A certificate and the files it came from.
struct CertificateFacts {
  let path: String
  let keyPath: String
  let facts: TLSCertificateFacts
}

/// All of a generation.
struct CertificateSet {
  let hello: TLSContext
  /// nil: none of the sites resumes sessions.
  let tickets: TLSTicketKeys?
  let staples: TLSStaples
  var groups: [CertificateGroup]
  /// By site: its place in `groups`; nil: it is not encrypted.
  let groupOfSite: [Int?]
  /// What an operator should know, with its place in the configuration.
  var warnings: [String] = []
  /// Where the next look for changed files begins.
  var nextLook = 0

  /// What a worker is given.
  func heritage(_ model: Model) -> TLSHeritage {
    var authorities: [Int: CertificateMaterial] = [:]
    for group in groups {
      guard let tls = group.sites.first.flatMap({ model.sites[$0].tls }),
        tls.certificateDirectory != nil
      else { continue }
      for site in group.sites { authorities[site] = group.authorities }
    }
    return TLSHeritage(
      hello: hello, contexts: groupOfSite.map { $0.flatMap { groups[$0].context } },
      tickets: tickets, authorities: authorities, staples: staples)
  }
}

/// Loads the certificates of a model; findings are collected, not thrown one at a time.
struct CertificateLoader {
  private let model: Model
  private let reader = CertificateReader()
  private(set) var diagnostics: [Diagnostic] = []
  /// Files that are wiped when all contexts have been made.
  private var keyPaths: Set<String> = []
  private var otherPaths: Set<String> = []
  /// Paths that have been spoken of.
  private var told: Set<String> = []

  private let staples: TLSStaples

  private init(_ model: Model, _ staples: TLSStaples) {
    self.model = model
    self.staples = staples
  }

  /// nil and no error when no site is encrypted; nil and errors when anything cannot be used.
  /// `tickets`: the keys that the server makes; those of files are read here. `staples`: what is
  /// stapled.
  static func load(
    _ model: Model, tickets: TLSTicketKeys?, staples: TLSStaples = TLSStaples()
  ) -> (set: CertificateSet?, diagnostics: [Diagnostic]) {
    guard model.usesTLS else { return (nil, []) }
    var loader = CertificateLoader(model, staples)
    var set = loader.load(tickets)
    // The key of a client's issuer beside its certificate is the operator's mistake.
    loader.reader.wipe(loader.keyPaths.subtracting(loader.otherPaths))
    set?.warnings = loader.diagnostics.map { diagnostic in
      (diagnostic.place.map { "\($0): " } ?? "") + diagnostic.message
    }
    let hasErrors = loader.diagnostics.contains { $0.severity == .error }
    return (hasErrors ? nil : set, loader.diagnostics)
  }

  private mutating func load(_ made: TLSTicketKeys?) -> CertificateSet? {
    do throws(TLSError) {
      try TLSLibrary.initialise()
      let tickets = try ticketKeys(made)
      let hello = try TLSContext(.hello, tickets: tickets)
      var groups: [CertificateGroup] = []
      var groupOfSite = [Int?](repeating: nil, count: model.sites.count)
      for sites in sharing() {
        for site in sites { groupOfSite[site] = groups.count }
        if let group = group(sites, tickets) { groups.append(group) }
      }
      return CertificateSet(
        hello: hello, tickets: tickets, staples: staples, groups: groups,
        groupOfSite: groupOfSite)
    } catch {
      diagnostics.append(.error("\(error)"))
      return nil
    }
  }

  /// The sites of each policy, by their first one.
  private func sharing() -> [[Int]] {
    var places: [CertificatePolicyKey: Int] = [:]
    var sharing: [[Int]] = []
    for site in model.sites {
      guard let key = CertificatePolicyKey(site) else { continue }
      if let place = places[key] {
        sharing[place].append(site.index)
      } else {
        places[key] = sharing.count
        sharing.append([site.index])
      }
    }
    return sharing
  }

  private mutating func ticketKeys(_ made: TLSTicketKeys?) throws(TLSError) -> TLSTicketKeys? {
    var files: [TLSNamedBytes] = []
    for word in model.server.ticketKeyFiles {
      switch reader.read(.file(word.text)) {
      case .failure(let problem): tell(word, "'\(word.text)' \(problem.text)")
      case .success(let reading):
        warnIfOpen(word, reading, what: "the keys of session tickets")
        files += reading.pieces
        keyPaths.insert(word.text)
      }
    }
    guard !files.isEmpty else { return made }
    do throws(TLSError) {
      return try TLSTicketKeys(files: files)
    } catch {
      tell(model.server.ticketKeyFiles.first { error.message.contains($0.text) }, "\(error)")
      return made
    }
  }

  /// Sites of one policy. nil when something of it cannot be used.
  private mutating func group(_ sites: [Int], _ tickets: TLSTicketKeys?) -> CertificateGroup? {
    let site = model.sites[sites[0]]
    guard let tls = site.tls else { return nil }
    var group = CertificateGroup(sites: sites)
    var material = CertificateMaterial()
    var isWhole = true
    for named in tls.inputs {
      switch reader.read(named.input) {
      case .failure(let problem):
        tell(named.word, "'\(named.word.text)' \(problem.text)")
        isWhole = false
      case .success(let reading):
        material.pieces[named.input] = reading.pieces
        group.facts.merge(reading.facts) { $1 }
        if case .file(let path) = named.input {
          if named.holdsKey { keyPaths.insert(path) } else { otherPaths.insert(path) }
        }
        if named.holdsKey { warnIfOpen(named.word, reading, what: "a private key") }
      }
    }
    if let directory = tls.certificateDirectory { checkDirectory(directory) }
    guard isWhole else { return nil }
    do throws(TLSError) {
      // Made even when it is not used: the rules of the policy have to be right.
      group.certificates = try CertificateGroup.certificates(tls, material)
      let context = try TLSContext(
        TLSPolicy(site, material), tickets: tickets, staples: tls.stapling.map { _ in staples })
      warnOfStaples(group.certificates, tls)
      group.authorities = material.authorities(of: tls)
      if !tls.certificates.isEmpty { group.context = context }
      for warning in context.warnings { tell(place(of: warning, tls), warning, .warning) }
    } catch {
      tell(place(of: error.message, tls), error.message)
      return nil
    }
    return group
  }

  private mutating func warnOfStaples(_ certificates: [CertificateFacts], _ tls: SiteTLS) {
    for certificate in certificates {
      let word = tls.certificates.first { $0.file.text == certificate.path }?.file
      if certificate.facts.mustStaple && tls.stapling == nil {
        tell(
          word,
          "the certificate in '\(certificate.path)' promises a stapled OCSP response; write "
            + "'SSLUseStapling on', or clients refuse it", .warning)
      }
      guard let stapling = tls.stapling, stapling.responderURL == nil,
        certificate.facts.ocspURL == nil
      else { continue }
      tell(
        word,
        "'SSLUseStapling on' without effect: the certificate in '\(certificate.path)' names no "
          + "OCSP responder; name one with SSLStaplingForceURL", .warning)
    }
  }

  private mutating func checkDirectory(_ directory: ConfiguredText) {
    guard let facts = File.facts(path: directory.text) else {
      return tell(directory, "'\(directory.text)' does not exist")
    }
    guard facts.isDirectory else {
      return tell(
        directory,
        "'\(directory.text)' is not a directory; it is to hold files like 'www.example.org.pem'")
    }
  }

  private mutating func warnIfOpen(
    _ word: ConfiguredText, _ reading: CertificateReading, what: String
  ) {
    guard reading.mode & 0o004 != 0 else { return }
    tell(
      word,
      "'\(word.text)' holds \(what) and everybody may read it; chmod 600 it, and make another key "
        + "if others have access to this machine", .warning)
  }

  /// The word that a sentence about a policy is about.
  private func place(of sentence: String, _ tls: SiteTLS) -> ConfiguredText? {
    var words = tls.inputs.map(\.word)
    words += [tls.cipherSuites, tls.cipherList].compactMap { $0 }
    words += tls.commands.map { ConfiguredText($0.name, $0.word) }
    // What it speaks of first; the longest, because one path may begin like another.
    var first: (word: ConfiguredText, start: String.Index)?
    for word in words {
      guard let start = sentence.firstRange(of: word.text)?.lowerBound else { continue }
      guard let known = first else {
        first = (word, start)
        continue
      }
      let isLonger = word.text.utf8.count > known.word.text.utf8.count
      if start < known.start || start == known.start && isLonger { first = (word, start) }
    }
    return first?.word ?? words.first ?? tls.certificateDirectory
  }

  /// Once for each place and sentence, however many sites inherit it.
  private mutating func tell(
    _ word: ConfiguredText?, _ sentence: String, _ severity: Diagnostic.Severity = .error
  ) {
    guard told.insert("\(word?.place ?? "") \(sentence)").inserted else { return }
    guard let word else {
      diagnostics.append(Diagnostic(severity: severity, place: nil, message: sentence))
      return
    }
    diagnostics.append(
      severity == .error
        ? .error(sentence, at: word.word) : .warning(sentence, at: word.word))
  }
}

extension CertificateGroup {
  /// What there is to tell of the certificates of a policy.
  static func certificates(
    _ tls: SiteTLS, _ material: CertificateMaterial
  ) throws(TLSError) -> [CertificateFacts] {
    var all: [CertificateFacts] = []
    for source in tls.certificates {
      guard let piece = material.pieces[.file(source.file.text)]?.first else { continue }
      all.append(
        CertificateFacts(
          path: source.file.text, keyPath: (source.key ?? source.file).text,
          facts: try TLSCertificateFacts(pem: piece)))
    }
    return all
  }

  /// Reads everything again and makes a context of it. Returns what workers need for the same.
  mutating func renew(
    _ model: Model, tickets: TLSTicketKeys?, staples: TLSStaples
  ) throws(CertificateProblem) -> (update: CertificateUpdate, warnings: [String]) {
    let site = model.sites[sites[0]]
    guard let tls = site.tls else { throw CertificateProblem(text: "the site is not encrypted") }
    let reader = CertificateReader()
    var material = CertificateMaterial()
    var facts: [String: FileFacts] = [:]
    for named in tls.inputs {
      switch reader.read(named.input) {
      case .failure(let problem):
        material.wipeKeys(of: tls)
        throw CertificateProblem(text: "'\(named.word.text)' \(problem.text)")
      case .success(let reading):
        material.pieces[named.input] = reading.pieces
        facts.merge(reading.facts) { $1 }
      }
    }
    do throws(TLSError) {
      let renewed = try CertificateGroup.certificates(tls, material)
      let fresh = try TLSContext(
        TLSPolicy(site, material), tickets: tickets, staples: tls.stapling.map { _ in staples })
      certificates = renewed
      if !tls.certificates.isEmpty { context = fresh }
      authorities = material.authorities(of: tls)
      self.facts = facts
      problem = nil
      return (CertificateUpdate(sites: sites, material: material), fresh.warnings)
    } catch {
      material.wipeKeys(of: tls)
      throw CertificateProblem(text: "\(error)")
    }
  }
}
