// Where the server's control socket is.

/// The place of a server's control socket.
///
/// ``standard`` is what `ring3ctl` uses too: the environment's `RING3_SOCKET`, else
/// `/run/ring3/ring3d.sock`.
public struct ControlSocket: Sendable, Hashable {
  /// The socket's path; one that begins with `@` is in the abstract namespace.
  public var path: String

  /// Names a socket by its path.
  public init(path: String) { self.path = path }

  /// `RING3_SOCKET` if it is set, else `/run/ring3/ring3d.sock`.
  public static var standard: ControlSocket {
    ControlSocket(path: System.environment("RING3_SOCKET") ?? "/run/ring3/ring3d.sock")
  }
}
