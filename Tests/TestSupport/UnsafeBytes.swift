// Looks at many bytes at the speed of the C library, which tests built for debugging do not have.

import Glibc

extension [UInt8] {
  /// Whether every byte is this one.
  package func consists(of byte: UInt8) -> Bool {
    guard first == byte else { return isEmpty }
    // Each equals the one before.
    return unsafe withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress else { return true }
      return unsafe memcmp(start, start + 1, bytes.count - 1) == 0
    }
  }
}
