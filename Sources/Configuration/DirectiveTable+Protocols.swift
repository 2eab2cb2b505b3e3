// Rows: versions of HTTP, and the sandbox.

extension DirectiveTable {
  private static let perSite: Contexts = [.server, .virtualHost]

  static let protocolRows: [DirectiveRow] = [
    DirectiveRow(
      name: "Protocols", contexts: perSite, arity: 1...10, defaultText: "h2 http/1.1",
      syntax: "PROTOCOL ...", module: "core",
      manual: """
        The versions of HTTP a site speaks, the preferred first: h2 is HTTP/2 on encrypted
        connections, h2c HTTP/2 in clear text, for clients that begin with it (prior knowledge;
        there is no upgrade), http/1.1 all else. (httpd's default is http/1.1 alone.) http/1.1
        cannot be left out. For clear text those of the first site of an address count.

          Protocols h2 h2c http/1.1
        """),
    DirectiveRow(
      name: "ProtocolsHonorOrder", contexts: perSite, arity: 1...1, type: .onOff,
      defaultText: "On", syntax: "On|Off", module: "core",
      manual: """
        Whether the order of Protocols decides between what client and server both speak, or the
        client's.

          ProtocolsHonorOrder Off
        """),
    DirectiveRow(
      name: "H2MaxSessionStreams", contexts: perSite, arity: 1...1, type: .integer(1...10_000),
      defaultText: "100", syntax: "NUMBER", module: "mod_http2",
      manual: """
        How many requests an HTTP/2 connection may have under way at a time.

          H2MaxSessionStreams 250
        """),
    DirectiveRow(
      name: "H2WindowSize", contexts: perSite, arity: 1...1, type: .bytes(1024...(64 << 20)),
      defaultText: "65535", syntax: "BYTES", module: "mod_http2",
      manual: """
        How much of a request's body a client may send before the server has taken what came. It
        bounds memory: a connection can make the server hold this much for each stream.

          H2WindowSize 256K
        """),
    DirectiveRow(
      name: "H2MaxDataFrameLen", contexts: perSite, arity: 1...1, type: .bytes(0...(16 << 20)),
      defaultText: "0", syntax: "BYTES", module: "mod_http2",
      manual: """
        The longest frame that carries a response's body; 0 is as long as the client takes. Shorter
        ones let streams of one connection take turns more often.

          H2MaxDataFrameLen 4096
        """),
    DirectiveRow(
      name: "H2MaxStreamErrors", contexts: perSite, arity: 1...1, type: .integer(0...1_000_000),
      defaultText: "8", syntax: "NUMBER", module: "mod_http2",
      manual: """
        How many streams of a connection may fail by the client's fault before the connection is
        ended; 0 is any number.

          H2MaxStreamErrors 20
        """),
    DirectiveRow(
      name: "H2StreamTimeout", contexts: perSite, arity: 1...1,
      type: .duration(1...86_400_000, unit: .seconds), syntax: "SECONDS|Nms", module: "mod_http2",
      manual: """
        How long a stream may stand still, because the client takes no part of its response or
        sends no part of its body, before it is given up; without this directive as long as Timeout
        says.

          H2StreamTimeout 10
        """),
    DirectiveRow(
      name: "H2ModernTLSOnly", contexts: perSite, arity: 1...1, type: .onOff, defaultText: "On",
      syntax: "On|Off", module: "mod_http2",
      manual: """
        Whether HTTP/2 over TLS 1.2 is spoken only with the ciphers that RFC 9113 leaves for it. All
        that are offered by default are among them.

          H2ModernTLSOnly Off
        """),
    DirectiveRow(
      name: "H2Direct", contexts: perSite, arity: 1...1, type: .onOff,
      defaultText: "On", syntax: "On|Off", module: "mod_http2",
      manual: """
        Whether a connection in clear text may begin with HTTP/2 at once, where Protocols has
        h2c. It is the only way to h2c here, so Off turns that off.

          H2Direct Off
        """),
    DirectiveRow(
      name: "H2Upgrade", contexts: perSite, arity: 1...1, type: .onOff, defaultText: "Off",
      syntax: "Off", module: "mod_http2",
      manual: """
        A connection never changes from HTTP/1.1 to HTTP/2 on its way (RFC 9113 has abolished it);
        On is refused.

          H2Upgrade Off
        """),
    DirectiveRow(
      name: "Sandbox", contexts: .server, arity: 1...1, type: .choice(["On", "Off", "Report"]),
      defaultText: "On", syntax: "On|Off|Report", module: "ring3",
      manual: """
        Whether the processes that face the network give up what they never need: system calls
        (seccomp) and, where the kernel has Landlock, all files but the sites' and all connections
        but the declared ones. A process that tries anything else is ended, the error log names
        the call, and a fresh one takes its place. Report logs what would be denied and lets it
        happen. ring3ctl status shows what is in force.

          Sandbox Report
        """),
  ]
}
