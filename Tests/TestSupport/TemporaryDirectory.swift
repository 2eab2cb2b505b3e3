// A directory of a test's own, gone when the test is.

import Foundation

/// A fresh directory beneath $TMPDIR or /tmp, removed with all it holds at the last reference.
package final class TemporaryDirectory {
  package let path: String

  package init() {
    let name = "ring3-test-" + UUID().uuidString.prefix(13)
    path = NSTemporaryDirectory().trimmingSuffix("/") + "/" + name
    do {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true,
        attributes: [.posixPermissions: 0o755])
    } catch {
      fatalError("no temporary directory: \(error)")
    }
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// The path of something inside.
  package func path(_ name: String) -> String { path + "/" + name }

  /// Writes a file in place (the same inode if it exists) and makes its directories.
  package func write(_ bytes: [UInt8], to name: String) {
    makeDirectory(for: name)
    if let file = FileHandle(forWritingAtPath: path(name)) {
      file.truncateFile(atOffset: 0)
      file.write(Data(bytes))
      file.closeFile()
    } else if !FileManager.default.createFile(atPath: path(name), contents: Data(bytes)) {
      fatalError("cannot write \(path(name))")
    }
  }

  package func write(_ text: String, to name: String) { write(Array(text.utf8), to: name) }

  /// Writes a new file and renames it over the old one.
  package func replace(_ name: String, with bytes: [UInt8]) {
    write(bytes, to: name + ".new")
    moveOver(path(name + ".new"), path(name))
  }

  /// A symbolic link with this text.
  package func link(_ name: String, to target: String) {
    makeDirectory(for: name)
    try? FileManager.default.createSymbolicLink(
      atPath: path(name), withDestinationPath: target)
  }

  package func remove(_ name: String) {
    try? FileManager.default.removeItem(atPath: path(name))
  }

  package func read(_ name: String) -> String {
    String(decoding: FileManager.default.contents(atPath: path(name)) ?? Data(), as: UTF8.self)
  }

  package func exists(_ name: String) -> Bool {
    FileManager.default.fileExists(atPath: path(name))
  }

  /// Sets the modification time, seconds before now, and waits a moment: the change of the time is
  /// itself a change, after which a server need not trust the file at once.
  package func age(_ name: String, seconds: Double) {
    try? FileManager.default.setAttributes(
      [.modificationDate: Date(timeIntervalSinceNow: -seconds)], ofItemAtPath: path(name))
    pause(milliseconds: 50)
  }

  /// Takes all rights from everybody but root.
  package func forbid(_ name: String) {
    try? FileManager.default.setAttributes([.posixPermissions: 0], ofItemAtPath: path(name))
  }

  private func makeDirectory(for name: String) {
    let directory = (path(name) as NSString).deletingLastPathComponent
    try? FileManager.default.createDirectory(
      atPath: directory, withIntermediateDirectories: true)
  }
}

extension String {
  fileprivate func trimmingSuffix(_ suffix: String) -> String {
    hasSuffix(suffix) ? String(dropLast(suffix.count)) : self
  }
}

/// The text of a file whose size is not known before it is read: those of /proc. (Foundation's
/// other readers stop at the first page.)
package func textOfKernelFile(_ path: String) -> String {
  guard let file = FileHandle(forReadingAtPath: path) else { return "" }
  return String(decoding: file.readDataToEndOfFile(), as: UTF8.self)
}
