// What a client wishes for one response (RFC 9218 §4).

import HTTP
import Platform

/// A stream's priority as a client writes it: `u=5, i`.
struct StreamPriority {
  var urgency = SendQueue.usualUrgency
  var isIncremental = false

  init() {}

  /// More than any client has to say.
  private static let byteCountMax = 64

  /// Of a field's value or a PRIORITY_UPDATE's; nil if it is no dictionary, or a long one: then it
  /// says nothing. Members of other types or ranges are passed over (RFC 9218 §4).
  init?(_ value: RawSpan) {
    guard !parseUsual(value) else { return }
    guard value.byteCount <= StreamPriority.byteCountMax,
      let entries = StructuredFields.dictionary([value.array])
    else { return nil }
    for entry in entries {
      guard case .item(let item) = entry.member else { continue }
      switch (entry.key, item.value) {
      case ([0x75], .integer(let number)) where (0...7).contains(number):
        urgency = UInt8(number)
      case ([0x69], .boolean(let isSet)): isIncremental = isSet
      default: break
      }
    }
  }

  /// What browsers write: `u=N`, `i`, `u=N, i`. False: it is something else.
  private mutating func parseUsual(_ value: RawSpan) -> Bool {
    let count = value.byteCount
    if count == 1 {
      isIncremental = Scan.byte(value, at: 0) == 0x69
      return isIncremental
    }
    guard count == 3 || count == 6, Scan.byte(value, at: 0) == 0x75,
      Scan.byte(value, at: 1) == 0x3d, Scan.byte(value, at: 2) &- 0x30 < 8
    else { return false }
    if count == 6 {
      guard Scan.equal(value.extracting(3..<6), ", i") else { return false }
      isIncremental = true
    }
    urgency = Scan.byte(value, at: 2) - 0x30
    return true
  }
}
