// `ring3ctl namespace`: who owns which URLs, as a tree of prefixes in the order of the look-up.

import Configuration
import Namespace
import Platform
import Worker

/// A line of the tree.
private struct NamespaceRow {
  let bucket: UrlPrefix.Bucket
  let text: String
  let standing: String
  /// nil: a site of the configuration.
  let prefix: UrlPrefix?
}

extension Master {
  /// Whoever may not command the server sees his own.
  func namespaceCommand(_ request: ControlRequest, _ client: UInt64) -> ControlAnswer {
    guard let peer = control?.clients[client]?.peer else { return .failure("you are gone\n") }
    let book = namespace.book
    let principal = principal(peer)
    namespace.names.begin()
    let prefixes = Set(book.registrations.keys).union(book.added.keys).union(book.configured.keys)
      .filter { principal.isAdministrator || book.concerns($0, principal) }
    if prefixes.isEmpty, !request.wantsJSON {
      return .success(
        principal.isAdministrator
          ? "nothing is registered or reserved\n" : "nothing is registered or reserved for you\n")
    }
    let sites = principal.isAdministrator ? currentModel?.siteClaims ?? [] : []
    if request.wantsJSON { return .success(json(prefixes, sites).text + "\n") }
    let rows =
      prefixes.map {
        NamespaceRow(
          bucket: $0.bucket, text: $0.description, standing: standing($0), prefix: $0)
      }
      + sites.map {
        NamespaceRow(bucket: $0.bucket, text: $0.text, standing: "site: \($0.site)", prefix: nil)
      }
    return .success(
      text(rows.sorted { ($0.bucket.rawValue, $0.text) < ($1.bucket.rawValue, $1.text) }))
  }

  private func text(_ rows: [NamespaceRow]) -> String {
    var lines: [String] = []
    var last: UrlPrefix.Bucket?
    var above: [UrlPrefix] = []
    for row in rows {
      if row.bucket != last { lines.append("\(row.bucket)\n") }
      last = row.bucket
      if let prefix = row.prefix {
        while let parent = above.last, !(parent.isBeside(prefix) && parent.covers(prefix.path)) {
          above.removeLast()
        }
      }
      let indent = String(repeating: "  ", count: 1 + (row.prefix == nil ? 0 : above.count))
      lines.append("\(indent)\(row.text)  \(row.standing)\n")
      if let prefix = row.prefix { above.append(prefix) }
    }
    return lines.joined()
  }

  /// "registered by alice, queue 'shop' (enabled, 2 processes); reserved for alice (listen)"
  func standing(_ prefix: UrlPrefix) -> String {
    let reserved = namespace.book.reservation(prefix).map { "reserved for \(holders(of: $0))" }
    guard let registration = namespace.book.registrations[prefix] else {
      return "\(reserved ?? "reserved"), and nobody serves it"
    }
    let queue = namespace.queues[registration.queueKey]
    let count = queue?.processCount ?? 0
    let state = queue?.state ?? namespace.awaited[registration.queueKey]?.state ?? .gone
    let how = "\(state), \(count) \(count == 1 ? "process" : "processes")"
    return "registered by \(namespace.names.user(registration.user)), queue"
      + " '\(registration.queue)' (\(how))" + (registration.handsOff ? ", hands off" : "")
      + (registration.isAwaited ? ", and awaited" : "")
      + (reserved.map { "; \($0)" } ?? "")
  }

  /// "alice (listen), group shop (listen, delegate)"
  private func holders(of reservation: Reservation) -> String {
    if reservation.grants.isEmpty { return "administrators" }
    return reservation.grants.map { grant in
      let rights = grant.rights.words.joined(separator: ", ")
      switch grant.holder {
      case .user(let user): return "\(namespace.names.user(user)) (\(rights))"
      case .group(let group): return "group \(namespace.names.group(group)) (\(rights))"
      }
    }.joined(separator: ", ")
  }

  private func json(_ prefixes: Set<UrlPrefix>, _ sites: [SiteClaim]) -> JSON {
    let sorted = prefixes.map { (text: $0.description, prefix: $0) }.sorted {
      ($0.prefix.bucket.rawValue, $0.text) < ($1.prefix.bucket.rawValue, $1.text)
    }
    let list = sorted.map { text, prefix in
      var parent = prefix.parent
      while let candidate = parent, !prefixes.contains(candidate) { parent = candidate.parent }
      let registration = namespace.book.registrations[prefix]
      let queue = registration.flatMap { namespace.queues[$0.queueKey] }
      let reservation = namespace.book.reservation(prefix)
      return JSON.object([
        ("prefix", .string(text)), ("bucket", .string(prefix.bucket.description)),
        ("parent", parent.map { .string($0.description) } ?? .null),
        ("reserved", .bool(reservation != nil)),
        ("reservedFor", reservation.map { .string(holders(of: $0)) } ?? .null),
        ("user", registration.map { .string(namespace.names.user($0.user)) } ?? .null),
        ("queue", registration.map { .string($0.queue) } ?? .null),
        ("state", queue.map { .string("\($0.state)") } ?? .null),
        ("processes", queue.map { .number(Int64($0.processCount)) } ?? .null),
      ])
    }
    let claims = sites.map { site in
      JSON.object([
        ("prefix", .string(site.text)), ("bucket", .string(site.bucket.description)),
        ("site", .string(site.site)),
      ])
    }
    return JSON.object([("prefixes", .array(list)), ("sites", .array(claims))])
  }
}
