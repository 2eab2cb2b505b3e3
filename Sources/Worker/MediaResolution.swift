// Content-Type and Content-Encoding of a file, by its name and the settings of its path.

import Configuration
import HTTP
import Platform

/// What a file's name says about its content.
struct FileMedia {
  /// The value of Content-Type; empty for none.
  var type: [UInt8]
  /// Content-Encoding by name ("x.tar.gz"), in order.
  var encodings: [String]
}

extension Model {
  /// mod_mime: every extension may set the type, the charset or an encoding; sections override the
  /// server's table; `ForceType` overrides all; `AddDefaultCharset` completes text/plain and
  /// text/html.
  func media(_ settings: Settings, fileName: [UInt8]) -> FileMedia {
    let own =
      settings.mediaTypes.isEmpty
      ? MediaDescription() : settings.mediaTypes.describe(fileName: fileName)
    let general = mediaTypes.describe(fileName: fileName)
    let encodings = own.encodings.isEmpty ? general.encodings : own.encodings
    guard let type = settings.forceType ?? own.type ?? general.type else {
      return FileMedia(type: [], encodings: encodings)
    }
    var text = type
    let charset = own.charset ?? general.charset
    if !type.lowercased().contains("charset=") {
      if let charset {
        text += "; charset=\(charset)"
      } else if let standard = settings.defaultCharset, type == "text/html" || type == "text/plain"
      {
        text += "; charset=\(standard)"
      }
    }
    return FileMedia(type: Array(text.utf8), encodings: encodings)
  }

  /// `ServerTokens`, as in the Server field.
  var serverFieldText: String {
    switch server.serverTokens {
    case .prod: return "Ring3"
    case .major: return "Ring3/\(Version.major)"
    case .minor: return "Ring3/\(Version.major).\(Version.minor)"
    case .minimal: return "Ring3/\(Version.text)"
    case .os, .full: return "Ring3/\(Version.text) (Linux)"
    }
  }

  /// Of the server's own table of media types, which decides heads too.
  var mediaFingerprint: UInt64 {
    var fingerprint = Fingerprint()
    for row in mediaTypes.rows { fingerprint.mix("\(row.kind) \(row.extension) \(row.value)") }
    fingerprint.mix(serverFieldText)
    return fingerprint.value
  }

  var serverField: [UInt8] { Array(serverFieldText.utf8) }
}
