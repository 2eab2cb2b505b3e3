// Whole files, directories and shell patterns, for reading a configuration; never for requests.

import Glibc

/// Blocking reads of files an operator wrote.
package enum ConfigurationFiles {
  /// The code of `read`'s error when the path leads to a FIFO, a socket or a device: EINVAL.
  package static var notRegularFile: CInt { EINVAL }

  /// The whole file, at most `byteCountMax` bytes (EFBIG beyond). Regular files and /dev/null only,
  /// as in httpd: opening a FIFO must not make a server wait for whoever writes to it. open(2),
  /// fstat(2), read(2).
  package static func read(
    _ path: String, byteCountMax: Int
  ) -> Result<[UInt8], SystemError> {
    do throws(SystemError) {
      return .success(try contents(path, byteCountMax))
    } catch {
      return .failure(error.on(path))
    }
  }

  private static func contents(
    _ path: String, _ byteCountMax: Int
  ) throws(SystemError) -> [UInt8] {
    let number = try systemCall("open") {
      unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
    }
    let descriptor = Descriptor(adopting: number)
    var facts = stat()
    _ = try systemCall("fstat") { unsafe fstat(number, &facts) }
    let kind = facts.st_mode & S_IFMT
    if kind == S_IFDIR { throw SystemError(code: EISDIR, operation: "read") }
    if kind != S_IFREG, path != "/dev/null" {
      throw SystemError(code: notRegularFile, operation: "open")
    }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = try systemCall("read") {
        unsafe chunk.withUnsafeMutableBytes {
          unsafe Glibc.read(descriptor.number, $0.baseAddress, $0.count)
        }
      }
      if count == 0 { return bytes }
      bytes.append(contentsOf: chunk[..<count])
      if bytes.count > byteCountMax { throw SystemError(code: EFBIG, operation: "read") }
    }
  }

  /// Whether the path leads to a directory. stat(2).
  package static func isDirectory(_ path: String) -> Bool {
    var facts = stat()
    return unsafe stat(path, &facts) == 0 && facts.st_mode & S_IFMT == S_IFDIR
  }

  /// The paths that match a shell pattern, sorted by bytes; empty when none does. A directory
  /// that cannot be read is an error, not an absence. glob(3).
  package static func glob(_ pattern: String) -> Result<[String], SystemError> {
    var matches = unsafe glob_t()
    defer { unsafe globfree(&matches) }
    switch unsafe Glibc.glob(pattern, GLOB_ERR | GLOB_NOSORT, nil, &matches) {
    case 0:
      break
    case GLOB_NOMATCH:
      return .success([])
    case GLOB_NOSPACE:
      return .failure(SystemError(code: ENOMEM, operation: "glob", subject: pattern))
    default:
      // A wildcard over a plain file aborts with ENOTDIR, and means only that nothing is there.
      let code = errno
      if code == ENOTDIR || code == ENOENT { return .success([]) }
      return .failure(SystemError(code: code, operation: "glob", subject: pattern))
    }
    var paths: [String] = []
    for index in 0..<Int(unsafe matches.gl_pathc) {
      guard let path = unsafe matches.gl_pathv[index] else { continue }
      paths.append(unsafe String(cString: path))
    }
    return .success(sorted(paths))
  }

  /// The names in a directory without "." and "..", sorted by bytes. opendir(3), readdir(3).
  package static func list(_ path: String) -> Result<[String], SystemError> {
    guard let directory = unsafe opendir(path) else {
      return .failure(SystemError(code: errno, operation: "opendir", subject: path))
    }
    defer { unsafe closedir(directory) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = unsafe readdir(directory) else { break }
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { field in
        unsafe field.withMemoryRebound(to: CChar.self, capacity: 256) {
          unsafe String(cString: $0)
        }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    let code = errno
    if code != 0 {
      return .failure(SystemError(code: code, operation: "readdir", subject: path))
    }
    return .success(sorted(names))
  }

  private static func sorted(_ names: [String]) -> [String] {
    names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }
}
