// Reports of the configuration room as JSON.

import Configuration

extension Explanation {
  /// The same decisions as `text`, for programs.
  var json: JSON {
    .object([
      ("url", .string(url)), ("address", .string("\(local)")),
      ("listener", listen.map { .string($0) } ?? .null),
      ("virtualHostAddress", virtualHostAddress.map { .string($0) } ?? .null),
      ("site", .string(siteTitle)), ("place", .string(sitePlace)), ("because", .string(why)),
      ("captures", .strings(captures)),
      (
        "sections",
        .array(
          route.sections.map {
            .object([("title", .string($0.title)), ("place", .string($0.place))])
          })
      ),
      ("mappedBy", .string(route.decidedBy)), ("mappedAt", .string(route.decidedAt)),
      ("namespace", owner.map { .string($0) } ?? .null),
      ("insteadOf", instead.map { .string($0) } ?? .null),
      ("access", .string(access)), ("action", .string(action)),
      ("file", filePath.map { .string($0) } ?? .null),
      ("cached", cached.map { .string($0) } ?? .null),
    ])
  }
}

extension VirtualHostReport {
  /// The same facts as `text`, for programs.
  var json: JSON {
    .object([
      ("listeners", .strings(listens)),
      (
        "mainServer",
        .object([
          ("name", .string(mainServerName)), ("documentRoot", .string(mainDocumentRoot)),
        ])
      ),
      ("addresses", .array(groups.map { $0.json })),
      (
        "warnings",
        .array(
          warnings.map {
            .object([("place", .string($0.place)), ("message", .string($0.message))])
          })
      ),
    ])
  }
}

extension VirtualHostReport.Group {
  fileprivate var json: JSON {
    .object([
      ("address", .string(address)),
      (
        "virtualHosts",
        .array(
          hosts.map { host in
            .object([
              ("name", .string(host.name)), ("place", .string(host.place)),
              ("names", .strings(host.names.map { "\($0.directive) \($0.text)" })),
            ])
          })
      ),
    ])
  }
}
