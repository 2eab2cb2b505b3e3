// The world as the configuration parser sees it: files, directories, environment.

import Platform

/// How the parser reaches files and the environment; tests and fuzzers bring their own.
package struct ConfigurationReader: Sendable {
  /// The whole file at a path.
  package var read: @Sendable (String) -> Result<[UInt8], SystemError>
  /// The paths that match a shell pattern, sorted by bytes; empty when none does.
  package var glob: @Sendable (String) -> Result<[String], SystemError>
  /// The names in a directory without "." and "..", sorted by bytes.
  package var list: @Sendable (String) -> Result<[String], SystemError>
  package var isDirectory: @Sendable (String) -> Bool
  package var environment: @Sendable (String) -> String?

  package init(
    read: @escaping @Sendable (String) -> Result<[UInt8], SystemError>,
    glob: @escaping @Sendable (String) -> Result<[String], SystemError>,
    list: @escaping @Sendable (String) -> Result<[String], SystemError>,
    isDirectory: @escaping @Sendable (String) -> Bool,
    environment: @escaping @Sendable (String) -> String?
  ) {
    self.read = read
    self.glob = glob
    self.list = list
    self.isDirectory = isDirectory
    self.environment = environment
  }

  /// The real file system and environment.
  package static let system = ConfigurationReader(
    read: { ConfigurationFiles.read($0, byteCountMax: fileBytesMax) },
    glob: { ConfigurationFiles.glob($0) },
    list: { ConfigurationFiles.list($0) },
    isDirectory: { ConfigurationFiles.isDirectory($0) },
    environment: { Environment.value(of: $0) })

  /// The largest file that is read: 16 MiB.
  package static let fileBytesMax = 16 << 20

  /// Files from a dictionary of paths; directories are the prefixes of the paths.
  package static func memory(
    _ files: [String: [UInt8]], environment: [String: String] = [:]
  ) -> ConfigurationReader {
    @Sendable func missing(_ path: String) -> SystemError {
      SystemError(code: SystemError.notFound, operation: "open", subject: path)
    }
    @Sendable func names(in path: String) -> Set<String> {
      let prefix = path.hasSuffix("/") ? path : path + "/"
      return Set(
        files.keys.filter { $0.hasPrefix(prefix) }.compactMap {
          $0.dropFirst(prefix.count).split(separator: "/").first.map(String.init)
        })
    }
    return ConfigurationReader(
      read: { path in files[path].map { .success($0) } ?? .failure(missing(path)) },
      glob: { pattern in
        .success(
          files.keys.filter { GlobPattern.matches(pattern: pattern, path: $0) }
            .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) })
      },
      list: { path in
        let names = names(in: path)
        return names.isEmpty
          ? .failure(missing(path))
          : .success(names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) })
      },
      isDirectory: { files[$0] == nil && !names(in: $0).isEmpty },
      environment: { environment[$0] })
  }
}

/// Shell patterns for readers without a file system: `*`, `?`, and bracket expressions; a wildcard
/// matches neither "/" nor a leading dot.
enum GlobPattern {
  static func isPattern(_ text: String) -> Bool {
    text.utf8.contains {
      $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "[")
    }
  }

  static func matches(pattern: String, path: String) -> Bool {
    let patterns = pattern.split(separator: "/", omittingEmptySubsequences: true)
    let parts = path.split(separator: "/", omittingEmptySubsequences: true)
    guard patterns.count == parts.count else { return false }
    return zip(patterns, parts).allSatisfy { pattern, part in
      if part.first == ".", pattern.first != "." { return false }
      return matches(Array(pattern.utf8)[...], Array(part.utf8)[...])
    }
  }

  /// Product of the two lengths at most: only the last star seen is ever tried again, because an
  /// earlier one that took more could reach nothing that the last one can't.
  private static func matches(_ pattern: ArraySlice<UInt8>, _ text: ArraySlice<UInt8>) -> Bool {
    var rest = pattern
    var text = text
    var retry: (pattern: ArraySlice<UInt8>, text: ArraySlice<UInt8>)?
    while true {
      if rest.first == UInt8(ascii: "*") {
        rest = rest.dropFirst()
        retry = (rest, text)
      } else if let byte = text.first, let after = afterOne(rest, byte) {
        rest = after
        text = text.dropFirst()
      } else if text.isEmpty, rest.isEmpty {
        return true
      } else {
        guard let last = retry, !last.text.isEmpty else { return false }
        rest = last.pattern
        text = last.text.dropFirst()
        retry = (rest, text)
      }
    }
  }

  /// What is left of a pattern once its first element, which is no star, took a byte; nil when it
  /// doesn't take that byte.
  private static func afterOne(
    _ pattern: ArraySlice<UInt8>, _ byte: UInt8
  ) -> ArraySlice<UInt8>? {
    guard let first = pattern.first else { return nil }
    if first == UInt8(ascii: "?") { return pattern.dropFirst() }
    if first == UInt8(ascii: "["),
      let close = pattern.dropFirst(2).firstIndex(of: UInt8(ascii: "]"))
    {
      let set = pattern[(pattern.startIndex + 1)..<close]
      let isNegated = set.first == UInt8(ascii: "!") || set.first == UInt8(ascii: "^")
      let isMember = contains(isNegated ? set.dropFirst() : set, byte)
      return isMember != isNegated ? pattern[(close + 1)...] : nil
    }
    return first == byte ? pattern.dropFirst() : nil
  }

  private static func contains(_ set: ArraySlice<UInt8>, _ byte: UInt8) -> Bool {
    var rest = set
    while let low = rest.popFirst() {
      if rest.first == UInt8(ascii: "-"), let high = rest.dropFirst().first {
        if low <= byte, byte <= high { return true }
        rest = rest.dropFirst(2)
      } else if low == byte {
        return true
      }
    }
    return false
  }
}
