// TLS in `ring3ctl status`, and certificates that end soon in the log.

import Configuration
import HTTP
import Platform
import TLS
import Worker

extension Master {
  /// Handshakes that came to nothing, by reason; only those that there were.
  private var handshakeFailures: [(word: String, count: UInt64)] {
    let reasons: [EndReason] = [
      .timerHandshake, .handshakeLimit, .tlsPlainRequest, .tlsVersion, .tlsCipher, .tlsServerName,
      .tlsNoCertificate, .tlsApplicationProtocol, .tlsClientCertificate, .tlsAlert, .tlsBroken,
    ]
    return reasons.map { ($0.word, scoreboard.total($0)) }.filter { $0.1 > 0 }
  }

  /// nil: no site is encrypted.
  var tlsLine: String? {
    guard let model = currentModel, model.usesTLS else { return nil }
    let lines = certificateLines
    var text =
      "TLS handshakes=\(scoreboard.total(.handshakes))"
      + " resumed=\(scoreboard.total(.handshakesResumed))"
    for failure in handshakeFailures { text += " \(failure.word)=\(failure.count)" }
    text += ", \(KernelTLS.probe().text), certificates \(lines.count)"
    guard let first = lines.first else { return text }
    let days = first.daysLeft(Clock.realSeconds())
    let date = CertificateReport.date(first.facts.notAfterSeconds)
    return text + (days < 0 ? ", one EXPIRED on " : ", the first expires on ") + date
      + (days < 0 ? "" : " (\(days) days left)")
  }

  var tlsJSON: JSON {
    guard let model = currentModel, model.usesTLS else { return .null }
    let lines = certificateLines
    let failures = handshakeFailures.map {
      (name: $0.word, value: JSON.number(Int64(clamping: $0.count)))
    }
    return .object([
      ("handshakes", .number(Int64(clamping: scoreboard.total(.handshakes)))),
      ("resumed", .number(Int64(clamping: scoreboard.total(.handshakesResumed)))),
      ("kernelTLS", .string(KernelTLS.probe().rawValue)),
      ("failures", .object(failures)), ("certificates", .number(Int64(lines.count))),
      ("earliestNotAfter", lines.first.map { .number($0.facts.notAfterSeconds) } ?? .null),
      ("earliestDaysLeft", lines.first.map { .number($0.daysLeft(Clock.realSeconds())) } ?? .null),
    ])
  }

  /// Once a day for each certificate. Of a `SSLCertificateDirectory` those in use: nobody
  /// has read them all.
  func tellExpiry(_ now: Int64) {
    let lines = certificateLines
    let seconds = Clock.realSeconds()
    for line in lines {
      guard let expiry = line.expiry(seconds) else { continue }
      let fingerprint = line.facts.fingerprint
      if let told = expiryToldAt[fingerprint], now - told < 86_400_000 { continue }
      expiryToldAt[fingerprint] = now
      log.write(expiry.level, expiry.text)
    }
    guard !expiryToldAt.isEmpty else { return }
    let present = Set(lines.map(\.facts.fingerprint))
    expiryToldAt = expiryToldAt.filter { present.contains($0.key) }
  }
}
