// Rows: compression, and who is believed about the client.

extension DirectiveTable {
  private static let perSite: Contexts = [.server, .virtualHost]

  static let compressionRows: [DirectiveRow] = [
    DirectiveRow(
      name: "AddOutputFilterByType", contexts: .everywhere, arity: 2...100, repeats: true,
      syntax: "DEFLATE|BROTLI_COMPRESS|ZSTD_COMPRESS[;...] MEDIA-TYPE ...", module: "mod_filter",
      manual: """
        Files and responses of applications with these media types are compressed, with the first of
        zstd, Brotli and gzip that is named, unless the client prefers another one by its weights. A
        type may end in /*. A compressed response is kept as a variant of its own, so one page is
        compressed once for each coding. Its ETag gets the coding as a suffix and is a weak one
        (W/"a-gzip"). What is compressed already, says no-transform, is a part (206) or is
        shorter than CompressionMinLength is sent as it is, and so is a file above CacheMaxObject or
        4 MiB, or one that has compressed neighbours (.br, .zst, .gz): those are sent instead. Who
        asks for a part (Range) gets it of the uncompressed response; who says no-transform gets an
        application's response uncompressed too.

        A page that repeats what the request says beside a secret can give the secret away by its
        length (the attack named BREACH): do not compress such pages.

          AddOutputFilterByType BROTLI_COMPRESS;DEFLATE text/html text/css application/json
        """),
    DirectiveRow(
      name: "SetOutputFilter", contexts: .everywhere, arity: 1...1,
      syntax: "DEFLATE|BROTLI_COMPRESS|ZSTD_COMPRESS[;...]", module: "core",
      manual: """
        AddOutputFilterByType for all media types that are not compressed already (as pictures,
        films, sound and archives are). Other filters are not implemented.

          SetOutputFilter DEFLATE
        """),
    DirectiveRow(
      name: "DeflateCompressionLevel", contexts: .everywhere, arity: 1...1, type: .integer(1...9),
      defaultText: "6", syntax: "LEVEL", module: "mod_deflate",
      manual: """
        How hard gzip tries, from 1 (fast) to 9 (small).

          DeflateCompressionLevel 6
        """),
    DirectiveRow(
      name: "BrotliCompressionQuality", contexts: .everywhere, arity: 1...1,
      type: .integer(0...11), defaultText: "5", syntax: "LEVEL", module: "mod_brotli",
      manual: """
        How hard Brotli tries, from 0 (fast) to 11 (small). Above 6 it takes long.

          BrotliCompressionQuality 5
        """),
    DirectiveRow(
      name: "ZstdCompressionLevel", contexts: .everywhere, arity: 1...1, type: .integer(1...19),
      defaultText: "3", syntax: "LEVEL", module: "ring3",
      manual: """
        How hard zstd tries, from 1 (fast) to 19 (small).

          ZstdCompressionLevel 3
        """),
    DirectiveRow(
      name: "CompressionMinLength", contexts: .everywhere, arity: 1...1,
      type: .bytes(0...(1 << 30)), defaultText: "256", syntax: "BYTES", module: "ring3",
      manual: """
        Shorter responses are sent as they are.

          CompressionMinLength 1K
        """),
  ]

  static let remoteIPRows: [DirectiveRow] = [
    DirectiveRow(
      name: "RemoteIPHeader", contexts: perSite, arity: 1...1, syntax: "FIELD",
      module: "mod_remoteip",
      manual: """
        The field in which proxies in front of this server say who the client is. It is believed
        only of proxies that RemoteIPInternalProxy or RemoteIPTrustedProxy names, from the last
        address to the first; what an unknown one said is not. The address then holds for Require,
        logs, and what applications are told. Fields from others are removed before an application
        sees them. (httpd believes everybody if no proxy is named.)

          RemoteIPHeader X-Forwarded-For
          RemoteIPInternalProxy 10.0.0.0/8
        """),
    DirectiveRow(
      name: "RemoteIPInternalProxy", contexts: perSite, arity: 1...1000, repeats: true,
      syntax: "NETWORK ...", module: "mod_remoteip",
      manual: """
        Proxies that are believed whatever address they name, private ones too: addresses and
        networks. Names are not resolved.

          RemoteIPInternalProxy 10.0.0.0/8 192.168.0.0/16
        """),
    DirectiveRow(
      name: "RemoteIPInternalProxyList", contexts: perSite, arity: 1...1, type: .path,
      repeats: true, syntax: "FILE", module: "mod_remoteip",
      manual: """
        RemoteIPInternalProxy from a file, read at start and reload: addresses and networks
        separated by white space or lines; comments begin with #.

          RemoteIPInternalProxyList conf/internal-proxies
        """),
    DirectiveRow(
      name: "RemoteIPTrustedProxy", contexts: perSite, arity: 1...1000, repeats: true,
      syntax: "NETWORK ...", module: "mod_remoteip",
      manual: """
        Proxies that are believed unless they name a private address.

          RemoteIPTrustedProxy 192.0.2.0/24 2001:db8::/32
        """),
    DirectiveRow(
      name: "RemoteIPTrustedProxyList", contexts: perSite, arity: 1...1, type: .path,
      repeats: true, syntax: "FILE", module: "mod_remoteip",
      manual: """
        RemoteIPTrustedProxy from a file, as RemoteIPInternalProxyList.

          RemoteIPTrustedProxyList conf/trusted-proxies
        """),
    DirectiveRow(
      name: "RemoteIPProxiesHeader", contexts: perSite, arity: 1...1, syntax: "FIELD",
      module: "mod_remoteip",
      manual: """
        The field in which applications are told which proxies were believed on the way.

          RemoteIPProxiesHeader X-Forwarded-By
        """),
    DirectiveRow(
      name: "RemoteIPProxyProtocol", contexts: perSite, arity: 1...1, type: .onOff,
      defaultText: "Off", syntax: "On|Off", module: "mod_remoteip",
      manual: """
        Whether connections begin with the PROXY protocol, version 1 or 2, which says who the client
        is. A connection without it is closed, unless RemoteIPProxyProtocolExceptions names its
        peer. Everybody who can connect can name any address, so only proxies may reach such a
        port. What the first site of an address says holds for all of the address.

          RemoteIPProxyProtocol On
        """),
    DirectiveRow(
      name: "RemoteIPProxyProtocolExceptions", contexts: perSite, arity: 1...1000, repeats: true,
      syntax: "NETWORK ...", module: "mod_remoteip",
      manual: """
        Who connects without the PROXY protocol: checks of a load balancer, for example.

          RemoteIPProxyProtocolExceptions 127.0.0.1 10.0.0.0/8
        """),
  ]
}
