// Connections of a queue for Swift's concurrency, accepted so that none is lost at the end.

import Dispatch
import Glibc

/// Accepts connections from a queue's listening socket until it is told to stop.
///
/// Servers are built for a socket that is theirs alone. From one that other processes accept from,
/// too, the connection that a process was told of may be gone when it comes for it; and whoever
/// leaves must still answer what he has accepted. Both is done here, and a server only gets
/// connections:
///
/// ```swift
/// let acceptor = Acceptor(socket)
/// await withDiscardingTaskGroup { group in
///   for await connection in acceptor.connections {
///     group.addTask { await answer(connection) }
///   }
/// }
/// // Elsewhere, when another process serves: everything accepted before is still answered.
/// acceptor.stop()
/// ```
public final class Acceptor: Sendable {
  /// Connections as they come, non-blocking and close-on-exec, each of them once, until
  /// ``stop()``. The queue sends as many as the processes have said that they can work on, so none
  /// waits here for long.
  ///
  /// When the task that reads them is cancelled, or leaves its loop, nothing more is accepted, and
  /// what was not read yet is closed: whoever wants all of it answered stops the acceptor instead.
  public let connections: AsyncStream<LentSocket>
  private let watch: ReadableWatch

  /// Begins to accept.
  ///
  /// - Parameter socket: a queue's listening socket; it stays open as long as it is accepted from.
  public init(_ socket: LentSocket) {
    let (stream, continuation) = AsyncStream.makeStream(of: LentSocket.self)
    connections = stream
    watch = ReadableWatch(
      socket.descriptor, on: DispatchQueue(label: "Ring3App.Acceptor"),
      {
        switch System.accept(socket.descriptor) {
        case .accepted(let number): continuation.yield(LentSocket(adopting: number))
        case .wouldBlock: break
        // Descriptors or memory ran out: the connection waits in the socket, and we do.
        case .failed: usleep(Acceptor.pauseMicroseconds)
        }
      }, whenCancelled: { continuation.finish() })
    continuation.onTermination = { [watch] _ in watch.cancel() }
  }

  /// Accepts no more. ``connections`` ends behind what was accepted before; everything else waits
  /// in the socket for other processes.
  public func stop() { watch.cancel() }

  private static let pauseMicroseconds: UInt32 = 50_000
}
