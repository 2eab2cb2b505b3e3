// Status codes and their reason phrases (RFC 9110 §15 and the IANA registry).

/// Three digits that say how it went.
package enum Status {
  /// The registered reason phrase; for a code that is not registered, one for its class.
  package static func reason(_ code: Int) -> StaticString {
    if let phrase = registeredReason(code) { return phrase }
    return switch code {
    case 100..<200: "Informational"
    case 200..<300: "Successful"
    case 300..<400: "Redirection"
    case 400..<500: "Client Error"
    default: "Server Error"
    }
  }

  /// nil for a code that is not registered.
  static func registeredReason(_ code: Int) -> StaticString? {
    switch code {
    case 100: "Continue"
    case 101: "Switching Protocols"
    case 102: "Processing"
    case 103: "Early Hints"
    case 200: "OK"
    case 201: "Created"
    case 202: "Accepted"
    case 203: "Non-Authoritative Information"
    case 204: "No Content"
    case 205: "Reset Content"
    case 206: "Partial Content"
    case 207: "Multi-Status"
    case 208: "Already Reported"
    case 226: "IM Used"
    case 300: "Multiple Choices"
    case 301: "Moved Permanently"
    case 302: "Found"
    case 303: "See Other"
    case 304: "Not Modified"
    case 305: "Use Proxy"
    case 307: "Temporary Redirect"
    case 308: "Permanent Redirect"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 402: "Payment Required"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 406: "Not Acceptable"
    case 407: "Proxy Authentication Required"
    case 408: "Request Timeout"
    case 409: "Conflict"
    case 410: "Gone"
    case 411: "Length Required"
    case 412: "Precondition Failed"
    case 413: "Content Too Large"
    case 414: "URI Too Long"
    case 415: "Unsupported Media Type"
    case 416: "Range Not Satisfiable"
    case 417: "Expectation Failed"
    case 421: "Misdirected Request"
    case 422: "Unprocessable Content"
    case 423: "Locked"
    case 424: "Failed Dependency"
    case 425: "Too Early"
    case 426: "Upgrade Required"
    case 428: "Precondition Required"
    case 429: "Too Many Requests"
    case 431: "Request Header Fields Too Large"
    case 451: "Unavailable For Legal Reasons"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 502: "Bad Gateway"
    case 503: "Service Unavailable"
    case 504: "Gateway Timeout"
    case 505: "HTTP Version Not Supported"
    case 506: "Variant Also Negotiates"
    case 507: "Insufficient Storage"
    case 508: "Loop Detected"
    case 511: "Network Authentication Required"
    default: nil
    }
  }

  /// Responses without content whatever their fields say (RFC 9112 §6.3): 1xx, 204, 304.
  package static func forbidsContent(_ code: Int) -> Bool {
    code < 200 || code == 204 || code == 304
  }

  /// Answers to GET that say what is there now, or that nothing is: what was stored before is old.
  package static func replacesStored(_ code: Int) -> Bool {
    (200..<300).contains(code) && code != 206 || code == 404 || code == 410
  }

  /// Instead, of a 503 that another try in a moment will not change.
  package static let unavailable: StaticString =
    "What answers at this address is not available at the moment."

  /// A sentence for people, shown on error pages.
  package static func explanation(_ code: Int) -> StaticString {
    switch code {
    case 301, 302, 303, 307, 308: "What you asked for is at another address."
    case 400: "The request could not be understood."
    case 401: "You need to say who you are to see this."
    case 403: "You are not allowed to see this."
    case 404: "There is nothing at this address."
    case 405: "This address does not take requests of this kind."
    case 408: "The request took too long to arrive."
    case 410: "This was here once, and is gone for good."
    case 411: "The request has to say how long it is."
    case 412: "This has changed since you last saw it."
    case 413: "The request is larger than this server accepts."
    case 414: "The address is longer than this server accepts."
    case 416: "The part you asked for does not exist."
    case 417: "The request expects something this server does not offer."
    case 429: "Too many requests; try again later."
    case 431: "The request's fields are larger than this server accepts."
    case 500: "Something went wrong on our side."
    case 501: "This server does not know how to do that."
    case 502: "The application behind this server gave a wrong answer."
    case 503: "The server is busy; try again in a moment."
    case 504: "The application behind this server did not answer in time."
    case 505: "This server does not speak that version of HTTP."
    default: ""
    }
  }
}
