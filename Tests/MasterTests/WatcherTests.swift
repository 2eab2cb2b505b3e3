// What the master says of the file watcher.

import Testing
import Worker

@testable import Master

@Test func `each trouble of the file watcher has one warning, which names what to raise`() {
  let all: WatchTrouble = [.kernelLimit, .ownLimit, .fileLimit, .unavailable]
  #expect(WatcherSeat.warnings([]).isEmpty)
  #expect(WatcherSeat.warnings(all).count == 4)
  #expect(WatcherSeat.warnings(.kernelLimit)[0].contains("fs.inotify.max_user_watches"))
  #expect(WatcherSeat.warnings(.unavailable)[0].contains("fs.inotify.max_user_instances"))
  #expect(WatcherSeat.warnings(.ownLimit)[0].contains("\(WatchLimits.watchCountMax)"))
}
