// How much memory programs have resident, found out for all of them at once.

import Platform

/// The last look at all processes of the system, which is the same for every application.
final class ProgramMemory {
  /// Each application looks half as often.
  static let goodMilliseconds: Int64 = 1_000

  private let measure: () -> [Int32: Int]
  private var last: (sizes: [Int32: Int], at: Int64)?

  init(measure: @escaping () -> [Int32: Int] = ChildProcess.residentBytesByGroup) {
    self.measure = measure
  }

  /// By process group.
  func sizes(now: Int64) -> [Int32: Int] {
    if let last, now - last.at < Self.goodMilliseconds { return last.sizes }
    let sizes = measure()
    last = (sizes, now)
    return sizes
  }
}
