// A pipe: sends words, prints lines. It knows no command; the server does.

import Platform

enum ControlClient {
  /// Exit code when no server could be reached.
  private static let unreachable: Int32 = 69

  /// Sends one request and prints its answer; returns the exit code that came with it.
  static func run(words: [String], socket: String?, configurationFile: String?) -> Int32 {
    guard let path = socketPath(socket, configurationFile) else { return unreachable }
    if words.first == "run" {
      return ProgramRunner.run(words: Array(words.dropFirst()), socketPath: path)
    }
    guard words.allSatisfy({ !$0.utf8.contains { $0 < 0x20 } }) else {
      Console.error("ring3ctl: control characters in an argument")
      return 2
    }
    let connection: Descriptor
    do {
      connection = try UnixSocket.connect(path: path)
    } catch {
      Console.error("ring3ctl: no server answers at '\(path)': \(SystemError.text(of: error.code))")
      if words.first == "check" {
        Console.error("ring3ctl: without a running server use 'ring3d -c FILE --check'")
      }
      return unreachable
    }
    // The server may refuse before it has read everything: then its answer is waiting.
    _ = UnixSocket.sendAll(connection, Array((words.joined(separator: "\t") + "\n").utf8))
    return printAnswer(connection)
  }

  private static func printAnswer(_ connection: Descriptor) -> Int32 {
    var buffer: [UInt8] = []
    while case .bytes(let bytes) = UnixSocket.receive(connection, byteCountMax: 65_536) {
      buffer += bytes
      // All whole lines at once: a long list comes in many.
      guard let end = buffer.lastIndex(of: UInt8(ascii: "\n")) else { continue }
      var output = ""
      for bytes in buffer[..<end].split(separator: UInt8(ascii: "\n")) {
        let line = String(decoding: bytes, as: UTF8.self)
        if line.first == "o" {
          output += line.dropFirst(2) + "\n"
          continue
        }
        Console.output(output)
        output = ""
        switch line.first {
        case "e": Console.error(String(line.dropFirst(2)))
        case "x": return Int32(line.dropFirst(2)) ?? unreachable
        default: break
        }
      }
      Console.output(output)
      buffer.removeFirst(end + 1)
    }
    Console.error("ring3ctl: the server ended the connection without an answer")
    return unreachable
  }

  private static func socketPath(_ socket: String?, _ configurationFile: String?) -> String? {
    if let socket { return socket }
    guard let configurationFile else {
      return Environment.value(of: "RING3_SOCKET") ?? "/run/ring3/ring3d.sock"
    }
    // Only the server understands its configuration: the one beside us is asked.
    let own = Executable.path
    let directory = own.lastIndex(of: "/").map { own[...$0] } ?? ""
    do {
      let (code, output) = try ChildProcess.output(
        "\(directory)ring3d", ["-c", configurationFile, "--print-control-socket"])
      let text = String(decoding: output, as: UTF8.self)
      guard code == .exited(0) else {
        Console.error("ring3ctl: cannot tell the control socket from '\(configurationFile)':")
        Console.error(text)
        return nil
      }
      return String(text.prefix { $0 != "\n" })
    } catch {
      Console.error("ring3ctl: cannot run '\(directory)ring3d': \(error)")
      return nil
    }
  }
}
