// Media types: what is built in for want of a mime.types file, and what applies to one file.

import HTTP

extension MediaTypes {
  /// Used when there is no mime.types: the types that web sites are made of.
  static let standard: MediaTypes = {
    var types = MediaTypes()
    _ = types.add(mimeTypes: standardText)
    return types
  }()

  private static let standardText = """
    application/atom+xml atom
    application/epub+zip epub
    application/gzip gz tgz
    application/java-archive jar
    application/json json map
    application/ld+json jsonld
    application/manifest+json webmanifest
    application/msword doc
    application/octet-stream bin dmg exe img iso msi
    application/ogg ogx
    application/pdf pdf
    application/postscript ai eps ps
    application/rss+xml rss
    application/rtf rtf
    application/vnd.ms-excel xls
    application/vnd.ms-powerpoint ppt
    application/vnd.oasis.opendocument.presentation odp
    application/vnd.oasis.opendocument.spreadsheet ods
    application/vnd.oasis.opendocument.text odt
    application/vnd.openxmlformats-officedocument.presentationml.presentation pptx
    application/vnd.openxmlformats-officedocument.spreadsheetml.sheet xlsx
    application/vnd.openxmlformats-officedocument.wordprocessingml.document docx
    application/wasm wasm
    application/x-7z-compressed 7z
    application/x-bzip2 bz2
    application/x-tar tar
    application/x-xz xz
    application/xhtml+xml xhtml xht
    application/xml xml xsl xsd
    application/zip zip
    application/zstd zst
    audio/aac aac
    audio/flac flac
    audio/mp4 m4a
    audio/mpeg mp3
    audio/ogg oga ogg opus
    audio/wav wav
    font/otf otf
    font/ttf ttf
    font/woff woff
    font/woff2 woff2
    image/apng apng
    image/avif avif
    image/bmp bmp
    image/gif gif
    image/jpeg jpeg jpg jpe
    image/jxl jxl
    image/png png
    image/svg+xml svg
    image/tiff tif tiff
    image/vnd.microsoft.icon ico
    image/webp webp
    text/calendar ics
    text/css css
    text/csv csv
    text/html html htm
    text/javascript js mjs
    text/markdown md markdown
    text/plain txt text conf log
    text/vcard vcf
    text/vtt vtt
    video/mp2t ts
    video/mp4 mp4 m4v
    video/mpeg mpeg mpg
    video/ogg ogv
    video/quicktime mov
    video/webm webm
    video/x-matroska mkv
    """
}

extension Model {
  /// What a file's name says of its content under some settings: the types of the server with
  /// `AddType`, `AddCharset` and `AddEncoding` laid over, and `ForceType` above all.
  package func mediaDescription(fileName: [UInt8], settings: Settings) -> MediaDescription {
    var description: MediaDescription
    if settings.mediaTypes.isEmpty {
      description = mediaTypes.describe(fileName: fileName)
    } else {
      var merged = mediaTypes
      merged.merge(settings.mediaTypes)
      description = merged.describe(fileName: fileName)
    }
    if let type = settings.forceType { description.type = type }
    return description
  }
}
