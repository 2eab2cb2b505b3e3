// Memory that one process writes and that those it forks only read, and memory that an exec keeps.

import CLinux
import Glibc

/// Two mappings of one anonymous file. Who made it writes by one; everybody reads by the other,
/// which nobody can make writable: its file was opened for reading.
package struct OwnedMemory: Sendable {
  /// Its owner's.
  package let own: SharedRegion
  /// Everybody's. A store through it is SIGSEGV.
  package let shown: SharedRegion

  /// Zeroed. `byteCount`: a positive multiple of 4096.
  package init(byteCount: Int) throws(SystemError) {
    try self.init(SharedRegion(kept: byteCount))
  }

  /// The same memory in another image of the program; nil when the file is too short for it.
  package init?(inherited file: Descriptor, byteCount: Int) throws(SystemError) {
    guard let own = try SharedRegion(inherited: file, byteCount: byteCount) else { return nil }
    try self.init(own)
  }

  private init(_ own: SharedRegion) throws(SystemError) {
    self.own = own
    guard let file = own.descriptor else { preconditionFailure("a region without a file") }
    // Where /proc is not mounted the mapping is read-only all the same, if only by agreement.
    let path = Array("/proc/self/fd/\(file.number)".utf8)
    let readable = try? File.open(path, for: .read)
    shown = try SharedRegion(showing: readable ?? file, byteCount: own.byteCount)
  }

  /// In a fresh child: from here on this process cannot write, whatever it does.
  package func becomeReader() {
    own.discard()
    own.letGoOfDescriptor()
    shown.letGoOfDescriptor()
  }
}

extension SharedRegion {
  /// A mapping of a fresh anonymous file, zeroed, which an exec in place can keep. Like an
  /// anonymous region it takes memory only where it is used.
  package convenience init(kept byteCount: Int) throws(SystemError) {
    let file = Descriptor(
      adopting: try systemCall("memfd_create") {
        unsafe ring3_sparse_memory("ring3-kept", byteCount)
      })
    try self.init(mapping: file, byteCount: byteCount)
  }

  /// The same memory in another image of the program; nil when the file is too short for it.
  package convenience init?(inherited file: Descriptor, byteCount: Int) throws(SystemError) {
    guard try File.facts(file).size >= Int64(byteCount) else { return nil }
    try self.init(mapping: file, byteCount: byteCount)
  }

  /// In a fresh child, which needs the mapping and not the file.
  package func letGoOfDescriptor() {
    if let descriptor { Descriptor.close(descriptor.number) }
  }
}
