// A growing table of integers, read and written several times a request.

/// Integers by index. One thread reads and writes it, in single steps: no access can overlap
/// another, so the run-time check of that would only cost (as in `ByteBuffer`). Nor is it ever
/// shared, which an array would have to find out before each change.
@safe package final class IntegerTable {
  @exclusivity(unchecked) @usableFromInline var elements: UnsafeMutablePointer<Int64>
  @exclusivity(unchecked) @usableFromInline var filled = 0
  private var capacity = 64

  package init() { unsafe elements = .allocate(capacity: 64) }

  deinit { unsafe elements.deallocate() }

  @inlinable
  package var count: Int {
    @inline(__always) get { unsafe filled }
  }

  package var indices: Range<Int> { 0..<count }

  @inlinable
  package subscript(index: Int) -> Int64 {
    @inline(__always) get {
      precondition(index >= 0 && index < count)
      return unsafe elements[index]
    }
    @inline(__always) set {
      precondition(index >= 0 && index < count)
      unsafe elements[index] = newValue
    }
  }

  package func append(_ element: Int64) {
    if count == capacity { grow() }
    unsafe elements[count] = element
    unsafe filled += 1
  }

  private func grow() {
    let larger = UnsafeMutablePointer<Int64>.allocate(capacity: capacity * 2)
    unsafe larger.update(from: elements, count: count)
    unsafe elements.deallocate()
    unsafe elements = larger
    capacity *= 2
  }
}
