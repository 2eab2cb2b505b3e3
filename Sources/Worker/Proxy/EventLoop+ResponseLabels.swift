// Names by which a stored response can be called back: tags, groups, and those of its owner.

import HTTP
import Namespace
import Platform

extension EventLoop {
  /// Tags and groups as the store has them.
  func labels(_ plan: StoragePlan, _ exchange: Exchange, _ origin: RequestOrigin) -> [UInt8] {
    let own = exchange.owner.flatMap {
      OwnerLabels.all($0.name, path: exchange.path, tags: plan.tags)
    }
    return plan.tags.reduce(into: own ?? []) { $0 += label($1, exchange, origin) + [0] }
  }

  /// Groups are those of one origin (RFC 9875 §2), and on it of one application: none can empty
  /// another's. Tags are for the operator, over all sites.
  func label(
    _ tag: [UInt8], _ exchange: Exchange, _ origin: RequestOrigin
  ) -> [UInt8] {
    guard tag.starts(with: Array("g:".utf8)) else { return tag }
    let port = origin.local.map { "\($0.port)" } ?? ""
    let place = Array("\(origin.isEncrypted ? "https" : "http") \(port) ".utf8) + exchange.host
    return OwnerLabels.group(tag, of: exchange.owner?.name, at: place)
  }
}
