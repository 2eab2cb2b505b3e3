// An application for tests of request queues, and a session that a test leads itself.

import Foundation
import TestSupport
import Testing

/// A session on the control socket.
final class ControlSession {
  let socket: ClientSocket
  private var unread = ""
  /// Lines that came without being asked for.
  private(set) var events: [String] = []

  init(_ server: TestServer) throws {
    socket = try ClientSocket(unixPath: server.directory.path("ring3d.sock"))
    try ask("session", "1")
  }

  /// The text and the code of the answer.
  @discardableResult
  func ask(_ words: String...) throws -> (text: String, code: Int) {
    try ask(line: words.joined(separator: "\t"))
  }

  func ask(line: String) throws -> (text: String, code: Int) {
    try socket.send(line + "\n")
    var text = ""
    while true {
      let line = try nextLine()
      if line.hasPrefix("! ") {
        events.append(String(line.dropFirst(2)))
      } else if line.hasPrefix("x ") {
        return (text, Int(line.dropFirst(2)) ?? -1)
      } else {
        text += line.dropFirst(2) + "\n"
      }
    }
  }

  /// Whether an event comes, in time.
  func hears(_ event: String) -> Bool {
    let number = socket.timeoutMilliseconds
    socket.timeoutMilliseconds = 10_000
    defer { socket.timeoutMilliseconds = number }
    while !events.contains(event) {
      guard let line = try? nextLine(), line.hasPrefix("! ") else { return false }
      events.append(String(line.dropFirst(2)))
    }
    events.removeAll { $0 == event }
    return true
  }

  private func nextLine() throws -> String {
    while true {
      if let end = unread.firstIndex(of: "\n") {
        let line = String(unread[..<end])
        unread = String(unread[unread.index(after: end)...])
        return line
      }
      let bytes = try socket.receive()
      if bytes.isEmpty { throw SocketFailure.reset }
      unread += String(decoding: bytes, as: UTF8.self)
    }
  }
}

/// A process that accepts from a queue. What it is asked it does: /…/sleep/MS waits, /…/die ends it
/// in the middle, /…/hold waits until the test calls `letGo`, /…/delegate/QUEUE has that queue
/// ("USER~QUEUE" for USER/QUEUE) answer, for the path ?PATH if there is one, /…/garbage is answered
/// with no HTTP, /…/cut with half an answer, and /…/rights with a descriptor beside it ("sent", or
/// "no" if it may not); /app/… is answered with the request's head. It notes each request that it
/// begins.
final class QueueApplication {
  let program: ChildProgram
  private let directory: TemporaryDirectory
  private let output: String

  /// `threads`: it accepts whatever comes, at once. `processes`: for so many it speaks. `takes`: it
  /// is given clients' connections.
  init(
    _ server: TestServer, _ queue: String, threads: Bool = false, takes: Bool = false,
    processes: Int = 1
  ) throws {
    directory = server.directory
    output = "application-\(UUID().uuidString)"
    directory.write(QueueApplication.source, to: "application.py")
    program = try ChildProgram(
      [
        "/usr/bin/python3", directory.path("application.py"), directory.path("ring3d.sock"), queue,
        directory.path("requests"), directory.path("go"),
        takes ? "takes" : threads ? "threads" : "one",
        "\(processes)",
      ], outputPath: directory.path(output))
    #expect(eventually { said.contains("ready\n") || program.end() != nil })
    #expect(said == "ready\n")
  }

  var said: String { directory.read(output) }

  func kill() {
    program.signal(Signal.kill)
    _ = program.wait(milliseconds: 5_000)
  }

  deinit { kill() }

  /// "PID METHOD TARGET", one for each request that any application has begun.
  static func requests(_ server: TestServer) -> [String] {
    server.directory.read("requests").split(separator: "\n").map(String.init)
  }

  /// Held requests end.
  static func letGo(_ server: TestServer) { server.directory.write("", to: "go") }

  private static let source = """
    import array, os, socket, sys, threading, time, urllib.parse
    path, queue, log, go, kind, processes = sys.argv[1:7]
    control = socket.socket(socket.AF_UNIX)
    control.connect(path)

    def ask(*words):
        control.sendall(("\\t".join(words) + "\\n").encode())
        answer, numbers = b"", array.array("i")
        while not answer.startswith(b"x ") and b"\\nx " not in answer or answer[-1:] != b"\\n":
            data, extra, _, _ = control.recvmsg(65536, socket.CMSG_SPACE(4))
            if not data:
                sys.exit("the server is gone")
            answer += data
            for _, _, content in extra:
                numbers.frombytes(content)
        if not answer.endswith(b"x 0\\n"):
            sys.exit(answer.decode())
        return numbers[0] if numbers else None

    def note(text):
        number = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(number, (text + "\\n").encode())
        os.close(number)

    lock, now, most = threading.Lock(), 0, 0

    def serve(connection):
        global now, most
        data = b""
        while True:
            while b"\\r\\n\\r\\n" not in data:
                more = connection.recv(65536)
                if not more:
                    return connection.close()
                data += more
            with lock:
                now += 1
                most = max(most, now)
            head, _, data = data.partition(b"\\r\\n\\r\\n")
            lines = head.decode().lower().split("\\r\\n")
            method, target = head.decode().split(" ")[:2]
            note(f"{os.getpid()} {method} {target}")
            length = sum(int(l.split(":")[1]) for l in lines if l.startswith("content-length:"))
            while len(data) < length:
                more = connection.recv(65536)
                if not more:
                    break
                data += more
            size, data = len(data[:length]), data[length:]
            parts = target.split("?")[0].split("/")
            if "die" in parts:
                os._exit(9)
            if "garbage" in parts or "cut" in parts:
                with lock:
                    now -= 1
                head = "HTTP/1.1 200 OK\\r\\nContent-Length: 9\\r\\n\\r\\nhalf"
                connection.sendall(b"SSH-2.0-x\\r\\n" if "garbage" in parts else head.encode())
                return connection.close()
            if "sleep" in parts:
                time.sleep(int(parts[parts.index("sleep") + 1]) / 1000)
            while "hold" in parts and not os.path.exists(go):
                time.sleep(0.005)
            body = f"{os.getpid()} {target} {size} {most}\\n".encode()
            if "app" in parts:
                body = head
            with lock:
                now -= 1
            order = b""
            path, _, query = target.partition("?")
            name = urllib.parse.unquote(path.split("/")[-1]).replace("~", "/")
            if "loop" in parts or "delegate" in parts and name != queue:
                order = f"Ring3-Delegate: {name} {query}".strip().encode() + b"\\r\\n"
                body = b"" if "body" not in parts else body
            if "rights" in parts:
                head = b"HTTP/1.1 200 OK\\r\\nContent-Length: 4\\r\\n\\r\\n"
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [1]))]
                try:
                    connection.sendmsg([head + b"sent"], rights)
                except PermissionError:
                    connection.sendall(head + b"no\\r\\n")
                return connection.close()
            try:
                connection.sendall(
                    b"HTTP/1.1 200 OK\\r\\n" + order
                    + b"Content-Length: %d\\r\\n\\r\\n" % len(body) + body)
            except OSError:
                return connection.close()
            if "connection: close" in lines:
                return connection.close()

    def take(connection):
        numbers, data = array.array("i"), b""
        while b"\\n" not in data:
            more, extra, _, _ = connection.recvmsg(1, socket.CMSG_SPACE(4))
            data += more
            for _, _, content in extra:
                numbers.frombytes(content)
        count = int(data.split()[2])
        read = b""
        while len(read) < count:
            read += connection.recv(65536)
        note("took " + data.decode().strip().split(" ", 3)[3])
        client = socket.socket(fileno=numbers[0])
        client.setblocking(True)
        while True:
            while b"\\r\\n\\r\\n" not in read:
                more = client.recv(65536)
                if not more:
                    return connection.close(), client.close()
                read += more
            head, _, read = read.partition(b"\\r\\n\\r\\n")
            lines = head.decode().lower().split("\\r\\n")
            length = sum(int(l.split(":")[1]) for l in lines if l.startswith("content-length:"))
            while len(read) < length:
                read += client.recv(65536)
            size, read = len(read[:length]), read[length:]
            body = f"taken {head.decode().split(' ')[1]} {size}\\n".encode()
            start = b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body)
            client.sendall(start + body)

    ask("session", "1")
    listener = socket.socket(fileno=ask("attach", queue, "--processes=" + processes))
    listener.setblocking(True)
    threading.Thread(target=lambda: (control.recv(1), os._exit(1)), daemon=True).start()
    print("ready", flush=True)
    while True:
        connection = listener.accept()[0]
        if kind == "takes":
            threading.Thread(target=take, args=[connection], daemon=True).start()
        elif kind == "threads":
            threading.Thread(target=serve, args=[connection], daemon=True).start()
        else:
            serve(connection)
    """
}
