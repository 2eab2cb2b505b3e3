// The library's memory, counted and capped, a session at a time.

import CNGHTTP2
import Glibc

/// What one session's library holds. Lives at a fixed address, longer than the session.
@unsafe struct MemoryMeter {
  var used = 0
  var most = 0
  let max: Int
}

/// Allocation functions for nghttp2 that count into the meter behind `user_data`. Beyond the cap
/// there is no memory, which the library reports as an error that ends the session.
enum SessionMemory {
  static func functions(_ meter: UnsafeMutablePointer<MemoryMeter>) -> nghttp2_mem {
    unsafe nghttp2_mem(
      mem_user_data: meter,
      malloc: { size, meter in unsafe SessionMemory.allocate(size, meter) },
      free: { block, meter in unsafe SessionMemory.release(block, meter) },
      calloc: { count, size, meter in
        let (bytes, overflow) = count.multipliedReportingOverflow(by: size)
        guard !overflow, let block = unsafe SessionMemory.allocate(bytes, meter) else {
          return nil
        }
        unsafe memset(block, 0, bytes)
        return unsafe block
      },
      realloc: { block, size, meter in unsafe SessionMemory.resize(block, size, meter) })
  }

  private static func allocate(
    _ size: Int, _ user: UnsafeMutableRawPointer?
  ) -> UnsafeMutableRawPointer? {
    guard let meter = unsafe user?.assumingMemoryBound(to: MemoryMeter.self),
      size >= 0, unsafe size <= meter.pointee.max - meter.pointee.used,
      let block = unsafe malloc(size)
    else { return nil }
    unsafe count(malloc_usable_size(block), meter)
    return unsafe block
  }

  private static func release(
    _ block: UnsafeMutableRawPointer?, _ user: UnsafeMutableRawPointer?
  ) {
    guard let block = unsafe block else { return }
    if let meter = unsafe user?.assumingMemoryBound(to: MemoryMeter.self) {
      unsafe meter.pointee.used &-= malloc_usable_size(block)
    }
    unsafe free(block)
  }

  private static func resize(
    _ block: UnsafeMutableRawPointer?, _ size: Int, _ user: UnsafeMutableRawPointer?
  ) -> UnsafeMutableRawPointer? {
    guard let block = unsafe block else { return unsafe allocate(size, user) }
    guard let meter = unsafe user?.assumingMemoryBound(to: MemoryMeter.self) else { return nil }
    let before = unsafe malloc_usable_size(block)
    guard size >= 0, unsafe size - before <= meter.pointee.max - meter.pointee.used,
      let moved = unsafe realloc(block, size)
    else { return nil }
    unsafe count(malloc_usable_size(moved) - before, meter)
    return unsafe moved
  }

  private static func count(_ bytes: Int, _ meter: UnsafeMutablePointer<MemoryMeter>) {
    unsafe meter.pointee.used &+= bytes
    unsafe meter.pointee.most = max(meter.pointee.most, meter.pointee.used)
  }
}
