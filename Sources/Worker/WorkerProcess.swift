// A worker's life: set up, serve, drain, leave.

import Cache
import Configuration
import HTTP
import Platform
import TLS

package enum WorkerProcess {
  /// Runs in the forked child until it is told to leave; returns the exit code. Reports `ready`
  /// once it accepts on its listeners, or `failed` and returns 1.
  package static func run(_ heritage: Heritage) -> Int32 {
    do throws(SystemError) {
      TLSLibrary.stopWiping()
      heritage.cache?.attach(processSlot: heritage.processSlot)
      heritage.flights?.attach(processSlot: heritage.processSlot)
      let loop = try EventLoop(heritage)
      loop.watch(loop.control, Token.special(.control, 0))
      if let files = heritage.fileHelper {
        loop.watch(MessageSocket(files), Token.special(.fileHelper, 0))
      }
      try loop.watchWakes()
      loop.serve(heritage.served)
      // Last: everything is open, and nothing has been read from a client.
      if let sandbox = heritage.sandbox { Sandbox.enter(sandbox) }
      loop.report(.ready)
      return loop.run()
    } catch {
      let text = WorkerReport.failed("worker \(heritage.workerIndex): \(error)")
      do throws(SystemError) {
        _ = try MessageSocket(heritage.control).send(text.bytes)
      } catch {
        return 2
      }
      return 1
    }
  }
}
