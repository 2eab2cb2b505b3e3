// Clients that others wrote, run beside a server of a test's own.

import Foundation
import TestSupport
import Testing

/// A program of the system's, found in the places where packages put programs.
enum Program {
  /// Its path; nil if it is not installed.
  static func path(_ name: String) -> String? {
    ["/usr/bin/", "/usr/sbin/", "/usr/local/bin/"].map { $0 + name }.first {
      FileManager.default.isExecutableFile(atPath: $0)
    }
  }

  /// Whether all are installed; says which is not.
  static func areInstalled(_ names: String...) -> Bool {
    let missing = names.filter { path($0) == nil }
    if !missing.isEmpty { print("skipped: not installed: \(missing.joined(separator: ", "))") }
    return missing.isEmpty
  }
}

extension TestServer {
  /// Runs an installed program to its end, and tells what it wrote.
  func runProgram(_ name: String, _ arguments: [String], milliseconds: Int = 30_000) -> Outcome {
    guard let path = Program.path(name) else {
      return Outcome(ending: nil, output: "\(name) is not installed")
    }
    let output = "output-\(UUID().uuidString)"
    defer { directory.remove(output) }
    guard
      let program = try? ChildProgram(
        [path] + arguments, outputPath: directory.path(output),
        environment: ["HOME": directory.path])
    else { return Outcome(ending: nil, output: "cannot start \(name)") }
    let ending = program.wait(milliseconds: milliseconds)
    return Outcome(ending: ending, output: directory.read(output))
  }

  /// The bytes of a file in the server's directory.
  func bytes(_ name: String) -> [UInt8] {
    Array(FileManager.default.contents(atPath: directory.path(name)) ?? Data())
  }

  /// A connection in clear text that begins with HTTP/2.
  func openHTTP2(_ engine: HTTP2Engine = HTTP2Engine()) throws -> HTTP2Client {
    try HTTP2Client(ClientSocket(port: port), engine: engine)
  }
}

/// Bytes in which each place differs from its neighbours, another row for each seed.
func variedBytes(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
  var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
  return (0..<count).map { _ in
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return UInt8(truncatingIfNeeded: state >> 32)
  }
}
