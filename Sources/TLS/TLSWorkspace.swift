// Memory that all sessions of one loop use in turn: what is encrypted goes out from here.

import Glibc

/// One per process; the sessions made with it must be used by one thread. While a session is idle
/// nothing of it lies here: every call of a session that fills the batch also empties it.
@safe package final class TLSWorkspace {
  /// Plaintext that one `send` takes at most.
  static let plaintextBytesMax = 128 << 10
  /// Room for that much in records of any size, with their frames.
  static let batchCapacity = 160 << 10
  /// Pieces up to here are copied into one record together.
  static let gatheredBytesMax = 4_096

  /// Records on their way to the socket.
  let batch: UnsafeMutableRawPointer
  var batchCount: Int {
    @inline(__always) get { unsafe batchCountStored }
    @inline(__always) _modify { yield unsafe &batchCountStored }
  }
  @exclusivity(unchecked) private var batchCountStored: Int = 0
  let gathered: UnsafeMutableRawPointer

  let kernel: any RecordKernel

  package init(kernel: any RecordKernel = LinuxRecords()) {
    self.kernel = kernel
    unsafe batch = .allocate(byteCount: TLSWorkspace.batchCapacity, alignment: 64)
    unsafe gathered = .allocate(byteCount: TLSWorkspace.gatheredBytesMax, alignment: 64)
  }

  deinit {
    unsafe batch.deallocate()
    unsafe gathered.deallocate()
  }

  var batchFree: Int { TLSWorkspace.batchCapacity - batchCount }
}
