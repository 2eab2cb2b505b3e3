// Pipes with a name, which Foundation cannot make.

import Glibc

enum NamedPipe {
  /// mkfifo(3); false when it cannot be made.
  static func make(_ path: String) -> Bool { unsafe mkfifo(path, 0o600) == 0 }
}
