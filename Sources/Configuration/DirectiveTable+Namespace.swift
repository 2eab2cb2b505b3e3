// Rows: URLs that applications may claim while the server runs, and where that is remembered.

extension DirectiveTable {
  static let namespaceRows: [DirectiveRow] = [
    DirectiveRow(
      name: "QueueDirectory", contexts: .server, arity: 1...1, type: .path, defaultText: "none",
      syntax: "DIRECTORY", module: "ring3",
      manual: """
        Lets applications register URLs while the server runs, over the control socket, and says
        where the sockets lie through which workers reach them. It is made if it is missing; only
        the server's own processes can use what is in it. Applications get their socket, already
        listening, from the server.

        Who may register what is said by UrlReservation. A registered prefix takes its requests at
        once, in this order: prefixes for every host (+); then the virtual host that is found by
        its name, and prefixes for the same host, whichever has the longer path, the virtual host
        where both have "/"; then prefixes for the address; then the first virtual host of the
        address, or the main server, and prefixes for * in the same way. The first of these steps
        that has anything ends the search. What is reserved and not registered is answered with 503
        in its place. The settings and access rules of the site hold for requests that an
        application answers. It cannot change while queues are in use.

        What an application says may be kept is kept in the cache, as for ProxyPass and by the same
        directives, for its owner alone: the prefix, the user who registered it, and the name of his
        queue. It is used only while the URL leads to this owner. When he is gone his responses
        wait: who registers the same prefix as the same user for a queue of the same name has them
        again, also after a restart of the server; who is led to in his place has his own, and what
        he is asked for drops the other's. Nothing is kept of what a prefix for an address answers,
        or what comes after it in the order above, as long as there is such a prefix: keys do not
        name addresses. Nor is anything kept that lies more than 31 directories below its prefix.
        Owners call their responses back as ring3app(7) says.

        The settings are those of the file that the path stands for, its directories' among them;
        a Redirect or a ProxyPass of the same path is not looked at. A reservation or a registration
        that comes before the ProxyPass, Redirect or Alias of a site, or that can never get a
        request, is warned of when the configuration is loaded. On a port that no Listen names a
        prefix waits for one.

        Beside each socket lies a file that says whose URLs go to it. A server that was killed, or
        became another binary, reads it when it starts: for five seconds the URLs and queues are
        kept for the users who had them, and their requests wait. Then whoever has not come back has
        lost them: what waits is answered with 503 (AppOffline). After an orderly end nothing is
        kept, and a file that is damaged is put aside and reported.

        Whoever registers and gives back all the time waits longer and longer before that counts,
        up to a second. One user who may not command the server has at most 20,000 registrations
        (2 MiB of hosts and paths), 16 queues and 24 sessions. No two servers use one directory.
        When User changes, the sockets are for the new workers; those that still finish their
        requests as the former user cannot connect to them.

          QueueDirectory /run/ring3/queues
        """),
    DirectiveRow(
      name: "StateDirectory", contexts: .server, arity: 1...1, type: .path,
      defaultText: "ring3d.state", syntax: "DIRECTORY", module: "ring3",
      manual: """
        Where the server keeps what is to outlive it: reservations that were made by ring3ctl
        reserve, in the file "reservations", and what ring3ctl queue has said of queues, in
        "queue-orders". It is made when it is first needed, for the server alone. A file that is
        found damaged is put aside under another name and reported; none of it is used. A relative
        path is below ServerRoot. No two servers use one directory.

          StateDirectory /var/lib/ring3
        """),
    DirectiveRow(
      name: "UrlReservation", contexts: .server, arity: 1...100, repeats: true,
      syntax: "PREFIX [user=NAME|#NUMBER] [group=NAME|#NUMBER] ... [listen] [delegate] [handoff]",
      module: "ring3",
      manual: """
        Sets a subtree of URLs aside for some users and groups. With listen, which is meant if no
        right is named, they may register it, and what lies below it, for their own application;
        with delegate they may reserve what lies below it for others. With listen handoff, which is
        for a whole host and port in clear text ("/"), their applications may take over clients'
        connections, and with them what is sent later for anybody's URLs; handoff alone lets nobody
        register. What is reserved is answered with 503 until somebody registers it: a whole host
        and port also in front of the sites that answer there now. Without a reservation only root
        and the server's own user may do so. The longest reservation of the same scheme, host and
        port decides, and it inherits nothing from those above it.

        PREFIX is http://HOST:PORT/PATH/ or https://HOST:PORT/PATH/: the port is always written, the
        path ends in "/" and stands for whole segments, upper and lower case differ in it. HOST is +
        for every host, before all others; a name; *.NAME for the names below one; an address, for
        what arrives there; or * for what nobody else wants. Names are written in any script.

        More reservations are made while the server runs, by ring3ctl reserve; those of this file
        come first. When a reservation is taken away, or given to somebody else, what was
        registered goes on until its session ends; the reload, or ring3ctl reserve, tells of it, and
        ring3ctl session end ends it. One user who delegates makes at most 1,000 of them, twenty at
        once and then one a second.

          UrlReservation "http://+:8080/shop/" user=alice group=shop listen delegate
        """),
  ]
}
