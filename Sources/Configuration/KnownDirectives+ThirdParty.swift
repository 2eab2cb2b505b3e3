// Names of modules from outside httpd, known by how they begin.

extension KnownDirectives {
  struct ThirdParty: Sendable {
    /// In lower case; a name that begins with it belongs to the module.
    let prefix: String
    let module: String
    let sentence: String

    init(_ prefix: String, _ module: String, _ sentence: String) {
      self.prefix = prefix
      self.module = module
      self.sentence = sentence
    }
  }

  private static let application = """
    it runs an application inside the server, which Ring3 does not do: let the application listen \
    on a socket of its own
    """
  private static let firewall = """
    it checks requests and responses, which Ring3 does not do: ignoring it would let through what \
    it stops
    """
  private static let login = """
    it makes visitors log in, which Ring3 does not do: ignoring it would show protected pages to \
    everybody
    """
  private static let forwarding = """
    it passes requests on to another server, which Ring3 does not do: ignoring it would answer \
    them from files
    """
  private static let content = """
    it changes what responses say, which Ring3 does not do: clients would get something else
    """

  /// Longer prefixes go before shorter ones that they begin with.
  static let thirdParties: [ThirdParty] = [
    ThirdParty("wsgi", "mod_wsgi", application),
    ThirdParty("uwsgi", "mod_uwsgi", forwarding),
    ThirdParty("passenger", "Phusion Passenger", application),
    ThirdParty("rack", "Phusion Passenger", application),
    ThirdParty("rails", "Phusion Passenger", application),
    ThirdParty("unionstation", "Phusion Passenger", application),
    ThirdParty(
      "php_", "mod_php",
      """
      it configures PHP, which Ring3 does not run: PHP files would be sent as source; use a server \
      with PHP for them
      """),
    ThirdParty("phpinidir", "mod_php", "it configures PHP, which Ring3 does not run"),
    ThirdParty("suphp", "mod_suphp", application),
    ThirdParty("perl", "mod_perl", application),
    ThirdParty("python", "mod_python", application),
    ThirdParty("ruby", "mod_ruby", application),
    ThirdParty("tcl", "mod_rivet", application),
    ThirdParty("rivet", "mod_rivet", application),
    ThirdParty("mono", "mod_mono", application),
    ThirdParty("fastcgi", "mod_fastcgi", application),
    ThirdParty("fcgid", "mod_fcgid", application),
    ThirdParty("fcgiwrapper", "mod_fcgid", application),
    ThirdParty("scgi", "mod_scgi", forwarding),
    ThirdParty("jk", "mod_jk", forwarding),
    ThirdParty("weblogic", "mod_wl", forwarding),
    ThirdParty("modsecurity", "ModSecurity", firewall),
    ThirdParty("sec", "ModSecurity", firewall),
    ThirdParty("dosevasive", "mod_evasive", firewall),
    ThirdParty("dos", "mod_evasive", firewall),
    ThirdParty("qs_", "mod_qos", firewall),
    ThirdParty("geoip", "mod_geoip", firewall),
    ThirdParty("maxminddb", "mod_maxminddb", firewall),
    ThirdParty("limitipconn", "mod_limitipconn", firewall),
    ThirdParty("maxconnperip", "mod_limitipconn", firewall),
    ThirdParty("cband", "mod_cband", firewall),
    ThirdParty("bw", "mod_bw", firewall),
    ThirdParty("gssapi", "mod_auth_gssapi", login),
    ThirdParty("krb", "mod_auth_kerb", login),
    ThirdParty("oidc", "mod_auth_openidc", login),
    ThirdParty("oauth", "mod_auth_openidc", login),
    ThirdParty("shib", "mod_shib", login),
    ThirdParty("mellon", "mod_auth_mellon", login),
    ThirdParty("cas", "mod_auth_cas", login),
    ThirdParty("authpam", "mod_authnz_pam", login),
    ThirdParty("authpubtkt", "mod_auth_pubtkt", login),
    ThirdParty("tktauth", "mod_auth_pubtkt", login),
    ThirdParty("authmysql", "mod_auth_mysql", login),
    ThirdParty("authpgsql", "mod_auth_pgsql", login),
    ThirdParty("authexternal", "mod_authnz_external", login),
    ThirdParty("defineexternal", "mod_authnz_external", login),
    ThirdParty("addexternal", "mod_authnz_external", login),
    ThirdParty("lookupidentity", "mod_lookup_identity", login),
    ThirdParty("interceptform", "mod_intercept_form_submit", login),
    ThirdParty("nss", "mod_nss", Purpose.encryption.sentence),
    ThirdParty("gnutls", "mod_gnutls", Purpose.encryption.sentence),
    ThirdParty("xsendfile", "mod_xsendfile", application),
    ThirdParty("modtile", "mod_tile", application),
    ThirdParty("loadtile", "mod_tile", application),
    ThirdParty("addtile", "mod_tile", application),
    ThirdParty("modpagespeed", "PageSpeed", content),
    ThirdParty("pagespeed", "PageSpeed", content),
    ThirdParty("svn", "mod_dav_svn", Purpose.webDAV.sentence),
    ThirdParty("authzsvn", "mod_authz_svn", login),
    ThirdParty("assignuserid", "mpm-itk", Purpose.identity.sentence),
    ThirdParty("maxclientsvhost", "mpm-itk", Purpose.identity.sentence),
    ThirdParty("rdocumentchroot", "mod_ruid2", Purpose.identity.sentence),
    ThirdParty("ruidgid", "mod_ruid2", Purpose.identity.sentence),
    ThirdParty("rmode", "mod_ruid2", Purpose.identity.sentence),
    ThirdParty("rpaf", "mod_rpaf", Purpose.access.sentence),
    ThirdParty("cloudflare", "mod_cloudflare", Purpose.access.sentence),
    ThirdParty("h264", "mod_h264_streaming", content),
    ThirdParty("bandwidth", "mod_bandwidth", content),
    ThirdParty("ironbee", "IronBee", firewall),
  ]

  /// The module that a name in lower case belongs to by its beginning.
  static func thirdParty(_ key: String) -> ThirdParty? {
    thirdParties.first { key == $0.prefix || key.hasPrefix($0.prefix) && key.count > $0.minimum }
  }
}

extension KnownDirectives.ThirdParty {
  /// A prefix of four letters or fewer is a coincidence in a name hardly longer than itself.
  fileprivate var minimum: Int { prefix.count <= 4 ? prefix.count + 1 : 0 }
}
