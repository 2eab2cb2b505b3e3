// What applications are told of the site that a request came to.

import HTTP
import Platform

/// X-Forwarded-Host, -Proto and -Server as field lines. Kept from one request to the next, which
/// most often comes to the same site.
struct ForwardedSite {
  let lines: [UInt8]
  private let site: Int
  private let isEncrypted: Bool
  /// As the client sent it; nil: it sent none.
  private let authority: [UInt8]?

  /// Of no site.
  init() {
    lines = []
    site = -1
    isEncrypted = false
    authority = nil
  }

  /// `name`: the site's; empty: it has none.
  init(
    _ site: Int, _ name: String, _ isEncrypted: Bool, _ hasAuthority: Bool, _ authority: RawSpan
  ) {
    self.site = site
    self.isEncrypted = isEncrypted
    self.authority = hasAuthority ? authority.array : nil
    var lines: [UInt8] = []
    if hasAuthority { ResponseHead.appendField("X-Forwarded-Host", authority, to: &lines) }
    ResponseHead.appendField(
      "X-Forwarded-Proto", isEncrypted ? "https" as StaticString : "http", to: &lines)
    if !name.isEmpty {
      ResponseHead.appendField("X-Forwarded-Server", Array(name.utf8), to: &lines)
    }
    self.lines = lines
  }

  /// Whether they are the lines of a request.
  func fits(
    _ site: Int, _ isEncrypted: Bool, _ hasAuthority: Bool, _ authority: RawSpan
  ) -> Bool {
    guard site == self.site, isEncrypted == self.isEncrypted else { return false }
    guard let known = self.authority else { return !hasAuthority }
    return hasAuthority && Scan.equal(known.rawSpan, authority)
  }
}
