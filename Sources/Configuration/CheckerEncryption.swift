// What sites, their addresses and Listen must be to each other where connections are encrypted.

import Platform

extension Checker {
  /// Looks at a finished model; `main` and `virtualHosts` are the drafts of its sites.
  mutating func checkEncryption(_ model: Model) {
    for entry in listens { checkSitesAgree(entry, model) }
    checkCertificatesGiven(model)
    checkMainServer(model)
    for site in model.sites where site.tls != nil { checkClientRules(site) }
  }

  private func draft(_ site: Int) -> SiteDraft { site == 0 ? main : virtualHosts[site - 1] }

  /// "'www.example.com' at ring3.conf:3:1", or "the main server".
  private func title(_ site: Site) -> String {
    if site.isMainServer { return "the main server" }
    return (site.label.isEmpty ? "the virtual host" : "'\(site.label)'") + " at \(site.place)"
  }

  /// Every site of one address and port is encrypted, or none is; and not against Listen's word.
  private mutating func checkSitesAgree(
    _ entry: (listen: Listen, directive: Directive), _ model: Model
  ) {
    let listen = entry.listen
    func isEncrypted(_ site: Int) -> Bool { model.sites[site].encrypts ?? listen.speaksHTTPS }
    for group in model.virtualHosts.groups(reachedBy: listen.address) {
      let first = group.sites[0]
      guard let odd = group.sites.first(where: { isEncrypted($0) != isEncrypted(first) }) else {
        if entry.directive.arguments.count > 1, isEncrypted(first) != listen.speaksHTTPS {
          contradiction(entry, first, model)
        }
        continue
      }
      let word = engineWord(odd) ?? entry.directive.name
      if diagnostics.contains(where: { $0.place == word.place && $0.severity == .error }) {
        continue
      }
      let one = isEncrypted(odd) ? "is encrypted" : "is not encrypted"
      let other = isEncrypted(first) ? "is" : "is not"
      let reason = engineWord(first).map { " ('SSLEngine' at \($0.place))" } ?? ""
      error(
        "\(title(model.sites[odd])) \(one) on \(group.address), and"
          + " \(title(model.sites[first])) \(other)\(reason): connections to one address and port"
          + " are all encrypted or none; give both the same SSLEngine, or ports of their own", word)
    }
  }

  /// The word that decided about a site: its SSLEngine, the main server's, its <VirtualHost>.
  private func engineWord(_ site: Int) -> Word? {
    draft(site).tls.engine?.word ?? main.tls.engine?.word ?? draft(site).opening
  }

  /// `Listen 8443 https` and `SSLEngine off`, or the other way round.
  private mutating func contradiction(
    _ entry: (listen: Listen, directive: Directive), _ site: Int, _ model: Model
  ) {
    guard let word = draft(site).tls.engine?.word ?? main.tls.engine?.word else { return }
    if diagnostics.contains(where: { $0.place == word.place && $0.severity == .error }) { return }
    let protocolWord = entry.directive.arguments[1]
    error(
      "'SSLEngine \(word.text)' for \(title(model.sites[site])), and 'Listen"
        + " \(entry.directive.arguments[0].text) \(protocolWord.text)' at"
        + " \(entry.directive.name.place): one of them is wrong", word)
  }

  /// An encrypted virtual host has a certificate; one that has none of its own addresses encrypted
  /// has no use for it.
  private mutating func checkCertificatesGiven(_ model: Model) {
    for site in model.sites.dropFirst() {
      let draft = draft(site.index)
      if let tls = site.tls {
        guard !tls.hasCertificates, let word = draft.tls.engine?.word ?? draft.opening else {
          continue
        }
        error(
          "\(title(site)) is encrypted and has no certificate; write 'SSLCertificateFile FILE',"
            + " and 'SSLCertificateKeyFile FILE' unless the key is in the same file", word)
      } else if draft.tls.namesCertificates, site.encrypts == nil,
        let unused = draft.tls.certificates.first ?? draft.tls.certificateDirectory
      {
        warning(
          "this certificate is not used: no address of \(title(site)) is encrypted; write 'https'"
            + " behind its Listen, or 'SSLEngine on'", unused.word)
      }
    }
    if !model.usesTLS, main.tls.engine == nil,
      let unused = main.tls.certificates.first ?? main.tls.certificateDirectory
    {
      warning(
        "this certificate is not used: no address is encrypted; write 'https' behind a Listen, or"
          + " 'SSLEngine on'", unused.word)
    }
  }

  /// Where no virtual host answers the main server does, and it needs a certificate too.
  private mutating func checkMainServer(_ model: Model) {
    if model.sites[0].tls?.hasCertificates == true { return }
    var reported: Set<SourcePlace> = []
    for (listen, directive) in listens
    where model.virtualHosts.group(local: listen.address) == nil
      && model.isEncrypted(local: listen.address)
    {
      let word = directive.arguments[0]
      guard reported.insert(word.place).inserted else { continue }
      let isNamed = listens.contains {
        $0.directive.name.place == directive.name.place
          && !model.virtualHosts.groups(reachedBy: $0.listen.address).isEmpty
      }
      if isNamed {
        warning(
          "connections to addresses that no <VirtualHost> names are refused on port"
            + " \(listen.address.port): the main server has no certificate", word)
      } else {
        error(
          "connections to port \(listen.address.port) are encrypted, and nothing there has a"
            + " certificate; write 'SSLCertificateFile FILE', or a <VirtualHost"
            + " *:\(listen.address.port)> with one", word)
      }
    }
  }

  private mutating func checkClientRules(_ site: Site) {
    guard let clients = site.tls?.clients else { return }
    let draft = draft(site.index)
    if clients.verification == .require || clients.verification == .optional,
      clients.issuersFile == nil, clients.issuersDirectory == nil,
      let word = (draft.tls.verification ?? main.tls.verification)?.word
    {
      once(
        "no issuer is trusted, so that no certificate would verify; write 'SSLCACertificateFile"
          + " FILE'", word)
    }
    if clients.revocation.extent != .none, clients.revocationFile == nil,
      clients.revocationDirectory == nil,
      let word = (draft.tls.revocation ?? main.tls.revocation)?.word
    {
      once("there is no list to look in; write 'SSLCARevocationFile FILE'", word)
    }
  }

  /// Reports what several sites inherit a single time.
  private mutating func once(_ message: String, _ word: Word) {
    if !diagnostics.contains(where: { $0.place == word.place && $0.message == message }) {
      error(message, word)
    }
  }
}

extension VirtualHostTable {
  /// The groups that answer some connection to a listening socket.
  func groups(reachedBy listen: SocketAddress) -> [VirtualHostGroup] {
    guard listen.address.isAny else { return group(local: listen).map { [$0] } ?? [] }
    return groups.filter { group in
      if let port = group.address.port, port != listen.port { return false }
      if let address = group.address.address, address.family != listen.address.family {
        return false
      }
      // One that starts earlier may answer for all of it.
      let local = SocketAddress(group.address.address ?? listen.address, port: listen.port)
      return self.group(local: local)?.address == group.address
    }
  }
}
