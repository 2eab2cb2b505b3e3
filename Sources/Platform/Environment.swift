// The process's environment variables.

import Glibc

package enum Environment {
  /// The value of a variable, nil if it is not set. getenv(3).
  package static func value(of name: String) -> String? {
    guard let value = unsafe getenv(name) else { return nil }
    return unsafe String(cString: value)
  }
}
