// Values of many fields behind one reference, so that handing one on costs as much as an integer.

/// A large value behind one reference: a copy counts once, whatever the value holds. A change is
/// made to a copy and is not seen by others.
package struct Shared<Value: Sendable>: Sendable {
  package final class Storage: Sendable {
    package let value: Value
    package init(_ value: Value) { self.value = value }
  }

  package let storage: Storage

  package init(_ value: Value) { storage = Storage(value) }

  /// Read in place: nothing is copied but what is taken out of it.
  package var value: Value {
    @inline(__always) _read { yield storage.value }
  }
}

/// An array of large values, each behind its own reference: one is read in place, and handed on
/// by `shared(_:)` without copying it.
package struct SharedArray<Element: Sendable>: Sendable, RandomAccessCollection,
  ExpressibleByArrayLiteral
{
  private let elements: [Shared<Element>]

  package init(_ elements: some Sequence<Element>) {
    self.elements = elements.map { Shared($0) }
  }

  package init(arrayLiteral elements: Element...) { self.init(elements) }

  package var startIndex: Int { 0 }
  package var endIndex: Int { elements.count }

  package subscript(index: Int) -> Element {
    @inline(__always) _read { yield elements[index].storage.value }
  }

  package func shared(_ index: Int) -> Shared<Element> { elements[index] }
}
