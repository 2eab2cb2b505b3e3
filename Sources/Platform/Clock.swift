// The clocks Ring3 reads.

import Glibc

package enum Clock {
  /// Milliseconds of CLOCK_MONOTONIC: deadlines and durations inside one process.
  package static func monotonicMilliseconds() -> Int64 { read(CLOCK_MONOTONIC, 1_000_000) }
  /// Microseconds of CLOCK_MONOTONIC: the time a request took.
  package static func monotonicMicroseconds() -> Int64 { read(CLOCK_MONOTONIC, 1_000) }
  /// Milliseconds of CLOCK_BOOTTIME: times in shared memory, equal in all processes, counting
  /// suspended time (DESIGN 4.10).
  package static func bootMilliseconds() -> Int64 { read(CLOCK_BOOTTIME, 1_000_000) }

  /// Seconds since boot, suspended time included. It wraps after 136 years.
  package static func bootSeconds() -> UInt32 {
    UInt32(truncatingIfNeeded: bootMilliseconds() / 1000)
  }
  /// Eighths of a second since boot, suspended time included.
  package static func bootTicks() -> UInt64 { UInt64(bootMilliseconds() / 125) }
  /// Seconds since 1970-01-01 UTC: what HTTP dates and logs show.
  package static func realSeconds() -> Int64 { read(CLOCK_REALTIME, 1_000_000_000) }
  /// Nanoseconds since 1970-01-01 UTC: compared with a file's mtime.
  package static func realNanoseconds() -> Int64 { read(CLOCK_REALTIME, 1) }

  /// Nanoseconds of CPU time that this process has used: for measurements.
  package static func processNanoseconds() -> Int64 { read(CLOCK_PROCESS_CPUTIME_ID, 1) }

  /// Sleeps, or less long when a signal arrives: for processes that nobody waits for. nanosleep(2).
  package static func pause(milliseconds: Int64) {
    var time = timespec(
      tv_sec: Int(milliseconds / 1_000), tv_nsec: Int(milliseconds % 1_000 * 1_000_000))
    _ = unsafe nanosleep(&time, nil)
  }

  private static func read(_ clock: clockid_t, _ nanosecondsPerUnit: Int64) -> Int64 {
    var time = timespec()
    unsafe clock_gettime(clock, &time)
    return (Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)) / nanosecondsPerUnit
  }
}
