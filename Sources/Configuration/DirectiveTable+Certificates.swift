// Rows: certificates of sites and of clients, and what vouches for them.

extension DirectiveTable {
  private static let perSite: Contexts = [.server, .virtualHost]

  static let certificateRows: [DirectiveRow] = [
    DirectiveRow(
      name: "SSLCertificateFile", contexts: perSite, arity: 1...1, type: .path, repeats: true,
      syntax: "FILE", module: "mod_ssl",
      manual: """
        A site's certificate in PEM, the intermediate ones behind it, perhaps also its key. With
        several, of different kinds of key, each client gets one that it knows. The master reads
        them as the user it was started as, so workers need no right to; it picks up a file that
        changes without a reload, and one that is not usable is reported and the old one kept. A
        virtual host that names any certificate, or a directory of them, has none of the server's.

          SSLCertificateFile /etc/letsencrypt/live/example.com/fullchain.pem
          SSLCertificateKeyFile /etc/letsencrypt/live/example.com/privkey.pem
        """),
    DirectiveRow(
      name: "SSLCertificateKeyFile", contexts: perSite, arity: 1...1, type: .path, repeats: true,
      syntax: "FILE", module: "mod_ssl",
      manual: """
        The private key of a certificate, in PEM: the first goes with the first SSLCertificateFile,
        the second with the second. A certificate without one has its key in its own file. Keys
        with a passphrase are refused; a passphrase that the server could find would not protect
        them. Let only root read them.

          SSLCertificateKeyFile /etc/ring3/www.example.com.key
        """),
    DirectiveRow(
      name: "SSLCertificateChainFile", contexts: perSite, arity: 1...1, type: .path,
      syntax: "FILE", module: "mod_ssl",
      manual: """
        Intermediate certificates in a file of their own, for certificates without them. It is
        simpler to append them to the SSLCertificateFile.

          SSLCertificateChainFile /etc/ring3/intermediate.pem
        """),
    DirectiveRow(
      name: "SSLCertificateDirectory", contexts: perSite, arity: 1...1, type: .path,
      syntax: "DIRECTORY", module: "ring3",
      manual: """
        A directory of certificates for any number of names: NAME.pem holds certificate,
        intermediate ones and key for the server name NAME that a client asks for, and
        *.example.com.pem for all names with one more label. A file is read when its name is first
        asked for, so ten thousand cost nothing at start, and again when it has changed. Names
        without a file, and clients that give no name, get the SSLCertificateFile of the same
        site; without one the connection is refused. Those in use are listed by ring3ctl
        certificates, and the log tells of one that ends soon.

          SSLCertificateDirectory /etc/ring3/certificates
        """),
    DirectiveRow(
      name: "SSLVerifyClient", contexts: perSite, arity: 1...1, defaultText: "none",
      syntax: "none|optional|require|optional_no_ca", module: "mod_ssl",
      misplaced: beforePaths + ", and TLS 1.3 knows no renegotiation",
      manual: """
        Whether clients must have a certificate that SSLCACertificateFile or SSLCACertificatePath
        vouches for. optional asks for one and takes none, but no bad one; optional_no_ca takes any.
        It holds for a whole site: a certificate is asked for when the connection is made, before
        any path is known.

          SSLVerifyClient require
          SSLCACertificateFile /etc/ring3/staff-ca.pem
        """),
    DirectiveRow(
      name: "SSLVerifyDepth", contexts: perSite, arity: 1...1, type: .integer(0...100),
      defaultText: "1", syntax: "NUMBER", module: "mod_ssl", misplaced: beforePaths,
      manual: """
        How many issuers a client's certificate may have above it, the trusted one included. 1 is
        certificates that a trusted issuer signed itself; 0 is self-signed ones only.

          SSLVerifyDepth 2
        """),
    DirectiveRow(
      name: "SSLCACertificateFile", contexts: perSite, arity: 1...1, type: .path, syntax: "FILE",
      module: "mod_ssl",
      manual: """
        The issuers of certificates that clients may have: a file of certificates in PEM.

          SSLCACertificateFile /etc/ring3/staff-ca.pem
        """),
    DirectiveRow(
      name: "SSLCACertificatePath", contexts: perSite, arity: 1...1, type: .path,
      syntax: "DIRECTORY", module: "mod_ssl",
      manual: """
        The same as a directory, with names by hash as openssl-rehash(1) makes them.

          SSLCACertificatePath /etc/ring3/staff-cas
        """),
    DirectiveRow(
      name: "SSLCADNRequestFile", contexts: perSite, arity: 1...1, type: .path, syntax: "FILE",
      module: "mod_ssl",
      manual: """
        The issuers that clients are told to have certificates of, if these are not the trusted
        ones themselves. Only their names are used.

          SSLCADNRequestFile /etc/ring3/staff-ca-names.pem
        """),
    DirectiveRow(
      name: "SSLCADNRequestPath", contexts: perSite, arity: 1...1, type: .path,
      syntax: "DIRECTORY", module: "mod_ssl",
      manual: """
        The same as a directory of files.

          SSLCADNRequestPath /etc/ring3/staff-ca-names
        """),
    DirectiveRow(
      name: "SSLCARevocationFile", contexts: perSite, arity: 1...1, type: .path, syntax: "FILE",
      module: "mod_ssl",
      manual: """
        Lists of revoked client certificates, in PEM. They count only with SSLCARevocationCheck.

          SSLCARevocationFile /etc/ring3/staff-ca.crl
        """),
    DirectiveRow(
      name: "SSLCARevocationPath", contexts: perSite, arity: 1...1, type: .path,
      syntax: "DIRECTORY", module: "mod_ssl",
      manual: """
        The same as a directory, with names by hash as openssl-rehash(1) makes them.

          SSLCARevocationPath /etc/ring3/crls
        """),
    DirectiveRow(
      name: "SSLCARevocationCheck", contexts: perSite, arity: 1...2, defaultText: "none",
      syntax: "none|leaf|chain [no_crl_for_cert_ok]", module: "mod_ssl",
      manual: """
        Whether client certificates are looked up in lists of revoked ones: leaf the client's own,
        chain all up to the trusted one. A certificate whose issuer has no list is refused, unless
        no_crl_for_cert_ok is said.

          SSLCARevocationCheck chain
        """),
    DirectiveRow(
      name: "SSLUseStapling", contexts: perSite, arity: 1...1, type: .onOff, defaultText: "Off",
      syntax: "On|Off", module: "mod_ssl",
      manual: """
        Whether the server asks the certificate's issuer for a signed statement that it is not
        revoked (OCSP) and sends it along. A process of its own asks; no connection waits for it.
        Every certificate of a site has its own, those of SSLCertificateDirectory from when a client
        first wants them (1,024 of them at a time). Certificates that name no responder have none,
        and several large issuers have given theirs up.

          SSLUseStapling On
        """),
    DirectiveRow(
      name: "SSLStaplingResponderTimeout", contexts: perSite, arity: 1...1,
      type: .duration(1...86_400_000, unit: .seconds), defaultText: "10", syntax: "SECONDS",
      module: "mod_ssl",
      manual: """
        How long a responder may take to answer.

          SSLStaplingResponderTimeout 5
        """),
    DirectiveRow(
      name: "SSLStaplingResponseTimeSkew", contexts: perSite, arity: 1...1,
      type: .integer(0...86_400), defaultText: "300", syntax: "SECONDS", module: "mod_ssl",
      manual: """
        How far the clocks of the server and of the responder may differ.

          SSLStaplingResponseTimeSkew 60
        """),
    DirectiveRow(
      name: "SSLStaplingResponseMaxAge", contexts: perSite, arity: 1...1,
      type: .integer(-1...31_536_000), defaultText: "-1", syntax: "SECONDS", module: "mod_ssl",
      manual: """
        How old a statement may be to be sent; -1 is as old as it says itself.

          SSLStaplingResponseMaxAge 86400
        """),
    DirectiveRow(
      name: "SSLStaplingStandardCacheTimeout", contexts: perSite, arity: 1...1,
      type: .integer(1...31_536_000), defaultText: "3600", syntax: "SECONDS", module: "mod_ssl",
      manual: """
        How long a good statement is used before a new one is asked for.

          SSLStaplingStandardCacheTimeout 7200
        """),
    DirectiveRow(
      name: "SSLStaplingErrorCacheTimeout", contexts: perSite, arity: 1...1,
      type: .integer(1...31_536_000), defaultText: "600", syntax: "SECONDS", module: "mod_ssl",
      manual: """
        How long after a failure a responder is asked again. Failures are never sent to clients.

          SSLStaplingErrorCacheTimeout 60
        """),
    DirectiveRow(
      name: "SSLStaplingForceURL", contexts: perSite, arity: 1...1, syntax: "URL",
      module: "mod_ssl",
      manual: """
        The responder to ask, whatever certificates name. An http URL: statements are signed.

          SSLStaplingForceURL http://ocsp.example.com/
        """),
  ]
}
