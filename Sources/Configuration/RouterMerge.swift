// Merging of sections: <Directory>, <DirectoryMatch>, <Files>, <Location>; the main server's before
// the virtual host's within each class.

import Platform

extension Router {
  /// The locations that hold for a path (runs of "/" collapsed).
  mutating func collectLocations(_ path: [UInt8]) {
    for table in site.sections {
      for section in table.locations where matchesLocation(section, path) {
        locations.append(section)
      }
    }
  }

  private mutating func matchesLocation(_ section: Section, _ path: [UInt8]) -> Bool {
    switch section.matcher {
    case .literal(let prefix): return PathRule.isPrefix(prefix, of: path)
    case .wildcard(let pattern):
      return Wildcard.matches(pattern, path[...], separatesSegments: true)
    case .pattern(let pattern):
      return section.matchesPattern(
        pattern, path, captures: &captures, limitExceeded: &limitExceeded)
    }
  }

  /// The settings of a file; call after `collectLocations`.
  mutating func merged(filePath: [UInt8]) -> Shared<Settings> {
    let isProtected = SiteFiles.isProtected(filePath)
    // Many sites have no section that could say something of a file.
    if locations.isEmpty, !isProtected, site.sections.allSatisfy(\.isSilentOnFiles) {
      return site.sharedSettings
    }
    var sections = directories(above: filePath)
    let nested = sections.flatMap(\.files)
    let name = SiteFiles.baseName(filePath)
    if isProtected { sections.append(SiteFiles.protected) }
    var isOpened = false
    if !name.isEmpty {
      for section in site.sections.flatMap(\.files) + nested where matchesFile(section, name) {
        sections.append(section)
        if section.layer.access != nil { isOpened = true }
      }
    }
    sections += locations
    sections.forEach { note($0) }
    let settings = settings(with: sections)
    guard isProtected, !isOpened else { return settings }
    // A <Location> that grants all does not mean to open .htpasswd; <Files> that names it does.
    var denied = settings.value
    denied.access = .deniesAll
    return Shared(denied)
  }

  private func matchesFile(_ section: Section, _ name: [UInt8]) -> Bool {
    switch section.matcher {
    case .literal(let file): return file == name
    case .wildcard(let pattern):
      return Wildcard.matches(pattern, name[...], separatesSegments: true)
    case .pattern(let pattern): return pattern.matches(name)
    }
  }

  /// Plain sections of both tables by component count, then the patterns.
  private mutating func directories(above path: [UInt8]) -> [Section] {
    var plain: [Section] = []
    for table in site.sections {
      let found = table.directories(above: path).map { table.directories[$0] }
      plain = plain.isEmpty ? found : Router.mergeByDepth(plain, found)
    }
    for table in site.sections {
      for section in table.directoryMatches {
        guard case .pattern(let pattern) = section.matcher,
          section.matchesPattern(
            pattern, path, captures: &captures, limitExceeded: &limitExceeded)
        else { continue }
        plain.append(section)
      }
    }
    return plain
  }

  /// Both lists are sorted by component count; of equals the left comes first.
  private static func mergeByDepth(_ left: [Section], _ right: [Section]) -> [Section] {
    var result: [Section] = []
    var rest = right[...]
    for section in left {
      while let first = rest.first, first.componentCount < section.componentCount {
        result.append(first)
        rest = rest.dropFirst()
      }
      result.append(section)
    }
    return result + rest
  }
}

/// What is built in about file names.
enum SiteFiles {
  static let protectedPrefix = Array(".ht".utf8)

  /// httpd's own configuration denies .htaccess and .htpasswd; here it needs no file to say so.
  static let protected: Section = {
    var layer = SettingsLayer()
    layer.access = .deniesAll
    layer.lines = ["Require all denied"]
    layer.fingerprint = Fingerprint.of("built-in .ht")
    return Section(
      matcher: .literal(protectedPrefix), layer: layer, title: "<Files \".ht*\"> (built in)",
      place: "")
  }()

  /// Whether the file's name begins as those that are denied.
  static func isProtected(_ path: [UInt8]) -> Bool {
    let start = path.lastIndex(of: slash).map { $0 + 1 } ?? 0
    return path[start...].starts(with: protectedPrefix)
  }

  /// What stands behind the last "/"; empty for a directory's path.
  static func baseName(_ path: [UInt8]) -> [UInt8] {
    guard let last = path.lastIndex(of: slash) else { return path }
    return Array(path[(last + 1)...])
  }
}
