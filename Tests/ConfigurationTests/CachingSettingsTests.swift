// Caching, compression and the client's address as the configuration says them.

import Configuration
import Platform
import Testing

@Suite struct `what is kept of responses` {
  @Test func `nothing is guessed unless the operator says so`() throws {
    let caching = try model("").route("/").settings.caching
    #expect(caching == CachingSettings())
    #expect(caching.isEnabled && caching.defaultSeconds == nil && caching.lastModifiedPermille == 0)
  }

  @Test func `every order is read`() throws {
    var expected = CachingSettings()
    expected.defaultSeconds = 600
    expected.secondsMax = 86_400
    expected.secondsMin = 5
    expected.lastModifiedPermille = 125
    expected.ignoredFields = ["set-cookie", "x-a"]
    expected.keyQuery = .drop(["utm_source", "fbclid"], sorted: true)
    expected.ignoresRequestCacheControl = true
    expected.storesExpired = true
    expected.storesNoStore = true
    expected.storesPrivate = true
    expected.storesVaryUserAgent = true
    expected.storesVaryCookie = true
    expected.staleOnErrorSeconds = 86_400
    expected.staleWhileRevalidateSeconds = 30
    expected.locks = false
    expected.lockMilliseconds = 10_000
    expected.debugs = true
    expected.sendsCacheStatus = false
    var actual = try model(
      """
      CacheDefaultExpire 600
      CacheMaxExpire 24h
      CacheMinExpire 5
      CacheLastModifiedFactor 0.125
      CacheIgnoreHeaders Set-Cookie X-A
      CacheKeyQuery drop utm_source fbclid sort
      CacheIgnoreCacheControl On
      CacheStoreExpired On
      CacheStoreNoStore On
      CacheStorePrivate On
      CacheVaryUserAgent On
      CacheVaryCookie On
      CacheStaleOnError On
      CacheStaleWhileRevalidate 30
      CacheLock Off
      CacheLockMaxAge 10
      CacheDebug On
      CacheStatusField Off
      CachePurgeFrom local 10.0.0.0/8
      """
    ).route("/").settings.caching
    let rule = try #require(actual.purgeFrom)
    #expect("\(rule)" == "any(local, ip 10.0.0.0/8)")
    actual.purgeFrom = nil
    #expect(actual == expected)
  }

  @Test(arguments: [
    ("CacheKeyQuery all", CacheKeyQuery.all), ("CacheKeyQuery none", .none),
    ("CacheKeyQuery sort", .drop([], sorted: true)),
    ("CacheKeyQuery keep page Q", .keep(["page", "Q"], sorted: false)),
    ("CacheIgnoreQueryString On", .none), ("CacheIgnoreQueryString Off", .all),
  ])
  func `a query names a response by some of its parameters`(
    _ line: String, _ expected: CacheKeyQuery
  ) throws {
    #expect(try model(line).route("/").settings.caching.keyQuery == expected)
  }

  @Test(arguments: [
    ("/x", true), ("/admin", false), ("/admin/x", false), ("/administrator", true),
    ("/private", false), ("/private/open", true), ("/private/open/admin", true),
    ("/admin/open", false),
  ])
  func `what is disabled is not kept`(_ path: String, _ isEnabled: Bool) throws {
    let model = try model(
      """
      ProxyPass / http://h
      CacheDisable /admin
      CacheEnable disk /
      <Location /private>
        CacheDisable On
      </Location>
      <Location /private/open>
        CacheEnable
      </Location>
      <Location /admin/open>
        CacheEnable shm
      </Location>
      """)
    #expect(try model.route(path).settings.caching.isEnabled == isEnabled)
  }

  @Test func `an order changes the fingerprint of what it is about`() throws {
    let before = try model("ProxyPass / http://h")
    let after = try model("ProxyPass / http://h\n<Location /a>\nCacheMaxExpire 5\n</Location>")
    #expect(before.sites[0].fingerprint != after.sites[0].fingerprint)
    #expect(
      try before.route("/b").settings.fingerprint == after.route("/b").settings.fingerprint)
    #expect(
      try before.route("/a").settings.fingerprint != after.route("/a").settings.fingerprint)
  }
}

@Suite struct `what is compressed` {
  @Test(arguments: [
    ("text/html", [CompressionCoding.zstd, .brotli, .deflate]), ("text/css", [.deflate]),
    ("application/json", [.brotli]), ("image/png", []), ("application/xml", []),
  ])
  func `types have their codings, the best first`(
    _ type: String, _ expected: [CompressionCoding]
  ) throws {
    let compression = try model(
      """
      AddOutputFilterByType DEFLATE text/*
      AddOutputFilterByType BROTLI_COMPRESS;DEFLATE text/html
      AddOutputFilterByType ZSTD_COMPRESS text/html
      AddOutputFilterByType brotli Application/JSON
      """
    ).route("/").settings.compression
    #expect(compression.codings(mediaType: type) == expected)
  }

  @Test func `a filter for all types leaves out what is compressed in itself`() throws {
    let compression = try model("SetOutputFilter DEFLATE").route("/").settings.compression
    for type in ["text/plain", "application/xml", "image/svg+xml"] {
      #expect(compression.codings(mediaType: type) == [.deflate])
    }
    for type in ["image/png", "video/mp4", "font/woff2", "application/zip"] {
      #expect(compression.codings(mediaType: type).isEmpty)
    }
  }

  @Test func `levels and the smallest length are read`() throws {
    let compression = try model(
      """
      DeflateCompressionLevel 9
      BrotliCompressionQuality 0
      ZstdCompressionLevel 19
      CompressionMinLength 1K
      """
    ).route("/").settings.compression
    #expect(compression.deflateLevel == 9 && compression.brotliQuality == 0)
    #expect(compression.zstdLevel == 19 && compression.byteCountMin == 1024)
  }
}

@Suite struct `who is believed about the client` {
  @Test func `a site has its own lists over the server's`() throws {
    let result = load(
      """
      Listen 80
      RemoteIPHeader X-Forwarded-For
      RemoteIPInternalProxy 10.0.0.0/8 192.168.1
      RemoteIPTrustedProxyList trusted
      <VirtualHost *:80>
        ServerName x
        RemoteIPHeader X-Real-IP
        RemoteIPTrustedProxy 2001:db8::/32
        RemoteIPProxiesHeader X-By
        RemoteIPProxyProtocol On
        RemoteIPProxyProtocolExceptions 127.0.0.1
      </VirtualHost>
      """, files: ["/etc/trusted": "# edge\n192.0.2.1 192.0.2.2 # two\n\n198.51.100.0/24\n"])
    let model = try #require(result.model)
    func text(_ networks: [IPNetwork]) -> [String] {
      networks.map { "\($0.address)/\($0.prefixBits)" }
    }
    let main = model.sites[0].remoteIP
    #expect(main.field == "x-forwarded-for" && !main.expectsProxyProtocol)
    #expect(text(main.internalProxies) == ["10.0.0.0/8", "192.168.1.0/24"])
    #expect(text(main.trustedProxies) == ["192.0.2.1/32", "192.0.2.2/32", "198.51.100.0/24"])
    let own = model.sites[1].remoteIP
    #expect(own.field == "x-real-ip" && own.proxiesField == "x-by" && own.expectsProxyProtocol)
    #expect(text(own.internalProxies) == ["10.0.0.0/8", "192.168.1.0/24"])
    #expect(text(own.trustedProxies) == ["2001:db8::/32"])
    #expect(text(own.proxyProtocolExceptions) == ["127.0.0.1/32"])
  }
}
