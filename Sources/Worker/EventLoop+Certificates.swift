// Certificates that come from the master while this worker lives: changed ones, and those by name.

import Configuration
import Platform
import TLS

extension EventLoop {
  /// Whose certificate a handshake shows; `.awaited`: `continueHandshake` is called when the master
  /// has answered, or the handshake's deadline ends it.
  func choose(
    site: Int, serverName: [UInt8]?, for connection: Connection
  ) -> CertificateStore.Choice {
    guard let certificates else { return .none }
    return certificates.choose(
      site: site, serverName: serverName, token: connection.token, now: now
    ) { question in
      do throws(SystemError) {
        return try control.send(WorkerReport.certificateWanted(question).bytes)
      } catch {
        return false
      }
    }
  }

  func takeCertificate(_ answer: CertificateAnswer, _ descriptors: [Descriptor]) {
    guard let certificates else { return }
    var content: [UInt8]?
    if let file = descriptors.first { content = read(file, CertificateUpdate.bytesMax) }
    let (tokens, problem) = certificates.take(answer, content, now: now)
    if let problem { siteErrorLogs[answer.site].write(.error, problem) }
    for token in tokens {
      guard let connection = stream(of: token) as? Connection,
        connection.security?.isHandshaking == true
      else { continue }
      continueHandshake(connection)
    }
  }

  func takeCertificates(_ descriptors: [Descriptor]) {
    guard let certificates, let file = descriptors.first,
      let update = read(file, CertificateUpdate.bytesMax).flatMap(CertificateUpdate.init)
    else { return errorLog.write(.error, "changed certificates were not understood") }
    do throws(TLSError) {
      try certificates.take(update)
    } catch {
      errorLog.write(.error, "changed certificates are not used: \(error)")
    }
  }

  func takeStaple(_ descriptors: [Descriptor]) {
    guard let certificates else { return }
    guard let file = descriptors.first,
      let update = read(file, StapleUpdate.bytesMax).flatMap(StapleUpdate.init)
    else { return errorLog.write(.error, "an OCSP response was not understood") }
    certificates.take(update)
  }

  private func read(_ file: Descriptor, _ byteCountMax: Int) -> [UInt8]? {
    do throws(SystemError) {
      return try File.content(of: file, byteCountMax: byteCountMax)
    } catch {
      errorLog.write(.error, "a certificate from the master cannot be read: \(error)")
      return nil
    }
  }
}
