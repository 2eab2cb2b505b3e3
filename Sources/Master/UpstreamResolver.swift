// The process that looks up the names of members: getaddrinfo may wait, and speaks to strangers.

import Platform
import Worker

/// One member whose address is a name.
struct ResolverTask: Hashable, Sendable {
  let host: String
  let port: UInt16
  let place: UpstreamPlace
}

enum UpstreamResolver {
  /// Between two rounds; while a name has never had an address less.
  private static let roundMilliseconds: Int64 = 30_000
  private static let urgentMilliseconds: Int64 = 3_000
  /// The next process reads anew how names are resolved: what may be read was said by path.
  private static let lifeMilliseconds: Int64 = 600_000

  /// Looks up all names, again and again, and writes their addresses to the board. Ends with 0
  /// when the other end of `life` is closed, or after ten minutes.
  static func run(
    _ tasks: [ResolverTask], board: UpstreamBoard, life: Descriptor, sandbox: SandboxPlan?
  ) -> Int32 {
    do throws(SystemError) {
      let poller = try Poller(batchMax: 1)
      try poller.add(life.number, token: 0, interest: .readable)
      if let sandbox {
        NameResolver.useBuiltIn()
        Sandbox.enter(sandbox)
      }
      let end = Clock.monotonicMilliseconds() + lifeMilliseconds
      while Clock.monotonicMilliseconds() < end {
        guard lookUp(tasks, board, while: { poller.wait(timeoutMilliseconds: 0) == 0 }) else {
          return 0
        }
        let isComplete = tasks.allSatisfy { board.addresses($0.place)?.list.isEmpty == false }
        let pause = isComplete ? roundMilliseconds : urgentMilliseconds
        if poller.wait(timeoutMilliseconds: Int32(pause)) > 0 { return 0 }
      }
      return 0
    } catch {
      return 1
    }
  }

  /// One round: each name once, whatever its ports. False when it was told to end meanwhile.
  static func lookUp(
    _ tasks: [ResolverTask], _ board: UpstreamBoard, while goesOn: () -> Bool
  ) -> Bool {
    var hosts: [String: [ResolverTask]] = [:]
    for task in tasks { hosts[task.host, default: []].append(task) }
    for host in hosts.keys.sorted() {
      guard goesOn(), let own = hosts[host] else { return false }
      do {
        let found = try NameResolver.addresses(of: host, port: 0)
        let now = Clock.monotonicMilliseconds()
        for task in own {
          let list = found.prefix(UpstreamBoard.addressCountMax)
            .map { SocketAddress($0.address, port: task.port) }
          board.noteResolved(list, task.place, now: now)
        }
      } catch {
        let now = Clock.monotonicMilliseconds()
        for task in own { board.noteUnresolved(task.place, problem: error.code, now: now) }
      }
    }
    return true
  }
}
