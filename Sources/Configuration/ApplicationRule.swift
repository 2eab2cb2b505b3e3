// An application as configured: what is to be run, and where that is written.

import Programs

/// `<Application>`. Names of users and groups are looked up by the master.
package struct ApplicationRule: Sendable {
  /// Its name, and that of its section.
  package let name: ConfiguredText
  package var settings = ProgramSettings()
  /// Where `User` and `Group` stand.
  package var user: ConfiguredText?
  package var group: ConfiguredText?
  /// Users and a group that the queue is open to.
  package var delegators: [ConfiguredText] = []
  package var queueGroup: ConfiguredText?
  /// The prefixes of `Url`.
  var urls: [ConfiguredText] = []

  init(name: ConfiguredText) {
    self.name = name
    settings.name = name.text
    settings.queue = name.text
  }

  /// The section in canonical form.
  var lines: [String] {
    var lines = ["Command " + settings.command.map(Self.quoted).joined(separator: " ")]
    func add(_ name: String, _ value: (some CustomStringConvertible)?) {
      if let value { lines.append("\(name) \(value)") }
    }
    for prefix in settings.prefixes { add("Url", Self.quoted(prefix)) }
    add("Queue", settings.queue)
    add("Processes", settings.processes)
    add("Concurrency", settings.concurrency)
    add("KeepAlive", settings.keepsAlive.map { $0 ? "On" : "Off" })
    add("QueueLength", settings.queueLength)
    add("QueueAge", settings.queueAgeSeconds.map { "\($0)s" })
    add("QueueBytes", settings.queueBytes)
    add("QueueVerbosity", settings.verbosity)
    add("QueueGroup", queueGroup.map { Self.quoted($0.text) })
    if !delegators.isEmpty {
      add("Delegators", delegators.map { Self.quoted($0.text) }.joined(separator: " "))
    }
    add("User", settings.user)
    add("Group", settings.group)
    add("WorkingDirectory", settings.directory.map(Self.quoted))
    for (name, value) in settings.environment.sorted(by: { $0.key < $1.key }) {
      add("Environment", Self.quoted("\(name)=\(value)"))
    }
    add("OnDemand", settings.isOnDemand ? "On" : "Off")
    add("IdleStop", settings.idleStopMilliseconds.map { "\($0)ms" })
    add("RecycleRequests", settings.recycleRequests)
    add("RecycleAge", settings.recycleAgeMilliseconds.map { "\($0)ms" })
    add("RecycleMemory", settings.recycleMemoryBytes)
    if let ping = settings.ping {
      add(
        "Ping",
        "\(ping.path) interval=\(ping.intervalMilliseconds)ms failures=\(ping.failuresMax)"
          + " busy=\(ping.busyMilliseconds)ms")
    }
    add("StopTimeout", "\(settings.stopMilliseconds)ms")
    return ["<Application \(settings.name)>"] + lines.map { "  " + $0 } + ["</Application>"]
  }

  private static func quoted(_ text: String) -> String {
    let marked = text.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : "\($0)" }.joined()
    return "\"\(marked)\""
  }
}
