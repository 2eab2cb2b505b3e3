// Rows: the server as a whole, its processes, its logs, its cache.

extension DirectiveTable {
  static let serverRows: [DirectiveRow] = [
    DirectiveRow(
      name: "ServerRoot", contexts: .server, arity: 1...1, type: .path,
      defaultText: "the directory of the configuration file", syntax: "DIRECTORY", module: "core",
      manual: """
        The directory below which relative paths of other directives are found: included files,
        logs, the pid file, the control socket. It takes effect from its line on, so it belongs at
        the top of the file. Document roots should be absolute paths all the same.

          ServerRoot "/etc/ring3"
        """),
    DirectiveRow(
      name: "Listen", contexts: .server, arity: 1...2, repeats: true,
      syntax: "[ADDRESS:]PORT [https|http]", module: "mpm_common",
      manual: """
        An address and port to accept connections on; at least one is needed. With a port alone
        Ring3 listens on all IPv4 addresses and, where the system has IPv6, on all IPv6 addresses,
        by two separate sockets. An IPv6 address stands in brackets. Ports below 1024 need root or
        CAP_NET_BIND_SERVICE. A reload opens added addresses and closes removed ones without
        losing a connection.

        https says that connections are encrypted, for sites that do not say it themselves by
        SSLEngine; without the word it holds for port 443.

          Listen 80
          Listen 443 https
          Listen 192.0.2.1:8080
          Listen [2001:db8::1]:8443 https
        """),
    DirectiveRow(
      name: "User", contexts: [.server, .inApplication], arity: 1...1,
      defaultText: "nobody, when the server is started as root", syntax: "NAME|#NUMBER",
      module: "mod_unixd",
      manual: """
        The user that workers run as. It has a meaning only when the server is started as root:
        the master stays root, every process that touches the network gives root up for this user
        before it reads its first byte. It should own nothing and need only read access to the
        sites' files. A number is written with a #. Without this directive it is nobody.

        In <Application>: who its processes run as. A server that is started as root wants it for
        each, and another one than that of its workers: an application of their user could end them,
        and read what they read, the sites' private files and requests for others among it. A server
        that is not root runs all as itself.

          User www-data
        """),
    DirectiveRow(
      name: "Group", contexts: [.server, .inApplication], arity: 1...1,
      defaultText: "the user's own group", syntax: "NAME|#NUMBER",
      module: "mod_unixd",
      manual: """
        The group that workers run as, when the server is started as root. The user's
        supplementary groups are set as well. A number is written with a #. In <Application>: the
        group of its processes.

          Group www-data
        """),
    DirectiveRow(
      name: "PidFile", contexts: .server, arity: 1...1, type: .path, defaultText: "ring3d.pid",
      syntax: "FILE", module: "mpm_common",
      manual: """
        The file that holds the master's process number. It is locked as long as the server runs,
        so a second instance with the same file refuses to start, and one left behind by a dead
        server is no obstacle. A relative path is below ServerRoot.

          PidFile /run/ring3/ring3d.pid
        """),
    DirectiveRow(
      name: "ControlSocket", contexts: .server, arity: 1...4, defaultText: "ring3d.sock mode=0600",
      syntax: "PATH [mode=OCTAL] [owner=USER] [group=GROUP]", module: "ring3",
      manual: """
        The Unix socket on which the server takes commands from ring3ctl(8). The mode, owner and
        group say who can connect; the server checks the identity of each peer besides, and obeys
        only root, its own user, and members of the group. With mode=0666 every user of the system
        can connect; all that those others may do is what a UrlReservation lets them. A relative
        path is below ServerRoot. Clients that are told nothing look for /run/ring3/ring3d.sock:
        name it here in an installation.

          ControlSocket /run/ring3/ring3d.sock mode=0660 group=adm
        """),
    DirectiveRow(
      name: "Workers", contexts: .server, arity: 1...1, type: .integerOrAuto(1...128),
      defaultText: "auto", syntax: "auto|NUMBER", module: "ring3",
      manual: """
        How many worker processes serve requests; auto is one for each processor the server may
        use. A worker is an event loop for many thousand connections, so more workers than
        processors gain nothing. A reload changes the number without closing a connection.

          Workers 4
        """),
    DirectiveRow(
      name: "ListenBacklog", contexts: .server, arity: 1...1, type: .integer(1...1_000_000),
      defaultText: "511", syntax: "NUMBER", module: "mpm_common",
      manual: """
        How many connections the kernel keeps waiting on each listening socket until a worker
        accepts them. The kernel cuts it to net.core.somaxconn without a word. A larger number
        helps to survive bursts, not lasting overload.

          ListenBacklog 4096
        """),
    DirectiveRow(
      name: "MaxConnectionsPerChild", contexts: .server, arity: 1...1, type: .integer(0...Int.max),
      defaultText: "0", syntax: "NUMBER", module: "mpm_common",
      manual: """
        After how many connections a worker is replaced by a fresh one; 0 is never. The old
        worker finishes what it serves and hands over its idle connections, so no client notices.
        MaxRequestsPerChild is an older name of the same.

          MaxConnectionsPerChild 1000000
        """),
    DirectiveRow(
      name: "GracefulShutdownTimeout", contexts: .server, arity: 1...1,
      type: .duration(0...86_400_000, unit: .seconds), defaultText: "0", syntax: "SECONDS",
      module: "mpm_common",
      manual: """
        How long workers that drain, after a reload or a graceful stop, may go on serving requests
        in flight before they are ended; 0 is as long as it takes. It bounds how long a slow
        download can keep an old generation of workers alive.

          GracefulShutdownTimeout 60
        """),
  ]

  static let logRows: [DirectiveRow] = [
    DirectiveRow(
      name: "ErrorLog", contexts: [.server, .virtualHost], arity: 1...1, type: .path,
      defaultText: "/dev/stderr", syntax: "FILE", module: "core",
      manual: """
        The file for errors and events, one line each, with time, level, process, connection and
        client. A virtual host without one uses the server's. A relative path is below ServerRoot;
        the file is opened by the master, so workers need no right to write it. Programs ("|...")
        and syslog are not implemented.

          ErrorLog "/var/log/ring3/error.log"
        """),
    DirectiveRow(
      name: "LogLevel", contexts: .everywhere, arity: 1...100, defaultText: "warn", repeats: true,
      syntax: "[MODULE:]LEVEL ...", module: "core",
      manual: """
        The least severe events that go to the error log: emerg, alert, crit, error, warn,
        notice, info, debug, and trace1 to trace8, each with all before it. A level for a single
        module of httpd is accepted and has no effect.

          LogLevel info
        """),
    DirectiveRow(
      name: "CustomLog", contexts: [.server, .virtualHost], arity: 2...3, repeats: true,
      syntax: "FILE common|combined|proxied", module: "mod_log_config",
      manual: """
        A log of finished requests, one line each. common is host, identity, user, time, request
        line, status and bytes; combined adds Referer and User-Agent. A virtual host with its own
        CustomLog does not write to the server's. Lines are buffered and written at least once a
        second. Other formats, conditions and programs ("|...") are not implemented.

        proxied adds to combined what became of requests that are passed on, as name=value:
        member="URL" is the server that answered, or was tried last; retries=N how often the request
        was sent or connected again, to that server or another; first_ms=N and total_ms=N the
        milliseconds from the beginning of passing it on, waiting and retries included, to the head
        of the answer and to its end; cache=WORD what the cache said: hit, revalidated (a stored
        response, which the server called good), stale (a stored response in place of a fresh one),
        or why the request went on, in the words of Cache-Status (RFC 9211): uri-miss, vary-miss,
        stale, request, method, bypass; reason=WORD why the server ended the request itself, in the
        words of ring3ctl status: Reserved, QueueFull, Timer_ReqQueue, Disabled, AppOffline and so
        on. The member of what an application has claimed is "queue 'NAME'". What does not apply is
        a dash.

          CustomLog "/var/log/ring3/access.log" combined
        """),
  ]

  static let cacheRows: [DirectiveRow] = [
    DirectiveRow(
      name: "CacheSize", contexts: .server, arity: 1...1,
      type: .bytesOrAuto((1 << 20)...(128 << 30)), defaultText: "auto", syntax: "auto|BYTES",
      module: "ring3",
      manual: """
        The size of the response cache that all workers share; K, M and G are powers of 1024.
        auto takes what fits /dev/shm, the control group's limit and free memory. The cache
        survives reloads, crashed workers and restarts (see CachePersist). Another size makes a new
        one at the next start, into which the most valuable of what fits is copied.

          CacheSize 512M
        """),
    DirectiveRow(
      name: "CacheMaxObject", contexts: .server, arity: 1...1, type: .bytes(0...(64 << 20)),
      defaultText: "1M", syntax: "BYTES", module: "ring3",
      manual: """
        The largest file, and the largest response of an application, that is kept in the shared
        cache. Larger files are sent from the file itself by sendfile(2), larger responses pass
        through (CacheDebug says too-large). A larger limit saves file operations and costs cache
        space. A file up to this size never yields a mixture of two of its versions. 0 keeps
        nothing.

        The cache is divided when it is made, so that each of its parts takes four objects of this
        size, but never into less than one part: nothing above a quarter of CacheSize is kept. When
        the limit is raised by a reload, the parts stay: then nothing is kept above a quarter of
        one, which can be as little as a thirty-second of CacheSize. The log says so.

          CacheMaxObject 4M
        """),
    DirectiveRow(
      name: "CacheStaticRevalidate", contexts: .server, arity: 1...1,
      type: .duration(0...86_400_000, unit: .milliseconds), defaultText: "1s",
      syntax: "MILLISECONDS|Ns|Nms", module: "ring3",
      manual: """
        How old the knowledge about a cached file may be before its path is looked up again; a
        changed file is seen by clients within this time. A bare number counts milliseconds. 0
        looks at every request, which is slow and rarely needed.

          CacheStaticRevalidate 250ms
        """),
    DirectiveRow(
      name: "CacheWatchFiles", contexts: .server, arity: 1...1, type: .onOff, defaultText: "On",
      syntax: "On|Off", module: "ring3",
      manual: """
        Whether a process of its own watches the directories of cached files by inotify(7), so that
        a file that is written to, renamed over, or reached by another symbolic link is seen within
        milliseconds. It takes a watch for each directory on the way to a cached file, 8192 at most;
        if the kernel gives fewer (sysctl fs.inotify.max_user_watches), the error log says so once.
        What is not watched, what is written through a hard link elsewhere, and what other machines
        write to a network file system is seen after CacheStaticRevalidate, as is everything with
        Off.

          CacheWatchFiles Off
        """),
    DirectiveRow(
      name: "CachePersist", contexts: .server, arity: 1...1, type: .onOff, defaultText: "On",
      syntax: "On|Off", module: "ring3",
      manual: """
        Whether the cache outlives a stop: the next start finds it in /dev/shm (until the machine is
        started anew), checks it, and answers from it after having looked at each file again. Off
        removes it when the server is stopped; a server that is killed leaves it in either case.

        systemd removes what a user has in /dev/shm when that user's last session ends, unless it
        is a system user (RemoveIPC=yes in logind.conf(5), which is the default). A server that is
        run by an ordinary user then starts with an empty cache: use a system user, lingering
        (loginctl enable-linger), or RemoveIPC=no.

          CachePersist Off
        """),
    DirectiveRow(
      name: "CacheHugePages", contexts: .server, arity: 1...1,
      type: .choice(["auto", "on", "off"]),
      defaultText: "auto", syntax: "auto|on|off", module: "ring3",
      manual: """
        Whether the cache lies in huge pages, which spare the processor's address translation work
        when it is large. They have to be offered: /dev/shm mounted with the option huge=advise (or
        within_size, or always), and /sys/kernel/mm/transparent_hugepage/shmem_enabled not deny.
        auto takes them when they are, on also warns when they are not. A cache that exists already
        comes to lie in huge pages by and by, as the kernel finds time for it.

          CacheHugePages on
        """),
  ]
}
