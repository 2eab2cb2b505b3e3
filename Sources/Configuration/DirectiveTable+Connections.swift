// Rows: limits and times of connections and requests, and the configuration language itself.

extension DirectiveTable {
  private static let perSite: Contexts = [.server, .virtualHost]
  private static let anywhere: Contexts = [.everywhere, .inRequire]

  static let connectionRows: [DirectiveRow] = [
    DirectiveRow(
      name: "KeepAlive", contexts: [perSite, .inApplication], arity: 1...1, type: .onOff,
      defaultText: "On",
      syntax: "On|Off", module: "core",
      manual: """
        Whether a connection may carry more than one request. Off costs clients a new connection
        for every file.

        In <Application>: whether requests to its processes may share connections, which is off
        unless it says so. A process that takes one request at a time must not have it on: another
        one might be idle.

          KeepAlive On
        """),
    DirectiveRow(
      name: "KeepAliveTimeout", contexts: perSite, arity: 1...1,
      type: .duration(0...86_400_000, unit: .seconds), defaultText: "5", syntax: "SECONDS|Nms",
      module: "core",
      manual: """
        How long a connection may stay idle between two requests. An idle connection costs little
        here, and when descriptors run out the longest idle ones are closed first, so minutes are
        reasonable.

          KeepAliveTimeout 60
        """),
    DirectiveRow(
      name: "MaxKeepAliveRequests", contexts: perSite, arity: 1...1, type: .integer(0...Int.max),
      defaultText: "0", syntax: "NUMBER", module: "core",
      manual: """
        How many requests a connection may carry; 0, the default, is any number. (httpd's default
        is 100.)

          MaxKeepAliveRequests 1000
        """),
    DirectiveRow(
      name: "Timeout", contexts: perSite, arity: 1...1,
      type: .duration(1...86_400_000, unit: .seconds), defaultText: "60", syntax: "SECONDS",
      module: "core",
      manual: """
        How long the server waits for a client to take the next part of a response, or to send
        the next part of a body, before it gives the connection up.

          Timeout 30
        """),
    DirectiveRow(
      name: "RequestReadTimeout", contexts: perSite, arity: 1...3,
      defaultText: "handshake=10 header=20-40,MinRate=500 body=20,MinRate=500", repeats: true,
      syntax: "[handshake=SECONDS] [header=SECONDS[-MAX][,MinRate=BYTES]] "
        + "[body=SECONDS[-MAX][,MinRate=BYTES]]",
      module: "mod_reqtimeout",
      manual: """
        How long a client may take to send a request's header and its body. With a MinRate, each
        so many bytes extend the time by a second, up to the maximum. 0 is no limit. It ends
        clients that send a byte now and then to hold a connection. handshake is the time for a TLS
        handshake, of all sites of an address that of the first.

          RequestReadTimeout handshake=5 header=10-20,MinRate=500 body=10,MinRate=500
        """),
    DirectiveRow(
      name: "LimitRequestLine", contexts: perSite, arity: 1...1, type: .bytes(1...(1 << 20)),
      defaultText: "8190", syntax: "BYTES", module: "core",
      manual: """
        The longest request line, method, target and version, that is accepted; longer ones are
        answered with 414.

          LimitRequestLine 16380
        """),
    DirectiveRow(
      name: "LimitRequestFields", contexts: perSite, arity: 1...1, type: .integer(0...32767),
      defaultText: "100", syntax: "NUMBER", module: "core",
      manual: """
        How many header fields a request may have; more are answered with 431. 0 is no limit
        beside the size of the whole header.

          LimitRequestFields 50
        """),
    DirectiveRow(
      name: "LimitRequestFieldSize", contexts: perSite, arity: 1...1, type: .bytes(1...(1 << 20)),
      defaultText: "8190", syntax: "BYTES", module: "core",
      manual: """
        The longest header field, name and value, that is accepted; longer ones are answered with
        431. Sites with many or large cookies may need more.

          LimitRequestFieldSize 16380
        """),
    DirectiveRow(
      name: "LimitRequestBody", contexts: .everywhere, arity: 1...1, type: .bytes(0...Int.max),
      defaultText: "1073741824", syntax: "BYTES", module: "core",
      manual: """
        The largest request body that is accepted; larger ones are answered with 413. 0 is no
        limit.

          LimitRequestBody 102400
        """),
  ]

  static let languageRows: [DirectiveRow] = [
    DirectiveRow(
      name: "Define", contexts: anywhere, arity: 1...2, repeats: true, syntax: "NAME [VALUE]",
      module: "core",
      manual: """
        Sets a name for <IfDefine>, and with a value a variable: ${NAME} in any later argument
        stands for it. Variables go before the environment's. It takes effect from its line on,
        inside sections too, for the whole rest of the configuration.

          Define sites /srv/www
          DocumentRoot ${sites}/example.com
        """),
    DirectiveRow(
      name: "UnDefine", contexts: anywhere, arity: 1...1, repeats: true, syntax: "NAME",
      module: "core",
      manual: """
        Undoes a Define, or a name given on the command line.

          UnDefine sites
        """),
    DirectiveRow(
      name: "IfDefine", isSection: true, contexts: anywhere, arity: 1...1, repeats: true,
      syntax: "[!]NAME", module: "core",
      manual: """
        Its contents count only if the name is defined; with ! if it is not. What does not count
        is not looked at, except that its sections must be closed.

          <IfDefine Testing>
            Listen 127.0.0.1:8081
          </IfDefine>
        """),
    DirectiveRow(
      name: "IfModule", isSection: true, contexts: anywhere, arity: 1...1, repeats: true,
      syntax: "[!]mod_NAME.c|NAME_module", module: "core",
      manual: """
        Its contents count only if a module of httpd is there; with ! if it is not. Here those
        count as there whose directives are implemented, so that a configuration written for both
        servers says the same to both.

          <IfModule mod_headers.c>
            Header set X-Frame-Options DENY
          </IfModule>
        """),
    DirectiveRow(
      name: "Include", contexts: anywhere, arity: 1...1, type: .path, repeats: true,
      syntax: "PATH|PATTERN|DIRECTORY", module: "core",
      manual: """
        Reads other files in its place: one, all that match a pattern, or all in a directory and
        those below it, in the order of their names. A relative path is below ServerRoot. It is
        an error if nothing matches. A file that includes itself, however indirectly, is an error.

          Include sites/*.conf
        """),
    DirectiveRow(
      name: "IncludeOptional", contexts: anywhere, arity: 1...1, type: .path, repeats: true,
      syntax: "PATH|PATTERN|DIRECTORY", module: "core",
      manual: """
        Include, but nothing matching is no error. A file that is there and cannot be read still
        is one.

          IncludeOptional conf.d/*.conf
        """),
  ]
}
