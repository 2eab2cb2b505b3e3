// What all connections of one policy share: certificates, rules and keys, immutable once made.

import COpenSSL
import Platform
import Synchronization

/// Made by the master from files it read, or by a worker from bytes that it was given; opens no
/// file itself (`configurationCommands` that name files excepted). A change of a certificate makes
/// a new context; sessions that use the old one keep it alive.
@safe package final class TLSContext: @unchecked Sendable {
  /// SSL_CTX. OpenSSL counts references and guards what it changes itself.
  let handle: OpaquePointer
  let groups: String
  let verification: TLSVerification
  let toleratesMissingList: Bool
  let protocols: [[UInt8]]
  let honorsProtocolOrder: Bool
  let tickets: TLSTicketKeys?
  /// nil: nothing is stapled.
  let staples: TLSStaples?
  /// Names the policy in every session (SSL_CTX_set_session_id_context(3)): 32 bytes.
  let sessionContext: [UInt8]
  /// What an operator should know, one sentence each: a certificate that has expired, a chain in
  /// the wrong order. The context works all the same.
  package let warnings: [String]

  /// `tickets` nil: sessions cannot be resumed, as with `sessionTickets` false. `staples`: where
  /// the OCSP responses of its certificates are looked up with each handshake that asks for one.
  /// The sentences of errors name the files of the policy.
  package init(
    _ policy: TLSPolicy, tickets: TLSTicketKeys?, staples: TLSStaples? = nil,
    nowSeconds: Int64 = Clock.realSeconds()
  ) throws(TLSError) {
    ERR_clear_error()
    guard let handle = unsafe SSL_CTX_new(TLS_server_method()) else {
      throw TLSError("no TLS context: \(OpenSSLErrors.take().text)")
    }
    unsafe self.handle = unsafe handle
    let hasTickets = policy.sessionTickets && tickets != nil
    self.tickets = hasTickets ? tickets : nil
    verification = policy.client.verification
    toleratesMissingList = policy.client.toleratesMissingList
    protocols = policy.applicationProtocols.map { Array($0.utf8) }
    honorsProtocolOrder = policy.honorsProtocolOrder
    self.staples = staples
    sessionContext = SessionContext.bytes(of: policy)
    let commanded = policy.configurationCommands.last {
      ["groups", "curves"].contains($0.name.lowercased())
    }
    groups = commanded?.value ?? policy.groups ?? TLSPolicy.defaultGroups

    let builder = unsafe ContextBuilder(handle: handle, nowSeconds: nowSeconds)
    do throws(TLSError) {
      try builder.setRules(policy, groups: groups, hasTickets: hasTickets)
      try builder.setCertificates(policy.certificates)
      try builder.setClients(policy.client)
      try builder.run(policy.configurationCommands)
      try builder.setSessionContext(sessionContext)
    } catch {
      unsafe SSL_CTX_free(handle)
      ERR_clear_error()
      throw error
    }
    warnings = builder.warnings
    unsafe SessionCallbacks.install(on: handle, selectsProtocol: !protocols.isEmpty)
    ERR_clear_error()
    let key = UInt(bitPattern: handle)
    _ = TLSContext.living.withLock { $0.insert(key) }
  }

  deinit {
    // Not if it has been discarded.
    let key = unsafe UInt(bitPattern: handle)
    if TLSContext.living.withLock({ $0.remove(key) }) != nil { unsafe SSL_CTX_free(handle) }
  }

  /// Every SSL_CTX of this process, by its address.
  private static let living = Mutex<Set<UInt>>([])

  /// Frees all contexts of this process with the keys in them, whoever holds them: for a fresh
  /// child that makes no connection. None of them may be used from then on.
  package static func discardAll() {
    let handles = living.withLock { living in
      defer { living = [] }
      return living
    }
    for handle in handles { unsafe SSL_CTX_free(OpaquePointer(bitPattern: handle)) }
    ring3_memory_trim()
  }

  /// SSL_VERIFY_… bits.
  var verifyMode: CInt {
    switch verification {
    case .none: SSL_VERIFY_NONE
    case .optional, .optionalNoCA: SSL_VERIFY_PEER
    case .require: SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
    }
  }
}

/// The digest that names a policy.
enum SessionContext {
  /// Everything that decides whether a client's certificate is accepted goes into it, each piece
  /// behind its length: a session continues only where a full handshake would have ended the same.
  static func bytes(of policy: TLSPolicy) -> [UInt8] {
    var text: [UInt8] = []
    func add(_ piece: [UInt8]) {
      unsafe withUnsafeBytes(of: UInt64(piece.count)) { unsafe text.append(contentsOf: $0) }
      text.append(contentsOf: piece)
    }
    let client = policy.client
    add(policy.sessionContext)
    add([
      client.verification.rawValue, client.revocationCheck.rawValue, UInt8(clamping: client.depth),
      client.toleratesMissingList ? 1 : 0,
    ])
    if client.verification != .none {
      for file in client.authorities + client.revocationLists { add(file.bytes) }
    }
    return digest(text)
  }

  /// SHA-256: 32 bytes.
  static func digest(_ text: [UInt8]) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: 32)
    var count = 0
    let done = unsafe EVP_Q_digest(nil, "SHA256", nil, text, text.count, &digest, &count)
    precondition(done == 1 && count == 32, "SHA-256 fails")
    return digest
  }
}
