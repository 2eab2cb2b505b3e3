// Which responses are compressed, with what, and how hard.

import HTTP
import Platform

extension Checker {
  /// True if the directive is about compression; the layer then changes it.
  mutating func checkCompression(_ directive: Directive, _ layer: inout SettingsLayer) -> Bool {
    guard let first = directive.arguments.first else { return false }
    let number = ValueType.integer(first.text) ?? 0
    switch directive.row.name {
    case "AddOutputFilterByType":
      let codings = codings(first)
      let types = directive.arguments.dropFirst()
      for word in types where !isMediaRange(word) {
        error("a media type such as text/html or text/* is expected, not '\(word.text)'", word)
      }
      add(codings, types.map { $0.text.asciiLowercased }, &layer)
    case "SetOutputFilter": add(codings(first), ["*/*"], &layer)
    case "DeflateCompressionLevel": layer.changes.append { $0.compression.deflateLevel = number }
    case "BrotliCompressionQuality": layer.changes.append { $0.compression.brotliQuality = number }
    case "ZstdCompressionLevel": layer.changes.append { $0.compression.zstdLevel = number }
    case "CompressionMinLength":
      let bytes = ValueType.bytes(first.text) ?? 256
      layer.changes.append { $0.compression.byteCountMin = bytes }
    default: return false
    }
    return true
  }

  private func isMediaRange(_ word: Word) -> Bool {
    MediaTypes.isMediaType(word.text) || word.text.hasSuffix("/*") && word.text.utf8.count > 2
  }

  private func add(
    _ codings: [CompressionCoding], _ types: [String], _ layer: inout SettingsLayer
  ) {
    layer.changes.append { settings in
      for type in types {
        for coding in codings
        where !settings.compression.codings.contains(where: { $0 == (type, coding) }) {
          settings.compression.codings.append((type, coding))
        }
      }
    }
  }

  /// "DEFLATE" or "BROTLI_COMPRESS;DEFLATE"
  private mutating func codings(_ word: Word) -> [CompressionCoding] {
    var codings: [CompressionCoding] = []
    for part in word.text.split(separator: ";").map(String.init) {
      switch part.asciiLowercased {
      case "deflate", "gzip": codings.append(.deflate)
      case "brotli_compress", "brotli": codings.append(.brotli)
      case "zstd_compress", "zstd": codings.append(.zstd)
      default:
        let known = ["DEFLATE", "BROTLI_COMPRESS", "ZSTD_COMPRESS"]
        let hint = Spelling.nearest(to: part, among: known).map { "; did you mean '\($0)'?" } ?? ""
        error(
          "DEFLATE, BROTLI_COMPRESS or ZSTD_COMPRESS is expected, not '\(part)': other filters are"
            + " not implemented\(hint)", word)
      }
    }
    return codings
  }
}
