// What pure steps of an application's life are tried on.

@testable import Programs

/// A machine with a clock and numbered processes; `actions` of a step come back.
struct Bench {
  var machine: ProgramMachine
  var now: Int64 = 1_000_000
  var lastProcess: Int32 = 100
  /// Starts that do not come about.
  var startFails = false
  var said: [String] = []
  /// What became of replacements that somebody asked for.
  var outcomes: [String] = []

  init(
    abilities: [String] = ["processes", "watch", "statistics", "connect", "offline", "online"],
    opens: Bool = true, _ change: (inout ProgramSettings) -> Void = { _ in }
  ) {
    var settings = ProgramSettings()
    settings.queue = "shop"
    settings.command = ["shop"]
    change(&settings)
    machine = ProgramMachine(settings, seed: 7)
    if opens { _ = send(.opened(ServerAbilities(words: abilities))) }
  }

  /// What was done, starts carried out.
  mutating func send(_ event: ProgramEvent) -> [ProgramAction] {
    var done: [ProgramAction] = []
    var events = [event]
    while !events.isEmpty {
      for action in machine.handle(events.removeFirst(), now: now) {
        if case .note(_, let text) = action {
          said.append(text)
          continue
        }
        if case .recycled(let problem) = action {
          outcomes.append(problem ?? "done")
          continue
        }
        done.append(action)
        guard action == .start else { continue }
        lastProcess += 1
        events.append(startFails ? .notStarted("no") : .started(lastProcess))
      }
    }
    return done
  }

  mutating func pass(_ milliseconds: Int64) -> [ProgramAction] {
    now += milliseconds
    return send(.tick)
  }

  mutating func statistics(
    active: Int = 0, waiting: Int = 0, served: Int = 0, credits: Int = 1, failed: Int = 0
  ) -> [ProgramAction] {
    send(
      .statistics(
        QueueStatistics(
          active: active, waiting: waiting, served: served, credits: credits, failed: failed)))
  }
}
