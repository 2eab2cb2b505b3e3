// 25: descriptors that clients of the control socket send keep nobody waiting.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `25 descriptors that are sent to it keep nobody waiting` {
    /// Sends a TCP socket that lingers for a minute: whoever lets it go last waits for that long.
    private static let script = """
      import socket, struct, sys, threading, time
      listener = socket.socket()
      listener.bind(("127.0.0.1", 0))
      listener.listen()
      peer = socket.socket()
      peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
      peer.connect(listener.getsockname())
      lingering = listener.accept()[0]
      lingering.setblocking(False)
      try:
          while True:
              lingering.send(b"x" * 65536)
      except BlockingIOError:
          pass
      lingering.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 60))
      control = socket.socket(socket.AF_UNIX)
      control.connect(sys.argv[1])
      if sys.argv[2] != "command":
          control.sendall(b"session\\t1\\n")
          print(control.recv(4096), flush=True)
      try:
          socket.send_fds(control, [sys.argv[3].encode()], [lingering.fileno()])
      except PermissionError:
          # It is still ours alone, and we do not wait for it either.
          lingering.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
          sys.argv[2] = "leaves"
      # Ours may be the last one, if the server was quick: then it is we who wait.
      closing = threading.Thread(target=lingering.close, daemon=True)
      closing.start()
      closing.join(2)
      if sys.argv[2] == "leaves":
          control.close()
      else:
          print(control.recv(4096), flush=True)
      print("done", flush=True)
      time.sleep(60)
      """

    /// What the sender was told, when it had sent.
    private func send(
      _ server: TestServer, _ kind: String, _ bytes: String, as user: UInt32? = nil
    ) throws -> String {
      let output = "sender-\(UUID().uuidString)"
      let become = user.map {
        ["/usr/bin/setpriv", "--reuid=\($0)", "--regid=\($0)", "--clear-groups"]
      }
      let program = try ChildProgram(
        (become ?? []) + [
          "/usr/bin/python3", "-u", "-c", Self.script, server.directory.path("ring3d.sock"), kind,
          bytes,
        ], outputPath: server.directory.path(output))
      defer {
        program.signal(Signal.kill)
        _ = program.wait(milliseconds: 5_000)
      }
      #expect(eventually { server.directory.read(output).contains("done") })
      let status = server.control("status")
      #expect(status.succeeded, "\(kind): \(status.output)")
      return server.directory.read(output)
    }

    @Test func `by whoever may register`() throws {
      let server = try TestServer("QueueDirectory @root@/queues")
      let said = try send(server, "session", "attach\tq\n")
      #expect(said.contains("no socket of this server that is free"), "\(said)")
      for bytes in ["attach\tq\n", "attach", "status\n"] {
        _ = try send(server, "leaves", bytes)
      }
      #expect(server.control("queue", "show").succeeded)
    }

    @Test func `by whoever may not`() throws {
      guard isRoot() else { return }
      let server = try TestServer(
        "QueueDirectory @root@/queues\nControlSocket ring3d.sock mode=0666")
      try server.letOthersIn()
      for (kind, bytes) in [
        ("session", "attach\tq\n"), ("leaves", "attach\tq\n"), ("leaves", "att"),
        ("command", "status\n"), ("command", "sta"),
      ] {
        _ = try send(server, kind, bytes, as: 65_533)
      }
    }
  }
}
