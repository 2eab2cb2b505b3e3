// Secrets on their way between processes: anonymous files, and memory that no dump shows.

import CLinux
import Glibc

extension File {
  /// An anonymous file with these bytes, which nobody can change or cut short any more.
  /// memfd_create(2), F_SEAL_….
  package static func sealed(_ content: [UInt8]) throws(SystemError) -> Descriptor {
    let file = Descriptor(
      adopting: try systemCall("memfd_create") { unsafe ring3_open_memory("ring3-sealed") })
    try write(content, to: file)
    _ = try systemCall("fcntl") { ring3_seal_memory(file.number) }
    return file
  }

  /// Writes all bytes from the start of a file on. pwrite(2).
  static func write(_ content: [UInt8], to file: Descriptor) throws(SystemError) {
    var written = 0
    while written < content.count {
      written += try systemCall("pwrite") {
        unsafe content.withUnsafeBytes { bytes in
          guard let base = bytes.baseAddress else { return 0 }
          return unsafe pwrite(file.number, base + written, content.count - written, off_t(written))
        }
      }
    }
  }

  /// The whole content of a file, at most `byteCountMax` bytes (EFBIG beyond). pread(2) from the
  /// start: a file that grows meanwhile gives what there was.
  package static func content(
    of file: Descriptor, byteCountMax: Int
  ) throws(SystemError) -> [UInt8] {
    let size = try facts(file).size
    guard size <= Int64(byteCountMax) else { throw SystemError(code: EFBIG, operation: "read") }
    var bytes = [UInt8](repeating: 0, count: Int(max(0, size)))
    var filled = 0
    while filled < bytes.count {
      let start = filled
      let count = try systemCall("pread") {
        unsafe bytes.withUnsafeMutableBytes { buffer in
          guard let base = buffer.baseAddress else { return 0 }
          return unsafe pread(file.number, base + start, buffer.count - start, off_t(start))
        }
      }
      if count == 0 { break }
      filled += count
    }
    bytes.removeLast(bytes.count - filled)
    return bytes
  }

  /// stat(2): follows symbolic links; nil when there is nothing.
  package static func facts(path: String) -> FileFacts? {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else { return nil }
    return FileFacts(status)
  }
}

extension SharedRegion {
  /// A mapping of a fresh anonymous file of fixed size, which an exec in place can keep; left out
  /// of core dumps (MADV_DONTDUMP). `byteCount`: a positive multiple of 4096.
  package convenience init(secret byteCount: Int) throws(SystemError) {
    let file = Descriptor(
      adopting: try systemCall("memfd_create") {
        unsafe ring3_fixed_memory("ring3-secret", byteCount)
      })
    try self.init(mapping: file, byteCount: byteCount)
    excludeFromDumps()
  }

  /// The same memory in another image of the program; nil when the file is too short for it.
  package convenience init?(
    inheritedSecret file: Descriptor, byteCount: Int
  ) throws(SystemError) {
    guard try File.facts(file).size >= Int64(byteCount) else { return nil }
    try self.init(mapping: file, byteCount: byteCount)
    excludeFromDumps()
  }

  /// Takes the memory from this process alone; whoever touches it later gets SIGSEGV.
  package func discard() {
    _ = unsafe mmap(
      base, byteCount, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0)
  }

  private func excludeFromDumps() { _ = unsafe madvise(base, byteCount, MADV_DONTDUMP) }
}

extension [UInt8] {
  /// Overwrites the bytes where they lie, for all who share them: a secret that nobody needs any
  /// more. Whoever still holds the array finds zeroes. explicit_bzero(3).
  package func wipe() {
    unsafe withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress else { return }
      unsafe explicit_bzero(UnsafeMutableRawPointer(mutating: start), bytes.count)
    }
  }
}

/// errno values by name, for callers outside this room.
extension SystemError {
  package static var isDirectory: CInt { EISDIR }
  package static var fileTooLarge: CInt { EFBIG }
}
