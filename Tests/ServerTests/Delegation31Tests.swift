// 31: an application gives a request to another one, or takes the client's connection over.

import Foundation
import TestSupport
import Testing

extension ServerTests.`31 it holds requests until their application is free` {
  @Suite struct `and lets applications pass them on` {
    typealias Queues = ServerTests.`31 it holds requests until their application is free`
    static let configuration = Queues.configuration

    @Test func `an application has another one answer, and is out of the way`() throws {
      let (server, session) = try Queues.begin()
      #expect(try session.ask("queue", "back", "--concurrency=2").code == 0)
      let front = try QueueApplication(server, "q")
      let back = try QueueApplication(server, "back")
      let same = try eventually {
        try server.get("/q/delegate/back").text
          == "\(back.program.pid) /q/delegate/back 0 1\n"
      }
      #expect(same)
      // A body goes along, the front is free meanwhile, and the path is what it said.
      let slow = try Queues.ask(server, ["/q/delegate/back?/sleep/300?x=%20y"])
      #expect(eventually { QueueApplication.requests(server).last?.contains("/sleep/300") == true })
      #expect(try server.get("/q/quick").text.hasPrefix("\(front.program.pid) "))
      #expect(try slow[0].response().text == "\(back.program.pid) /sleep/300?x=%20y 0 1\n")
      let client = try server.open()
      try client.send(
        "POST /q/delegate/back HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello")
      #expect(try client.response().text == "\(back.program.pid) /q/delegate/back 5 1\n")
      // In a circle, to nobody, with a body, and with a path that is none.
      #expect(try server.get("/q/loop/q").status == 508)
      for target in ["/q/delegate/none", "/q/body/delegate/back", "/q/delegate/back?http://x/"] {
        #expect(try server.get(target).status == 502, "\(target)")
      }
      #expect(server.said.contains("there is no such queue"))
      // A body that cannot be sent again stays with whom it was sent to.
      let size = 200_000
      let large = try server.open()
      try large.send(
        "POST /q/delegate/back HTTP/1.1\r\nHost: localhost\r\nContent-Length: \(size)\r\n\r\n"
          + String(repeating: "x", count: size))
      #expect(try large.response().status == 502)
      #expect(try server.get("/q/again").status == 200)
      #expect(Queues.figure(server, "active") == 0)
      front.kill()
      back.kill()
    }

    @Test func `access rules of the path that an application names hold`() throws {
      let server = try TestServer(
        Queues.configuration + """
          <Location /q/secret>
            Require all denied
          </Location>
          <Location /q/mine>
            Require ip 127.0.0.1
          </Location>
          <Location /q/others>
            Require ip 192.0.2.1
          </Location>
          """)
      let session = try ControlSession(server)
      server.companions.append(session)
      #expect(
        try session.ask("register", "http://+:\(server.port)/q/", "--queue=q").code == 0)
      #expect(try session.ask("queue", "back").code == 0)
      let front = try QueueApplication(server, "q")
      let back = try QueueApplication(server, "back")
      let answers = try eventually { try server.get("/q/delegate/back?/q/mine").status == 200 }
      #expect(answers)
      for path in ["/q/secret", "/q/secret/x?y", "/q/others", "/q/x/../secret", "/q/%73ecret"] {
        #expect(try server.get("/q/delegate/back?\(path)").status == 403, "\(path)")
      }
      #expect(try server.get("/q/delegate/back?/q/%zz").status == 502)
      let asked = QueueApplication.requests(server).map { $0.split(separator: " ") }
      #expect(asked.count { $0[0] == "\(back.program.pid)" } == 1)
      #expect(Queues.figure(server, "active") == 0)
      front.kill()
      back.kill()
    }

    @Test func `an application takes over connections, if it may`() throws {
      let server = try TestServer(Self.configuration + "CustomLog access.log common\n")
      let session = try ControlSession(server)
      server.companions.append(session)
      let port = server.port
      #expect(
        try session.ask("register", "http://+:\(port)/q/", "--queue=q", "--handoff").code == 0)
      let application = try QueueApplication(server, "q", takes: true)
      #expect(try eventually { try server.get("/q/first").text == "taken /q/first 0\n" })
      // What was read behind the head goes along; what comes later never passes the server.
      let client = try server.open()
      let body = String(repeating: "x", count: 100_000)
      try client.send(
        "POST /q/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n" + body
          + "GET /q/b HTTP/1.1\r\nHost: localhost\r\n\r\n")
      #expect(try client.response().text == "taken /q/a 100000\n")
      #expect(try client.response().text == "taken /q/b 0\n")
      #expect(try client.get("/index.html").text == "taken /index.html 0\n")
      #expect(QueueApplication.requests(server).allSatisfy { $0 == "took 127.0.0.1" })
      // One at a time: the next waits until the application has closed its end.
      let waiting = try Queues.ask(server, ["/q/next"])
      #expect(Queues.waits(server, 1))
      client.socket.close()
      #expect(try waiting[0].response().text == "taken /q/next 0\n")
      #expect(try server.get("/").text == "home\n")
      waiting[0].socket.close()
      #expect(eventually { Queues.figure(server, "active") == 0 })
      #expect(eventually { server.directory.read("access.log").contains("/q/a HTTP/1.1\" - -") })
      application.kill()
      // Only what is reserved so as a whole, in clear text.
      #expect(
        try session.ask("register", "https://+:9443/q/", "--queue=q", "--handoff").code == 77)
      #expect(
        !server.control("reserve", "add", "http://+:\(port)/x/", "--user", "nobody", "--handoff")
          .succeeded)
      #expect(
        server.control("reserve", "add", "http://+:\(port)/", "--user", "nobody", "--handoff")
          .succeeded)
      #expect(server.control("reserve", "show").output.contains("user=nobody:handoff"))
      let refused = server.reload(Self.configuration + "UrlReservation http://+:1/a/ handoff")
      #expect(refused.output.contains("only for a whole host and port"), "\(refused.output)")
    }

    @Test func `another user's queue is asked only if that user lets it`() throws {
      guard isRoot() else { return }
      let server = try TestServer(
        Self.configuration + "ControlSocket ring3d.sock mode=0666\n")
      try server.letOthersIn()
      let session = try ControlSession(server)
      let port = server.port
      #expect(try session.ask("register", "http://+:\(port)/q/", "--queue=q").code == 0)
      let front = try QueueApplication(server, "q")
      // Of somebody else: the example ends when the test does.
      let script = """
        import socket, time
        control = socket.socket(socket.AF_UNIX)
        control.connect("\(server.directory.path("ring3d.sock"))")
        for line in ["session\\t1", "queue\\tback\\t--age=1", "GRANT"]:
            if line == "GRANT":
                while not __import__("os").path.exists("\(server.directory.path("go"))"):
                    time.sleep(0.01)
                line = "queue\\tback\\t--delegators=root"
            control.sendall((line + "\\n").encode())
            print(control.recv(4096), flush=True)
        time.sleep(60)
        """
      let other = try ChildProgram(
        [
          "/usr/bin/setpriv", "--reuid=65533", "--regid=65533", "--clear-groups",
          "/usr/bin/python3", "-c", script,
        ], outputPath: server.directory.path("other"))
      defer {
        other.signal(Signal.kill)
        _ = other.wait(milliseconds: 5_000)
      }
      #expect(eventually { server.control("queue", "show").output.contains("back: enabled") })
      // Without his name it is not that user's queue that is meant.
      #expect(try server.get("/q/delegate/back").status == 502)
      #expect(eventually { server.said.contains("there is no such queue") })
      #expect(try eventually { try server.get("/q/delegate/%2365533~back").status == 502 })
      #expect(eventually { server.said.contains("does not take requests of this application") })
      QueueApplication.letGo(server)
      // It waits there now, and nobody accepts.
      #expect(try eventually { try server.get("/q/delegate/%2365533~back").status == 503 })
      front.kill()
    }
  }
}
