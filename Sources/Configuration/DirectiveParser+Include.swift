// Include and IncludeOptional: files, patterns, directories (server/config.c).

import Platform

extension DirectiveParser {
  mutating func include(_ word: Word, isOptional: Bool) {
    guard !word.text.isEmpty else {
      report(.error("a path is expected, not nothing", at: word))
      return
    }
    guard files.count <= Self.includeDepthMax else {
      report(
        .error(
          "includes are nested too deeply (\(Self.includeDepthMax)): \(chain(to: nil))", at: word))
      return
    }
    let path = absolute(word.text)
    guard GlobPattern.isPattern(path) else {
      includePath(path, word, isOptional: isOptional, depth: 0)
      return
    }
    switch reader.glob(path) {
    case .failure(let error):
      report(.error("cannot look for '\(path)': \(SystemError.text(of: error.code))", at: word))
    case .success(let paths):
      if paths.isEmpty, !isOptional {
        report(
          .error(
            "no file matches '\(path)' (IncludeOptional would accept that)", at: word))
      }
      for path in paths { includePath(path, word, isOptional: false, depth: 0) }
    }
  }

  /// Below `ServerRoot` as it is at this point; without one, below the main file's directory.
  private func absolute(_ path: String) -> String {
    if path.hasPrefix("/") { return path }
    let root =
      switch serverRoot {
      case .some(let root) where root.hasPrefix("/"): root
      case .some(let root): Self.join(mainDirectory, root)
      case .none: mainDirectory
      }
    return Self.join(root, path)
  }

  private static func join(_ directory: String, _ name: String) -> String {
    if directory == "." { return name }
    return directory.hasSuffix("/") ? directory + name : "\(directory)/\(name)"
  }

  /// One path: a file, or a directory with all files below it, in the order of their names.
  private mutating func includePath(_ path: String, _ word: Word, isOptional: Bool, depth: Int) {
    guard !hasGivenUp else { return }
    guard reader.isDirectory(path) else {
      includeFile(path, word, isOptional: isOptional)
      return
    }
    // A link back to a directory above would go on for ever.
    guard depth <= Self.includeDepthMax else {
      report(.error("directories are nested too deeply below '\(path)'", at: word))
      return
    }
    switch reader.list(path) {
    case .failure(let error):
      report(.error("cannot list '\(path)': \(SystemError.text(of: error.code))", at: word))
    case .success(let names):
      for name in names {
        includePath(Self.join(path, name), word, isOptional: isOptional, depth: depth + 1)
      }
    }
  }

  private mutating func includeFile(_ path: String, _ word: Word, isOptional: Bool) {
    if files.contains(where: { $0.path == path }) {
      report(.error("'\(path)' includes itself: \(chain(to: path))", at: word))
      return
    }
    guard fileCount < Self.filesMax else {
      report(.error("more than \(Self.filesMax) files are included", at: word))
      return
    }
    switch reader.read(path) {
    case .success(let bytes):
      parse(file: path, bytes: bytes, includedAt: word.place)
    case .failure(let error) where isOptional && Self.isAbsence(error):
      break
    case .failure(let error):
      report(.error("cannot read '\(path)': \(Self.reason(error))", at: word))
    }
  }

  private static func reason(_ error: SystemError) -> String {
    error.code == ConfigurationFiles.notRegularFile
      ? "it is not a regular file" : SystemError.text(of: error.code)
  }

  private static func isAbsence(_ error: SystemError) -> Bool {
    error.code == SystemError.notFound || error.code == SystemError.notDirectory
  }

  /// "a.conf -> b.conf -> a.conf"
  private func chain(to last: String?) -> String {
    let start = last.flatMap { last in files.firstIndex { $0.path == last } } ?? 0
    var names = files[start...].map(\.path)
    if let last { names.append(last) }
    return names.joined(separator: " -> ")
  }
}
