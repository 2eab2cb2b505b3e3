// A real server of a test's own: binaries, configuration, files, control, all in one directory.

import Foundation
import TestSupport
import Testing

/// All tests that run the real binaries, one after the other: they take ports and time.
@Suite(.serialized) enum ServerTests {}

/// What a program printed and how it ended.
struct Outcome {
  let ending: Ending?
  let output: String

  var succeeded: Bool { ending == .exited(0) }
}

/// Why a server could not be started; the text is all it said.
struct StartFailure: Error, CustomStringConvertible {
  let description: String
}

final class TestServer {
  let directory: TemporaryDirectory
  let port: UInt16
  private(set) var program: ChildProgram?
  /// Paths of the shared-memory objects that the server has mapped.
  private var sharedMemory: Set<String> = []
  private let runsUnprivileged: Bool
  private let openFilesMax: Int?
  /// What lives as long as the server does.
  var companions: [AnyObject] = []
  /// Whether the server itself is not root.
  var isUnprivileged: Bool { runsUnprivileged || !isRoot() }

  /// Writes a configuration (a preamble that every test needs, then `configuration`, in which
  /// @port@ and @root@ stand for this server's) and files below "www", and starts the server.
  init(
    _ configuration: String = "", workers: Int = 2, files: [String: String] = [:],
    unprivileged: Bool = false, openFilesMax: Int? = nil, starts: Bool = true
  ) throws {
    directory = TemporaryDirectory()
    port = freePort()
    runsUnprivileged = unprivileged && isRoot()
    self.openFilesMax = openFilesMax
    directory.write("home\n", to: "www/index.html")
    for (name, text) in files { directory.write(text, to: "www/" + name) }
    configure(configuration, workers: workers)
    if runsUnprivileged { try prepareForNobody() }
    if starts { try start() }
  }

  deinit {
    stop()
    if ProcessInfo.processInfo.environment["RING3_SHOW_LOGS"] != nil { print(said) }
    // The cache outlives the server, as it should; a test's must not outlive the test.
    for name in sharedMemory { try? FileManager.default.removeItem(atPath: name) }
  }

  /// Writes the configuration without telling the server.
  func configure(_ configuration: String, workers: Int = 2) {
    directory.replace(
      "ring3.conf", with: Array((preamble(workers) + expand(configuration)).utf8))
  }

  private func preamble(_ workers: Int) -> String {
    """
    ServerRoot "\(directory.path)"
    Listen 127.0.0.1:\(port)
    PidFile ring3d.pid
    ControlSocket ring3d.sock
    ErrorLog error.log
    LogLevel info
    Workers \(workers)
    CacheSize 16M
    ServerName localhost
    DocumentRoot "\(directory.path)/www"
    DirectoryIndex index.html

    """
  }

  /// The number of lines before a test's own configuration.
  static let preambleLineCount = 11

  func expand(_ text: String) -> String {
    text.replacing("@port@", with: "\(port)").replacing("@root@", with: directory.path) + "\n"
  }

  /// Starts ring3d and waits until it answers.
  func start() throws {
    let command = daemonCommand + ["--foreground", "-c", directory.path("ring3.conf")]
    let started = try ChildProgram(command, outputPath: directory.path("output"))
    program = started
    let deadline = monotonicMilliseconds() + 20_000
    while monotonicMilliseconds() < deadline {
      if let ending = started.end() { throw StartFailure(description: "\(ending): \(said)") }
      if control("status").succeeded && (try? ClientSocket(port: port)) != nil {
        noteSharedMemory()
        return
      }
      pause(milliseconds: 20)
    }
    throw StartFailure(description: "not ready in time: \(said)")
  }

  private func noteSharedMemory() {
    guard let program else { return }
    for line in textOfKernelFile("/proc/\(program.pid)/maps").split(separator: "\n") {
      guard let place = line.range(of: "/dev/shm/ring3") else { continue }
      sharedMemory.insert(String(line[place.lowerBound...].prefix { $0 != " " }))
    }
  }

  /// Everything the server wrote about itself.
  var said: String { directory.read("output") + directory.read("error.log") }

  /// Other users may reach what is in its directory: the control socket, sockets of queues.
  func letOthersIn() throws {
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o755], ofItemAtPath: directory.path)
  }

  /// Sends TERM, or another signal, and waits for the end; kills what does not end.
  @discardableResult
  func stop(_ signal: Int32 = Signal.terminate, milliseconds: Int = 20_000) -> Ending? {
    guard let running = program else { return nil }
    noteSharedMemory()
    program = nil
    running.signal(signal)
    return running.wait(milliseconds: milliseconds)
  }

  // MARK: Requests

  func open(_ address: String = "127.0.0.1") throws -> Conversation {
    try Conversation(to: address, port: port)
  }

  /// One request on a connection of its own.
  func get(
    _ target: String, method: String = "GET", host: String = "localhost", fields: [String] = []
  ) throws -> Response {
    try open().get(target, method: method, host: host, fields: fields)
  }

  /// Sends bytes as they are; all that comes back until the server closes.
  func exchange(_ bytes: String) throws -> String {
    let socket = try ClientSocket(port: port)
    try socket.send(bytes)
    return String(decoding: try socket.receiveToEnd(), as: UTF8.self)
  }

  // MARK: Control

  /// Runs ring3ctl on this server's socket.
  @discardableResult
  func control(_ arguments: String...) -> Outcome { control(words: arguments) }

  func control(words: [String]) -> Outcome {
    run([Ring3.path("ring3ctl"), "--socket", directory.path("ring3d.sock")] + words)
  }

  /// The same as another user, from a copy that everybody may run; needs root.
  func control(as user: UInt32, words: [String]) -> Outcome {
    let copy = directory.path("ring3ctl")
    if !FileManager.default.fileExists(atPath: copy) {
      try? FileManager.default.copyItem(atPath: Ring3.path("ring3ctl"), toPath: copy)
    }
    return run(
      [
        "/usr/bin/setpriv", "--reuid=\(user)", "--regid=\(user)", "--clear-groups", copy,
        "--socket", directory.path("ring3d.sock"),
      ] + words)
  }

  /// Runs ring3ctl on the socket that this server's configuration names.
  func controlByFile(_ arguments: String...) -> Outcome {
    run([Ring3.path("ring3ctl"), "-c", directory.path("ring3.conf")] + arguments)
  }

  /// Runs ring3d with other arguments on this server's configuration.
  func daemon(_ arguments: String..., milliseconds: Int = 20_000) -> Outcome {
    run(
      [Ring3.path("ring3d")] + arguments + ["-c", directory.path("ring3.conf")],
      milliseconds: milliseconds)
  }

  /// Writes another configuration and reloads; waits until it serves.
  func reload(_ configuration: String, workers: Int = 2) -> Outcome {
    configure(configuration, workers: workers)
    return control("reload")
  }

  func status() -> StatusReport? { StatusReport(control("status", "--json").output) }

  var workers: [Int32] { status()?.workerPids ?? [] }

  private func run(_ command: [String], milliseconds: Int = 20_000) -> Outcome {
    let output = "output-\(UUID().uuidString)"
    defer { directory.remove(output) }
    guard let program = try? ChildProgram(command, outputPath: directory.path(output)) else {
      return Outcome(ending: nil, output: "cannot start \(command[0])")
    }
    let ending = program.wait(milliseconds: milliseconds)
    return Outcome(ending: ending, output: directory.read(output))
  }

  // MARK: Without root

  /// As root, an unprivileged server is started as `nobody`, from copies that nobody may read.
  private func prepareForNobody() throws {
    let files = FileManager.default
    try files.copyItem(atPath: Ring3.path("ring3d"), toPath: directory.path("ring3d"))
    try files.setAttributes([.posixPermissions: 0o777], ofItemAtPath: directory.path)
  }

  private var daemonCommand: [String] {
    let limited = openFilesMax.map { ["/usr/bin/prlimit", "--nofile=\($0):\($0)"] } ?? []
    guard runsUnprivileged else { return limited + [Ring3.path("ring3d")] }
    return limited + [
      "/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
      directory.path("ring3d"),
    ]
  }
}

/// Where the binaries are: $RING3_BINARIES, or beside the test bundle.
enum Ring3 {
  static func path(_ name: String) -> String {
    let directory =
      ProcessInfo.processInfo.environment["RING3_BINARIES"]
      ?? (ownExecutable() as NSString).deletingLastPathComponent
    return directory + "/" + name
  }
}

/// Tries until it is true or the time is up; for what becomes true soon, at a moment of its own.
func eventually(milliseconds: Int = 10_000, _ isTrue: () throws -> Bool) rethrows -> Bool {
  let deadline = monotonicMilliseconds() + Int64(milliseconds)
  repeat {
    if try isTrue() { return true }
    pause(milliseconds: 25)
  } while monotonicMilliseconds() < deadline
  return false
}

/// Whether it becomes true and is so many times in a row: each connection may meet another worker,
/// and each learns for itself who owns which URLs.
func settled(_ isTrue: () throws -> Bool) rethrows -> Bool {
  try eventually { try (0..<16).allSatisfy { _ in try isTrue() } }
}
