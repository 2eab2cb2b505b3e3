// Names of httpd's modules about what responses hold: files, types, languages, filters, caches.

extension KnownDirectives {
  private static let ownCache = "Ring3 has a cache of its own; see CacheSize"
  private static let codings = "compression chooses it; see AddOutputFilterByType"

  static let contentFamilies: [Family] = [
    Family(
      "mod_autoindex", .refused(.content),
      """
      AddAlt AddAltByEncoding AddAltByType AddDescription AddIcon AddIconByEncoding AddIconByType
      DefaultIcon FancyIndexing HeaderName IndexHeadInsert IndexIgnoreReset IndexOptions
      IndexOrderDefault IndexStyleSheet ReadmeName
      """),
    Family(
      "mod_autoindex",
      .refusedBecause(
        "hides files from listings, and is not implemented: ignoring it would show their names"),
      "IndexIgnore"),
    Family("mod_alias", .refused(.content), "AliasPreservePath RedirectRelative"),
    Family(
      "mod_dir", .refused(.content),
      "DirectoryCheckHandler DirectoryIndexRedirect DirectorySlash"),
    Family(
      "mod_mime", .refused(.content),
      """
      AddLanguage DefaultLanguage ModMimeUsePathInfo MultiviewsMatch RemoveCharset RemoveEncoding
      RemoveLanguage RemoveType
      """),
    Family(
      "mod_mime", .refused(.execution),
      """
      AddHandler AddInputFilter RemoveHandler RemoveInputFilter RemoveOutputFilter
      """),
    Family(
      "mod_mime",
      .refusedBecause(
        """
        goes by the names of files, and is not implemented: what an application answers has none; \
        use AddOutputFilterByType
        """), "AddOutputFilter"),
    Family("mod_mime_magic", .refused(.content), "MimeMagicFile"),
    Family(
      "mod_negotiation", .refused(.content),
      "CacheNegotiatedDocs ForceLanguagePriority LanguagePriority"),
    Family("mod_env", .refused(.environment), "PassEnv SetEnv UnsetEnv"),
    Family(
      "mod_setenvif", .refused(.environment),
      "BrowserMatch BrowserMatchNoCase SetEnvIf SetEnvIfExpr SetEnvIfNoCase"),
    Family(
      "mod_filter", .refused(.content),
      """
      FilterChain FilterDeclare FilterProtocol FilterProvider FilterTrace
      """),
    Family(
      "mod_brotli", .ignored(codings),
      "BrotliCompressionMaxInputBlock BrotliCompressionWindow BrotliFilterNote"),
    Family(
      "mod_deflate", .ignored(codings),
      "DeflateBufferSize DeflateFilterNote DeflateMemLevel DeflateWindowSize"),
    Family(
      "mod_brotli", .ignored("what is compressed here has an ETag of its own, a weak one"),
      "BrotliAlterETag"),
    Family(
      "mod_deflate", .ignored("what is compressed here has an ETag of its own, a weak one"),
      "DeflateAlterETag"),
    Family(
      "mod_deflate", .ignored("bodies of requests are passed on as they come"),
      "DeflateInflateLimitRequestBody DeflateInflateRatioBurst DeflateInflateRatioLimit"),
    Family(
      "mod_buffer", .ignored("responses are always gathered before they are sent"),
      "BufferSize"),
    Family(
      "mod_cache", .ignored(ownCache),
      "CacheLockPath"),
    Family(
      "mod_cache", .ignored("the cache is asked before anything else, and access is still checked"),
      "CacheQuickHandler"),
    Family(
      "mod_cache", .ignored("Cache-Status says it; see CacheStatusField and CacheDebug"),
      "CacheDetailHeader CacheHeader"),
    Family(
      "mod_cache", .ignored("what says how long it may be kept needs no Last-Modified"),
      "CacheIgnoreNoLastMod"),
    Family(
      "mod_cache", .ignored("CacheKeyQuery drop NAME does it"),
      "CacheIgnoreURLSessionIdentifiers"),
    Family(
      "mod_cache", .ignored("what is kept is kept for each site of its own"), "CacheKeyBaseURL"),
    Family(
      "mod_cache_disk", .ignored(ownCache),
      """
      CacheDirLength CacheDirLevels CacheMaxFileSize CacheMinFileSize CacheReadSize CacheReadTime
      CacheRoot CacheForceCompletion CacheGcInterval
      """),
    Family(
      "mod_cache_socache", .ignored(ownCache),
      """
      CacheSocache CacheSocacheMaxSize CacheSocacheMaxTime CacheSocacheMinTime CacheSocacheReadSize
      CacheSocacheReadTime
      """),
    Family(
      "mod_mem_cache", .ignored(ownCache),
      """
      MCacheMaxObjectCount MCacheMaxObjectSize MCacheMaxStreamingBuffer MCacheMinObjectSize
      MCacheRemovalAlgorithm MCacheSize
      """),
    Family("mod_file_cache", .ignored(ownCache), "CacheFile MMapFile"),
    Family("mod_socache_memcache", .ignored(ownCache), "MemcacheConnTTL"),
    Family("mod_socache_redis", .ignored(ownCache), "RedisConnPoolTTL RedisTimeout"),
    Family("mod_cern_meta", .refused(.content), "MetaDir MetaFiles MetaSuffix"),
    Family(
      "mod_charset_lite", .refused(.content), "CharsetDefault CharsetOptions CharsetSourceEnc"),
    Family("mod_sed", .refused(.content), "InputSed OutputSed"),
    Family(
      "mod_substitute", .refused(.content),
      "Substitute SubstituteInheritBefore SubstituteMaxLineLength"),
    Family("mod_reflector", .refused(.content), "ReflectorHeader"),
    Family(
      "mod_usertrack", .refused(.content),
      """
      CookieDomain CookieExpires CookieFormat CookieHTTPOnly CookieName CookieSameSite CookieSecure
      CookieStyle CookieTracking
      """),
    Family("mod_xml2enc", .refused(.content), "xml2EncAlias xml2EncDefault xml2StartParse"),
    Family(
      "mod_policy", .refused(.content),
      """
      PolicyConditional PolicyConditionalURL PolicyEnvironment PolicyFilter PolicyKeepalive
      PolicyKeepaliveURL PolicyLength PolicyLengthURL PolicyMaxage PolicyMaxageURL PolicyNocache
      PolicyNocacheURL PolicyType PolicyTypeURL PolicyValidation PolicyValidationURL PolicyVary
      PolicyVaryURL PolicyVersion PolicyVersionURL
      """),
    Family(
      "mod_crypto", .refused(.encryption),
      "CryptoCipher CryptoDriver CryptoIV CryptoKey CryptoSize"),
    Family(
      "mod_rewrite", .refused(.rewriting),
      """
      RewriteBase RewriteCond RewriteEngine RewriteMap RewriteOptions RewriteRule
      """),
    Family(
      "mod_rewrite", .ignored("it only tells where a module locks or logs"),
      "RewriteLock RewriteLog RewriteLogLevel"),
    Family("mod_speling", .refused(.rewriting), "CheckBasenameMatch CheckCaseOnly CheckSpelling"),
    Family("mod_userdir", .refused(.rewriting), "UserDir"),
    Family(
      "mod_vhost_alias", .refused(.rewriting),
      """
      VirtualDocumentRoot VirtualDocumentRootIP
      """),
    Family("mod_vhost_alias", .refused(.execution), "VirtualScriptAlias VirtualScriptAliasIP"),
    Family("mod_imagemap", .refused(.rewriting), "ImapBase ImapDefault ImapMenu"),
    Family(
      "mod_dav", .refused(.webDAV),
      "Dav DavBasePath DavDepthInfinity DavLockDiscovery DavMinTimeout"),
    Family("mod_dav_fs", .refused(.webDAV), "DAVLockDB DAVLockDBType DAVquota"),
    Family("mod_dav_lock", .refused(.webDAV), "DavGenericLockDB"),
  ]
}
