// Rows: encrypted connections, their certificates and versions.

extension DirectiveTable {
  private static let perSite: Contexts = [.server, .virtualHost]
  /// Why what httpd lets stand in a section cannot do so here.
  static let beforePaths = "a connection is made before any path is known"

  static let tlsRows: [DirectiveRow] = [
    DirectiveRow(
      name: "SSLEngine", contexts: perSite, arity: 1...1, type: .text,
      defaultText: "on where Listen says https or opens port 443, else off", syntax: "On|Off",
      module: "mod_ssl",
      manual: """
        Whether a site's connections are encrypted. Without this directive each of its addresses
        is as its Listen has it, so one virtual host can serve http and https. All sites of an
        address and port must agree: which of them is meant is known only after the first bytes.
        The value optional of httpd is not implemented.

          <VirtualHost *:8443>
            ServerName www.example.com
            SSLEngine On
            SSLCertificateFile /etc/ring3/www.example.com.pem
          </VirtualHost>
        """),
    DirectiveRow(
      name: "SSLHandshakesMax", contexts: .server, arity: 1...1, type: .integer(0...1_000_000),
      defaultText: "256", syntax: "NUMBER", module: "ring3",
      manual: """
        How many TLS handshakes a worker has under way at a time. When one more client comes, the
        handshake that has taken longest is ended: an honest client is done in two round trips, one
        that means harm holds memory for as long as it may. 0 is no limit. For how long a handshake
        may take see RequestReadTimeout.

          SSLHandshakesMax 1000
        """),
    DirectiveRow(
      name: "SSLProtocol", contexts: perSite, arity: 1...20, defaultText: "all",
      syntax: "[+|-]VERSION ...", module: "mod_ssl",
      manual: """
        The versions of TLS: TLSv1.2, TLSv1.3, or all for both. With + and - versions are added to
        and taken from those before. Older versions are not offered (RFC 8996): taking them away
        is accepted and means nothing, adding them is refused.

          SSLProtocol all -TLSv1.2
        """),
    DirectiveRow(
      name: "SSLCipherSuite", contexts: perSite, arity: 1...2, repeats: true,
      syntax: "[SSL|TLSv1.3] LIST", module: "mod_ssl",
      manual: """
        The ciphers for TLS 1.2, in OpenSSL's language (see openssl-ciphers(1)), or after TLSv1.3
        those for TLS 1.3 as names with colons between them. The default for TLS 1.2 is AES-GCM
        and ChaCha20-Poly1305 with ECDHE, nothing else: every connection has forward secrecy.
        Ciphers without encryption or authentication are never offered.

          SSLCipherSuite ECDHE+AESGCM:ECDHE+CHACHA20
          SSLCipherSuite TLSv1.3 TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256
        """),
    DirectiveRow(
      name: "SSLHonorCipherOrder", contexts: perSite, arity: 1...1, type: .onOff,
      defaultText: "Off", syntax: "On|Off", module: "mod_ssl",
      manual: """
        Whether the server's order of ciphers counts, or the client's. All that are offered by
        default are strong, and a client knows which its processor does well.

          SSLHonorCipherOrder On
        """),
    DirectiveRow(
      name: "SSLOpenSSLConfCmd", contexts: perSite, arity: 2...2, repeats: true,
      syntax: "NAME VALUE", module: "mod_ssl",
      manual: """
        A setting of OpenSSL (see SSL_CONF_cmd(3)): Groups (or Curves), SignatureAlgorithms,
        ClientSignatureAlgorithms, NumTickets, RecordPadding and Options. What has a directive of
        its own, such as a version or a certificate, is refused with that directive's name. A
        virtual host's come after the server's.

        Options KTLS lets the kernel encrypt what is sent, where it can ("ring3ctl status" says so;
        the module "tls" must be loaded): large files then go by sendfile(2), without a copy of
        their bytes in the server. A client that asks for new keys meanwhile (KeyUpdate) loses its
        connection.

          SSLOpenSSLConfCmd Groups X25519:P-256
          SSLOpenSSLConfCmd Options KTLS
        """),
    DirectiveRow(
      name: "SSLSessionTickets", contexts: perSite, arity: 1...1, type: .onOff, defaultText: "On",
      syntax: "On|Off", module: "mod_ssl",
      manual: """
        Whether clients get tickets by which their next connection is made with less work. The keys
        of tickets are shared by all workers, outlive reloads, and are replaced by themselves. With
        Off every connection makes a full handshake: there is no other memory of sessions.

          SSLSessionTickets Off
        """),
    DirectiveRow(
      name: "SSLSessionTicketKeyFile", contexts: .server, arity: 1...1, type: .path,
      repeats: true, syntax: "FILE", module: "mod_ssl",
      manual: """
        Keys of tickets from files of 48 or 80 random bytes, so that several machines open each
        other's. The first makes tickets, all open them. Whoever has the file can read what was
        sent under its tickets in TLS 1.2, so replace it daily and keep it off disks. Without this
        directive the server makes keys and replaces them by itself, which is safer.

          SSLSessionTicketKeyFile /run/ring3/tickets.today
          SSLSessionTicketKeyFile /run/ring3/tickets.yesterday
        """),
    DirectiveRow(
      name: "SSLStrictSNIVHostCheck", contexts: perSite, arity: 1...1, type: .onOff,
      defaultText: "Off", syntax: "On|Off", module: "mod_ssl",
      manual: """
        On: clients that name no server when they connect are answered with 403. In the first
        virtual host of an address it holds for all of them, in another for that one alone. In any
        case a request for a site whose versions, ciphers or client certificates differ from those
        of the connection's site is answered with 421, and clients try a connection of its own.

          SSLStrictSNIVHostCheck On
        """),
    DirectiveRow(
      name: "SSLRequireSSL", contexts: .directory, arity: 0...0, syntax: "", module: "mod_ssl",
      manual: """
        What the section covers is answered with 403 on connections that are not encrypted.

          <Directory "/srv/www/example.com/private">
            SSLRequireSSL
          </Directory>
        """),
    DirectiveRow(
      name: "SSLOptions", contexts: .everywhere, arity: 1...20, repeats: true,
      syntax: "[+|-]OPTION ...", module: "mod_ssl",
      manual: """
        Accepted so that configurations can be shared with httpd. StdEnvVars, ExportCertData and
        LegacyDNStringFormat say what programs are told about a connection, and no programs are
        run; StrictRequire is always so; OptRenegotiate is about what TLS 1.3 has abolished.
        FakeBasicAuth would let clients in by their certificates and is refused.

          SSLOptions +StdEnvVars +StrictRequire
        """),
    DirectiveRow(
      name: "SSLCompression", contexts: perSite, arity: 1...1, type: .onOff, defaultText: "Off",
      syntax: "Off", module: "mod_ssl",
      manual: """
        TLS compression tells secrets by the length of what is sent (CRIME), and is not there; On
        is refused.

          SSLCompression Off
        """),
    DirectiveRow(
      name: "SSLInsecureRenegotiation", contexts: perSite, arity: 1...1, type: .onOff,
      defaultText: "Off", syntax: "Off", module: "mod_ssl",
      manual: """
        Connections are never renegotiated, neither safely nor otherwise; On is refused.

          SSLInsecureRenegotiation Off
        """),
  ]
}
