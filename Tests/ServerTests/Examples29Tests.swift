// 29: what the examples in other languages show works as they show it.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `29 examples do what they show` {
    /// Takes over one connection after the other, by the module's own words.
    private static let taker = """
      import socket, sys
      sys.path.insert(0, sys.argv[1])
      import ring3
      session = ring3.Session(sys.argv[2])
      session.ask("register", sys.argv[3], "--queue=taken", "--handoff")
      session.ask("attach", "taken")
      session.lent.setblocking(True)
      print("ready", flush=True)
      while True:
          connection = session.lent.accept()[0]
          try:
              client, read = ring3.take_over(connection)
          except ConnectionError as error:
              print(error, flush=True)
              continue
          more = read
          while more:
              while b"\\r\\n\\r\\n" in read:
                  head, _, read = read.partition(b"\\r\\n\\r\\n")
                  body = head.split(b" ")[1]
                  start = b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body)
                  client.sendall(start + body)
              more = client.recv(65536)
              read += more
          client.close()
          connection.close()
      """

    @Test func `the Python client takes over connections`() throws {
      let server = try TestServer("QueueDirectory @root@/queues")
      let examples = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("etc/examples").path
      let program = try ChildProgram(
        [
          "/usr/bin/python3", "-c", Self.taker, examples, server.directory.path("ring3d.sock"),
          "http://+:\(server.port)/taken/",
        ], outputPath: server.directory.path("python"),
        environment: ["PYTHONDONTWRITEBYTECODE": "1"])
      defer { program.signal(SIGKILL) }
      func said() -> String { server.directory.read("python") }
      #expect(eventually { said().contains("ready") }, "\(said())")
      #expect(try eventually { try server.get("/taken/a").text == "/taken/a" }, "\(said())")
      // What had been read behind the head comes along; what comes later the server never sees.
      let client = try server.open()
      let targets = ["/taken/b"] + (0..<500).map { "/elsewhere/\($0)" }
      try client.send(
        targets.map { "GET \($0) HTTP/1.1\r\nHost: localhost\r\n\r\n" }.joined())
      for target in targets { #expect(try client.response().text == target) }
      #expect(try client.get("/later").text == "/later")
    }
  }
}
