// The names in a directory.

import CLinux
import Glibc

/// Reads directories; may wait for a disk, so it is for the I/O helper.
package enum DirectoryReader {
  /// Names in the kernel's order, without "." and "..", those that `wanted` accepts, at most
  /// `countMax`; `isComplete` is false when there were more. `directory` was opened for reading.
  package static func names(
    in directory: Descriptor, countMax: Int, where wanted: ([UInt8]) -> Bool
  ) throws(SystemError) -> (names: [[UInt8]], isComplete: Bool) {
    // The stream closes its descriptor; ours stays with its owner.
    let copy = try systemCall("fcntl") { fcntl(directory.number, F_DUPFD_CLOEXEC, 0) }
    guard let stream = unsafe fdopendir(copy) else {
      let code = ring3_errno()
      Descriptor.close(copy)
      throw SystemError(code: code, operation: "fdopendir")
    }
    defer { unsafe closedir(stream) }
    unsafe rewinddir(stream)
    var names: [[UInt8]] = []
    while let entry = unsafe readdir(stream) {
      let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        unsafe [UInt8](bytes.prefix { $0 != 0 })
      }
      if name == [0x2e] || name == [0x2e, 0x2e] || !wanted(name) { continue }
      if names.count == countMax { return (names, false) }
      names.append(name)
    }
    return (names, true)
  }
}
