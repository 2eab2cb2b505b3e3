// `ring3ctl certificates`: what is shown to clients, whose it is, and how long it is valid.

import Configuration
import HTTP
import Platform
import TLS
import Worker

/// One certificate as an operator wants to know it.
struct CertificateLine {
  let sites: [String]
  let path: String
  let keyPath: String
  let facts: TLSCertificateFacts
  let problem: String?
  /// What is known of its OCSP response; nil: it is not asked for.
  let staple: Staple?

  /// Whole days until it ends; negative when it has ended.
  func daysLeft(_ nowSeconds: Int64) -> Int64 {
    let seconds = facts.notAfterSeconds - nowSeconds
    return seconds < 0 ? -((-seconds + 86_399) / 86_400) : seconds / 86_400
  }

  /// "expires in 3 days, on DATE" for an operator who should renew it; nil: there is time.
  func expiry(_ nowSeconds: Int64) -> (level: LogLevel, text: String)? {
    let left = facts.notAfterSeconds - nowSeconds
    guard left < Limits.certificateExpirySeconds else { return nil }
    let date = CertificateReport.date(facts.notAfterSeconds)
    let subject = "the certificate in '\(path)' (\(CertificateReport.some(names)))"
    if left < 0 { return (.error, "\(subject) has expired on \(date): clients refuse it") }
    let days = left / 86_400
    return (.warn, "\(subject) expires in \(days) \(days == 1 ? "day" : "days"), on \(date)")
  }

  var names: [String] { facts.hostNames.isEmpty ? [facts.subject] : facts.hostNames }
}

extension Master {
  /// Of the serving generation, those that end first in front; by name only those in use.
  var certificateLines: [CertificateLine] {
    guard let record = currentRecord, let set = record.certificates else { return [] }
    var lines: [CertificateLine] = []
    for group in set.groups {
      let sites = group.sites.map { record.model.sites[$0].title }
      lines += group.certificates.map {
        CertificateLine(
          sites: sites, path: $0.path, keyPath: $0.keyPath, facts: $0.facts,
          problem: group.problem, staple: staples[$0.facts.fingerprint])
      }
    }
    for (file, entry) in namedCertificates.entries {
      let sites = record.model.sites.filter {
        $0.tls?.certificateDirectory?.text == file.directory
      }
      guard let facts = entry.facts, !sites.isEmpty else { continue }
      lines.append(
        CertificateLine(
          sites: sites.map(\.title), path: file.path, keyPath: file.path, facts: facts,
          problem: nil, staple: staples[facts.fingerprint]))
    }
    return lines.sorted {
      ($0.facts.notAfterSeconds, $0.path) < ($1.facts.notAfterSeconds, $1.path)
    }
  }

  /// Directories of certificates by name, each once.
  private var certificateDirectories: [String] {
    var paths: [String] = []
    for site in currentModel?.sites ?? [] {
      guard let path = site.tls?.certificateDirectory?.text, !paths.contains(path) else {
        continue
      }
      paths.append(path)
    }
    return paths
  }

  func certificatesCommand(_ request: ControlRequest) -> ControlAnswer {
    guard currentModel != nil else {
      return .failure("what is serving now is not known to this binary; reload first\n")
    }
    let now = Clock.realSeconds()
    if request.wantsJSON { return .success(certificatesJSON(now).text + "\n") }
    var text = ""
    for line in certificateLines {
      let days = line.daysLeft(now)
      let left = days < 0 ? "EXPIRED \(-days) days ago" : "\(days) days left"
      text += "\(line.path)\n  names   \(line.names.joined(separator: " "))\n"
      text += "  sites   \(CertificateReport.some(line.sites))\n"
      text += "  until   \(CertificateReport.date(line.facts.notAfterSeconds)), \(left)\n"
      text += "  key     \(line.facts.keyType) \(line.facts.keyBits) in \(line.keyPath)\n"
      text += "  issuer  \(line.facts.issuer)\n"
      if let staple = line.staple { text += "  ocsp    \(CertificateReport.state(of: staple))\n" }
      if let problem = line.problem { text += "  PROBLEM changed files are not used: \(problem)\n" }
    }
    for path in certificateDirectories {
      text += "\(path)/NAME.pem by server name; those in use are listed\n"
    }
    return .success(text.isEmpty ? "no site is encrypted\n" : text)
  }

  private func certificatesJSON(_ now: Int64) -> JSON {
    .object([
      (
        "certificates",
        .array(
          certificateLines.map { line in
            .object([
              ("file", .string(line.path)), ("keyFile", .string(line.keyPath)),
              ("names", .strings(line.names)), ("sites", .strings(line.sites)),
              ("subject", .string(line.facts.subject)), ("issuer", .string(line.facts.issuer)),
              ("serial", .string(line.facts.serial)),
              ("fingerprint", .string(CertificateReport.hexadecimal(line.facts.fingerprint))),
              ("notBefore", .number(line.facts.notBeforeSeconds)),
              ("notAfter", .number(line.facts.notAfterSeconds)),
              ("daysLeft", .number(line.daysLeft(now))),
              ("keyType", .string(line.facts.keyType)),
              ("keyBits", .number(Int64(line.facts.keyBits))),
              ("ocsp", line.staple.map { .string(CertificateReport.state(of: $0)) } ?? .null),
              ("problem", line.problem.map { .string($0) } ?? .null),
            ])
          })
      ), ("directories", .strings(certificateDirectories)),
    ])
  }
}

enum CertificateReport {
  /// The first few and how many more.
  static func some(_ names: [String]) -> String {
    let shown = names.prefix(8).joined(separator: " ")
    return names.count > 8 ? "\(shown) and \(names.count - 8) more" : shown
  }

  /// "shown until DATE; …"
  static func state(of staple: Staple) -> String {
    let shown =
      staple.response.isEmpty
      ? "no response" : "response shown until \(date(staple.validUntilSeconds))"
    return shown + (staple.problem.map { "; \($0)" } ?? "")
  }

  /// "Mon, 23 Nov 2026 18:05:00 GMT" of seconds since 1970.
  static func date(_ seconds: Int64) -> String {
    var bytes: [UInt8] = []
    HTTPDate.append(seconds, to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  static func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}
