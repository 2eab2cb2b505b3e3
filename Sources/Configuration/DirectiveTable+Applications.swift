// Rows: applications that the server itself runs, and how each of them is run.

extension DirectiveTable {
  static let applicationRows: [DirectiveRow] = applicationProcessRows + applicationRecycleRows

  private static let seconds = ValueType.duration(1_000...31_536_000_000, unit: .seconds)

  private static let applicationProcessRows: [DirectiveRow] = [
    DirectiveRow(
      name: "Application", isSection: true, contexts: .server, arity: 1...1, repeats: true,
      syntax: "NAME", module: "ring3",
      manual: """
        A program that the server starts for URLs and keeps running. It finds a listening socket as
        its descriptor 3, as systemd gives it (LISTEN_FDS; gunicorn, uvicorn, node and many others
        take it), and its output goes to the ErrorLog. One process beside the master, the
        supervisor, starts all of them and registers their URLs; QueueDirectory is needed.

        A process that ends is started again. After five failures within five minutes the
        application is offline: its requests are answered with 503 until ring3ctl recycle NAME, or
        a reload that changes it. Whatever ends within a second, or cannot be started, is one
        failure; the next start comes at once after the first of them, then after 1, 1, 2 and 4
        seconds. Processes that have run for two seconds by then go on, and the missing ones are
        tried once a minute. A process that ends with code 0 after two seconds has not failed.

        A reload leaves applications alone that are as they were, replaces the processes of those
        that are not, new ones first, and ends those that are gone. An upgrade leaves them and their
        supervisor alone. When the supervisor dies, the kernel kills the processes, and all start
        anew.

        The supervisor cannot be locked in as other processes of the server are, because programs
        inherit that: it keeps root, if the server has it, to change users, to end processes and to
        open its socket, and gives up every other capability.

          <Application shop>
            Command gunicorn shop.wsgi
            Url http://+:80/shop/
            User shop
            WorkingDirectory /srv/shop
            Processes 2
          </Application>
        """),
    DirectiveRow(
      name: "Command", contexts: .inApplication, arity: 1...100, syntax: "PROGRAM [ARGUMENT] ...",
      module: "ring3",
      manual: """
        What is started, without a shell. A program without a slash is looked for in the PATH of the
        server, or that of Environment. It stays in the foreground: what it leaves behind when it
        ends, also outside of its process group, is ended too. It finds PATH, LANG and TZ of the
        server in its environment, the HOME and USER of its User, and what Environment says.

          Command /usr/bin/gunicorn --workers 2 shop.wsgi
        """),
    DirectiveRow(
      name: "Url", contexts: .inApplication, arity: 1...20, repeats: true, syntax: "PREFIX ...",
      module: "ring3",
      manual: """
        Whose requests the application answers: prefixes as of UrlReservation. They need no
        reservation, because who writes this file may give them away; and while the application
        does not have them, nobody else gets their requests, which are answered with 503.

          Url http://+:80/shop/ http://api.example.com:80/
        """),
    DirectiveRow(
      name: "Queue", contexts: .inApplication, arity: 1...1, defaultText: "the application's name",
      syntax: "NAME", module: "ring3",
      manual: """
        The name of the application's queue in ring3ctl queue and ring3ctl recycle: letters, digits,
        hyphens, underscores and dots. The queue belongs to the application's User, and names are
        each user's own: USER/NAME is unambiguous.

          Queue shop
        """),
    DirectiveRow(
      name: "Processes", contexts: .inApplication, arity: 1...1, type: .integer(1...256),
      defaultText: "1", syntax: "NUMBER", module: "ring3",
      manual: """
        How many processes are started with Command. All of them accept from the one socket: who is
        free takes the next request.

          Processes 4
        """),
    DirectiveRow(
      name: "Concurrency", contexts: .inApplication, arity: 1...1, type: .integer(1...1_024),
      defaultText: "1", syntax: "NUMBER", module: "ring3",
      manual: """
        How many requests each process takes at a time. More wait in the queue. A program that
        starts workers of its own takes one for each of them, an event loop many.

          Concurrency 100
        """),
    DirectiveRow(
      name: "QueueLength", contexts: .inApplication, arity: 1...1, type: .integer(0...100_000),
      defaultText: "1000", syntax: "NUMBER", module: "ring3",
      manual: """
        How many requests wait at most; one more is answered with 503 (QueueFull).

          QueueLength 200
        """),
    DirectiveRow(
      name: "QueueAge", contexts: .inApplication, arity: 1...1,
      type: .duration(1_000...86_400_000, unit: .seconds), defaultText: "120", syntax: "SECONDS",
      module: "ring3",
      manual: """
        How long a request waits at most; then it is answered with 503 (Timer_ReqQueue), and the
        application never hears of it.

          QueueAge 30
        """),
    DirectiveRow(
      name: "QueueBytes", contexts: .inApplication, arity: 1...1, type: .bytes(0...1 << 40),
      defaultText: "64M", syntax: "BYTES", module: "ring3",
      manual: """
        How many bytes of requests wait at most: their heads, and up to 64 KiB of each body. What
        would be more is answered with 503 (QueueFull).

          QueueBytes 16M
        """),
    DirectiveRow(
      name: "QueueGroup", contexts: .inApplication, arity: 1...1, syntax: "NAME|#NUMBER",
      module: "ring3",
      manual: """
        A group whose members may accept requests from the queue too: processes of theirs that
        attach to it (ring3app(7)). Without it only the application's User, and root, may.

          QueueGroup shop
        """),
    DirectiveRow(
      name: "Delegators", contexts: .inApplication, arity: 1...100, repeats: true,
      syntax: "USER ...", module: "ring3",
      manual: """
        Users whose applications may have this one answer their requests (Ring3-Delegate, in
        ring3app(7)), beside its own user's; at most eight, a number with a '#' in front. A queue is
        its User's, whoever started the server: applications of different users delegate to each
        other only where this says so.

          Delegators shop "#1001"
        """),
    DirectiveRow(
      name: "QueueVerbosity", contexts: .inApplication, arity: 1...1,
      type: .choice(["basic", "limited", "full"]), defaultText: "limited",
      syntax: "basic|limited|full", module: "ring3",
      manual: """
        What clients get when the queue refuses a request: a reset connection, so that a balancer
        in front tries another server; 503 and no more; or 503 with the reason, such as QueueFull or
        AppOffline.

          QueueVerbosity full
        """),
    DirectiveRow(
      name: "WorkingDirectory", contexts: .inApplication, arity: 1...1, type: .path,
      defaultText: "/", syntax: "DIRECTORY", module: "ring3",
      manual: """
        Where the processes start. A relative path is below ServerRoot.

          WorkingDirectory /srv/shop
        """),
    DirectiveRow(
      name: "Environment", contexts: .inApplication, arity: 1...100, repeats: true,
      syntax: "NAME=VALUE ...", module: "ring3",
      manual: """
        Variables that the processes find in their environment.

          Environment DJANGO_SETTINGS_MODULE=shop.settings "MOTTO=two words"
        """),
  ]

  private static let applicationRecycleRows: [DirectiveRow] = [
    DirectiveRow(
      name: "OnDemand", contexts: .inApplication, arity: 1...1, type: .onOff, defaultText: "Off",
      syntax: "On|Off", module: "ring3",
      manual: """
        On: nothing is started before the first request, which waits in the queue meanwhile.

          OnDemand On
        """),
    DirectiveRow(
      name: "IdleStop", contexts: .inApplication, arity: 1...1, type: seconds, syntax: "SECONDS",
      module: "ring3",
      manual: """
        Ends the processes when there has been no request for so long; the next one starts them
        again.

          IdleStop 10min
        """),
    DirectiveRow(
      name: "RecycleRequests", contexts: .inApplication, arity: 1...1,
      type: .integer(1...2_147_483_647), syntax: "NUMBER", module: "ring3",
      manual: """
        Replaces a process after about so many requests: a tenth more or less, so that not all are
        replaced at once. They are counted once a second, and a process goes on until another one
        has lived for two seconds: a low number is exceeded by what it serves meanwhile. The new one
        accepts first, and the old one is told to end (SIGTERM) in a moment in which no request is
        with any process. For such a moment requests wait in the queue: two seconds at a time, with
        six seconds between, and, when the StopTimeout has passed without one, for as long as the
        StopTimeout. So a request is broken off only when it lasts longer than that, or when the
        queue becomes half full meanwhile.

          RecycleRequests 10000
        """),
    DirectiveRow(
      name: "RecycleAge", contexts: .inApplication, arity: 1...1, type: seconds, syntax: "SECONDS",
      module: "ring3",
      manual: """
        Replaces a process after about so long, like RecycleRequests.

          RecycleAge 24h
        """),
    DirectiveRow(
      name: "RecycleMemory", contexts: .inApplication, arity: 1...1,
      type: .bytes(1 << 20...1 << 40), syntax: "BYTES", module: "ring3",
      manual: """
        Replaces a process when it and what it has started have about so much memory resident, like
        RecycleRequests. Pages that several of them share count several times.

          RecycleMemory 500M
        """),
    DirectiveRow(
      name: "Ping", contexts: .inApplication, arity: 1...4,
      syntax: "PATH [interval=SECONDS] [failures=NUMBER] [busy=SECONDS]", module: "ring3",
      manual: """
        Asks the application for PATH every interval (10 seconds), past its queue. After so many
        failures in a row (3) its processes are replaced, and the old ones killed, which counts as
        one of the failures that take it offline. A failure is a status from 400, an answer that is
        not HTTP, or none before the next question. While all processes are at work, as many
        requests as they take, no answer is no failure, unless a request gets no answer in time
        (ProxyTimeout) or they finish none for as long as busy says (300 seconds): the longest
        request is shorter. Of several processes whoever is free answers: all accept from one
        socket, so that nobody can know which one hangs, and all are replaced. The log names them.
        An application of one process has only that replaced.

          Ping /health interval=30s failures=2
        """),
    DirectiveRow(
      name: "StopTimeout", contexts: .inApplication, arity: 1...1,
      type: .duration(0...3_600_000, unit: .seconds), defaultText: "30", syntax: "SECONDS",
      module: "ring3",
      manual: """
        How long requests are waited for before a process is told to end, and how long it may take
        then, before it is killed with all that it has started. It is longer than the longest
        request that is not to be broken off.

        An application that is stopped still answers what has come, for so long. If nothing is
        answered for two seconds, requests that wait get 503 (AppOffline), and only those that
        processes work on are waited for.

          StopTimeout 60
        """),
  ]
}
