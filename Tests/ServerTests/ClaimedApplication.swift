// An application of a test's own that claims URLs, and says to the server what a test wants said.

import Foundation
import TestSupport
import Testing

/// A program that registers prefixes, answers their requests with its name, the target and a count,
/// and passes on what a test says in its session. It ends with the test.
final class ClaimedApplication {
  let program: ChildProgram
  private let server: TestServer
  private let output: String

  /// What it does is in the words of a path: "vary" varies by Accept-Language, "tag-X" has the tag
  /// X, "delegate-X" goes to the queue X if a cookie asks for it, "slow" takes a while, "error"
  /// fails from the second time on, "large" is 200 KiB, "until" is kept until it is invalidated,
  /// "short" is stale soon and may stand in for errors, "swr" is stale soon and used while it is
  /// renewed. "fragments=" in a query is what its Ring3-Fragments says, and "body=" its own bytes.
  /// POST to "…/at/PATH" says that it has changed "/PATH".
  private static let source = """
    import array, http.server, os, socket, socketserver, sys, threading, time, urllib.parse
    path, name, queue, lifetime, *prefixes = sys.argv[1:]
    session = socket.socket(socket.AF_UNIX)
    session.connect(path)
    lock = threading.Lock()
    count = {}
    def ask(line):
        with lock:
            data = (line + "\\n").encode()
            session.sendall(data)
            answer, received = b"", array.array("i")
            while not answer.startswith(b"x ") and b"\\nx " not in answer or answer[-1:] != b"\\n":
                data, extra, _, _ = session.recvmsg(65536, socket.CMSG_SPACE(4))
                if not data: os._exit(1)
                answer += data
                for _, _, bytes in extra: received.frombytes(bytes)
            return answer.decode(), received
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        def do_GET(self):
            with lock:
                count[self.path] = number = count.get(self.path, 0) + 1
            query = urllib.parse.parse_qs(self.path.partition("?")[2])
            if "fragments" in query: return self.assemble(query)
            other = self.path.split("delegate-")[-1]
            if other not in (self.path, queue) and self.headers.get("Cookie") == "delegated":
                return self.reply(200, [("Ring3-Delegate", other)], "")
            if "slow" in self.path: time.sleep(0.4)
            text = f"{name} {self.path} {number}"
            status, fields = 200, [("X-Application", name), ("Content-Type", "text/plain")]
            if "vary" in self.path:
                fields.append(("Vary", "Accept-Language"))
                text += " " + self.headers.get("Accept-Language", "none")
            if "tag-" in self.path:
                fields.append(("Surrogate-Key", self.path.split("tag-")[1].split("/")[0]))
            if "large" in self.path: text += "." * 204800
            tag = f'"{name}-{self.path}"'
            if "until" in self.path: fields.append(("Ring3-Cache-Control", "until-invalidated"))
            elif "short" in self.path:
                fields.append(("Cache-Control", "max-age=1, stale-if-error=600"))
            elif "swr" in self.path:
                fields.append(("Cache-Control", "max-age=1, stale-while-revalidate=600"))
            else: fields.append(("Cache-Control", f"max-age={lifetime}"))
            if "etag" in self.path:
                fields.append(("ETag", tag))
                if self.headers.get("If-None-Match") == tag:
                    self.send_response(304)
                    for field in fields: self.send_header(*field)
                    self.end_headers()
                    return
            if "error" in self.path and number > 1: status, text = 500, "failed"
            self.reply(status, fields, text)
        def do_HEAD(self): self.do_GET()
        def assemble(self, query):
            if self.headers.get("Ring3-Fragments") == "?0" and "always" not in query:
                return self.reply(200, [], "without")
            fields = [("Ring3-Fragments", value) for value in query["fragments"]]
            fields.append(("Content-Type", "text/plain"))
            if "keep" in query:
                fields += [("Cache-Control", "max-age=600"), ("ETag", '"f"')]
            self.reply(200, fields, query.get("body", [""])[0], "chunked" in query)
        def do_POST(self):
            fields = []
            query = urllib.parse.parse_qs(self.path.partition("?")[2])
            if "fragments" in query: return self.assemble(query)
            if "/at/" in self.path: fields.append(("Location", self.path.split("/at")[1]))
            self.reply(200, fields, "posted")
        def reply(self, status, fields, text, chunked=False):
            self.send_response(status)
            for field in fields: self.send_header(*field)
            data = text.encode()
            if chunked: self.send_header("Transfer-Encoding", "chunked")
            else: self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command == "HEAD": return
            if not chunked: return self.wfile.write(data)
            for byte in data: self.wfile.write(b"1\\r\\n%c\\r\\n" % byte)
            self.wfile.write(b"0\\r\\n\\r\\n")
        def log_message(self, *_): pass
    class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
        daemon_threads = True
        def get_request(self): return self.socket.accept()[0], ("unix", 0)
    def converse(listener):
        while True:
            peer, _ = listener.accept()
            line = b""
            while not line.endswith(b"\\n"): line += peer.recv(65536)
            line = line.decode()[:-1]
            verb, *words = line.split("\\t")
            if verb == "count": answer = str(count.get(words[0], 0)).encode()
            elif verb in ("lend", "send", "hear", "drop"):
                threading.Thread(target=lend, args=[peer, verb, *words], daemon=True).start()
                continue
            else: answer = ask(line)[0].encode()
            peer.sendall(answer)
            peer.close()
    lent = {}
    def lend(peer, verb, name, *words):
        answer = b""
        try:
            if verb == "lend":
                text, received = ask("\\t".join(words))
                if received: lent[name] = socket.socket(fileno=received[0])
                answer = text.encode()
            elif verb == "send": lent[name].sendall(open(words[0], "rb").read())
            elif verb == "drop": lent.pop(name).close()
            else:
                while more := lent[name].recv(65536): answer += more
        except OSError as error: answer += f"({error.__class__.__name__})".encode()
        peer.sendall(answer)
        peer.close()
    for words in ["session\\t1", "\\t".join(["register", *prefixes, f"--queue={queue}"])]:
        answer, _ = ask(words)
        if not answer.endswith("x 0\\n"): sys.exit(answer)
    answer, received = ask(f"attach\\t{queue}")
    listener = socket.socket(fileno=received[0])
    listener.setblocking(True)
    server = Server(("", 0), Handler, bind_and_activate=False)
    server.socket = listener
    control = socket.socket()
    control.bind(("127.0.0.1", 0))
    control.listen()
    threading.Thread(target=converse, args=[control], daemon=True).start()
    print("ready", control.getsockname()[1], flush=True)
    server.serve_forever()
    """

  /// Begins; `isReady` tells when it has registered. Paths stand for those on every host.
  init(
    _ server: TestServer, _ name: String, _ prefixes: [String], queue: String = "shop",
    user: UInt32? = nil, lifetime: Int = 600
  ) throws {
    self.server = server
    output = "application-\(UUID().uuidString)"
    server.directory.write(Self.source, to: "application.py")
    let identity =
      user.map { ["/usr/bin/setpriv", "--reuid=\($0)", "--regid=\($0)", "--clear-groups"] } ?? []
    program = try ChildProgram(
      identity + [
        "/usr/bin/python3", server.directory.path("application.py"),
        server.directory.path("ring3d.sock"), name, queue, "\(lifetime)",
      ] + prefixes.map { $0.hasPrefix("http") ? $0 : "http://+:\(server.port)\($0)" },
      outputPath: server.directory.path(output))
  }

  var said: String { server.directory.read(output) }

  var isReady: Bool {
    eventually { said.hasSuffix("\n") || program.end() != nil } && said.hasPrefix("ready ")
  }

  private var controlPort: UInt16? {
    said.split(whereSeparator: { $0 == " " || $0 == "\n" }).dropFirst().first.flatMap { UInt16($0) }
  }

  /// Says something in the session; the answer as it came.
  @discardableResult
  func say(_ words: String...) throws -> String { try say(words) }

  func say(_ words: [String]) throws -> String { try command(words.joined(separator: "\t")) }

  /// How often it was asked for a target.
  func count(_ target: String) throws -> Int { Int(try command("count\t\(target)")) ?? -1 }

  /// Begins a put or get, and keeps its connection under a name; the answer.
  func lend(_ name: String, _ words: String...) throws -> String {
    try command((["lend", name] + words).joined(separator: "\t"))
  }

  /// Sends something over the connection of that name.
  func send(_ name: String, _ bytes: [UInt8]) throws {
    let file = server.directory.path("lent-\(UUID().uuidString)")
    try Data(bytes).write(to: URL(fileURLWithPath: file))
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: file)
    _ = try command("send\t\(name)\t\(file)")
  }

  /// What comes over it until its end.
  func hear(_ name: String) throws -> String { try command("hear\t\(name)") }

  /// Closes it.
  func drop(_ name: String) throws { _ = try command("drop\t\(name)") }

  /// Puts something whole; the line that comes back, or why it was refused.
  func put(_ words: String..., bytes: String) throws -> String {
    let name = UUID().uuidString
    let line = ["lend", name] + words + ["--bytes=\(bytes.utf8.count)"]
    let answer = try command(line.joined(separator: "\t"))
    guard answer.hasSuffix("x 0\n") else { return answer }
    try send(name, Array(bytes.utf8))
    return try hear(name)
  }

  /// Gets something; the line, and what comes behind it.
  func fetch(_ words: String...) throws -> (line: String, rest: String) {
    let name = UUID().uuidString
    let answer = try command((["lend", name] + words).joined(separator: "\t"))
    guard answer.hasSuffix("x 0\n") else { return (answer, "") }
    let text = try hear(name)
    guard let end = text.utf8.firstIndex(of: 0x0a) else { return (text, "") }
    return (String(text[...end]), String(text[text.utf8.index(after: end)...]))
  }

  private func command(_ line: String) throws -> String {
    let socket = try ClientSocket(port: try #require(controlPort))
    try socket.send(line + "\n")
    return String(decoding: try socket.receiveToEnd(), as: UTF8.self)
  }

  func end() {
    program.signal(Signal.kill)
    _ = program.wait(milliseconds: 5_000)
  }

  deinit { end() }
}
