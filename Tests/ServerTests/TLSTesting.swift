// Encrypted servers of a test's own, and clients for them.

import Foundation
import TestSupport
import Testing

extension TestServer {
  /// Copies the tests' certificates and keys into "tls", and starts the server.
  static func encrypted(
    _ configuration: String = TestServer.encryption, workers: Int = 2,
    files: [String: String] = ["a": "A"], prepare: (TestServer) -> Void = { _ in }
  ) throws -> TestServer {
    let server = try TestServer(configuration, workers: workers, files: files, starts: false)
    let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("TLSTests/Data")
    try FileManager.default.copyItem(atPath: source.path, toPath: server.directory.path("tls"))
    prepare(server)
    try server.start()
    return server
  }

  /// The main server with certificates of both kinds for example.org and *.example.org.
  static let encryption = """
    SSLEngine On
    SSLCertificateFile tls/ecdsa.chain.pem
    SSLCertificateKeyFile tls/ecdsa.key
    SSLCertificateFile tls/rsa.chain.pem
    SSLCertificateKeyFile tls/rsa.key

    """

  /// What a client offers that trusts the tests' authority.
  func offer(_ serverName: String? = "www.example.org", _ protocols: String...) -> TLSOffer {
    var offer = TLSOffer(serverName: serverName, protocols: protocols)
    offer.authorityPath = directory.path("tls/root.pem")
    return offer
  }

  func openTLS(_ offer: TLSOffer? = nil) throws -> TLSChannel {
    try TLSChannel(port: port, offer: offer ?? self.offer())
  }

  /// HTTP/1.1 over TLS.
  func openSecure(_ offer: TLSOffer? = nil) throws -> Conversation {
    Conversation(try openTLS(offer))
  }

  /// HTTP/2 over TLS, by ALPN.
  func openSecureHTTP2(_ engine: HTTP2Engine = HTTP2Engine()) throws -> HTTP2Client {
    let channel = try openTLS(offer("www.example.org", "h2", "http/1.1"))
    guard channel.applicationProtocol == "h2" else {
      throw SocketFailure.secure("ALPN chose '\(channel.applicationProtocol)'")
    }
    return try HTTP2Client(channel, scheme: "https", engine: engine)
  }

  /// Why a handshake fails; nil if it succeeds.
  func failure(of offer: TLSOffer) -> SocketFailure? {
    do {
      let channel = try TLSChannel(port: port, offer: offer)
      // In TLS 1.3 the server's view of a client's certificate comes after the handshake.
      try channel.send("GET /a HTTP/1.1\r\nHost: www.example.org\r\nConnection: close\r\n\r\n")
      _ = try channel.receive()
      return nil
    } catch {
      return error
    }
  }
}
