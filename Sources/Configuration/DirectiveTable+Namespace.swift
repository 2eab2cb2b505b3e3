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

          QueueDirectory /run/ring3/queues
        """),
    DirectiveRow(
      name: "StateDirectory", contexts: .server, arity: 1...1, type: .path,
      defaultText: "ring3d.state", syntax: "DIRECTORY", module: "ring3",
      manual: """
        Where the server keeps what is to outlive it: reservations that were made by ring3ctl
        reserve, in the file "reservations". It is made when it is first needed, for the server
        alone. A file that is found damaged is put aside under another name and reported; none of
        it is used. A relative path is below ServerRoot.

          StateDirectory /var/lib/ring3
        """),
    DirectiveRow(
      name: "UrlReservation", contexts: .server, arity: 1...100, repeats: true,
      syntax: "PREFIX [user=NAME|#NUMBER] [group=NAME|#NUMBER] ... [listen] [delegate]",
      module: "ring3",
      manual: """
        Sets a subtree of URLs aside for some users and groups. With listen (the default) they may
        register it, and what lies below it, for their own application; with delegate they may
        reserve what lies below it for others. Without a reservation only root and the server's own
        user may do so. The longest reservation of the same scheme, host and port decides, and it
        inherits nothing from those above it.

        PREFIX is http://HOST:PORT/PATH/ or https://HOST:PORT/PATH/: the port is always written, the
        path ends in "/" and stands for whole segments, upper and lower case differ in it. HOST is +
        for every host, before all others; a name; *.NAME for the names below one; an address, for
        what arrives there; or * for what nobody else wants. Names are written in any script.

        More reservations are made while the server runs, by ring3ctl reserve; those of this file
        come first.

          UrlReservation "http://+:8080/shop/" user=alice group=shop listen delegate
        """),
  ]
}
