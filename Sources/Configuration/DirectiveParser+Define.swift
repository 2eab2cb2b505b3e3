// Define, UnDefine, <IfDefine> and <IfModule>: what a configuration decides about itself.

extension DirectiveParser {
  /// Modules whose directives are implemented, by source file and by identifier: what `<IfModule>`
  /// finds. Others are absent even where some of their directives are ignored, so that a
  /// configuration's alternative for a server without them applies.
  static let modules: [(file: String, identifier: String)] = [
    ("core.c", "core_module"),
    ("http_core.c", "http_module"),
    ("mod_so.c", "so_module"),
    ("mod_unixd.c", "unixd_module"),
    ("mod_alias.c", "alias_module"),
    ("mod_authz_core.c", "authz_core_module"),
    ("mod_authz_host.c", "authz_host_module"),
    ("mod_autoindex.c", "autoindex_module"),
    ("mod_brotli.c", "brotli_module"),
    ("mod_cache.c", "cache_module"),
    ("mod_deflate.c", "deflate_module"),
    ("mod_dir.c", "dir_module"),
    ("mod_expires.c", "expires_module"),
    ("mod_filter.c", "filter_module"),
    ("mod_headers.c", "headers_module"),
    ("mod_http2.c", "http2_module"),
    ("mod_lbmethod_bybusyness.c", "lbmethod_bybusyness_module"),
    ("mod_lbmethod_byrequests.c", "lbmethod_byrequests_module"),
    ("mod_lbmethod_bytraffic.c", "lbmethod_bytraffic_module"),
    ("mod_log_config.c", "log_config_module"),
    ("mod_mime.c", "mime_module"),
    ("mod_proxy.c", "proxy_module"),
    ("mod_proxy_balancer.c", "proxy_balancer_module"),
    ("mod_proxy_fcgi.c", "proxy_fcgi_module"),
    ("mod_proxy_hcheck.c", "proxy_hcheck_module"),
    ("mod_proxy_http.c", "proxy_http_module"),
    ("mod_proxy_wstunnel.c", "proxy_wstunnel_module"),
    ("mod_remoteip.c", "remoteip_module"),
    ("mod_reqtimeout.c", "reqtimeout_module"),
    ("mod_ssl.c", "ssl_module"),
    ("prefork.c", "mpm_prefork_module"),
  ]

  static func hasModule(_ name: String) -> Bool {
    modules.contains { $0.file == name || $0.identifier == name }
  }

  mutating func carryOutDefine(_ name: Word, _ arguments: [Word]) {
    let variable = arguments[0]
    guard isVariableName(variable) else { return }
    define(variable.text, arguments.count > 1 ? arguments[1].text : nil)
  }

  mutating func carryOutUnDefine(_ name: Word, _ arguments: [Word]) {
    let variable = arguments[0]
    guard isVariableName(variable) else { return }
    defines.remove(variable.text)
    variables[variable.text.lowercased()] = nil
  }

  private mutating func isVariableName(_ word: Word) -> Bool {
    if word.text.isEmpty {
      report(.error("a variable needs a name", at: word))
      return false
    }
    if word.text.contains(":") {
      report(.error("a variable's name must not contain ':'", at: word))
      return false
    }
    return true
  }

  /// Whether the contents of `<IfDefine>` or `<IfModule>` count.
  mutating func condition(_ section: String, _ argument: Word) -> Bool {
    let isNegated = argument.text.hasPrefix("!")
    let name = isNegated ? String(argument.text.dropFirst()) : argument.text
    let holds = section == "IfDefine" ? defines.contains(name) : Self.hasModule(name)
    return holds != isNegated
  }
}
