// Certificates on their way to workers, files that change, names and responders.

import Foundation
import Platform
import TLS
import Testing
import Worker

@testable import Master

@Suite struct `certificates` {
  private func update() -> CertificateUpdate {
    var material = CertificateMaterial()
    material.pieces[.file("/a.pem")] = [TLSNamedBytes(name: "/a.pem", bytes: [1, 2, 3])]
    material.pieces[.issuers(directory: "/d")] = [
      TLSNamedBytes(name: "/d/1a2b3c4d.0", bytes: []),
      TLSNamedBytes(name: "/d/1a2b3c4d.1", bytes: [9]),
    ]
    material.pieces[.revocations(directory: "/d")] = []
    return CertificateUpdate(sites: [0, 7], material: material)
  }

  @Test func `an update is read as it was written, and not in part`() {
    let bytes = update().bytes
    #expect(CertificateUpdate(bytes: bytes) == update())
    for count in 0..<bytes.count {
      #expect(CertificateUpdate(bytes: Array(bytes[..<count])) == nil, "\(count)")
    }
    #expect(CertificateUpdate(bytes: bytes + [0]) == nil)
    #expect(CertificateUpdate(bytes: [UInt8](repeating: 0xff, count: 64)) == nil)
  }

  @Test func `a staple is read as it was written`() {
    let fingerprint = [UInt8](repeating: 7, count: 32)
    for response: [UInt8] in [[], [1, 2, 3]] {
      let update = StapleUpdate(fingerprint: fingerprint, response: response)
      #expect(StapleUpdate(bytes: update.bytes) == update)
    }
    #expect(StapleUpdate(bytes: Array(fingerprint.dropLast())) == nil)
    let long = [UInt8](repeating: 0, count: StapleUpdate.bytesMax + 1)
    #expect(StapleUpdate(bytes: long) == nil)
    #expect(WorkerOrder(bytes: WorkerOrder.staple.bytes) == .staple)
  }

  @Test func `of the certificates by name those in use are kept, and a bounded number`() {
    var named = NamedCertificates()
    func file(_ number: Int, _ directory: String = "/d") -> NamedFile {
      NamedFile(directory: directory, name: Array("\(number).test.pem".utf8))
    }
    func use(_ file: NamedFile, _ identity: UInt64, _ now: Int64) -> Bool {
      guard named.use(file, identity, now: now) else { return false }
      named.keep(file, NamedCertificates.Entry(identity: identity, facts: nil, usedAt: now))
      return true
    }
    #expect(use(file(0), 1, 0) && !use(file(0), 1, 1) && use(file(0), 2, 2))
    for number in 1..<Limits.namedCertificatesMax { #expect(use(file(number), 1, 3)) }
    #expect(!use(file(-1), 1, 4))
    #expect(use(file(1), 2, 4))
    named.forget(except: ["/d"], now: 5)
    #expect(named.entries.count == Limits.namedCertificatesMax)
    // There is need of room: what has not been used lately goes.
    let later = Limits.namedCertificateScarceMilliseconds + 3
    #expect(!use(file(0), 2, later))
    named.forget(except: ["/d"], now: later)
    #expect(Set(named.entries.keys) == [file(0), file(1)])
    #expect(use(file(5, "/e"), 1, later))
    named.forget(except: ["/d"], now: 2 * later)
    #expect(Set(named.entries.keys) == [file(0), file(1)])
    named.forget(except: ["/d"], now: later + Limits.namedCertificateIdleMilliseconds - 1)
    #expect(Set(named.entries.keys) == [file(0)])
    named.drop(file(0))
    #expect(named.entries.isEmpty)
  }

  @Test func `questions and answers are read as they were written`() {
    let question = CertificateQuestion(
      site: 3, name: Array("a.test".utf8), exactIdentity: .max, wildcardIdentity: 1)
    #expect(
      WorkerReport(bytes: WorkerReport.certificateWanted(question).bytes)
        == .certificateWanted(question))
    #expect(WorkerReport(bytes: [6, 1, 2, 3]) == nil)
    let findings: [CertificateAnswer.Finding] = [
      .absent, .unchanged(isWildcard: true), .file(isWildcard: false, identity: 5),
    ]
    for finding in findings {
      let answer = CertificateAnswer(site: 3, name: Array("a.test".utf8), finding: finding)
      #expect(WorkerOrder(bytes: WorkerOrder.certificate(answer).bytes) == .certificate(answer))
    }
    #expect(WorkerOrder(bytes: [11]) == nil)
  }

  @Test(arguments: [
    "", ".", ".a", "a.", "a..b", "../a", "a/b", "*.a", "A.test", "a b", "a\0", "ä.test",
    String(repeating: "a", count: 64) + ".test",
    Array(repeating: "abcdefg", count: 32).joined(separator: "."),
  ])
  func `what is no host's name is no file's name`(name: String) {
    #expect(!CertificateName.isValid(Array(name.utf8)))
  }

  @Test func `a wildcard stands for the left-most label`() {
    #expect(CertificateName.isValid(Array("x-1._y.test".utf8)))
    #expect(CertificateName.wildcard(of: Array("a.b.test".utf8)) == Array("*.b.test".utf8))
    #expect(CertificateName.wildcard(of: Array("localhost".utf8)) == nil)
  }

  @Test func `a responder's address is plain HTTP and nothing else`() {
    let url = ResponderURL("HTTP://ocsp.test:8080/a?b")
    #expect(url?.host == "ocsp.test" && url?.port == 8080 && url?.path == "/a?b")
    #expect(ResponderURL("http://[::1]:81")?.host == "::1")
    #expect(ResponderURL("http://[::1]")?.port == 80)
    #expect(ResponderURL("http://a")?.path == "/")
    for text in [
      "https://a/", "http://", "http://a:0/", "http://a:x/", "http://u@a/", "http://a/\r\nX: y",
      "http://a/ b", "ftp://a",
    ] {
      #expect(ResponderURL(text) == nil, "\(text)")
    }
  }

  @Test func `messages of the fetcher are read as they were written`() {
    let question = StapleQuestion(
      number: 4, timeoutMilliseconds: 10, skewSeconds: 300, url: "http://a/ b")
    #expect(StapleQuestion(bytes: question.bytes) == question)
    var reply = StapleReply(number: 4)
    reply.problem = "the responder does not answer"
    #expect(StapleReply(bytes: reply.bytes) == reply)
    #expect(StapleReply(bytes: Array("x".utf8)) == nil)
  }

  @Test func `no key leaves with the certificates of a file`() {
    let pem =
      "text\n-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\r\n"
      + "-----BEGIN CERTIFICATE-----\r\nONE\r\n-----END CERTIFICATE-----\nmore\n"
    #expect(
      String(decoding: CertificateReader.certificatesOnly(Array(pem.utf8)), as: UTF8.self)
        == "-----BEGIN CERTIFICATE-----\nONE\n-----END CERTIFICATE-----\n")
  }

  @Test func `files are read again when they have come to rest, and failures told once`() throws {
    let path = NSTemporaryDirectory() + "ring3-certificate-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: path) }
    func write(_ text: String) throws { try Data(text.utf8).write(to: URL(filePath: path)) }
    try write("one")
    var group = CertificateGroup(sites: [0])
    group.facts = try CertificateReader.file(path).facts
    #expect(group.look(now: 0) == .wait)
    try write("two, longer")
    #expect(group.look(now: 1_000) == .wait)
    try write("three, longer still")
    #expect(group.look(now: 2_000) == .wait)
    #expect(group.look(now: 3_000) == .read)
    // It could not be used.
    #expect(group.look(now: 4_000) == .wait)
    #expect(group.look(now: 6_500) == .tell)
    #expect(group.look(now: 7_500) == .wait)
    try FileManager.default.removeItem(atPath: path)
    #expect(group.look(now: 8_500) == .wait)
    #expect(group.look(now: 9_500) == .read)
    try write("back")
    group.facts = try CertificateReader.file(path).facts
    #expect(group.look(now: 10_500) == .wait)
    #expect(group.change == .none)
  }

  @Test func `what is no plain file of fair size is not read`() throws {
    #expect(throws: CertificateProblem.self) { try CertificateReader.file("/dev/null") }
    #expect(throws: CertificateProblem.self) { try CertificateReader.file("/tmp") }
    #expect(throws: CertificateProblem.self) { try CertificateReader.file("/nonexistent") }
  }
}
