// A growing table of objects, looked into at each event.

/// Objects by index; most places are empty. One thread reads and writes it, in single steps, and
/// it is never shared: see `IntegerTable`.
@safe package final class ObjectTable<Object: AnyObject> {
  @exclusivity(unchecked) @usableFromInline var elements: UnsafeMutablePointer<Object?>
  @exclusivity(unchecked) @usableFromInline var capacity = 64

  package init() {
    unsafe elements = .allocate(capacity: 64)
    unsafe elements.initialize(repeating: nil, count: 64)
  }

  deinit {
    unsafe elements.deinitialize(count: capacity)
    unsafe elements.deallocate()
  }

  /// Places there are.
  @inlinable
  package var count: Int {
    @inline(__always) get { unsafe capacity }
  }

  /// What is there, by rising index; changes made meanwhile do not show.
  @inlinable
  package var objects: [Object] {
    var found: [Object] = []
    for index in 0..<count {
      if let object = unsafe elements[index] { found.append(object) }
    }
    return found
  }

  @inlinable
  package subscript(index: Int) -> Object? {
    @inline(__always) get {
      precondition(index >= 0 && index < count)
      return unsafe elements[index]
    }
    @inline(__always) set {
      precondition(index >= 0 && index < count)
      unsafe elements[index] = newValue
    }
  }

  /// Makes so many places at least.
  package func grow(to needed: Int) {
    guard needed > count else { return }
    let larger = max(needed, count * 2)
    let moved = UnsafeMutablePointer<Object?>.allocate(capacity: larger)
    unsafe moved.moveInitialize(from: elements, count: count)
    unsafe (moved + count).initialize(repeating: nil, count: larger - count)
    unsafe elements.deallocate()
    unsafe elements = moved
    unsafe capacity = larger
  }
}
