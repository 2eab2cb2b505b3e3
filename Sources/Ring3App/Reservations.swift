// Reservations: which URLs are set aside for whom, whether anybody serves them or not.

/// A subtree of URLs that is set aside for users and groups.
public struct Reservation: Sendable, Hashable {
  /// Somebody who is granted something.
  public struct Grant: Sendable, Hashable {
    /// The user, if it is one.
    public let user: String?
    /// The group, if it is one.
    public let group: String?
    /// May register the prefix and what lies below it.
    public let mayListen: Bool
    /// May reserve what lies below it for others, and take that back.
    public let mayDelegate: Bool
    /// May take over clients' connections; see ``HandedConnection``.
    public let mayHandOff: Bool
  }

  /// Such as `http://+:8080/shop/`.
  public let prefix: String
  /// Whether it stands in the configuration file, and is changed there only.
  public let isConfigured: Bool
  /// Who may do what with it, beside administrators.
  public let grants: [Grant]

  init?(_ value: JSONValue) {
    guard let prefix = value["prefix"]?.text else { return nil }
    self.prefix = prefix
    isConfigured = value["configured"] == .bool(true)
    grants = (value["grants"]?.elements ?? []).map { grant in
      let rights = (grant["rights"]?.elements ?? []).compactMap(\.text)
      return Grant(
        user: grant["user"]?.text, group: grant["group"]?.text,
        mayListen: rights.contains("listen"), mayDelegate: rights.contains("delegate"),
        mayHandOff: rights.contains("handoff"))
    }
  }
}

/// The reservations of a server. They hold over restarts; nothing has to stay connected.
///
/// Root and the server's user reserve everything, others what lies below a reservation that lets
/// them delegate.
public struct Reservations: Sendable {
  private let socket: ControlSocket
  private let timeout: Duration

  /// The reservations of the server at a socket.
  public init(_ socket: ControlSocket = .standard, timeout: Duration = .seconds(5)) {
    self.socket = socket
    self.timeout = timeout
  }

  /// Sets a subtree aside, at once.
  ///
  /// - Parameters:
  ///   - prefix: such as `http://+:8080/shop/`.
  ///   - users: names of users, or numbers as `#1000`.
  ///   - groups: names of groups, or numbers.
  ///   - listen: they may register it and what lies below.
  ///   - delegate: they may reserve what lies below for others.
  ///   - handOff: they may take over clients' connections. Only an administrator gives that, and
  ///     only for a whole host and port.
  ///   - replace: an equal one gives way to it; else that is refused.
  public func add(
    _ prefix: String, users: [String] = [], groups: [String] = [], listen: Bool = true,
    delegate: Bool = false, handOff: Bool = false, replace: Bool = false
  ) throws(ControlError) {
    var words = ["reserve", "add", prefix]
    words += users.map { "--user=\($0)" } + groups.map { "--group=\($0)" }
    if listen { words.append("--listen") }
    if delegate { words.append("--delegate") }
    if handOff { words.append("--handoff") }
    if replace { words.append("--replace") }
    _ = try ask(words)
  }

  /// Takes a reservation back.
  public func delete(_ prefix: String) throws(ControlError) {
    _ = try ask(["reserve", "delete", prefix])
  }

  /// All of them: those of the configuration, and those that were added.
  public func all() throws(ControlError) -> [Reservation] {
    let answer = try ask(["reserve", "show", "--json"])
    guard let value = JSONValue(answer.output.joined()), let list = value["reservations"] else {
      throw ControlError(.notUnderstood, "the server's list of reservations is none", code: 2)
    }
    return list.elements.compactMap { Reservation($0) }
  }

  /// A command has a connection of its own.
  private func ask(_ words: [String]) throws(ControlError) -> ControlAnswer {
    var wire = try Wire(socket, timeout: timeout)
    return try wire.ask(words)
  }
}
