// The process that asks OCSP responders: it talks to strangers, so nobody else has its channel.

import Platform
import TLS
import Worker

/// Master to fetcher; the chain (PEM, no key) travels beside it as a sealed file.
struct StapleQuestion: Equatable {
  /// Names the question in the answer.
  var number: UInt64
  var timeoutMilliseconds: Int64
  /// How far the responder's clock may be off.
  var skewSeconds: Int64
  /// "http://…" instead of what the certificate names; empty: what it names.
  var url: String

  /// "NUMBER TIMEOUT SKEW URL"
  var bytes: [UInt8] { Array("\(number) \(timeoutMilliseconds) \(skewSeconds) \(url)".utf8) }

  init(number: UInt64, timeoutMilliseconds: Int64, skewSeconds: Int64, url: String) {
    self.number = number
    self.timeoutMilliseconds = timeoutMilliseconds
    self.skewSeconds = skewSeconds
    self.url = url
  }

  init?(bytes: [UInt8]) {
    let parts = String(decoding: bytes, as: UTF8.self)
      .split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
    guard parts.count == 4, let number = UInt64(parts[0]), let timeout = Int64(parts[1]),
      let skew = Int64(parts[2])
    else { return nil }
    self.init(
      number: number, timeoutMilliseconds: timeout, skewSeconds: skew, url: String(parts[3]))
  }
}

/// Fetcher to master; a good response travels beside it as a sealed file.
struct StapleReply: Equatable {
  var number: UInt64
  /// Seconds since 1970; 0: the response does not say.
  var thisUpdateSeconds: Int64 = 0
  var nextUpdateSeconds: Int64 = 0
  /// Why there is none; empty: it is attached.
  var problem = ""

  var bytes: [UInt8] {
    Array("\(number) \(thisUpdateSeconds) \(nextUpdateSeconds) \(problem)".utf8.prefix(2_048))
  }

  init(number: UInt64) { self.number = number }

  /// Up to the year 9999.
  private static let times: ClosedRange<Int64> = 0...253_402_300_799

  init?(bytes: [UInt8]) {
    let times = StapleReply.times
    let parts = String(decoding: bytes, as: UTF8.self)
      .split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
    guard parts.count == 4, let number = UInt64(parts[0]), let this = Int64(parts[1]),
      let next = Int64(parts[2]), times.contains(this), times.contains(next)
    else { return nil }
    self.number = number
    thisUpdateSeconds = this
    nextUpdateSeconds = next
    problem = String(parts[3])
  }
}

/// A URL of a responder: plain HTTP, no user, no fragment.
struct ResponderURL: Equatable {
  let host: String
  let port: UInt16
  /// Of the Host field.
  let authority: String
  let path: String

  init?(_ text: String) {
    let scheme = "http://"
    guard text.count > scheme.count, text.prefix(scheme.count).lowercased() == scheme,
      text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f })
    else { return nil }
    let rest = text.dropFirst(scheme.count)
    let slash = rest.firstIndex(of: "/") ?? rest.endIndex
    authority = String(rest[..<slash])
    path = slash == rest.endIndex ? "/" : String(rest[slash...])
    var name = rest[..<slash]
    var port: UInt16 = 80
    if let colon = name.lastIndex(of: ":"), !name[colon...].contains("]") {
      guard let given = UInt16(name[name.index(after: colon)...]), given > 0 else { return nil }
      port = given
      name = name[..<colon]
    }
    if name.hasPrefix("["), name.hasSuffix("]") { name = name.dropFirst().dropLast() }
    guard !name.isEmpty, !name.contains("@"), !path.contains("#") else { return nil }
    host = String(name)
    self.port = port
  }
}

enum StapleFetcher {
  static let responseBytesMax = StapleUpdate.responseBytesMax
  private static let headBytesMax = 16 << 10
  /// Without a question, and with questions all the time: the next process reads anew how names
  /// are resolved, which may have changed.
  private static let idleMilliseconds: Int32 = 10_000
  private static let lifeMilliseconds: Int64 = 600_000

  /// One question after the other. Ends with 0 when there has been none for a while, when it has
  /// done that for long, or when the master is gone.
  static func run(channel: Descriptor, sandbox: SandboxPlan) -> Int32 {
    let socket = MessageSocket(channel)
    let end = Clock.monotonicMilliseconds() + lifeMilliseconds
    do throws(SystemError) {
      let poller = try Poller(batchMax: 1)
      try poller.add(channel.number, token: 0, interest: .readable)
      NameResolver.useBuiltIn()
      Sandbox.enter(sandbox)
      while Clock.monotonicMilliseconds() < end {
        let count = poller.wait(timeoutMilliseconds: idleMilliseconds)
        switch try socket.receive() {
        case .closed: return 0
        case .wouldBlock:
          if count == 0 { return 0 }
        case .message(let bytes, let files):
          guard let question = StapleQuestion(bytes: bytes), let file = files.first else {
            continue
          }
          let chain = try File.content(of: file, byteCountMax: CertificateUpdate.bytesMax)
          try answer(question, chain, socket)
        }
      }
      return 0
    } catch {
      return 1
    }
  }

  private static func answer(
    _ question: StapleQuestion, _ chain: [UInt8], _ socket: MessageSocket
  ) throws(SystemError) {
    var reply = StapleReply(number: question.number)
    var content: [Descriptor] = []
    do throws(CertificateProblem) {
      let (bytes, answer) = try fetch(question, chain)
      reply.thisUpdateSeconds = answer.thisUpdateSeconds
      reply.nextUpdateSeconds = answer.nextUpdateSeconds ?? 0
      content = [try sealed(bytes)]
    } catch {
      reply.problem = error.text
    }
    _ = try socket.send(reply.bytes, descriptors: content)
  }

  private static func sealed(_ bytes: [UInt8]) throws(CertificateProblem) -> Descriptor {
    do throws(SystemError) {
      return try File.sealed(bytes)
    } catch {
      throw CertificateProblem(text: "\(error)")
    }
  }

  private static func fetch(
    _ question: StapleQuestion, _ chain: [UInt8]
  ) throws(CertificateProblem) -> ([UInt8], TLSStapleAnswer) {
    let source = TLSCertificateSource(
      chain: chain, chainName: "the chain", key: [], keyName: "")
    do throws(TLSError) {
      let request = try TLSStapleRequest(source)
      let text = question.url.isEmpty ? request.url ?? "" : question.url
      guard !text.isEmpty else { throw TLSError("the certificate names no responder") }
      guard let url = ResponderURL(text) else {
        throw TLSError("'\(text)' is no URL of a responder over plain HTTP")
      }
      let response: [UInt8]
      do throws(OutgoingFailure) {
        response = try body(post(request.bytes, to: url, question.timeoutMilliseconds))
      } catch {
        throw TLSError("the responder \(url.authority) \(error.text)")
      }
      let answer = try TLSStapleAnswer(
        checking: response, for: source, nowSeconds: Clock.realSeconds(),
        skewSeconds: question.skewSeconds)
      switch answer.status {
      case .good: return (response, answer)
      case .revoked: throw TLSError("the certificate has been REVOKED")
      case .unknown: throw TLSError("the responder does not know the certificate")
      }
    } catch {
      throw CertificateProblem(text: error.message)
    }
  }

  /// RFC 6960, appendix A.1.
  private static func post(
    _ request: [UInt8], to url: ResponderURL, _ timeoutMilliseconds: Int64
  ) throws(OutgoingFailure) -> [UInt8] {
    let head =
      "POST \(url.path) HTTP/1.0\r\nHost: \(url.authority)\r\n"
      + "Content-Type: application/ocsp-request\r\nContent-Length: \(request.count)\r\n"
      + "Connection: close\r\n\r\n"
    return try OutgoingExchange.run(
      host: url.host, port: url.port, sending: Array(head.utf8) + request,
      byteCountMax: headBytesMax + responseBytesMax,
      deadline: Clock.monotonicMilliseconds() + timeoutMilliseconds,
      isComplete: { received in
        guard let (start, length) = parts(received), let length else { return false }
        return received.count - start >= length
      })
  }

  /// Where the body begins, and its length if that is said; nil: the head is not complete.
  private static func parts(_ received: [UInt8]) -> (start: Int, length: Int?)? {
    let end = Array("\r\n\r\n".utf8)
    guard received.count >= end.count else { return nil }
    for index in 0...received.count - end.count
    where received[index] == 13 && received[index..<index + end.count].elementsEqual(end) {
      let head = String(decoding: received[..<index], as: UTF8.self)
      var length: Int?
      for line in head.split(separator: "\r\n").dropFirst() {
        let field = line.split(separator: ":", maxSplits: 1)
        guard field.count == 2, field[0].lowercased() == "content-length" else { continue }
        let value = field[1].filter { $0 != " " && $0 != "\t" }
        guard length == nil, let number = Int(value), (0...responseBytesMax).contains(number)
        else { return nil }
        length = number
      }
      return (index + end.count, length)
    }
    return nil
  }

  /// Of a 200; redirects are not followed.
  private static func body(_ received: [UInt8]) throws(OutgoingFailure) -> [UInt8] {
    guard let (start, length) = parts(received),
      received.prefix(7).elementsEqual("HTTP/1.".utf8)
    else { throw OutgoingFailure(text: "does not speak HTTP") }
    let status = String(decoding: received.dropFirst(9).prefix(3), as: UTF8.self)
    guard status == "200" else { throw OutgoingFailure(text: "answers with status \(status)") }
    let body = Array(received[start...].prefix(length ?? .max))
    guard body.count == length ?? body.count, body.count <= responseBytesMax else {
      throw OutgoingFailure(text: "breaks off its answer")
    }
    return body
  }
}
