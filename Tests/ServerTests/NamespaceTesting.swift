// What tests of the namespace talk through: applications that claim URLs, and bare sessions.

import Foundation
import TestSupport
import Testing

/// The example application, registered; it ends with the test.
final class ClaimingProgram {
  let program: ChildProgram
  private let server: TestServer
  private let output: String

  init(_ server: TestServer, _ queue: String, _ prefixes: [String], user: UInt32? = nil) throws {
    self.server = server
    output = "application-\(UUID().uuidString)"
    let example = server.directory.path("register.py")
    // Where other users can read them.
    let examples = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent(
        "etc/examples")
    for name in ["register.py", "ring3.py"] {
      let copy = server.directory.path(name)
      guard !FileManager.default.fileExists(atPath: copy) else { continue }
      try FileManager.default.copyItem(
        atPath: examples.appendingPathComponent(name).path, toPath: copy)
    }
    program = try ChildProgram(
      asUser(user) + ["/usr/bin/python3", example, server.directory.path("ring3d.sock"), queue]
        + prefixes.map { $0.hasPrefix("http") ? $0 : "http://+:\(server.port)\($0)" },
      outputPath: server.directory.path(output))
  }

  var said: String { server.directory.read(output) }

  /// Whether it has registered.
  var isReady: Bool {
    eventually { said == "ready\n" || program.end() != nil } && said == "ready\n"
  }

  func end() {
    program.signal(SIGKILL)
    _ = program.wait(milliseconds: 5_000)
  }

  deinit { end() }
}

private func asUser(_ user: UInt32?) -> [String] {
  user.map { ["/usr/bin/setpriv", "--reuid=\($0)", "--regid=\($0)", "--clear-groups"] } ?? []
}

/// A Python program as `talk` runs it, which goes on until the test ends.
final class Talk {
  private let program: ChildProgram
  private let server: TestServer
  private let output = "talk-\(UUID().uuidString)"

  init(_ server: TestServer, user: UInt32? = nil, _ text: String) throws {
    self.server = server
    program = try ChildProgram(
      asUser(user) + ["/usr/bin/python3", "-c", talking + text]
        + [server.directory.path("ring3d.sock"), "\(server.port)"],
      outputPath: server.directory.path(output))
  }

  var said: String { server.directory.read(output) }

  deinit {
    program.signal(SIGKILL)
    _ = program.wait(milliseconds: 5_000)
  }
}

/// Runs a Python program with the control socket's path as its argument; what it printed. It has
/// `ask(socket, words...)`, which returns the answer's lines, and `session()`.
func talk(_ server: TestServer, user: UInt32? = nil, _ text: String) throws -> String {
  let output = server.directory.path("talk-\(UUID().uuidString)")
  let program = try ChildProgram(
    asUser(user) + ["/usr/bin/python3", "-c", talking + text]
      + [server.directory.path("ring3d.sock"), "\(server.port)"], outputPath: output)
  defer { program.signal(SIGKILL) }
  _ = program.wait(milliseconds: 60_000)
  return (try? String(contentsOfFile: output, encoding: .utf8)) ?? ""
}

private let talking = """
  import socket, sys, time
  path, port = sys.argv[1], sys.argv[2]
  def connection():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(path)
    return s
  def answer(s):
    text = b""
    while not (text.endswith(b"\\n") and text.splitlines()[-1:][0].startswith(b"x ")):
      try: data = s.recv(65536)
      except OSError: data = b""
      if not data: return "closed"
      text += data
    return text.decode()
  def ask(s, *words):
    try: s.sendall(("\\t".join(words) + "\\n").encode())
    except OSError: return "closed"
    return answer(s)
  def session():
    s = connection()
    first = ask(s, "session", "1")
    return s if first.endswith("x 0\\n") else first
  def url(path): return "http://+:" + port + path

  """
