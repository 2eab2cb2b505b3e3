// Names of httpd's modules that run programs or pass requests on.

extension KnownDirectives {
  static let handlerFamilies: [Family] = [
    Family("mod_actions", .refused(.execution), "Action Script"),
    Family("mod_alias", .refused(.execution), "ScriptAlias ScriptAliasMatch"),
    Family(
      "mod_cgi", .refused(.execution),
      "CGIScriptTimeout ScriptLog ScriptLogBuffer ScriptLogLength"),
    Family("mod_cgid", .refused(.execution), "CGIDScriptTimeout ScriptSock"),
    Family("mod_echo", .refused(.execution), "ProtocolEcho"),
    Family("mod_ext_filter", .refused(.execution), "ExtFilterDefine ExtFilterOptions"),
    Family(
      "mod_include", .refused(.execution),
      """
      SSIAccessEnable SSIEndTag SSIErrorMsg SSIETag SSILastModified SSILegacyExprParser SSIStartTag
      SSITimeFormat SSIUndefinedEcho XBitHack
      """),
    Family(
      "mod_isapi", .refused(.execution),
      """
      ISAPIAppendLogToErrors ISAPIAppendLogToQuery ISAPICacheFile ISAPIFakeAsync
      ISAPILogNotSupported ISAPIReadAheadBuffer
      """),
    Family(
      "mod_lua", .refused(.execution),
      """
      LuaAuthzProvider LuaCodeCache LuaHookAccessChecker LuaHookAuthChecker LuaHookCheckUserID
      LuaHookFixups LuaHookInsertFilter LuaHookLog LuaHookMapToStorage LuaHookPreTranslate
      LuaHookTranslateName LuaHookTypeChecker LuaInherit LuaInputFilter LuaMapHandler
      LuaOutputFilter LuaPackageCPath LuaPackagePath LuaQuickHandler LuaRoot LuaScope
      """),
  ]

  static let proxyFamilies: [Family] = [
    Family(
      "mod_proxy", .refused(.proxying),
      """
      BalancerInherit ProxyBlock ProxyMaxForwards ProxyPassInterpolateEnv ProxyRemote
      ProxyRemoteMatch ProxySourceAddress
      """),
    Family(
      "mod_proxy", .ignored("balancers are as configured after each start"),
      "BalancerGrowth BalancerPersist"),
    Family(
      "mod_proxy", .ignored("it is about forward proxies, and Ring3 is none"), "NoProxy ProxyDomain"
    ),
    Family(
      "mod_proxy", .ignored("buffers have one size, and 100 Continue is passed on as it comes"),
      "Proxy100Continue ProxyIOBufferSize ProxyReceiveBufferSize"),
    Family(
      "mod_proxy", .ignored("a response with a bad field is always an error (502)"),
      "ProxyBadHeader"),
    Family("mod_proxy", .ignored("ring3ctl proxy shows the state of members"), "ProxyStatus"),
    Family("mod_proxy_connect", .refused(.proxying), "AllowCONNECT"),
    Family(
      "mod_proxy_express", .refused(.proxying),
      "ProxyExpressDBMFile ProxyExpressDBMType ProxyExpressEnable"),
    Family("mod_proxy_fcgi", .refused(.proxying), "ProxyFCGIBackendType ProxyFCGISetEnvIf"),
    Family(
      "mod_proxy_ftp", .refused(.proxying),
      "ProxyFtpDirCharset ProxyFtpEscapeWildcards ProxyFtpListOnWildcard"),
    Family(
      "mod_proxy_hcheck", .ignored("checks need no threads"), "ProxyHCTPsize"),
    Family("mod_proxy_hcheck", .refused(.proxying), "ProxyHCExpr"),
    Family(
      "mod_proxy_html", .refused(.proxying),
      """
      ProxyHTMLBufSize ProxyHTMLCharsetOut ProxyHTMLDocType ProxyHTMLEnable ProxyHTMLEvents
      ProxyHTMLExtended ProxyHTMLFixups ProxyHTMLInterp ProxyHTMLLinks ProxyHTMLMeta
      ProxyHTMLStripComments ProxyHTMLURLMap
      """),
    Family("mod_proxy_scgi", .refused(.proxying), "ProxySCGIInternalRedirect ProxySCGISendfile"),
    Family(
      "mod_proxy_wstunnel", .refused(.proxying),
      """
      ProxyWebsocketAsync ProxyWebsocketAsyncDelay ProxyWebsocketFallbackToProxyHttp
      ProxyWebsocketIdleTimeout
      """),
    Family("mod_serf", .refused(.proxying), "SerfCluster SerfPass"),
  ]
}
