// A session and a client at the two ends of a socket pair.

import Foundation
import Glibc
import Platform
import TLS
import Testing

/// Files of the tests.
enum Data {
  static func path(_ name: String) -> String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Data/\(name)").path
  }

  static func bytes(_ name: String) -> [UInt8] {
    [UInt8]((try? Foundation.Data(contentsOf: URL(fileURLWithPath: path(name)))) ?? .init())
  }

  static func file(_ name: String) -> TLSNamedBytes {
    TLSNamedBytes(name: name, bytes: bytes(name))
  }

  static func source(_ chain: String, _ key: String) -> TLSCertificateSource {
    TLSCertificateSource(
      chain: bytes(chain), chainName: chain, key: bytes(key), keyName: key)
  }

  static let ecdsa = source("ecdsa.chain.pem", "ecdsa.key")
  static let rsa = source("rsa.chain.pem", "rsa.key")
  static let other = source("other.chain.pem", "other.key")

  /// A policy for the ECDSA certificate, changed as the test likes.
  static func policy(_ change: (inout TLSPolicy) -> Void = { _ in }) -> TLSPolicy {
    var policy = TLSPolicy()
    policy.certificates = [ecdsa]
    policy.sessionContext = Array("test".utf8)
    change(&policy)
    return policy
  }

  static func context(
    tickets: TLSTicketKeys? = nil, staples: TLSStaples? = nil,
    _ change: (inout TLSPolicy) -> Void = { _ in }
  ) throws -> TLSContext {
    try TLSContext(policy(change), tickets: tickets, staples: staples)
  }
}

final class TestPair {
  let session: TLSSession
  let client: TestClient
  let buffer = ByteBuffer(capacity: 64 << 10)
  private let serverEnd: CInt
  private(set) var last = TLSHandshakeStep.wantsRead
  private(set) var clientStep = TestClient.Step.wants

  init(
    _ context: TLSContext, _ offer: ClientOffer = ClientOffer(), socketBytes: CInt = 0,
    kernel: any RecordKernel = LinuxRecords()
  ) throws {
    var ends: [CInt] = [0, 0]
    let made = unsafe socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &ends)
    try #require(made == 0)
    serverEnd = ends[0]
    _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
    if socketBytes > 0 {
      var size = socketBytes
      unsafe setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, socklen_t(4))
    }
    session = try TLSSession(
      context: context, descriptor: ends[0], workspace: TLSWorkspace(kernel: kernel))
    client = TestClient(ends[1], offer)
  }

  deinit { close(serverEnd) }

  /// Runs both sides until one has failed or both are done; true for the latter.
  @discardableResult
  func run(
    choosing choice: TLSContext? = nil, pieceMax: Int = .max, turnMax: Int = 10_000
  ) -> Bool {
    clientStep = client.handshake()
    for _ in 0..<turnMax {
      client.push(pieceMax: pieceMax)
      if last != .done {
        last = session.handshake()
        if last == .helloReceived {
          session.choose(choice ?? session.context)
          last = session.handshake()
        }
      }
      #expect(TestClient.hasNoErrors)
      if case .failed = last {
        client.pull()
        clientStep = client.handshake()
        return false
      }
      client.pull()
      if case .wants = clientStep { clientStep = client.handshake() }
      if case .failed = clientStep {
        client.push()
        last = session.handshake()
        return false
      }
      if last == .done && clientStep == .done && client.pushable == 0 { return true }
    }
    return false
  }

  var failure: TLSFailureReason? {
    if case .failed(let failure) = last { failure.reason } else { nil }
  }

  /// Everything the session receives now.
  func received() -> [UInt8] {
    buffer.removeAll()
    while case .received = session.receive(into: buffer), buffer.free > 0 {}
    return buffer.copy(0..<buffer.count)
  }

  /// Sends one piece; how much was taken, nil when the connection is broken.
  func send(_ bytes: [UInt8], now: Int64 = 10_000) -> Int? {
    let piece = ByteBuffer(capacity: max(1, bytes.count))
    piece.append(bytes)
    let output = OutputVector()
    output.append(piece)
    return switch session.send(output, now: now) {
    case .sent(let count): count
    case .wouldBlock: 0
    case .broken: nil
    }
  }
}
