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
  /// The fields that `mediaDescription` makes: a charset of the name completes the type, and
  /// `AddDefaultCharset` completes text/plain and text/html without one.
  func media(_ settings: Settings, fileName: [UInt8]) -> FileMedia {
    let media = mediaDescription(fileName: fileName, settings: settings)
    guard let type = media.type else { return FileMedia(type: [], encodings: media.encodings) }
    var text = type
    if !type.lowercased().contains("charset=") {
      if let charset = media.charset {
        text += "; charset=\(charset)"
      } else if let standard = settings.defaultCharset, type == "text/html" || type == "text/plain"
      {
        text += "; charset=\(standard)"
      }
    }
    return FileMedia(type: Array(text.utf8), encodings: media.encodings)
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
