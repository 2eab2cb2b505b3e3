// The memory of one encoder's library: counted, and kept for the next body.

import CZlib
import Glibc

/// Allocates for a library, and keeps large blocks that are given back, since blocks of the same
/// size are wanted for the next body: new memory of the kernel would cost a fault a page. There is
/// no cap, because libbrotlienc ends the process when it gets no memory: what a library takes is
/// bounded by its parameters.
@safe final class LibraryMemory {
  private var keptBytes = 0
  /// Bytes allocated, kept blocks among them.
  private(set) var bytes = 0 {
    didSet { most = max(most, bytes) }
  }
  private(set) var most = 0
  private var kept: [UnsafeMutableRawPointer] = unsafe []

  private static let keptBytesMin = 4096

  deinit {
    while let block = unsafe kept.popLast() { unsafe free(block) }
  }

  /// What the library gives back to its functions as `opaque`. Valid as long as this object.
  @unsafe var opaque: UnsafeMutableRawPointer { unsafe Unmanaged.passUnretained(self).toOpaque() }

  @unsafe static func allocate(_ opaque: UnsafeMutableRawPointer?, _ size: Int)
    -> UnsafeMutableRawPointer?
  {
    guard let opaque = unsafe opaque else { return nil }
    return unsafe Unmanaged<LibraryMemory>.fromOpaque(opaque).takeUnretainedValue().allocate(size)
  }

  @unsafe static func release(
    _ opaque: UnsafeMutableRawPointer?, _ block: UnsafeMutableRawPointer?
  ) {
    guard let opaque = unsafe opaque, let block = unsafe block else { return }
    unsafe Unmanaged<LibraryMemory>.fromOpaque(opaque).takeUnretainedValue().release(block)
  }

  private func allocate(_ size: Int) -> UnsafeMutableRawPointer? {
    // Not one that is much larger, or a small table would take the window's place.
    if size >= LibraryMemory.keptBytesMin,
      let index = unsafe kept.firstIndex(where: { block in
        let usable = unsafe malloc_usable_size(block)
        return usable >= size && usable - size <= size / 2
      })
    {
      let block = unsafe kept.remove(at: index)
      keptBytes -= unsafe malloc_usable_size(block)
      return unsafe block
    }
    guard size >= 0, let block = unsafe malloc(size) else { return nil }
    bytes += unsafe malloc_usable_size(block)
    return unsafe block
  }

  private func release(_ block: UnsafeMutableRawPointer) {
    let usable = unsafe malloc_usable_size(block)
    if usable >= LibraryMemory.keptBytesMin && usable <= most / 2 - keptBytes {
      unsafe kept.append(block)
      keptBytes += usable
    } else {
      bytes -= usable
      unsafe free(block)
    }
  }
}
