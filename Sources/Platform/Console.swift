// Words for the operator's terminal, without C's buffers.

import Glibc

package enum Console {
  /// A line to standard error.
  package static func error(_ line: String) { write(Array((line + "\n").utf8), 2) }

  /// Text to standard output, as it is.
  package static func output(_ text: String) { write(Array(text.utf8), 1) }

  /// Writes what fits; false if nothing could be written.
  package static func write(_ bytes: [UInt8], to descriptor: Descriptor) -> Bool {
    unsafe Glibc.write(descriptor.number, bytes, bytes.count) > 0
  }

  private static func write(_ bytes: [UInt8], _ number: CInt) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = unsafe rest.withUnsafeBytes {
        unsafe Glibc.write(number, $0.baseAddress, $0.count)
      }
      if count <= 0 { return }
      rest = rest.dropFirst(count)
    }
  }
}
