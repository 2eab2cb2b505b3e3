// Arrays of bytes as spans.

extension Array where Element == UInt8 {
  /// The array's bytes, without a copy. (`span.bytes` is unsafe for elements with padding; a byte
  /// has none.)
  package var rawSpan: RawSpan {
    @_lifetime(borrow self)
    @inline(__always) get {
      let bytes = unsafe span.bytes
      return unsafe _overrideLifetime(bytes, borrowing: self)
    }
  }
}

extension RawSpan {
  /// A copy.
  package var array: [UInt8] { unsafe withUnsafeBytes { unsafe [UInt8]($0) } }
}
