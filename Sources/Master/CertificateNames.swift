// Certificates by server name: `SSLCertificateDirectory`, opened on behalf of workers.

import Configuration
import Platform
import TLS
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
        let now = Clock.monotonicMilliseconds()
        let found = try CertificateDirectory.find(question, in: directory.text) { file, identity in
          namedCertificates.use(file, identity, now: now)
        }
        answer.finding = found.finding
        content = found.content
        note(found, now)
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
  /// What is in use is stapled and watched for its end.
  private func note(_ found: CertificateDirectory.Found, _ now: Int64) {
    for file in found.absent { namedCertificates.drop(file) }
    guard let read = found.read else { return }
    let pem = TLSNamedBytes(name: read.file.path, bytes: read.chain)
    namedCertificates.keep(
      read.file,
      NamedCertificates.Entry(
        identity: read.identity, facts: try? TLSCertificateFacts(pem: pem), usedAt: now))
  }

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
  /// What a question leads to.
  struct Found {
    var finding = CertificateAnswer.Finding.absent
    /// The file for the worker.
    var content: [Descriptor] = []
    /// The file's certificates without the key, where they were wanted here.
    var read: (file: NamedFile, identity: UInt64, chain: [UInt8])?
    /// Files that there are not.
    var absent: [NamedFile] = []
  }

  /// The exact name's file, else that of the left-most wildcard. `isWanted`: whether to read the
  /// certificates of a file in this state for our own use, too.
  static func find(
    _ question: CertificateQuestion, in path: String, isWanted: (NamedFile, UInt64) -> Bool
  ) throws(CertificateProblem) -> Found {
    let directory = try open(path)
    var found = Found()
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
        let named = NamedFile(directory: path, name: name)
        let isKnown = identity == candidate.known
        let isWanted = isWanted(named, identity)
        found.finding =
          isKnown
          ? .unchanged(isWildcard: candidate.isWildcard)
          : .file(isWildcard: candidate.isWildcard, identity: identity)
        guard isWanted || !isKnown else { return found }
        let bytes = try File.content(of: file, byteCountMax: CertificateReader.fileBytesMax)
        defer { bytes.wipe() }
        if !isKnown { found.content = [try File.sealed(bytes)] }
        if isWanted {
          found.read = (named, identity, CertificateReader.certificatesOnly(bytes))
        }
        return found
      } catch {
        if error.code == SystemError.notFound || error.code == SystemError.nameTooLong {
          found.absent.append(NamedFile(directory: path, name: name))
          continue
        }
        let subject = "'\(path)/\(String(decoding: name, as: UTF8.self))'"
        throw CertificateProblem(
          text: error.code == SystemError.invalidArgument
            ? "\(subject) is not a regular file"
            : "\(subject) cannot be read: \(SystemError.text(of: error.code))")
      }
    }
    return found
  }

  /// The certificates of a file, read for them alone.
  static func chain(_ file: NamedFile) throws(CertificateProblem) -> [UInt8] {
    do throws(SystemError) {
      let descriptor = try open(
        file.name, try File.open(Array(file.directory.utf8), for: [.locate, .directory]))
      guard try File.facts(descriptor).isRegularFile else {
        throw SystemError(code: SystemError.invalidArgument, operation: "open")
      }
      let bytes = try File.content(of: descriptor, byteCountMax: CertificateReader.fileBytesMax)
      defer { bytes.wipe() }
      return CertificateReader.certificatesOnly(bytes)
    } catch {
      throw CertificateProblem(
        text: "'\(file.path)' cannot be read: \(SystemError.text(of: error.code))")
    }
  }

  private static func open(_ path: String) throws(CertificateProblem) -> Descriptor {
    do throws(SystemError) {
      return try File.open(Array(path.utf8), for: [.locate, .directory])
    } catch {
      throw CertificateProblem(
        text: "the certificate directory '\(path)' cannot be opened: "
          + SystemError.text(of: error.code))
    }
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
