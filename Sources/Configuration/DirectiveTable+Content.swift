// Rows: who may read what, what kind it is, and which fields go with it.

extension DirectiveTable {
  private static let requireContexts: Contexts = [.directory, .inRequire]

  static let accessRows: [DirectiveRow] = [
    DirectiveRow(
      name: "Require", contexts: requireContexts, arity: 1...1000, repeats: true,
      syntax: "[not] all granted | all denied | ip NETWORK ... | local", module: "mod_authz_core",
      manual: """
        Who may see something: everybody, nobody, clients of some networks (an address, a prefix
        as in 10.1, an address with a mask or prefix length), or clients on the same machine.
        Several in one section mean that any is enough. The innermost section that has some
        replaces those of outer ones. Other kinds, users and groups for example, are not
        implemented and are refused.

          Require ip 192.0.2.0/24 2001:db8::/32
        """),
    DirectiveRow(
      name: "RequireAll", isSection: true, contexts: requireContexts, arity: 0...0, repeats: true,
      syntax: "", module: "mod_authz_core",
      manual: """
        Grants access if nothing in it fails and something in it succeeds.

          <RequireAll>
            Require all granted
            Require not ip 198.51.100.0/24
          </RequireAll>
        """),
    DirectiveRow(
      name: "RequireAny", isSection: true, contexts: requireContexts, arity: 0...0, repeats: true,
      syntax: "", module: "mod_authz_core",
      manual: """
        Grants access if something in it succeeds; what Require directives without a container
        mean. It cannot hold negated ones alone.

          <RequireAny>
            Require local
            Require ip 10.0.0.0/8
          </RequireAny>
        """),
    DirectiveRow(
      name: "RequireNone", isSection: true, contexts: requireContexts, arity: 0...0, repeats: true,
      syntax: "", module: "mod_authz_core",
      manual: """
        Denies access if something in it succeeds; it never grants any, so it stands inside
        <RequireAll> beside something that does.

          <RequireAll>
            Require all granted
            <RequireNone>
              Require ip 203.0.113.7
            </RequireNone>
          </RequireAll>
        """),
    DirectiveRow(
      name: "Options", contexts: .everywhere, arity: 1...20, defaultText: "FollowSymLinks",
      repeats: true, syntax: "[+|-]OPTION ...", module: "core",
      manual: """
        What may be done with a directory. Indexes: list its files if it has no index file.
        FollowSymLinks: follow symbolic links wherever they lead. SymLinksIfOwnerMatch: only if
        link and target have one owner. With + and - options are added to and taken from the outer
        section's; without, they replace them; the two cannot be mixed. None is none of them.
        ExecCGI, Includes and MultiViews are not implemented and are refused.

          Options -Indexes +SymLinksIfOwnerMatch
        """),
    DirectiveRow(
      name: "SymlinkConfine", contexts: .everywhere, arity: 1...1, type: .onOff,
      defaultText: "Off", syntax: "On|Off", module: "ring3",
      manual: """
        On: a symbolic link is followed only while it stays below the document root or alias
        target; the kernel sees to it at every step (openat2(2), RESOLVE_BENEATH). For
        directories that people you do not trust may write to.

          SymlinkConfine On
        """),
    DirectiveRow(
      name: "AllowOverride", contexts: .inDirectory, arity: 1...20, defaultText: "None",
      syntax: "None", module: "core",
      manual: """
        Which directives .htaccess files may hold. Ring3 does not read such files, so that no
        request pays for looking for them; None says so, and every other value is refused because
        a site that relies on them would be unprotected.

          AllowOverride None
        """),
    DirectiveRow(
      name: "AllowEncodedSlashes", contexts: [.server, .virtualHost], arity: 1...1,
      type: .choice(["On", "Off", "NoDecode"]), defaultText: "Off", syntax: "On|Off|NoDecode",
      module: "core",
      manual: """
        What becomes of %2F in a URL path. Off answers 404; On decodes it; NoDecode lets it
        through as it is.

          AllowEncodedSlashes NoDecode
        """),
    DirectiveRow(
      name: "TraceEnable", contexts: [.server, .virtualHost], arity: 1...1,
      type: .choice(["off"]), defaultText: "off", syntax: "off", module: "core",
      manual: """
        The TRACE method is answered with 405. It is not implemented, so only off is accepted.

          TraceEnable off
        """),
  ]

  static let contentRows: [DirectiveRow] = [
    DirectiveRow(
      name: "TypesConfig", contexts: .server, arity: 1...1, type: .path,
      defaultText: "conf/mime.types", syntax: "FILE", module: "mod_mime",
      manual: """
        The file that maps file name extensions to media types, one type a line with its
        extensions after it, as in /etc/mime.types. It is read at start and reload. A relative
        path is below ServerRoot.

          TypesConfig /etc/mime.types
        """),
    DirectiveRow(
      name: "AddType", contexts: .everywhere, arity: 2...100, repeats: true,
      syntax: "MEDIA-TYPE EXTENSION ...", module: "mod_mime",
      manual: """
        The media type of files with these extensions, with or without a leading dot. It goes
        before the types file.

          AddType image/avif .avif
        """),
    DirectiveRow(
      name: "ForceType", contexts: .everywhere, arity: 1...1, syntax: "MEDIA-TYPE|None",
      module: "core",
      manual: """
        The media type of all files of a section, whatever their names. None undoes an outer one.

          <Location /downloads>
            ForceType application/octet-stream
          </Location>
        """),
    DirectiveRow(
      name: "AddCharset", contexts: .everywhere, arity: 2...100, repeats: true,
      syntax: "CHARSET EXTENSION ...", module: "mod_mime",
      manual: """
        The character set of files with these extensions, sent as the charset parameter of
        Content-Type. A name may have several extensions: page.html.latin1.

          AddCharset ISO-8859-1 .latin1
        """),
    DirectiveRow(
      name: "AddDefaultCharset", contexts: .everywhere, arity: 1...1, defaultText: "Off",
      syntax: "On|Off|CHARSET", module: "core",
      manual: """
        The character set of text/html and text/plain responses that have none. On is ISO-8859-1,
        Off none.

          AddDefaultCharset UTF-8
        """),
    DirectiveRow(
      name: "AddEncoding", contexts: .everywhere, arity: 2...100, repeats: true,
      syntax: "ENCODING EXTENSION ...", module: "mod_mime",
      manual: """
        The content encoding of files with these extensions, sent as Content-Encoding. Use it for
        files that clients ask for by their compressed name; compressed neighbours of a file (.br,
        .zst, .gz) are found without it.

          AddEncoding gzip .svgz
        """),
    DirectiveRow(
      name: "FileETag", contexts: .everywhere, arity: 1...10, defaultText: "MTime Size",
      repeats: true, syntax: "[+|-]COMPONENT ... | All | None", module: "core",
      manual: """
        What a file's ETag is made of: INode, MTime, Size; All is all three, None sends no ETag.
        Leave INode out when several machines serve copies of the same files. Digest is not
        implemented.

          FileETag MTime Size
        """),
  ]

  static let headerRows: [DirectiveRow] = [
    DirectiveRow(
      name: "Header", contexts: .everywhere, arity: 2...6, repeats: true,
      syntax: "[always|onsuccess] set|append|merge|add|setifempty|unset|edit|edit* FIELD"
        + " [REGEX] [VALUE]",
      module: "mod_headers",
      manual: """
        Changes fields of responses. set replaces, append and merge extend a list (merge only by
        what is not in it yet), add adds another line, setifempty sets if there is none, unset
        removes. edit FIELD REGEX REPLACEMENT replaces what matches first in each line of the
        field, edit* all that matches; $1 is a group of the expression. A line with more than 200
        matches, or that would grow beyond 65,536 bytes, is left out. Without always, only
        successful responses are changed. Directives apply in file order, outer sections first.
        Values may hold %{env:MATCH_NAME}; the other actions of httpd (echo, note) are not
        implemented, and of its conditions only env=BALANCER_ROUTE_CHANGED is: the
        balancer's stickysession names no server yet, or another one than
        %{BALANCER_WORKER_ROUTE}e, which answers. What depends on that is in no cached response.

          Header always set X-Content-Type-Options nosniff
          Header edit Set-Cookie "^(.*)$" "$1; HttpOnly; Secure"
          Header add Set-Cookie "ROUTEID=.%{BALANCER_WORKER_ROUTE}e; path=/" \
            env=BALANCER_ROUTE_CHANGED
        """),
    DirectiveRow(
      name: "ExpiresActive", contexts: .everywhere, arity: 1...1, type: .onOff, defaultText: "Off",
      syntax: "On|Off", module: "mod_expires",
      manual: """
        Whether ExpiresByType and ExpiresDefault apply: they set the fields Expires and
        Cache-Control: max-age.

          ExpiresActive On
        """),
    DirectiveRow(
      name: "ExpiresByType", contexts: .everywhere, arity: 2...2, repeats: true,
      syntax: "MEDIA-TYPE TIME", module: "mod_expires",
      manual: """
        How long responses of a media type stay fresh. The time is "access plus 1 month 2 days"
        or "modification plus ...", or short: A86400, M3600 (seconds after access or
        modification). A type may end in /*.

          ExpiresByType image/png "access plus 1 month"
        """),
    DirectiveRow(
      name: "ExpiresDefault", contexts: .everywhere, arity: 1...1, syntax: "TIME",
      module: "mod_expires",
      manual: """
        How long responses stay fresh that no ExpiresByType names.

          ExpiresDefault "access plus 10 minutes"
        """),
  ]
}
