// Every directive name there is in Apache httpd, and what Ring3 does with it.

/// What a directive's name means to Ring3.
package enum KnownDirective: Sendable {
  case implemented(DirectiveRow)
  /// Has no effect here and needs none; `why` completes "'X' is ignored: ".
  case ignored(module: String, why: String)
  /// Not implemented, and ignoring it would change what clients get; `sentence` completes "'X' ".
  case refused(module: String, sentence: String)
  /// Belongs to a module from outside httpd; `sentence` completes "'X' belongs to M; ".
  case thirdParty(module: String, sentence: String)
  /// No such directive; the nearest known name, if one is near.
  case unknown(nearest: String?)
}

/// The dictionary of directive names. A name is ignored only if no response's content,
/// availability or protection depends on it; what is not implemented otherwise is refused, so that
/// nothing that was closed, encrypted or executed is ever opened, sent in clear or shown as source.
package enum KnownDirectives {
  /// Names of one module that are treated alike.
  struct Family: Sendable {
    enum Treatment: Sendable {
      case ignored(String)
      case refused(Purpose)
      /// For a directive whose reason no other shares.
      case refusedBecause(String)
    }
    let module: String
    let treatment: Treatment
    let names: [String]

    init(_ module: String, _ treatment: Treatment, _ names: String) {
      self.module = module
      self.treatment = treatment
      self.names = names.split(whereSeparator: \.isWhitespace).map(String.init)
    }
  }

  /// Why a directive that is not implemented cannot be ignored.
  enum Purpose: Sendable {
    case encryption, access, login, execution, rewriting, proxying, content, environment
    case conditions, logging, webDAV, identity

    var sentence: String {
      switch self {
      case .encryption:
        """
        decides how connections are encrypted, and is not implemented: without it they could be \
        less protected than meant; use the SSL directives of ring3.conf(5)
        """
      case .access:
        """
        decides who may see something, and is not implemented: ignoring it could open what it \
        protects; use Require (all, ip, local)
        """
      case .login:
        """
        is about users who log in, which is not implemented: ignoring it would show protected \
        pages to everybody
        """
      case .execution:
        """
        makes a program or handler produce responses, which is not implemented: ignoring it would \
        show the program's source instead
        """
      case .rewriting:
        """
        changes which page or file a URL leads to, and is not implemented: ignoring it would \
        answer other pages, perhaps ones meant to be blocked
        """
      case .proxying:
        """
        is about passing requests on in a way that is not implemented: ignoring it would send \
        them elsewhere, or otherwise than meant
        """
      case .content:
        "changes what responses say, and is not implemented: clients would get something else"
      case .environment:
        """
        sets variables that other directives decide by, which is not implemented: ignoring it \
        could change access, headers or connections
        """
      case .conditions:
        """
        decides which directives count, and is not implemented: neither taking nor leaving its \
        contents would be right
        """
      case .logging:
        """
        asks for a log that is not implemented: requests would go unrecorded; use CustomLog FILE \
        common or CustomLog FILE combined
        """
      case .webDAV:
        "lets clients change files (WebDAV), which is not implemented"
      case .identity:
        """
        decides which user or root directory the server works with, and is not implemented: \
        ignoring it would give it more rights than meant
        """
      }
    }
  }

  /// Every family of names that httpd knows and Ring3 does not implement.
  static let families: [Family] =
    coreFamilies + accessFamilies + contentFamilies + handlerFamilies + proxyFamilies + tlsFamilies

  private static let byName: [String: Family] = {
    var table: [String: Family] = [:]
    for family in families {
      for name in family.names { table[name.lowercased()] = family }
    }
    return table
  }()

  /// Implemented names come first, so that they win among equally near ones.
  private static let candidates: [String] =
    DirectiveTable.rows.map(\.name) + DirectiveTable.oldNames.map(\.old)
    + families.flatMap(\.names)

  /// Looks a name up, in any case, without angle brackets.
  package static func lookup(_ name: String) -> KnownDirective {
    let key = name.lowercased()
    if let row = DirectiveTable.byName[key] { return .implemented(row) }
    if let family = byName[key] {
      switch family.treatment {
      case .ignored(let why): return .ignored(module: family.module, why: why)
      case .refused(let purpose):
        return .refused(module: family.module, sentence: purpose.sentence)
      case .refusedBecause(let sentence):
        return .refused(module: family.module, sentence: sentence)
      }
    }
    if let other = thirdParty(key) {
      return .thirdParty(module: other.module, sentence: other.sentence)
    }
    return .unknown(nearest: Spelling.nearest(to: name, among: candidates))
  }

  /// All names of httpd's manual that are ignored, with the reason, alphabetical: for the manual.
  static var ignored: [(name: String, module: String, why: String)] {
    families.flatMap { family -> [(name: String, module: String, why: String)] in
      guard case .ignored(let why) = family.treatment else { return [] }
      return family.names.map { ($0, family.module, why) }
    }.sorted { $0.name < $1.name }
  }

  /// How many names are known, implemented ones included.
  package static var count: Int { DirectiveTable.byName.count + byName.count }
}
