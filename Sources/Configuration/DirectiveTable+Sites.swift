// Rows: sites, their names, their files, and sections.

extension DirectiveTable {
  static let siteRows: [DirectiveRow] = [
    DirectiveRow(
      name: "ServerName", contexts: [.server, .virtualHost], arity: 1...1,
      syntax: "[SCHEME://]HOST[:PORT]", module: "core",
      manual: """
        The name of a site. A request belongs to the first virtual host for its address and port
        whose ServerName, ServerAlias or ServerNameMatch fits its Host field. Scheme and port, if
        given, appear only in addresses that the server makes itself.

          ServerName www.example.com
        """),
    DirectiveRow(
      name: "ServerAlias", contexts: .virtualHost, arity: 1...1000, repeats: true,
      syntax: "HOST ...", module: "core",
      manual: """
        More names of a virtual host. In a name, * stands for any characters and ? for one. An
        alias counts at its virtual host's place in the file: an earlier virtual host that fits is
        chosen first, however vague its pattern.

          ServerAlias example.com *.example.com
        """),
    DirectiveRow(
      name: "ServerNameMatch", contexts: .virtualHost, arity: 1...1, type: .regularExpression,
      repeats: true, syntax: "REGEX", module: "ring3",
      manual: """
        A regular expression (PCRE2) that fits hosts of this virtual host. It must match the whole
        host name; letter case does not count. A named group NAME can be used as %{env:MATCH_NAME}
        in DocumentRoot, Redirect, Header and ErrorDocument. A captured value that could leave its
        directory (empty, ., .., with a slash or a NUL) is answered with 404. Any number of such
        sites does not slow down the choice.

          ServerNameMatch "(?<tenant>[a-z0-9-]+)\\.shops\\.example"
          DocumentRoot "/srv/shops/%{env:MATCH_TENANT}"
        """),
    DirectiveRow(
      name: "ServerAdmin", contexts: [.server, .virtualHost], arity: 1...1,
      syntax: "EMAIL|URL", module: "core",
      manual: """
        The address of whoever looks after a site. It is shown beneath error pages when
        ServerSignature is EMail.

          ServerAdmin webmaster@example.com
        """),
    DirectiveRow(
      name: "UseCanonicalName", contexts: .everywhere, arity: 1...1, type: .choice(["On", "Off"]),
      defaultText: "Off", syntax: "On|Off", module: "core",
      manual: """
        Which host name goes into addresses that the server makes itself, in redirects for
        directories for example. Off takes the one the client asked for, On the ServerName. The
        value DNS of httpd is not implemented: a request never waits for a name server.

          UseCanonicalName On
        """),
    DirectiveRow(
      name: "ServerTokens", contexts: .server, arity: 1...1,
      type: .choice(["Full", "OS", "Minimal", "Min", "Minor", "Major", "Prod", "ProductOnly"]),
      defaultText: "Full", syntax: "Full|OS|Minimal|Minor|Major|Prod", module: "core",
      manual: """
        How much the Server field of responses says about the server: Prod only its name, Major,
        Minor and Minimal the version to one, two or all of its numbers, OS and Full the kind of
        system besides.

          ServerTokens Prod
        """),
    DirectiveRow(
      name: "ServerSignature", contexts: .everywhere, arity: 1...1,
      type: .choice(["On", "Off", "EMail"]), defaultText: "Off", syntax: "On|Off|EMail",
      module: "core",
      manual: """
        Whether pages made by the server, errors and directory listings, end with a line about
        the server. EMail adds a link to the ServerAdmin.

          ServerSignature On
        """),
    DirectiveRow(
      name: "DocumentRoot", contexts: [.server, .virtualHost], arity: 1...1, type: .path,
      syntax: "DIRECTORY", module: "core",
      manual: """
        The directory a site's files come from: the path of a request is appended to it. It does
        not grant access by itself; a <Directory> with Require does. A missing directory is a
        warning, because it may appear later. In a virtual host with ServerNameMatch it may hold
        %{env:MATCH_NAME}.

          DocumentRoot "/srv/www/example.com"
        """),
  ]

  static let mappingRows: [DirectiveRow] = [
    DirectiveRow(
      name: "DirectoryIndex", contexts: .everywhere, arity: 1...100, defaultText: "index.html",
      repeats: true, syntax: "disabled|FILE ...", module: "mod_dir",
      manual: """
        The files to look for when a request names a directory; the first that exists is
        answered. Further directives in the same section add names; disabled alone looks for
        none. Without any such file, a listing is made if Options Indexes allows it, else the
        answer is 403.

          DirectoryIndex index.html index.htm
        """),
    DirectiveRow(
      name: "FallbackResource", contexts: .everywhere, arity: 1...1, syntax: "disabled|URL-PATH",
      module: "mod_dir",
      manual: """
        What is answered for every path that leads to no file: the front page of an application
        that routes in the browser. Files that exist are answered as they are. disabled undoes an
        outer one.

          FallbackResource /index.html
        """),
    DirectiveRow(
      name: "AcceptPathInfo", contexts: .everywhere, arity: 1...1,
      type: .choice(["On", "Off", "Default"]), defaultText: "Default", syntax: "On|Off|Default",
      module: "core",
      manual: """
        Whether a path may go on behind a file: of /index.php/news the script gets /news as
        PATH_INFO if index.php is a file. By default scripts accept that (FastCGI by SetHandler or
        ProxyPass), and for other files it is 404. On: such requests get the file, Off: they are
        404 for scripts too.

          AcceptPathInfo Off
        """),
    DirectiveRow(
      name: "Alias", contexts: [.server, .virtualHost], arity: 2...2, repeats: true,
      syntax: "URL-PATH PATH", module: "mod_alias",
      manual: """
        Files from outside the document root. Requests at or below the URL path are looked for at
        or below the file path. If one ends in a slash both should. The first that fits counts,
        so longer paths go before shorter ones. The target needs a <Directory> with Require.

          Alias /icons/ /usr/share/icons/
        """),
    DirectiveRow(
      name: "AliasMatch", contexts: [.server, .virtualHost], arity: 2...2, repeats: true,
      syntax: "REGEX PATH", module: "mod_alias",
      manual: """
        Alias with a regular expression for the whole URL path; $1 to $9 in the file path stand
        for its groups.

          AliasMatch "^/~([a-z]+)/(.*)" "/home/$1/public/$2"
        """),
    DirectiveRow(
      name: "Redirect", contexts: .everywhere, arity: 1...3, repeats: true,
      syntax: "[STATUS] [URL-PATH] [URL]", module: "mod_alias",
      manual: """
        Sends clients elsewhere. What follows the URL path in the request is appended to the
        target; the query is kept. STATUS is permanent (301), temp (302, the default), seeother
        (303), gone (410, without a target) or a number. Redirects come before aliases, in the
        order of the file.

          Redirect permanent /old https://example.com/new
        """),
    DirectiveRow(
      name: "RedirectMatch", contexts: .everywhere, arity: 1...3, repeats: true,
      syntax: "[STATUS] REGEX [URL]", module: "mod_alias",
      manual: """
        Redirect with a regular expression for the URL path; $1 to $9 in the target stand for its
        groups.

          RedirectMatch 301 "^/blog/(\\d+)$" "/articles/$1.html"
        """),
    DirectiveRow(
      name: "RedirectPermanent", contexts: .everywhere, arity: 2...2, repeats: true,
      syntax: "URL-PATH URL", module: "mod_alias",
      manual: """
        The same as Redirect permanent: status 301.

          RedirectPermanent /one https://example.com/two
        """),
    DirectiveRow(
      name: "RedirectTemp", contexts: .everywhere, arity: 2...2, repeats: true,
      syntax: "URL-PATH URL", module: "mod_alias",
      manual: """
        The same as Redirect temp: status 302.

          RedirectTemp /maintenance https://status.example.com/
        """),
    DirectiveRow(
      name: "ErrorDocument", contexts: .everywhere, arity: 2...2, repeats: true,
      syntax: "STATUS TEXT|URL-PATH|URL|default", module: "core",
      manual: """
        What clients see instead of the built-in page for an error. A value that begins with a
        slash is a page of the same site, one with a scheme is redirected to, which changes the
        status clients see; anything else is the text itself. default restores the built-in page.

          ErrorDocument 404 /errors/not-found.html
          ErrorDocument 403 "Not for you."
        """),
  ]

  static let sectionRows: [DirectiveRow] = [
    DirectiveRow(
      name: "VirtualHost", isSection: true, contexts: .server, arity: 1...1000, repeats: true,
      syntax: "ADDRESS[:PORT] ...", module: "core",
      manual: """
        A site. Addresses are IPv4, IPv6 in brackets, or * for any; without a port every one
        counts. A connection's address and port are looked at first: virtual hosts with exactly
        this address go before those with *. Among these, the first in the file whose names fit
        the Host field is chosen, else the first of all. A virtual host opens no port; Listen
        does.

          <VirtualHost *:80>
            ServerName www.example.com
            DocumentRoot "/srv/www/example.com"
          </VirtualHost>
        """),
    DirectiveRow(
      name: "Directory", isSection: true, contexts: [.server, .virtualHost], arity: 1...2,
      repeats: true, syntax: "PATH | ~ REGEX", module: "core",
      manual: """
        Directives for the files at and below a directory of the file system. The path may hold
        the wildcards * and ? (neither matches a slash) and [...]. Sections apply from the
        shortest path to the longest, then those with regular expressions in file order. After ~
        stands a regular expression.

          <Directory "/srv/www">
            Require all granted
          </Directory>
        """),
    DirectiveRow(
      name: "DirectoryMatch", isSection: true, contexts: [.server, .virtualHost], arity: 1...1,
      type: .regularExpression, repeats: true, syntax: "REGEX", module: "core",
      manual: """
        <Directory> with a regular expression.

          <DirectoryMatch "^/srv/www/.+/private">
            Require all denied
          </DirectoryMatch>
        """),
    DirectiveRow(
      name: "Location", isSection: true, contexts: [.server, .virtualHost], arity: 1...2,
      repeats: true, syntax: "URL-PATH | ~ REGEX", module: "core",
      manual: """
        Directives for the requests at and below a URL path, whatever file they lead to. Sections
        apply after all about files, in file order. To protect files use <Directory> or <Files>:
        one file may be reached by several URL paths. After ~ stands a regular expression.

          <Location /internal>
            Require ip 10.0.0.0/8
          </Location>
        """),
    DirectiveRow(
      name: "LocationMatch", isSection: true, contexts: [.server, .virtualHost], arity: 1...1,
      type: .regularExpression, repeats: true, syntax: "REGEX", module: "core",
      manual: """
        <Location> with a regular expression.

          <LocationMatch "/(build|draft)/">
            Require local
          </LocationMatch>
        """),
    DirectiveRow(
      name: "Files", isSection: true, contexts: [.server, .virtualHost, .inDirectory],
      arity: 1...2, repeats: true, syntax: "NAME | ~ REGEX", module: "core",
      manual: """
        Directives for files of some name, in whatever directory, or below the <Directory> it
        stands in. The name may hold wildcards. Sections apply after <Directory>. After ~ stands a
        regular expression.

          <Files "*.bak">
            Require all denied
          </Files>
        """),
    DirectiveRow(
      name: "FilesMatch", isSection: true, contexts: [.server, .virtualHost, .inDirectory],
      arity: 1...1, type: .regularExpression, repeats: true, syntax: "REGEX", module: "core",
      manual: """
        <Files> with a regular expression, searched for anywhere in the file's name.

          <FilesMatch "\\.(jpe?g|png|webp)$">
            Header set Cache-Control "max-age=86400"
          </FilesMatch>
        """),
  ]
}
