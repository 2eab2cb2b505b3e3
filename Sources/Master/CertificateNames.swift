// Certificates by server name: `SSLCertificateDirectory`, opened on behalf of workers.

import Configuration
import Platform
import Worker

extension Master {
  /// A worker asks for the file of a name. A worker is not trusted: it gets nothing but files of
  /// such names in the directories of its own generation.
  func answer(_ question: CertificateQuestion, from name: WorkerName) {
    guard let record = workers[name] else { return }
    var answer = CertificateAnswer(site: question.site, name: question.name, finding: .absent)
    var content: [Descriptor] = []
    // What a worker from before an exec in place was made from is not known: it may be other sites.
    if record.isInherited { answer.finding = .unusable }
    if !record.isInherited, let model = generations[record.generation]?.model,
      model.sites.indices.contains(question.site), CertificateName.isValid(question.name),
      let directory = model.sites[question.site].tls?.certificateDirectory
    {
      do throws(CertificateProblem) {
        let found = try CertificateDirectory.find(question, in: directory.text)
        answer.finding = found.finding
        content = found.content
      } catch {
        answer.finding = .unusable
        tell(error)
      }
    }
    // A worker that asks and takes no answers gets none.
    guard record.outbox.count < Limits.certificateAnswersMax else { return }
    send(.certificate(answer), to: name, content)
  }
}

extension Master {
  /// A file that cannot be used is told once a minute, however often a client names it.
  private func tell(_ problem: CertificateProblem) {
    let now = Clock.monotonicMilliseconds()
    guard toldCertificate?.text != problem.text || now - (toldCertificate?.at ?? 0) > 60_000 else {
      return
    }
    toldCertificate = (problem.text, now)
    log.write(.error, problem.text)
  }
}

enum CertificateDirectory {
  /// The exact name's file, else that of the left-most wildcard.
  static func find(
    _ question: CertificateQuestion, in path: String
  ) throws(CertificateProblem) -> (
    finding: CertificateAnswer.Finding, content: [Descriptor]
  ) {
    let directory: Descriptor
    do throws(SystemError) {
      directory = try File.open(Array(path.utf8), for: [.locate, .directory])
    } catch {
      throw CertificateProblem(
        text: "the certificate directory '\(path)' cannot be opened: "
          + SystemError.text(of: error.code))
    }
    let candidates = [
      (name: question.name, known: question.exactIdentity, isWildcard: false),
      (
        name: CertificateName.wildcard(of: question.name) ?? [], known: question.wildcardIdentity,
        isWildcard: true
      ),
    ]
    for candidate in candidates where !candidate.name.isEmpty {
      let name = CertificateName.file(candidate.name)
      do throws(SystemError) {
        let file = try open(name, directory)
        let facts = try File.facts(file)
        guard facts.isRegularFile else {
          throw SystemError(code: SystemError.invalidArgument, operation: "open")
        }
        let identity = identity(of: facts)
        if identity == candidate.known {
          return (.unchanged(isWildcard: candidate.isWildcard), [])
        }
        let bytes = try File.content(of: file, byteCountMax: CertificateReader.fileBytesMax)
        defer { bytes.wipe() }
        return (
          .file(isWildcard: candidate.isWildcard, identity: identity), [try File.sealed(bytes)]
        )
      } catch {
        if error.code == SystemError.notFound || error.code == SystemError.nameTooLong { continue }
        let subject = "'\(path)/\(String(decoding: name, as: UTF8.self))'"
        throw CertificateProblem(
          text: error.code == SystemError.invalidArgument
            ? "\(subject) is not a regular file"
            : "\(subject) cannot be read: \(SystemError.text(of: error.code))")
      }
    }
    return (.absent, [])
  }

  /// Nothing outside the directory; where the kernel cannot see to that, no link at all: the name
  /// has one component.
  private static func open(
    _ name: [UInt8], _ directory: Descriptor
  ) throws(SystemError) -> Descriptor {
    guard File.canLimitResolution else {
      return try File.open(name, in: directory, for: [.read, .noFollow])
    }
    // Told to try again when anything was renamed meanwhile.
    for _ in 0..<8 {
      do throws(SystemError) {
        return try File.open(name, in: directory, for: .read, limits: [.beneath, .noMagicLinks])
      } catch {
        guard error.code == SystemError.wouldBlock else { throw error }
      }
    }
    return try File.open(name, in: directory, for: .read, limits: [.beneath, .noMagicLinks])
  }

  /// Not 0; another one for every change of the file.
  private static func identity(of facts: FileFacts) -> UInt64 {
    var fingerprint = Fingerprint()
    fingerprint.mix(facts.device)
    fingerprint.mix(facts.inode)
    fingerprint.mix(UInt64(bitPattern: facts.size))
    fingerprint.mix(UInt64(bitPattern: facts.modifiedNanoseconds))
    fingerprint.mix(UInt64(bitPattern: facts.changedNanoseconds))
    return max(1, fingerprint.value)
  }
}
