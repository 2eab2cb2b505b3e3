// Which parts of the file system a model serves: what the sandbox lets workers and helpers read.

extension Model {
  /// Absolute paths of directories, and of single files, beneath which everything may be read; each
  /// once. Of every site: its DocumentRoot and the targets of its aliases, up to the directory
  /// before the first hole (`/srv/%{env:MATCH_TENANT}/www` counts as `/srv`), and the directories
  /// named by <Directory>, which is how an operator lets links lead out of a root. Patterns and
  /// wildcards in <Directory> do not count, nor does what is denied to all. The root directory
  /// never counts: what lies right beneath it must be named.
  package var readablePaths: [[UInt8]] {
    var paths: Set<[UInt8]> = []
    for site in sites {
      paths.insert(site.documentRoot.fixedPath)
      for table in site.aliases {
        for rule in table.rules { if let target = rule.target { paths.insert(target.fixedPath) } }
      }
      for table in site.sections {
        for section in table.locations {
          if let (target, _) = section.layer.alias { paths.insert(target.fixedPath) }
        }
        for section in table.directories where section.layer.access != .deniesAll {
          if case .literal(let path) = section.matcher { paths.insert(path) }
        }
      }
    }
    paths.remove([slash])
    paths.remove([])
    return paths.sorted { $0.lexicographicallyPrecedes($1) }
  }
}

extension Template {
  /// The whole path, or the directory that every filling of the holes lies in; no slash at its end.
  fileprivate var fixedPath: [UInt8] {
    var path = literalPrefix
    if !isLiteral { path = path.lastIndex(of: slash).map { Array(path[..<$0]) } ?? [] }
    while path.count > 1, path.last == slash { path.removeLast() }
    return path
  }
}
