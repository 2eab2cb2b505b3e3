// Waiting for what a claim of the library is given.

import Ring3App

extension Claim {
  /// Takes its events until so many sockets were lent to it in all; false: not in time.
  func isAttached(_ count: Int, _ sockets: inout [LentSocket]) -> Bool {
    eventually {
      while let event = nextEvent() {
        if case .attached(let socket) = event { sockets.append(socket) }
      }
      return sockets.count == count
    }
  }
}
