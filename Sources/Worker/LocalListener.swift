// Where a worker accepts connections.

import Configuration
import Platform

/// A local address that this worker accepts on, with what follows from it.
struct LocalListener {
  let identifier: UInt32
  let address: SocketAddress
  let descriptor: Descriptor
  /// Bytes that stand for scheme, port and address class in every cache key.
  let keyPrefix: [UInt8]
  /// Whether a connection in clear text may begin with HTTP/2's preface (`Protocols h2c`).
  let takesClearTextHTTP2: Bool
  /// Whether connections begin with a handshake of TLS.
  let isEncrypted: Bool
  /// Who is believed about the client; nil: nobody.
  let remoteIP: RemoteIPSettings?
}
