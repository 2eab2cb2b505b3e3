// From checked drafts to the finished model: inheritance, fingerprints, indexes.

import HTTP
import Platform

/// Fills in what virtual hosts inherit from the main server.
struct ModelBuilder {
  let server: ServerSettings
  let main: SiteDraft
  let virtualHosts: [SiteDraft]
  let proxies: ProxyRegistry

  func build(listens: [Listen], mediaTypes: MediaTypes) -> Model {
    var common = Fingerprint()
    common.mix(server.serverTokens.rawValue)
    for row in mediaTypes.rows {
      common.mix("\(row.kind) \(row.extension) \(row.value)")
    }
    let tables = Tables(main)
    var sites: [Site] = []
    sites.reserveCapacity(virtualHosts.count + 1)
    var base = Settings()
    base.apply(main.layer)
    for (index, draft) in ([main] + virtualHosts).enumerated() {
      var site = self.site(draft)
      site.index = index
      var settings = base
      if index == 0 {
        site.sections = [tables.sections]
        site.redirects = [tables.redirects]
        site.aliases = [tables.aliases]
        site.proxyPasses = [tables.proxyPasses]
        site.proxySections = main.proxy.sections
      } else {
        settings.apply(draft.layer)
        let own = Tables(draft)
        site.sections = [tables.sections, own.sections]
        site.redirects = [own.redirects, tables.redirects]
        site.aliases = [own.aliases, tables.aliases]
        site.proxyPasses =
          draft.proxy.inherits ?? main.proxy.inherits ?? true
          ? [tables.proxyPasses, own.proxyPasses] : [own.proxyPasses]
        site.proxySections = main.proxy.sections + draft.proxy.sections
        site.inheritedProxySectionCount = main.proxy.sections.count
      }
      site.sharedSettings = Shared(settings)
      site.useCanonicalName = site.settings.useCanonicalName
      site.fingerprint = responses(site, draft, common: common.value)
      sites.append(site)
    }
    var model = Model()
    model.server = server
    model.server.errorLog = main.errorLog ?? server.errorLog
    model.listens = listens
    model.mediaTypes = mediaTypes
    model.proxyMembers = proxies.members
    model.proxyBalancers = proxies.balancers
    model.virtualHosts = VirtualHostTable(sites)
    keepUsedTLS(&sites, model)
    for index in sites.indices { sites[index].definition = ModelBuilder.definition(sites[index]) }
    model.sites = SharedArray(sites)
    return model
  }

  /// Only sites that speak TLS at some address have what it takes.
  private func keepUsedTLS(_ sites: inout [Site], _ model: Model) {
    let encrypted = model.listens.filter(\.speaksHTTPS).map(\.address)
    for index in sites.indices where sites[index].encrypts != true {
      let site = sites[index]
      let isReached =
        site.encrypts == nil
        && encrypted.contains { listen in
          if site.isMainServer { return model.virtualHosts.group(local: listen) == nil }
          return site.addresses.contains { $0.isReached(through: listen) }
        }
      if !isReached { sites[index].tls = nil }
    }
  }

  /// The rule tables of one draft.
  private struct Tables {
    let sections: SectionTable
    let redirects: PathRuleTable
    let aliases: PathRuleTable
    let proxyPasses: PathRuleTable

    init(_ draft: SiteDraft) {
      let hasNoSections =
        draft.directories.isEmpty && draft.directoryMatches.isEmpty && draft.files.isEmpty
        && draft.locations.isEmpty && draft.uncached.isEmpty
      sections =
        hasNoSections
        ? .empty
        : SectionTable(
          directories: draft.directories, directoryMatches: draft.directoryMatches,
          files: draft.files, locations: draft.locations + draft.uncached)
      redirects = draft.redirects.isEmpty ? .empty : PathRuleTable(draft.redirects)
      aliases = draft.aliases.isEmpty ? .empty : PathRuleTable(draft.aliases)
      proxyPasses = draft.proxy.passes.isEmpty ? .empty : PathRuleTable(draft.proxy.passes)
    }
  }

  private func site(_ draft: SiteDraft) -> Site {
    var site = Site()
    let standard = Site()
    let name = draft.name ?? main.name
    site.name = name?.host ?? ""
    site.port = name?.port
    site.scheme = name?.scheme
    site.addresses = draft.addresses
    site.names = draft.names
    site.label = draft.names.first?.text ?? ""
    if draft.name == nil, !draft.addresses.isEmpty,
      !draft.names.contains(where: { $0.directive == "ServerNameMatch" }),
      let inherited = main.names.first(where: { $0.directive == "ServerName" })
    {
      // httpd gives a virtual host without a name the main server's; a pattern is a name enough.
      site.names.insert(inherited, at: 0)
    }
    site.serverAdmin = draft.serverAdmin ?? main.serverAdmin
    site.documentRoot =
      draft.documentRoot ?? main.documentRoot
      ?? Template(
        literal: server.serverRoot.hasSuffix("/")
          ? server.serverRoot + "htdocs" : server.serverRoot + "/htdocs")
    site.errorLog = draft.errorLog ?? main.errorLog
    site.logLevel = draft.logLevel ?? main.logLevel ?? standard.logLevel
    site.accessLogs = draft.accessLogs.isEmpty ? main.accessLogs : draft.accessLogs
    site.keepAlive = draft.keepAlive ?? main.keepAlive ?? standard.keepAlive
    site.keepAliveTimeoutMilliseconds =
      draft.keepAliveTimeoutMilliseconds ?? main.keepAliveTimeoutMilliseconds
      ?? standard.keepAliveTimeoutMilliseconds
    site.maxKeepAliveRequests =
      draft.maxKeepAliveRequests ?? main.maxKeepAliveRequests ?? standard.maxKeepAliveRequests
    site.timeoutMilliseconds =
      draft.timeoutMilliseconds ?? main.timeoutMilliseconds ?? standard.timeoutMilliseconds
    site.requestReadTimeout =
      draft.requestReadTimeout ?? main.requestReadTimeout ?? standard.requestReadTimeout
    site.limitRequestLineBytes =
      draft.limitRequestLineBytes ?? main.limitRequestLineBytes ?? standard.limitRequestLineBytes
    site.limitRequestFields =
      draft.limitRequestFields ?? main.limitRequestFields ?? standard.limitRequestFields
    site.limitRequestFieldBytes =
      draft.limitRequestFieldBytes ?? main.limitRequestFieldBytes
      ?? standard.limitRequestFieldBytes
    site.traceEnable = draft.traceEnable ?? main.traceEnable ?? standard.traceEnable
    site.allowEncodedSlashes =
      draft.allowEncodedSlashes ?? main.allowEncodedSlashes ?? standard.allowEncodedSlashes
    site.encrypts = (draft.tls.engine ?? main.tls.engine)?.isOn
    site.tls = draft.tls.merged(over: draft === main ? TLSDraft() : main.tls)
    site.protocols = draft.protocols ?? main.protocols ?? standard.protocols
    site.protocolsHonorOrder =
      draft.protocolsHonorOrder ?? main.protocolsHonorOrder ?? standard.protocolsHonorOrder
    site.http2 = draft.http2.merged(over: main.http2)
    site.remoteIP = draft.remoteIP.merged(
      over: draft === main ? RemoteIPDraft() : main.remoteIP)
    let own = draft.proxy.balancers.sorted { $0.key < $1.key }.map(\.value)
    var balancers: [Int] = []
    for index in main.proxy.used + own + draft.proxy.used where !balancers.contains(index) {
      balancers.append(index)
    }
    site.proxyLines = balancers.flatMap { proxies.lines($0) }
    site.place = draft.place
    site.layer = draft.layer
    return site
  }

  /// Everything that can alter a response; never the site's index or any place in a file.
  private func responses(_ site: Site, _ draft: SiteDraft, common: UInt64) -> UInt64 {
    var fingerprint = Fingerprint()
    fingerprint.mix(common)
    fingerprint.mix(site.name)
    fingerprint.mix("\(site.scheme ?? "") \(site.port ?? 0) \(site.serverAdmin ?? "")")
    fingerprint.mix(site.documentRoot.description)
    fingerprint.mix("\(site.traceEnable) \(site.allowEncodedSlashes)")
    fingerprint.mix(site.settings.fingerprint)
    for table in site.sections { fingerprint.mix(table.fingerprint) }
    for table in site.redirects + site.aliases { fingerprint.mix(table.fingerprint) }
    if !site.proxyPasses.allSatisfy(\.rules.isEmpty) || !draft.proxy.used.isEmpty
      || !main.proxy.used.isEmpty
    {
      for table in site.proxyPasses { fingerprint.mix(table.fingerprint) }
      for section in site.proxySections { section.mix(into: &fingerprint) }
      for index in main.proxy.used + (draft === main ? [] : draft.proxy.used) {
        fingerprint.mix(proxies.responseText(index))
      }
    }
    // What a pattern captures goes into paths and fields.
    for name in site.names {
      if case .pattern = name.kind { fingerprint.mix(name.text) }
    }
    return fingerprint.value
  }

  /// Everything that was configured for the site.
  private static func definition(_ site: Site) -> UInt64 {
    var fingerprint = Fingerprint()
    fingerprint.mix(site.fingerprint)
    for line in site.lines { fingerprint.mix(line) }
    return fingerprint.value
  }
}
