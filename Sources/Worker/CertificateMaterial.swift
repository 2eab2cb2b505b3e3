// What contexts are made from: the bytes of files, and a site's rules. Master and worker build from
// it alike, the one from what it has read, the other from what it was sent.

import Configuration
import Platform
import TLS

/// One thing that the configuration names and a policy is made from.
package enum CertificateInput: Hashable, Sendable {
  /// A file of any kind.
  case file(String)
  /// The issuers in a directory, under names by hash.
  case issuers(directory: String)
  /// The revocation lists in a directory, under names by hash.
  case revocations(directory: String)

  package var path: String {
    switch self {
    case .file(let path), .issuers(let path), .revocations(let path): path
    }
  }
}

/// What has been read, by what names it: one piece for a file, any number for a directory.
package struct CertificateMaterial: Sendable, Equatable {
  package var pieces: [CertificateInput: [TLSNamedBytes]] = [:]

  package init() {}

  fileprivate func pieces(_ file: ConfiguredText?, _ directory: CertificateInput?)
    -> [TLSNamedBytes]
  {
    (file.flatMap { pieces[.file($0.text)] } ?? []) + (directory.flatMap { pieces[$0] } ?? [])
  }

  /// The part that says whose certificates clients may show; no keys.
  package func authorities(of tls: SiteTLS) -> CertificateMaterial {
    var part = CertificateMaterial()
    for named in tls.clients.inputs { part.pieces[named.input] = pieces[named.input] }
    return part
  }

  /// Overwrites what may hold keys, for all who share it; what clients are verified by stays.
  package func wipeKeys(of tls: SiteTLS) {
    let kept = Set(tls.clients.inputs.map(\.input))
    for named in tls.inputs where named.holdsKey && !kept.contains(named.input) {
      for piece in pieces[named.input] ?? [] { piece.bytes.wipe() }
    }
  }

  fileprivate func bytes(_ file: ConfiguredText) -> [UInt8] {
    pieces[.file(file.text)]?.first?.bytes ?? []
  }
}

extension SiteTLS {
  /// A piece of the configuration that names something to read.
  package struct Input: Sendable {
    package let input: CertificateInput
    package let word: ConfiguredText
    /// Nobody but the server should be able to read it.
    package let holdsKey: Bool
  }

  /// Everything that a policy of this site is made from, certificates by name excepted.
  package var inputs: [Input] {
    var inputs: [Input] = []
    for certificate in certificates {
      inputs.append(
        Input(
          input: .file(certificate.file.text), word: certificate.file,
          holdsKey: certificate.key == nil))
      if let key = certificate.key {
        inputs.append(Input(input: .file(key.text), word: key, holdsKey: true))
      }
    }
    if let chainFile, !certificates.isEmpty {
      inputs.append(Input(input: .file(chainFile.text), word: chainFile, holdsKey: false))
    }
    return inputs + clients.inputs
  }
}

extension SiteTLS.Clients {
  /// Whose certificates clients may show, and which not any more: no secrets.
  package var inputs: [SiteTLS.Input] {
    guard verification != .none else { return [] }
    var named: [(CertificateInput, ConfiguredText)] = []
    for file in [issuersFile, requestedIssuersFile].compactMap({ $0 }) {
      named.append((.file(file.text), file))
    }
    for directory in [issuersDirectory, requestedIssuersDirectory].compactMap({ $0 }) {
      named.append((.issuers(directory: directory.text), directory))
    }
    if let file = revocationFile { named.append((.file(file.text), file)) }
    if let directory = revocationDirectory {
      named.append((.revocations(directory: directory.text), directory))
    }
    return named.map { SiteTLS.Input(input: $0.0, word: $0.1, holdsKey: false) }
  }
}

/// Sites whose policies are equal share one context.
package struct CertificatePolicyKey: Hashable, Sendable {
  let tls: SiteTLS
  let protocols: [ApplicationProtocol]
  let honorsOrder: Bool

  /// nil: the site is not encrypted.
  package init?(_ site: Site) {
    guard let tls = site.tls else { return nil }
    self.tls = tls
    protocols = site.protocols
    honorsOrder = site.protocolsHonorOrder
  }
}

extension TLSPolicy {
  /// The policy of a site, from material that holds all its inputs. `certificate`: the PEM of the
  /// one to show, key included, instead of those that the site names.
  package init(
    _ site: Site, _ material: CertificateMaterial, certificate: TLSNamedBytes? = nil
  ) {
    self.init()
    guard let tls = site.tls else { return }
    if let certificate {
      certificates = [
        TLSCertificateSource(
          chain: certificate.bytes, chainName: certificate.name, key: certificate.bytes,
          keyName: certificate.name)
      ]
    } else {
      certificates = tls.certificates.map { source in
        let key = source.key ?? source.file
        return TLSCertificateSource(
          chain: material.bytes(source.file), chainName: source.file.text,
          key: material.bytes(key), keyName: key.text,
          intermediates: tls.chainFile.map {
            TLSNamedBytes(name: $0.text, bytes: material.bytes($0))
          })
      }
    }
    versionMin = TLSVersion(tls.versionMin)
    versionMax = TLSVersion(tls.versionMax)
    cipherSuites12 = tls.effectiveCipherList
    cipherSuites13 = tls.cipherSuites?.text
    honorsCipherOrder = tls.honorsCipherOrder
    configurationCommands = tls.commands.map { ($0.name, $0.value) }
    sessionTickets = tls.usesTickets
    applicationProtocols = site.protocols.filter { $0 != .http2ClearText }.map { $0.rawValue }
    honorsProtocolOrder = site.protocolsHonorOrder
    client = TLSClientPolicy(tls.clients, material)
    sessionContext = (0..<8).map {
      UInt8(truncatingIfNeeded: tls.policyIdentity >> (8 * UInt64($0)))
    }
  }

  /// For connections whose server name is not known yet: no certificate, no rules of its own.
  package static var hello: TLSPolicy { TLSPolicy() }
}

extension TLSClientPolicy {
  fileprivate init(_ clients: SiteTLS.Clients, _ material: CertificateMaterial) {
    self.init()
    switch clients.verification {
    case .none: return
    case .optional: verification = .optional
    case .require: verification = .require
    case .optionalNoCA: verification = .optionalNoCA
    }
    depth = clients.chainDepthMax
    authorities = material.pieces(
      clients.issuersFile, clients.issuersDirectory.map { .issuers(directory: $0.text) })
    namedAuthorities = material.pieces(
      clients.requestedIssuersFile,
      clients.requestedIssuersDirectory.map { .issuers(directory: $0.text) })
    revocationLists = material.pieces(
      clients.revocationFile, clients.revocationDirectory.map { .revocations(directory: $0.text) })
    switch clients.revocation.extent {
    case .none: revocationCheck = .none
    case .leaf: revocationCheck = .leaf
    case .chain: revocationCheck = .chain
    }
    toleratesMissingList = clients.revocation.toleratesMissingList
  }
}

extension TLSVersion {
  fileprivate init(_ version: SiteTLS.Version) {
    switch version {
    case .tls12: self = .tls12
    case .tls13: self = .tls13
    }
  }
}
