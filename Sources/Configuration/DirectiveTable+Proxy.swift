// Rows: passing requests on to applications, and what is said about them.

extension DirectiveTable {
  private static let perSite: Contexts = [.server, .virtualHost]

  static let proxyRows: [DirectiveRow] = [
    DirectiveRow(
      name: "ProxyPass", contexts: [.server, .virtualHost, .inLocation], arity: 1...50,
      repeats: true, syntax: "[URL-PATH] !|URL [KEY=VALUE ...] [nocanon] [noquery]",
      module: "mod_proxy",
      manual: """
        Passes requests at or below the URL path on to an application: what follows the path is
        put behind the URL, in canonical percent-encoding, and the query behind that. In
        <Location> the path is left out. The innermost <Location> with a ProxyPass goes before all
        rules outside of sections; of those the first that fits counts, so longer paths go before
        shorter ones. ! instead of a URL: such requests are not passed on. All this comes before
        Redirect and Alias. If the path ends in a slash the URL should too.

        The URL is http://HOST[:PORT][/PATH], fcgi://HOST[:PORT][/PATH],
        unix:SOCKET|http://NAME[/PATH], unix:SOCKET|fcgi://NAME[/PATH], or balancer://NAME[/PATH].
        ws:// means http:// with upgrade=websocket. https:// and other protocols are not
        implemented. Names are resolved while the server runs.

        Trailers go to clients that send TE: trailers, and those of a request to the application;
        not those that RFC 9110 forbids there, nor those that Header or RequestHeader are about.

        Parameters of a server: max (connections of one worker at a time), smax (idle ones kept
        beyond ttl), ttl (how long idle connections are kept, 60 s), retry (how long a failed
        server is left alone, 60 s), acquire (how long a request waits for a connection when max
        are busy, in milliseconds, before it is 503; by default as long as for an answer),
        connectiontimeout, timeout, disablereuse=On (one connection a request),
        upgrade (protocols a request may change to: websocket, ANY, NONE), responsefieldsize
        (longest field of a response), proxyprotocol (1 or 2: what the PROXY protocol says of the
        client goes first), slowstart (how long a server that came back takes less), hcmethod
        (none, TCP, OPTIONS, HEAD, GET), hcinterval, hcpasses, hcfails, hcuri, hctemplate (checks
        while nobody asks). Times are in seconds, or with ms, s, min or h. For a balancer see
        <Proxy>. nocanon passes the rest of the path on as the client spelled it; where it spelled
        the path before that in another way, all is canonical. noquery leaves the query away.

          ProxyPass /static !
          ProxyPass / http://127.0.0.1:3000/ retry=5 timeout=30
        """),
    DirectiveRow(
      name: "ProxyPassMatch", contexts: [.server, .virtualHost, .inLocation], arity: 1...50,
      repeats: true, syntax: "[REGEX] !|URL [KEY=VALUE ...] [nocanon] [noquery]",
      module: "mod_proxy",
      manual: """
        ProxyPass with a regular expression for the URL path; $1 to $9 in the URL's path stand for
        its groups. Without any, the whole URL path is put behind the URL. In <LocationMatch> the
        section's expression counts and none is given. The host cannot hold groups: a request that
        could choose it would reach any server.

          ProxyPassMatch "^/(.*\\.php)$" "fcgi://127.0.0.1:9000/srv/www/$1"
        """),
    DirectiveRow(
      name: "ProxyPassInherit", contexts: perSite, arity: 1...1, type: .onOff, defaultText: "On",
      syntax: "On|Off", module: "mod_proxy",
      manual: """
        Whether a virtual host has the main server's ProxyPass rules before its own.

          ProxyPassInherit Off
        """),
    DirectiveRow(
      name: "SetHandler", contexts: .everywhere, arity: 1...1, syntax: "\"proxy:URL\"|None",
      module: "core",
      manual: """
        Passes requests for files to an application instead of answering them: with FastCGI the
        application gets the file's path. This is how PHP is run. None undoes an outer one. Other
        handlers are not implemented and are refused.

        A path may go on behind the script (/index.php/news): see AcceptPathInfo.

        FastCGI wants the length of a request's body first. One that comes in chunks is kept in
        memory until it is whole: at most 64 MiB of it (else 413), and 128 MiB of all in a worker
        (else 503). LimitRequestBody may say less.

          <FilesMatch "\\.php$">
            SetHandler "proxy:unix:/run/php/php-fpm.sock|fcgi://localhost"
          </FilesMatch>
        """),
    DirectiveRow(
      name: "Proxy", isSection: true, contexts: perSite, arity: 1...2, repeats: true,
      syntax: "URL | ~ REGEX", module: "mod_proxy",
      manual: """
        Directives for requests that are passed on to URLs that begin so; wildcards match slashes
        too. They apply before <Location> sections. <Proxy "balancer://NAME"> is also where a
        balancer gets its members (BalancerMember) and its parameters (ProxySet).

          <Proxy "balancer://app">
            BalancerMember http://10.0.0.1:8080
            BalancerMember http://10.0.0.2:8080
            BalancerMember http://10.0.0.3:8080 status=+H
            ProxySet lbmethod=bybusyness
          </Proxy>
          ProxyPass /app balancer://app
        """),
    DirectiveRow(
      name: "ProxyMatch", isSection: true, contexts: perSite, arity: 1...1,
      type: .regularExpression, repeats: true, syntax: "REGEX", module: "mod_proxy",
      manual: """
        <Proxy> with a regular expression.

          <ProxyMatch "^http://10\\.">
            Require ip 10.0.0.0/8
          </ProxyMatch>
        """),
    DirectiveRow(
      name: "BalancerMember", contexts: [.server, .virtualHost, .inProxy], arity: 1...50,
      repeats: true, syntax: "[balancer://NAME] URL [KEY=VALUE ...]", module: "mod_proxy",
      manual: """
        A server of a balancer; the balancer's URL is left out inside its <Proxy>. Parameters are
        those of ProxyPass and: loadfactor (1 to 100, its share), route (how sessions name it),
        lbset (sets of lower numbers are used first), status (D disabled, S stopped, H hot standby
        for when no other works, R hot spare for one that failed, N only its own sessions, I never
        counts as failed, E failed until retried; + sets and - clears).

          BalancerMember balancer://app http://10.0.0.1:8080 loadfactor=2 route=a
        """),
    DirectiveRow(
      name: "ProxySet", contexts: [.server, .virtualHost, .inProxy], arity: 1...50,
      repeats: true, syntax: "[URL] KEY=VALUE ...", module: "mod_proxy",
      manual: """
        Parameters of a balancer or of one server; the URL is left out inside <Proxy URL>. Those of
        a balancer: lbmethod (byrequests, bytraffic, bybusyness, or hash with key=url, path, client,
        header:NAME or cookie:NAME: the same server for the same key as long as it works),
        stickysession=COOKIE or COOKIE|PARAMETER with stickysessionsep, nofailover, maxattempts
        (further servers tried), failonstatus (statuses that count as failures), failontimeout,
        forcerecovery, timeout (how long a request waits for a free connection). Those of a server
        are described at ProxyPass.

          ProxySet balancer://app lbmethod=hash key=cookie:session
        """),
    DirectiveRow(
      name: "ProxyHCTemplate", contexts: perSite, arity: 2...20, repeats: true,
      syntax: "NAME KEY=VALUE ...", module: "mod_proxy_hcheck",
      manual: """
        A name for parameters of health checks; hctemplate=NAME stands for them.

          ProxyHCTemplate often hcmethod=GET hcinterval=5 hcuri=/health
        """),
  ]

  static let proxySettingRows: [DirectiveRow] = [
    DirectiveRow(
      name: "ProxyRequests", contexts: perSite, arity: 1...1, type: .onOff, defaultText: "Off",
      syntax: "Off", module: "mod_proxy",
      manual: """
        Ring3 passes requests on only to what ProxyPass names. It is no forward proxy, so only Off
        is accepted.

          ProxyRequests Off
        """),
    DirectiveRow(
      name: "ProxyPreserveHost", contexts: .everywhere, arity: 1...1, type: .onOff,
      defaultText: "Off", syntax: "On|Off", module: "mod_proxy",
      manual: """
        Whether the application gets the Host field the client sent, or the host of the target.

          ProxyPreserveHost On
        """),
    DirectiveRow(
      name: "ProxyTimeout", contexts: perSite, arity: 1...1,
      type: .duration(1...86_400_000, unit: .seconds), syntax: "TIME", module: "mod_proxy",
      manual: """
        How long an application may say nothing before the client gets 504. By default Timeout;
        the parameter timeout of ProxyPass goes before.

          ProxyTimeout 30
        """),
    DirectiveRow(
      name: "ProxyTunnelTimeout", contexts: perSite, arity: 1...1,
      type: .duration(1...86_400_000, unit: .seconds), defaultText: "300", syntax: "TIME",
      module: "ring3",
      manual: """
        How long both sides of a connection that has changed its protocol (upgrade=, WebSocket) may
        say nothing before it is closed. ProxyTimeout and timeout do not count there.

          ProxyTunnelTimeout 1h
        """),
    DirectiveRow(
      name: "ProxyErrorOverride", contexts: .everywhere, arity: 1...100, defaultText: "Off",
      syntax: "On|Off [STATUS ...]", module: "mod_proxy",
      manual: """
        On: clients get the server's own pages (ErrorDocument) instead of the application's for
        statuses from 400, or for those that are named. WWW-Authenticate, Allow and Retry-After of
        the application stay.

          ProxyErrorOverride On 502 503 504
        """),
    DirectiveRow(
      name: "ProxyVia", contexts: perSite, arity: 1...1,
      type: .choice(["Off", "On", "Full", "Block"]), defaultText: "Off",
      syntax: "Off|On|Full|Block", module: "mod_proxy",
      manual: """
        What Via says of this server. Off: requests carry a name there that tells nothing to anybody
        but this server, which so knows a request that comes in a circle and answers it with 508;
        responses say nothing. On: both carry the name of the site. Full: with this server's version
        behind it. Block: as Off, and what other servers said is removed.

          ProxyVia On
        """),
    DirectiveRow(
      name: "ProxyAddHeaders", contexts: .everywhere, arity: 1...1, type: .onOff,
      defaultText: "On", syntax: "On|Off", module: "mod_proxy",
      manual: """
        Whether the application is told who asked for what, in X-Forwarded-For, X-Forwarded-Host,
        X-Forwarded-Proto and X-Forwarded-Server. What a client says there itself is removed,
        unless it is trusted (see RemoteIPHeader): then its X-Forwarded-Host and X-Forwarded-Proto
        stand as they are, and X-Forwarded-For from where it can be believed: what somebody claims
        who is not trusted is cut off. Responses for different schemes are cached apart, and those
        to requests for which a trusted proxy names another host than Host does are not cached.

          ProxyAddHeaders Off
        """),
    DirectiveRow(
      name: "ProxyAddForwarded", contexts: .everywhere, arity: 1...1, type: .onOff,
      defaultText: "Off", syntax: "On|Off", module: "ring3",
      manual: """
        Whether the application is told the same in Forwarded (RFC 7239). What a trusted proxy says
        there is passed on in any case, as far as it can be believed; this is added behind it.

          ProxyAddForwarded On
        """),
    DirectiveRow(
      name: "ProxyPassReverse", contexts: [.server, .virtualHost, .inLocation], arity: 1...3,
      repeats: true, syntax: "[URL-PATH] URL", module: "mod_proxy",
      manual: """
        Corrects the fields Location, Content-Location and URI of responses: what begins with the
        URL is replaced by the URL path on this server. In <Location> the path is left out. With
        balancer://NAME the URLs of its members count.

          ProxyPass        /app/ http://127.0.0.1:8080/
          ProxyPassReverse /app/ http://127.0.0.1:8080/
        """),
    DirectiveRow(
      name: "ProxyPassReverseCookiePath", contexts: [.server, .virtualHost, .inLocation],
      arity: 2...3, repeats: true, syntax: "PATH PUBLIC-PATH", module: "mod_proxy",
      manual: """
        Corrects the path of cookies in responses: a path that begins with the first one is replaced
        by the second one, all of it, as httpd does it.

          ProxyPassReverseCookiePath / /app/
        """),
    DirectiveRow(
      name: "ProxyPassReverseCookieDomain", contexts: [.server, .virtualHost, .inLocation],
      arity: 2...3, repeats: true, syntax: "DOMAIN PUBLIC-DOMAIN", module: "mod_proxy",
      manual: """
        Corrects the domain of cookies in responses.

          ProxyPassReverseCookieDomain app.internal www.example.com
        """),
    DirectiveRow(
      name: "RequestHeader", contexts: .everywhere, arity: 2...6, repeats: true,
      syntax: "set|append|merge|add|setifempty|unset|edit|edit* FIELD [REGEX] [VALUE]",
      module: "mod_headers",
      manual: """
        Changes fields of requests before an application gets them; the actions are those of
        Header. Values may hold %{MATCH_NAME}e; conditions and early processing are not
        implemented.

          RequestHeader set X-Forwarded-Proto https
          RequestHeader unset Accept-Encoding
        """),
  ]
}
