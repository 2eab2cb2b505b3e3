// A directory tree for tests of the file room, and shorthand to ask about it.

import Foundation
import Platform

@testable import Worker

/// A fresh directory that vanishes with the object. `root` is its "site" directory; tests of
/// escapes put things beside it.
final class TemporaryTree: Sendable {
  let top: String
  var root: String { top + "/site" }

  init() throws {
    top = NSTemporaryDirectory() + "ring3-files-" + UUID().uuidString
    try FileManager.default.createDirectory(
      atPath: top + "/site", withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: top) }

  /// Writes a file, with its directories; `age`: how many seconds ago it was modified.
  func write(_ path: String, _ content: String = "content", age: Double? = nil) throws {
    let full = top + "/" + path
    try FileManager.default.createDirectory(
      atPath: (full as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try Data(content.utf8).write(to: URL(fileURLWithPath: full))
    if let age {
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSinceNow: -age)], ofItemAtPath: full)
    }
  }

  func makeDirectory(_ path: String) throws {
    try FileManager.default.createDirectory(
      atPath: top + "/" + path, withIntermediateDirectories: true)
  }

  /// Makes `path` a symbolic link with this content, replacing an older one.
  func link(_ path: String, to content: String) throws {
    try? FileManager.default.removeItem(atPath: top + "/" + path)
    try FileManager.default.createSymbolicLink(
      atPath: top + "/" + path, withDestinationPath: content)
  }

  /// Runs a command on a path of the tree ("mkfifo", "chown -h 1234"), a script before the path.
  func run(_ command: String, _ path: String, _ script: String? = nil) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments =
      command.split(separator: " ").map(String.init) + (script.map { [$0] } ?? [])
      + [top + "/" + path]
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw CocoaError(.fileWriteUnknown) }
  }

  /// A request for `urlPath` with this tree's site as DocumentRoot.
  func request(_ urlPath: String) -> FileRequest {
    FileRequest(
      path: Array((root + urlPath).utf8), root: Array(root.utf8), urlPath: Array(urlPath.utf8))
  }
}

/// Who resolves: all must agree.
enum Resolver: CaseIterable, Sendable {
  /// The event loop, with a helper's answer where it cannot tell.
  case eventLoop
  case helper
  /// A helper without openat2(2).
  case userSpace

  func answer(_ request: FileRequest) -> FileAnswer {
    let mode: ResolveMode
    switch self {
    case .eventLoop: mode = .neverWaits
    case .helper: mode = .mayWait
    case .userSpace: mode = ResolveMode(cachedOnly: false, usesKernelLimits: false)
    }
    switch FileResolver.resolve(request, mode: mode) {
    case .done(let answer): return answer
    case .needsHelper(let request):
      guard case .answer(let answer) = IOHelper.handle(request) else { return .notFound }
      return answer
    }
  }
}

/// An answer in a word, for tables.
func word(_ answer: FileAnswer) -> String {
  switch answer {
  case .file(let file): return "file:" + content(file)
  case .listing: return "listing"
  case .directoryRedirect: return "redirect"
  case .internalRedirect(let redirect):
    return "internal:" + String(decoding: redirect.urlPath, as: UTF8.self)
  case .notFound: return "404"
  case .pathInfo(let count): return "path info \(count)"
  case .forbidden(let reason): return "403 \(reason)"
  case .failed(let error): return "503 \(error)"
  }
}

/// What an open file holds.
func content(_ file: OpenFile) -> String {
  let buffer = ByteBuffer(capacity: Int(file.facts.size) + 1)
  while case .read(let count) = File.read(
    file.descriptor, at: Int64(buffer.count), count: buffer.free, into: buffer, mayWait: true),
    count > 0
  {}
  return String(decoding: buffer.copy(0..<buffer.count), as: UTF8.self)
}
