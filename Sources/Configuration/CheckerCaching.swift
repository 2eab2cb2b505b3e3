// What is kept of applications' responses, and for whom it may be removed.

import Platform

extension Checker {
  /// True if the directive is about caching responses; the layer then changes it.
  mutating func checkCaching(
    _ directive: Directive, _ draft: SiteDraft, _ layer: inout SettingsLayer, _ scope: Scope
  ) -> Bool {
    let first = directive.arguments.first
    switch directive.row.name {
    case "CacheEnable": checkCacheEnable(directive, &layer, scope)
    case "CacheDisable": checkCacheDisable(directive, draft, &layer, scope)
    case "CacheLastModifiedFactor":
      guard let word = first, let permille = factor(word) else { break }
      layer.changes.append { $0.caching.lastModifiedPermille = permille }
    case "CacheIgnoreHeaders": checkIgnoredFields(directive, &layer)
    case "CacheKeyQuery": checkKeyQuery(directive, &layer)
    case "CacheStaleOnError":
      guard let word = first, let seconds = staleSeconds(word) else { break }
      layer.changes.append { $0.caching.staleOnErrorSeconds = seconds }
    case "CachePurgeFrom": checkPurgeFrom(directive, &layer)
    default:
      guard let word = first else { return false }
      return checkCacheTime(directive, word, &layer) || checkCacheFlag(directive, word, &layer)
    }
    return true
  }

  private func checkCacheTime(
    _ directive: Directive, _ word: Word, _ layer: inout SettingsLayer
  ) -> Bool {
    let milliseconds = Int64(ValueType.milliseconds(word.text, unit: .seconds) ?? 0)
    let seconds = milliseconds / 1000
    switch directive.row.name {
    case "CacheDefaultExpire": layer.changes.append { $0.caching.defaultSeconds = seconds }
    case "CacheMaxExpire": layer.changes.append { $0.caching.secondsMax = seconds }
    case "CacheMinExpire": layer.changes.append { $0.caching.secondsMin = seconds }
    case "CacheStaleWhileRevalidate":
      layer.changes.append { $0.caching.staleWhileRevalidateSeconds = seconds }
    case "CacheLockMaxAge": layer.changes.append { $0.caching.lockMilliseconds = milliseconds }
    default: return false
    }
    return true
  }

  private func checkCacheFlag(
    _ directive: Directive, _ word: Word, _ layer: inout SettingsLayer
  ) -> Bool {
    let isOn = ValueType.onOff(word.text) ?? false
    switch directive.row.name {
    case "CacheIgnoreQueryString":
      layer.changes.append { $0.caching.keyQuery = isOn ? .none : .all }
    case "CacheIgnoreCacheControl":
      layer.changes.append { $0.caching.ignoresRequestCacheControl = isOn }
    case "CacheStoreExpired": layer.changes.append { $0.caching.storesExpired = isOn }
    case "CacheStoreNoStore": layer.changes.append { $0.caching.storesNoStore = isOn }
    case "CacheStorePrivate": layer.changes.append { $0.caching.storesPrivate = isOn }
    case "CacheVaryUserAgent": layer.changes.append { $0.caching.storesVaryUserAgent = isOn }
    case "CacheVaryCookie": layer.changes.append { $0.caching.storesVaryCookie = isOn }
    case "CacheLock": layer.changes.append { $0.caching.locks = isOn }
    case "CacheDebug": layer.changes.append { $0.caching.debugs = isOn }
    case "CacheStatusField": layer.changes.append { $0.caching.sendsCacheStatus = isOn }
    default: return false
    }
    return true
  }

  /// CacheEnable [disk|socache|shm] [URL-PATH]: responses with lifetimes are kept without it, so it
  /// only takes back an outer CacheDisable On.
  private mutating func checkCacheEnable(
    _ directive: Directive, _ layer: inout SettingsLayer, _ scope: Scope
  ) {
    var words = directive.arguments[...]
    if let word = words.first, !word.text.contains("/") {
      let kinds = ["disk", "socache", "shm", "mem"]
      guard kinds.contains(word.text.asciiLowercased) else {
        let hint = Spelling.nearest(to: word.text, among: kinds)
        return error(
          "disk, socache, shm or a URL path is expected, not '\(word.text)'"
            + (hint.map { "; did you mean '\($0)'?" } ?? ""), word)
      }
      words = words.dropFirst()
    }
    if let word = words.popFirst() {
      if scope != .site {
        return error("in a section the path is the section's; nothing is expected here", word)
      }
      guard urlPath(word) != nil else { return }
    } else if scope == .site {
      return error(
        "a URL path is expected: 'CacheEnable \(directive.arguments.first?.text ?? "disk") /'",
        directive.arguments.first ?? directive.name)
    }
    if let extra = words.first { return error("nothing is expected behind the path", extra) }
    if scope != .site { layer.changes.append { $0.caching.isEnabled = true } }
  }

  /// CacheDisable URL-PATH, or On in a section. What it names is never kept, whatever else is said.
  private mutating func checkCacheDisable(
    _ directive: Directive, _ draft: SiteDraft, _ layer: inout SettingsLayer, _ scope: Scope
  ) {
    let word = directive.arguments[0]
    if scope != .site {
      guard word.text.asciiLowercased == "on" else {
        return error("in a section 'On' is expected: the path is the section's", word)
      }
      layer.changes.append { $0.caching.isEnabled = false }
      return
    }
    guard let path = urlPath(word) else { return }
    var disabled = SettingsLayer()
    disabled.changes.append { $0.caching.isEnabled = false }
    disabled.lines = ["CacheDisable On"]
    finishLayer(&disabled, [], draft)
    draft.uncached.append(
      Section(
        matcher: .literal(path), layer: disabled, title: "<Location \"\(word.text)\">",
        place: "\(directive.name.place)"))
  }

  /// "0.1" in thousandths.
  private mutating func factor(_ word: Word) -> Int? {
    let parts = word.text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
      .map(String.init)
    let decimals = parts.count == 2 ? parts[1] : "0"
    if !word.text.hasPrefix("-"), let whole = ValueType.integer(parts[0].isEmpty ? "0" : parts[0]),
      (0...10).contains(whole),
      (1...9).contains(decimals.utf8.count), ValueType.integer(decimals) != nil,
      let part = ValueType.integer(String((decimals + "000").prefix(3)))
    {
      return whole * 1000 + part
    }
    error("a number from 0 to 10 such as 0.1 is expected, not '\(word.text)'", word)
    return nil
  }

  private mutating func checkIgnoredFields(_ directive: Directive, _ layer: inout SettingsLayer) {
    let words = directive.arguments
    var fields: [String] = []
    if words.count > 1 || words[0].text.asciiLowercased != "none" {
      for word in words {
        guard Checker.isToken(word.text) else {
          error("'\(word.text)' is not a field name", word)
          continue
        }
        fields.append(word.text.asciiLowercased)
      }
    }
    let ignored = fields
    layer.changes.append { $0.caching.ignoredFields = ignored }
  }

  /// CacheKeyQuery all | none | [keep|drop NAME …] [sort]
  private mutating func checkKeyQuery(_ directive: Directive, _ layer: inout SettingsLayer) {
    var words = directive.arguments[...]
    let isSorted = words.last?.text.asciiLowercased == "sort"
    if isSorted { words = words.dropLast() }
    let kind = words.popFirst()
    let names = words.map(\.text)
    let key: CacheKeyQuery
    switch kind?.text.asciiLowercased {
    case nil: key = .drop([], sorted: true)
    case "all" where names.isEmpty: key = isSorted ? .drop([], sorted: true) : .all
    case "none" where names.isEmpty && !isSorted: key = .none
    case "keep" where !names.isEmpty: key = .keep(names, sorted: isSorted)
    case "drop" where !names.isEmpty: key = .drop(names, sorted: isSorted)
    case "keep", "drop":
      return error("names of parameters are expected behind it", kind ?? directive.name)
    default:
      return error(
        "all, none, keep NAME ... or drop NAME ... is expected, and 'sort' may follow",
        words.first ?? kind ?? directive.name)
    }
    layer.changes.append { $0.caching.keyQuery = key }
  }

  /// On is a day: longer than a night without anybody who would repair the application.
  private mutating func staleSeconds(_ word: Word) -> Int64? {
    if let isOn = ValueType.onOff(word.text) { return isOn ? 86_400 : 0 }
    if let time = ValueType.milliseconds(word.text, unit: .seconds),
      (0...31_536_000_000).contains(time)
    {
      return Int64(time / 1000)
    }
    error("On, Off or a number of seconds (at most a year) is expected, not '\(word.text)'", word)
    return nil
  }

  /// CachePurgeFrom NETWORK … | local | none
  private mutating func checkPurgeFrom(_ directive: Directive, _ layer: inout SettingsLayer) {
    var nodes: [AccessRule.Node] = []
    let words = directive.arguments
    if words.count == 1, words[0].text.asciiLowercased == "none" {
      layer.changes.append { $0.caching.purgeFrom = nil }
      return
    }
    var networks: [IPNetwork] = []
    for word in words {
      if word.text.asciiLowercased == "local" {
        nodes.append(.local)
      } else if let network = IPNetwork(required: word.text) {
        networks.append(network)
      } else {
        error(
          "'\(word.text)' is not an address or network, nor 'local' or 'none'; names are not"
            + " resolved", word)
      }
    }
    if !networks.isEmpty { nodes.append(.address(networks)) }
    let rule = AccessRule(nodes.count == 1 ? nodes[0] : .any(nodes))
    layer.changes.append { $0.caching.purgeFrom = rule }
  }
}
