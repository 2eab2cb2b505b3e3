// Rows: what is kept of applications' responses.

extension DirectiveTable {
  private static let seconds = ValueType.duration(0...31_536_000_000, unit: .seconds)

  static let cachingRows: [DirectiveRow] = [
    DirectiveRow(
      name: "CacheEnable", contexts: .everywhere, arity: 0...2, repeats: true,
      syntax: "[disk|socache|shm] [URL-PATH]", module: "mod_cache",
      manual: """
        Responses of applications that say how long they may be kept are kept without it, in the
        shared memory of CacheSize, up to CacheMaxObject each. In a section it takes back an outer
        CacheDisable On; outside of sections it has no effect. Which kind of store is named does not
        matter.

        A request for a part (Range), or with conditions, for what is not kept goes to the
        application as it is. If its answer says that the whole may be kept, and not that it is too
        large for that, the whole is fetched for the cache at once, and who asks meanwhile waits for
        it: nothing large is ever fetched for the sake of a part. If-Match and If-Unmodified-Since
        always go to the application.

          <Location /shop/catalogue>
            CacheEnable
          </Location>
        """),
    DirectiveRow(
      name: "CacheDisable", contexts: .everywhere, arity: 1...1, repeats: true,
      syntax: "URL-PATH|On", module: "mod_cache",
      manual: """
        No response at or below the URL path is kept, or none of the section. It goes before
        CacheEnable, and nothing the application says undoes it.

          CacheDisable /account
        """),
    DirectiveRow(
      name: "CacheDefaultExpire", contexts: .everywhere, arity: 1...1, type: seconds,
      syntax: "SECONDS", module: "mod_cache",
      manual: """
        How long responses are kept that do not say it: those with status 200, 203, 204, 300, 301,
        308 or 410, and of the others below 400 those with Cache-Control: public (302, for example).
        It does not hold for URLs with a query, nor for errors. Without this directive they are not
        kept.

          CacheDefaultExpire 600
        """),
    DirectiveRow(
      name: "CacheMaxExpire", contexts: .everywhere, arity: 1...1, type: seconds,
      syntax: "SECONDS", module: "mod_cache",
      manual: """
        How long responses are kept at most, whatever they say to all caches; what they say to this
        one (CDN-Cache-Control, Ring3-Cache-Control) holds. There is no limit without it.

          CacheMaxExpire 86400
        """),
    DirectiveRow(
      name: "CacheMinExpire", contexts: .everywhere, arity: 1...1, type: seconds,
      syntax: "SECONDS", module: "mod_cache",
      manual: """
        How long responses are kept at least that do not say it themselves, whatever
        CacheLastModifiedFactor makes of their age. A lifetime that a response gives holds, however
        short it is.

          CacheMinExpire 5
        """),
    DirectiveRow(
      name: "CacheLastModifiedFactor", contexts: .everywhere, arity: 1...1, defaultText: "0",
      syntax: "NUMBER", module: "mod_cache",
      manual: """
        Responses with Last-Modified that do not say how long they may be kept are kept for this
        part of their age (RFC 9111, section 4.2.2). httpd's default is 0.1; here nothing is guessed
        unless it is asked for. As CacheDefaultExpire it does not hold for URLs with a query; of
        errors it holds for 404, 405, 410, 414 and 501.

          CacheLastModifiedFactor 0.1
        """),
    DirectiveRow(
      name: "CacheIgnoreHeaders", contexts: .everywhere, arity: 1...100, defaultText: "None",
      syntax: "None|FIELD ...", module: "mod_cache",
      manual: """
        Fields that are left out of what is kept, and also of what the client gets whose request has
        brought it; of what is not kept, nothing is left out.

        Responses with Set-Cookie are kept only if it is named here, or if a field for this cache
        (Ring3-Cache-Control, CDN-Cache-Control) says public. A lifetime in such a field is not
        enough: it is often set for a whole site, and a cookie that was given to one client must not
        reach all.

          CacheIgnoreHeaders Set-Cookie
        """),
    DirectiveRow(
      name: "CacheIgnoreQueryString", contexts: .everywhere, arity: 1...1, type: .onOff,
      defaultText: "Off", syntax: "On|Off", module: "mod_cache",
      manual: """
        Whether one response is kept for a path whatever the query is.

          CacheIgnoreQueryString On
        """),
    DirectiveRow(
      name: "CacheKeyQuery", contexts: .everywhere, arity: 1...100, defaultText: "all",
      syntax: "all|none|keep NAME ...|drop NAME ... [sort]", module: "ring3",
      manual: """
        Which parameters of a query tell responses apart: all, none, only the named ones, or all
        but the named ones. sort: their order does not count. The application gets the query as it
        was sent.

          CacheKeyQuery drop utm_source utm_medium utm_campaign fbclid sort
        """),
    DirectiveRow(
      name: "CacheIgnoreCacheControl", contexts: .everywhere, arity: 1...1, type: .onOff,
      defaultText: "Off", syntax: "On|Off", module: "mod_cache",
      manual: """
        On: a client that asks for a new response (Cache-Control: no-cache, Pragma: no-cache) gets
        the kept one all the same.

        Off: no-cache, which browsers send for a forced reload, always asks the application. What
        they send for a simple reload, max-age=0, does so too as soon as the kept response is a
        second old, but not for a fresh response that says immutable (RFC 8246): it reaches clients
        unchanged, and they need not ask either.

          CacheIgnoreCacheControl On
        """),
    DirectiveRow(
      name: "CacheStoreExpired", contexts: .everywhere, arity: 1...1, type: .onOff,
      defaultText: "Off", syntax: "On|Off", module: "mod_cache",
      manual: """
        Whether responses are kept that are stale when they come, so that the application can say
        later that they did not change (304).

          CacheStoreExpired On
        """),
    DirectiveRow(
      name: "CacheStoreNoStore", contexts: .everywhere, arity: 1...1, type: .onOff,
      defaultText: "Off", syntax: "On|Off", module: "mod_cache",
      manual: """
        On: responses are kept although they say Cache-Control: no-store. Use it only for an
        application that cannot be corrected.

          CacheStoreNoStore Off
        """),
    DirectiveRow(
      name: "CacheStorePrivate", contexts: .everywhere, arity: 1...1, type: .onOff,
      defaultText: "Off", syntax: "On|Off", module: "mod_cache",
      manual: """
        On: responses are kept although they say Cache-Control: private. One client may then get
        what was meant for another.

          CacheStorePrivate Off
        """),
    DirectiveRow(
      name: "CacheVaryUserAgent", contexts: .everywhere, arity: 1...1, type: .onOff,
      defaultText: "Off", syntax: "On|Off", module: "ring3",
      manual: """
        Whether responses with Vary: User-Agent are kept. Nearly every client would get a variant of
        its own, so they are not unless this says so.

          CacheVaryUserAgent On
        """),
    DirectiveRow(
      name: "CacheVaryCookie", contexts: .everywhere, arity: 1...1, type: .onOff,
      defaultText: "Off", syntax: "On|Off", module: "ring3",
      manual: """
        Whether responses with Vary: Cookie are kept.

          CacheVaryCookie On
        """),
  ]

  static let freshnessRows: [DirectiveRow] = [
    DirectiveRow(
      name: "CacheStaleOnError", contexts: .everywhere, arity: 1...1, defaultText: "Off",
      syntax: "On|Off|SECONDS", module: "mod_cache",
      manual: """
        How long a stale response may be sent when the application fails (500, 502, 503, 504, or no
        answer) and did not say stale-if-error itself. On is a day. (httpd's default is On.)

          CacheStaleOnError 3600
        """),
    DirectiveRow(
      name: "CacheStaleWhileRevalidate", contexts: .everywhere, arity: 1...1, type: seconds,
      defaultText: "0", syntax: "SECONDS", module: "ring3",
      manual: """
        How long a stale response may be sent while a new one is fetched in the background, if the
        application did not say stale-while-revalidate itself.

          CacheStaleWhileRevalidate 30
        """),
    DirectiveRow(
      name: "CacheLock", contexts: .everywhere, arity: 1...1, type: .onOff, defaultText: "On",
      syntax: "On|Off", module: "mod_cache",
      manual: """
        Whether of many requests for a response that is not kept yet one goes to the application
        while the others wait. (httpd's default is Off.)

          CacheLock Off
        """),
    DirectiveRow(
      name: "CacheLockMaxAge", contexts: .everywhere, arity: 1...1,
      type: .duration(1...3_600_000, unit: .seconds), defaultText: "5", syntax: "SECONDS",
      module: "mod_cache",
      manual: """
        How long requests wait in all for others that go to the application before they go
        themselves. If the application fails, those who wait for that go on at once: with what is
        stale, where it may be used (CacheStaleOnError), else each goes to the application itself.

          CacheLockMaxAge 10
        """),
    DirectiveRow(
      name: "CacheStatusField", contexts: .everywhere, arity: 1...1, type: .onOff,
      defaultText: "On", syntax: "On|Off", module: "ring3",
      manual: """
        Whether responses of applications, and this server's own errors instead of them, say in
        Cache-Status (RFC 9211) what the cache did. Files that are sent from the cache say that it
        was a hit; those that are not say nothing.

          CacheStatusField Off
        """),
    DirectiveRow(
      name: "CacheDebug", contexts: .everywhere, arity: 1...1, type: .onOff, defaultText: "Off",
      syntax: "On|Off", module: "ring3",
      manual: """
        Whether Cache-Status says exactly why a response was not kept.

          CacheDebug On
        """),
    DirectiveRow(
      name: "CachePurgeFrom", contexts: .everywhere, arity: 1...100, defaultText: "none",
      syntax: "NETWORK ... | local | none", module: "ring3",
      manual: """
        Who may remove what is kept by a request with the method PURGE: clients of some networks,
        those on the same machine, nobody. Anybody else gets 403 where responses are kept; PURGE
        reaches an application only where CacheEnable does not. ring3ctl cache purge needs no
        permission here.

          CachePurgeFrom local 10.0.0.0/8
        """),
  ]
}
