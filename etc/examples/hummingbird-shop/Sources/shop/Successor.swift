// Another process of this program, which serves in the place of the one that holds the URLs.

import Glibc

/// It ends when this object does, or the process that started it: then its standard input closes.
final class Successor: Sendable {
  private let input: CInt

  /// Starts this program without prefixes, so that it only joins the queue.
  init?(queue: String) {
    var ends: [CInt] = [-1, -1]
    guard pipe(&ends) == 0 else { return nil }
    // What nobody else holds closes with us.
    _ = fcntl(ends[1], F_SETFD, FD_CLOEXEC)
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawn_file_actions_adddup2(&actions, ends[0], 0)
    posix_spawn_file_actions_addclose(&actions, ends[0])
    var words: [UnsafeMutablePointer<CChar>?] = [strdup(CommandLine.arguments[0]), strdup(queue)]
    words.append(nil)
    // All that it asks its environment for.
    let path = getenv("RING3_SOCKET").map { "RING3_SOCKET=" + String(cString: $0) }
    var variables: [UnsafeMutablePointer<CChar>?] = [path.map { strdup($0) }, nil]
    var process: pid_t = 0
    let code = posix_spawn(&process, "/proc/self/exe", &actions, nil, &words, &variables)
    for word in words + variables { free(word) }
    posix_spawn_file_actions_destroy(&actions)
    close(ends[0])
    guard code == 0 else {
      close(ends[1])
      return nil
    }
    input = ends[1]
  }

  deinit { close(input) }

  /// In a successor: until it is to end.
  static func awaitEnd() {
    var byte: UInt8 = 0
    while read(0, &byte, 1) > 0 {}
  }
}
