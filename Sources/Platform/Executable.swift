// This program's file: where it is, and replacing the running image by it.

import CLinux
import Glibc

package enum Executable {
  /// The absolute path by which this program was started, or that its file has. After the file was
  /// replaced on disk, /proc/self/exe ends in " (deleted)"; that is removed, so the path names the
  /// new file.
  package static var path: String {
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: 4096) { buffer, count in
      guard let base = buffer.baseAddress else { return }
      count = max(0, unsafe readlink("/proc/self/exe", base, 4096))
    }
    let text = String(decoding: bytes, as: UTF8.self)
    let suffix = " (deleted)"
    return text.hasSuffix(suffix) ? String(text.dropLast(suffix.count)) : text
  }

  /// Where commands are looked for when nobody says where.
  package static let commandDirectories = "/usr/local/bin:/usr/bin:/bin"

  /// The file of a command: the word itself if it has a slash, else the first one in the
  /// directories (as $PATH has them) that may be run. nil: there is none. access(2).
  package static func find(_ command: String, among directories: String?) -> String? {
    if command.contains("/") { return command }
    let directories = directories ?? commandDirectories
    return directories.split(separator: ":").map { "\($0)/\(command)" }.first(where: mayRun)
  }

  /// Whether we may run a file. access(2).
  package static func mayRun(_ path: String) -> Bool { unsafe access(path, X_OK) == 0 }

  /// getcwd(3).
  package static var currentDirectory: String {
    var text = [CChar](repeating: 0, count: 4096)
    guard unsafe getcwd(&text, text.count) != nil else { return "." }
    return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  /// Replaces this process's program, keeping its number and every descriptor that is not
  /// close-on-exec. Returns only with an error. execv(3).
  package static func replace(
    path: String, arguments: [String], environment: [(name: String, value: String)]
  ) -> SystemError {
    for (name, value) in environment { unsafe setenv(name, value, 1) }
    let strings = CStringArray([path] + arguments)
    _ = unsafe ring3_exec(path, strings.pointers, -1)
    let code = ring3_errno()
    for (name, _) in environment { unsafe unsetenv(name) }
    return SystemError(code: code, operation: "exec", subject: path)
  }

  /// The value of an environment variable, which is removed: for what is meant for us alone.
  package static func takeVariable(_ name: String) -> String? {
    guard let value = unsafe getenv(name) else { return nil }
    let text = unsafe String(cString: value)
    unsafe unsetenv(name)
    return text
  }
}
