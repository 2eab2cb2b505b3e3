// What a server can do for whoever supervises an application.

/// What a server understands of a session's requests.
package struct ServerAbilities: Equatable, Sendable {
  package var countsProcesses = false
  package var canWatch = false
  package var tellsStatistics = false
  package var canConnect = false
  package var canBeOffline = false
  package var hasQueueSettings = false
  package var canBeTold = false
  package var knowsOwners = false

  package init() {}

  /// Of the words behind the version in the answer to `session`.
  package init(words: some Sequence<String>) {
    let words = Set(words)
    countsProcesses = words.contains("processes")
    canWatch = words.contains("watch")
    tellsStatistics = words.contains("statistics")
    canConnect = words.contains("connect")
    canBeOffline = words.contains("offline") && words.contains("online")
    hasQueueSettings = words.contains("queue")
    canBeTold = words.contains("tell")
    knowsOwners = words.contains("owner")
  }

  /// A moment without a request can be waited for.
  var canRest: Bool { countsProcesses && tellsStatistics }
}
