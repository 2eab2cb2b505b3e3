// Why an exchange or a connection ended: one list for logs, counters and answers.

/// Every way an exchange or a connection ends.
///
/// The words are those of HTTP.sys's error log where it has one, so that people's tools and memory
/// still apply; the rest is ours. Raw values index counters in shared memory: append, never
/// renumber.
package enum EndReason: UInt8, Sendable, CaseIterable {
  // Ends as they should be.
  case completed = 0
  case clientClosed = 1
  case connectionClose = 2
  case keepAliveMax = 3
  case drained = 4
  case handedOver = 5
  // The client went away.
  case clientReset = 6
  // Deadlines.
  case timerConnectionIdle = 7
  case timerHeaderWait = 8
  case timerEntityBody = 9
  case timerMinBytesPerSecond = 10
  case timerSend = 11
  case timerLinger = 12
  // Requests that were refused while they were read.
  case badRequest = 13
  case verb = 14
  case url = 15
  case urlLength = 16
  case versionNotSupported = 17
  case invalidLineEnd = 18
  case header = 19
  case hostname = 20
  case number = 21
  case fieldLength = 22
  case requestLength = 23
  case entityTooLarge = 24
  case lengthRequired = 25
  case notImplemented = 26
  case precondition = 27
  case expectation = 28
  case forbidden = 29
  case methodNotAllowed = 30
  // Room and resources.
  case evictedIdle = 31
  case connLimit = 32
  case connectionsRefused = 33
  case connectionDropped = 34
  case queueFull = 35
  // The server's own trouble.
  case fileChanged = 36
  case readFailed = 37
  case sendFailed = 38
  case `internal` = 39
  case shutdown = 40
  case masterGone = 41
  // TLS.
  case timerHandshake = 42
  case handshakeLimit = 43
  case tlsPlainRequest = 44
  case tlsVersion = 45
  case tlsCipher = 46
  case tlsServerName = 47
  case tlsNoCertificate = 48
  case tlsApplicationProtocol = 49
  case tlsClientCertificate = 50
  case tlsAlert = 51
  case tlsBroken = 52
  case misdirected = 53
  case tlsRequired = 54
  // HTTP/2.
  case http2Protocol = 55
  case http2Resets = 56
  case http2Flood = 57
  case http2HeaderList = 58
  case http2Stalled = 59
  case streamReset = 60
  // Applications.
  case proxyConnect = 61
  case proxyBroken = 62
  case proxyTimeout = 63
  case proxyUnavailable = 64
  case proxyLoop = 65
  case gatewayOnlyIfCached = 66
  // The namespace.
  case reserved = 67
  // Queues of applications.
  case timerRequestQueue = 68
  case disabled = 69
  case applicationOffline = 70
  case abandonedByRequestQueue = 71
  /// A response wants fragments of the cache that are not there, or are not its to use.
  case fragments = 72

  /// The word written to logs and shown by counters.
  package var word: String {
    switch self {
    case .completed: "Completed"
    case .clientClosed: "ClientClosed"
    case .connectionClose: "Connection_Close"
    case .keepAliveMax: "KeepAlive_Max"
    case .drained: "Drained"
    case .handedOver: "Handed_Over"
    case .clientReset: "Client_Reset"
    case .timerConnectionIdle: "Timer_ConnectionIdle"
    case .timerHeaderWait: "Timer_HeaderWait"
    case .timerEntityBody: "Timer_EntityBody"
    case .timerMinBytesPerSecond: "Timer_MinBytesPerSecond"
    case .timerSend: "Timer_Send"
    case .timerLinger: "Timer_Linger"
    case .badRequest: "BadRequest"
    case .verb: "Verb"
    case .url: "URL"
    case .urlLength: "URL_Length"
    case .versionNotSupported: "Version_N/S"
    case .invalidLineEnd: "Invalid_CR/LF"
    case .header: "Header"
    case .hostname: "Hostname"
    case .number: "Number"
    case .fieldLength: "FieldLength"
    case .requestLength: "RequestLength"
    case .entityTooLarge: "EntityTooLarge"
    case .lengthRequired: "LengthRequired"
    case .notImplemented: "N/I"
    case .precondition: "Precondition"
    case .expectation: "Expectation"
    case .forbidden: "Forbidden"
    case .methodNotAllowed: "Method_Not_Allowed"
    case .evictedIdle: "Evicted_Idle"
    case .connLimit: "ConnLimit"
    case .connectionsRefused: "Connections_Refused"
    case .connectionDropped: "Connection_Dropped"
    case .queueFull: "QueueFull"
    case .fileChanged: "FileChanged"
    case .readFailed: "Read_Failed"
    case .sendFailed: "Send_Failed"
    case .internal: "Internal"
    case .shutdown: "Shutdown"
    case .masterGone: "Master_Gone"
    case .timerHandshake: "Timer_Handshake"
    case .handshakeLimit: "Handshake_Limit"
    case .tlsPlainRequest: "TLS_PlainRequest"
    case .tlsVersion: "TLS_Version"
    case .tlsCipher: "TLS_Cipher"
    case .tlsServerName: "TLS_ServerName"
    case .tlsNoCertificate: "TLS_NoCertificate"
    case .tlsApplicationProtocol: "TLS_ApplicationProtocol"
    case .tlsClientCertificate: "TLS_ClientCertificate"
    case .tlsAlert: "TLS_Alert"
    case .tlsBroken: "TLS_Broken"
    case .misdirected: "Misdirected"
    case .tlsRequired: "TLS_Required"
    case .http2Protocol: "HTTP2_Protocol"
    case .http2Resets: "HTTP2_Resets"
    case .http2Flood: "HTTP2_Flood"
    case .http2HeaderList: "HTTP2_HeaderList"
    case .http2Stalled: "HTTP2_Stalled"
    case .streamReset: "Stream_Reset"
    case .proxyConnect: "Proxy_Connect"
    case .proxyBroken: "Proxy_Broken"
    case .proxyTimeout: "Proxy_Timeout"
    case .proxyUnavailable: "Proxy_Unavailable"
    case .proxyLoop: "Proxy_Loop"
    case .gatewayOnlyIfCached: "Only_If_Cached"
    case .reserved: "Reserved"
    case .timerRequestQueue: "Timer_ReqQueue"
    case .disabled: "Disabled"
    case .applicationOffline: "AppOffline"
    case .abandonedByRequestQueue: "Connection_Abandoned_By_ReqQueue"
    case .fragments: "Fragments"
    }
  }

  /// Nobody answers for the URL, and will not in a moment either.
  package var isUnavailable: Bool {
    [.reserved, .disabled, .applicationOffline].contains(self)
  }

  /// The end of a connection or exchange that worked as both sides wanted: not worth an error line.
  package var isOrderly: Bool { rawValue <= EndReason.handedOver.rawValue }
}
