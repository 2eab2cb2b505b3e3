// The table of implemented directives: parser, checker and reference manual all work from it.

/// All implemented directives.
package enum DirectiveTable {
  /// Alphabetical.
  package static let rows: [DirectiveRow] =
    (serverRows + logRows + siteRows + mappingRows + sectionRows + accessRows + contentRows
    + headerRows + connectionRows + cacheRows + languageRows + tlsRows + certificateRows
    + protocolRows + proxyRows + proxySettingRows + cachingRows + freshnessRows
    + compressionRows + remoteIPRows + namespaceRows + applicationRows).sorted { $0.name < $1.name }

  /// Names that mean the same as a row, from older versions of httpd.
  package static let oldNames: [(old: String, new: String)] = [
    ("MaxRequestsPerChild", "MaxConnectionsPerChild")
  ]

  /// Rows by name in lower case, old names included.
  static let byName: [String: DirectiveRow] = {
    var table = [String: DirectiveRow](minimumCapacity: rows.count + oldNames.count)
    for row in rows { table[row.name.lowercased()] = row }
    for (old, new) in oldNames { table[old.lowercased()] = table[new.lowercased()] }
    return table
  }()

  /// The row of a canonical name, for checkers and tests.
  package static func row(_ name: String) -> DirectiveRow? { byName[name.lowercased()] }
}
