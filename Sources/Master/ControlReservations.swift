// The commands about reservations: who may register which URLs.

extension ControlCommand {
  /// The verbs about reservations.
  static let reservationTable: [ControlCommand] = [
    ControlCommand(
      verb: "reserve add",
      usage:
        "PREFIX [--user NAME]... [--group NAME]... [--listen] [--delegate] [--handoff]"
        + " [--replace] [--json]",
      arity: 1...1, flags: ["user", "group", "listen", "delegate", "handoff", "replace", "json"],
      help: "set a subtree of URLs aside for users and groups",
      details: """
        PREFIX is http://HOST:PORT/PATH/, as of UrlReservation in ring3.conf(5). Those who are named
        may register it and what lies below (--listen, which is meant if no right is named), or
        reserve what lies below for others (--delegate), or take over clients' connections, which
        only an administrator gives, for a whole host and port: --listen --handoff. All of it is
        answered with 503 until somebody registers it, also what sites of the configuration answer
        now. It holds at once, and after a restart. Root and the server's user may reserve
        everything, others what lies below a reservation that lets them delegate.
        """,
      isOpenToAll: true,
      run: { $0.reserveCommand($1, $2) }),
    ControlCommand(
      verb: "reserve delete", usage: "PREFIX [--json]", arity: 1...1, flags: ["json"],
      help: "take a reservation back",
      details: """
        Who may reserve a prefix may do this too. The configuration's are changed there. What is
        registered goes on until its session ends; that is told, with the command that ends it.
        """,
      isOpenToAll: true,
      run: { $0.releaseCommand($1, $2) }),
    ControlCommand(
      verb: "reserve show", usage: "[--json]", arity: 0...0, flags: ["json"],
      help: "all reservations: prefix, users, groups, rights", isOpenToAll: true,
      run: { master, request, _ in .now(master.reservationsCommand(request)) }),
  ]
}
