// Records that a kernel makes: a test plays the kernel, and OpenSSL's client reads what it made.

import COpenSSL
import Glibc
import Platform
import Testing

@testable import TLS

/// A kernel with kTLS for TLS 1.3 and AES-128-GCM, as Documentation/networking/tls.rst says.
private final class PlayedKernel: RecordKernel {
  /// It takes keys.
  let isAble: Bool
  /// The most content of a record.
  var recordBytesMax = 16_384
  private(set) var keys: [UInt8] = []
  private var sequence: UInt64 = 0
  private(set) var types: [UInt8] = []
  private let workspace = TLSWorkspace()

  init(isAble: Bool = true) { self.isAble = isAble }

  func takeOver(_ descriptor: CInt, keys span: RawSpan) -> Bool {
    let keys = unsafe span.withUnsafeBytes { unsafe [UInt8]($0) }
    // struct tls12_crypto_info_aes_gcm_128: version, cipher, iv 8, key 16, salt 4, sequence 8.
    #expect(keys.count == 40 && Array(keys[0..<4]) == [0x04, 0x03, 51, 0])
    guard isAble else { return false }
    self.keys = keys
    sequence = keys[32..<40].reduce(0) { $0 << 8 | UInt64($1) }
    return true
  }

  func send(_ descriptor: CInt, _ output: OutputVector) -> SendResult {
    var cursor = OutputCursor()
    var sent = 0
    while sent < output.byteCount {
      let count = min(recordBytesMax, output.byteCount - sent)
      var content: [UInt8] = []
      unsafe cursor.withRecord(of: output, upTo: count, workspace) { bytes in
        unsafe content = [UInt8](bytes)
      }
      guard write(descriptor, 23, content) else { return sent > 0 ? .sent(sent) : .wouldBlock }
      sent += content.count
    }
    return .sent(sent)
  }

  func send(_ descriptor: CInt, recordType: UInt8, _ content: [UInt8]) -> Bool {
    write(descriptor, recordType, content)
  }

  /// RFC 8446 §5.2: one record.
  private func write(_ descriptor: CInt, _ type: UInt8, _ content: [UInt8]) -> Bool {
    types.append(type)
    let inner = content + [type]
    let length = inner.count + 16
    let head: [UInt8] = [23, 3, 3, UInt8(length >> 8), UInt8(length & 0xff)]
    var nonce = Array(keys[28..<32] + keys[4..<12])
    for index in 0..<8 {
      nonce[4 + index] ^= UInt8(truncatingIfNeeded: sequence >> (56 - 8 * index))
    }
    sequence += 1
    let record = head + seal(inner, nonce: nonce, head: head)
    return unsafe Glibc.send(descriptor, record, record.count, 0) == record.count
  }

  private func seal(_ inner: [UInt8], nonce: [UInt8], head: [UInt8]) -> [UInt8] {
    let context = unsafe EVP_CIPHER_CTX_new()
    defer { unsafe EVP_CIPHER_CTX_free(context) }
    var sealed = [UInt8](repeating: 0, count: inner.count)
    var tag = [UInt8](repeating: 0, count: 16)
    var count: CInt = 0
    let key = Array(keys[12..<28])
    _ = unsafe EVP_EncryptInit_ex(context, EVP_aes_128_gcm(), nil, key, nonce)
    _ = unsafe EVP_EncryptUpdate(context, nil, &count, head, CInt(head.count))
    _ = unsafe EVP_EncryptUpdate(context, &sealed, &count, inner, CInt(inner.count))
    _ = unsafe EVP_EncryptFinal_ex(context, nil, &count)
    _ = unsafe EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, &tag)
    return sealed + tag
  }
}

@Suite struct `records that the kernel makes` {
  private func pair(_ kernel: PlayedKernel, asks: Bool = true) throws -> TestPair {
    let context = try Data.context(tickets: try TLSTicketKeys()) {
      $0.cipherSuites13 = "TLS_AES_128_GCM_SHA256"
      if asks { $0.configurationCommands = [(name: "Options", value: "KTLS")] }
    }
    return try TestPair(context, kernel: kernel)
  }

  private func transfer(_ pair: TestPair, _ count: Int) throws -> Bool {
    let body = `transfers`.pattern(count)
    let piece = ByteBuffer(capacity: count)
    piece.append(body)
    var (sent, arrived) = (0, [UInt8]())
    for _ in 0..<10_000 where arrived.count < count {
      if sent < count {
        let output = OutputVector()
        output.append(piece, from: sent, count: min(count - sent, 60_000))
        if case .sent(let taken) = pair.session.send(output, now: 0) { sent += taken }
      } else {
        _ = pair.session.flush()
      }
      pair.client.pull()
      arrived += pair.client.read()
    }
    return arrived == body
  }

  @Test func `data goes past OpenSSL, messages through it, and the client reads both`() throws {
    let kernel = PlayedKernel()
    let pair = try pair(kernel)
    try #require(pair.run())
    #expect(pair.session.isSentByKernel && TestClient.hasNoErrors)
    #expect(try transfer(pair, 300_000))
    // The client's bytes are still read here.
    #expect(pair.client.write(Array("hello".utf8)))
    pair.session.shutdown()
    // Tickets, data, and the alert that ends it.
    #expect(kernel.types.first == 22 && kernel.types.contains(23) && kernel.types.last == 21)
    #expect(pair.session.failure == nil && TestClient.hasNoErrors)
  }

  @Test func `a client that asks for new keys loses its connection`() throws {
    let kernel = PlayedKernel()
    let pair = try pair(kernel)
    try #require(pair.run())
    #expect(try transfer(pair, 20_000))
    let before = kernel.types.count
    pair.client.updateKeys()
    #expect(pair.client.write(Array("hello".utf8)) && pair.client.push())
    let input = ByteBuffer(capacity: 64)
    var last = pair.session.receive(into: input)
    if case .received = last { last = pair.session.receive(into: input) }
    #expect(pair.session.failure?.reason == .renegotiation)
    guard case .failed = last else {
      Issue.record("the connection goes on with keys that the client does not expect")
      return
    }
    #expect(kernel.types.count == before && TestClient.hasNoErrors)
  }

  @Test func `a kernel that refuses changes nothing`() throws {
    let pair = try pair(PlayedKernel(isAble: false))
    try #require(pair.run())
    #expect(!pair.session.isSentByKernel)
    #expect(try transfer(pair, 300_000))
    #expect(TestClient.hasNoErrors)
  }

  @Test func `nobody is asked where no policy says so`() throws {
    let kernel = PlayedKernel()
    let pair = try pair(kernel, asks: false)
    try #require(pair.run())
    #expect(!pair.session.isSentByKernel && kernel.keys.isEmpty)
    #expect(try transfer(pair, 100_000))
  }

  @Test func `the kernel at hand is asked, and what it says is done`() throws {
    let context = try Data.context {
      $0.configurationCommands = [(name: "Options", value: "KTLS")]
    }
    // A socket that no kernel can do this for.
    let pair = try TestPair(context)
    try #require(pair.run())
    #expect(!pair.session.isSentByKernel)
    #expect(try transfer(pair, 100_000))
  }
}
