// Directives one by one: known or not, allowed here, with the right arguments.

extension DirectiveParser {
  /// A directive outside `<…>`.
  mutating func carryOut(_ name: Word, _ arguments: [Word]) {
    switch KnownDirectives.lookup(name.text) {
    case .implemented(let row) where row.isSection:
      report(
        .error("'\(name.text)' is a section: write <\(row.name) …> and </\(row.name)>", at: name))
    case .implemented(let row):
      guard check(row, name, arguments) else { return }
      carryOut(row, name, arguments)
    case let other:
      refuse(other, name, displayName: name.text)
    }
  }

  private mutating func carryOut(_ row: DirectiveRow, _ name: Word, _ arguments: [Word]) {
    switch row.name {
    case "Define": carryOutDefine(name, arguments)
    case "UnDefine": carryOutUnDefine(name, arguments)
    case "Include": include(arguments[0], isOptional: false)
    case "IncludeOptional": include(arguments[0], isOptional: true)
    default:
      if row.name == "ServerRoot" { serverRoot = arguments[0].text }
      append(Directive(row: row, name: name, arguments: arguments))
    }
  }

  /// Reports a name that has no row, or none to act on. Says whether the name is ignored.
  mutating func refuse(_ known: KnownDirective, _ name: Word, displayName: String) {
    switch known {
    case .implemented:
      break
    case .ignored(_, let why):
      if ignoredNames.insert(displayName.lowercased()).inserted {
        report(.warning("'\(displayName)' is ignored: \(why)", at: name))
      }
    case .refused(_, let sentence):
      report(.error("'\(displayName)' \(sentence)", at: name))
    case .thirdParty(let module, let sentence):
      report(.error("'\(displayName)' belongs to \(module); \(sentence)", at: name))
    case .unknown(let nearest):
      let what = displayName.hasPrefix("<") ? "section" : "directive"
      let hint = nearest.map {
        "; did you mean '\(displayName.hasPrefix("<") ? "<\($0)>" : $0)'?"
      }
      report(.error("unknown \(what) '\(displayName)'\(hint ?? "")", at: name))
    }
  }

  /// The nearest real section's index: transparent ones hold nothing themselves.
  var blockIndex: Int {
    sections.lastIndex { if case .transparent = $0.kind { false } else { true } } ?? 0
  }

  mutating func append(_ directive: Directive) {
    let index = blockIndex
    let row = directive.row
    if !row.repeats {
      if let first = sections[index].seen[row.name] {
        report(
          .warning(
            "'\(row.displayName)' is already given at \(first); this one replaces it",
            at: directive.name))
      } else {
        sections[index].seen[row.name] = directive.name.place
      }
    }
    sections[index].children.append(directive)
  }

  /// Context, number and type of the arguments; reports what is wrong.
  mutating func check(_ row: DirectiveRow, _ name: Word, _ arguments: [Word]) -> Bool {
    checkContext(row, name) && checkArity(row, name, arguments) && checkTypes(row, name, arguments)
  }

  private mutating func checkContext(_ row: DirectiveRow, _ name: Word) -> Bool {
    let block = sections[blockIndex]
    if !row.contexts.isDisjoint(with: block.context) { return true }
    let inside = block.opening == nil ? "outside all sections" : "inside <\(block.name)>"
    let reason = row.misplaced.map { ": \($0)" } ?? ""
    report(
      .error(
        "'\(row.displayName)' is not allowed \(inside); it goes \(row.contexts.sentence)\(reason)",
        at: name))
    return false
  }

  private mutating func checkArity(
    _ row: DirectiveRow, _ name: Word, _ arguments: [Word]
  ) -> Bool {
    if row.arity.contains(arguments.count) { return true }
    let extra = arguments.count > row.arity.upperBound
    if extra, let comment = arguments.first(where: { $0.text.hasPrefix("#") && !$0.isQuoted }) {
      report(
        .error(
          "a comment must have a line of its own: '#' after a directive is an argument", at: comment
        ))
      return false
    }
    let message =
      switch (extra, row.arity.upperBound) {
      case (true, 0): "'\(row.displayName)' takes no argument"
      case (true, _): "too many arguments for '\(row.displayName)'"
      case (false, _) where arguments.isEmpty: "'\(row.displayName)' needs an argument"
      case (false, _): "too few arguments for '\(row.displayName)'"
      }
    report(
      .error("\(message): \(row.usage)", at: extra ? arguments[row.arity.upperBound] : name))
    return false
  }

  private mutating func checkTypes(
    _ row: DirectiveRow, _ name: Word, _ arguments: [Word]
  ) -> Bool {
    var isGood = true
    for argument in arguments {
      // Directives that take any number of words would take a comment's words too.
      if row.arity.upperBound > 3, argument.text.hasPrefix("#"), !argument.isQuoted {
        report(
          .error(
            "a comment must have a line of its own: '#' after a directive is an argument "
              + "(quote it if it is meant)", at: argument))
        return false
      }
      guard let complaint = row.type.complaint(about: argument.text) else { continue }
      report(.error("'\(row.displayName)': \(complaint)", at: argument))
      isGood = false
    }
    return isGood
  }
}

extension Contexts {
  /// "in <VirtualHost> or outside all sections"
  var sentence: String {
    var places: [String] = []
    if contains(.server) { places.append("outside all sections") }
    if contains(.virtualHost) { places.append("in <VirtualHost>") }
    if contains(.inDirectory) { places.append("in <Directory>") }
    if contains(.inLocation) { places.append("in <Location>") }
    if contains(.inFiles) { places.append("in <Files>") }
    if contains(.inProxy) { places.append("in <Proxy>") }
    if contains(.inApplication) { places.append("in <Application>") }
    if contains(.inRequire) { places.append("in <RequireAll>, <RequireAny> and <RequireNone>") }
    return ValueType.list(places)
  }
}
