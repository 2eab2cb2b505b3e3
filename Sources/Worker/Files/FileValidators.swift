// ETag and Last-Modified from a file's facts.

import Configuration
import HTTP
import Platform

extension FileFacts {
  /// Longer than a timestamp tick, in nanoseconds. The kernel stamps a change with its coarse
  /// clock, which moves every 1 to 10 ms (CONFIG_HZ); two changes within one tick leave the same
  /// stamp, so nothing can be concluded from the stamp of a file that changed less than a tick ago.
  /// Twice the longest tick.
  package static let tickNanoseconds: Int64 = 20_000_000

  /// Whether one more change could leave the facts as they are. `now` is CLOCK_REALTIME. The ctime
  /// counts, which nobody can set; one in the future comes from a clock that was set back.
  package func isYoung(now: Int64) -> Bool {
    let age = now.subtractingReportingOverflow(changedNanoseconds)
    return !age.overflow && age.partialValue.magnitude < UInt64(FileFacts.tickNanoseconds)
  }

  /// Last-Modified in seconds since 1970, never in the future (RFC 9110 §8.8.2.1).
  package func lastModifiedSeconds(nowSeconds: Int64) -> Int64 {
    let seconds = modifiedNanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
    return min(seconds.remainder < 0 ? seconds.quotient - 1 : seconds.quotient, nowSeconds)
  }

  /// Appends an entity tag (RFC 9110 §8.8.3), `"size-mtime"` in hexadecimal; nothing for no parts.
  /// A neighbour's tag differs from its original's by the coding (§8.8.3.3). Weak while the file is
  /// young at `now` (CLOCK_REALTIME, nanoseconds), taken when the facts were.
  package func appendEntityTag(
    to output: inout [UInt8], parts: FileETag, coding: ContentCoding, now: Int64
  ) {
    guard !parts.isEmpty else { return }
    if isYoung(now: now) { output += [UInt8(ascii: "W"), UInt8(ascii: "/")] }
    output.append(UInt8(ascii: "\""))
    var isFirst = true
    func append(_ part: FileETag, _ value: UInt64) {
      guard parts.contains(part) else { return }
      if !isFirst { output.append(UInt8(ascii: "-")) }
      isFirst = false
      output += String(value, radix: 16).utf8
    }
    append(.inode, inode)
    append(.size, UInt64(bitPattern: size))
    append(.modificationTime, UInt64(bitPattern: modifiedNanoseconds))
    if coding != .identity {
      output.append(UInt8(ascii: "-"))
      output += coding.suffix.dropFirst()
    }
    output.append(UInt8(ascii: "\""))
  }
}
