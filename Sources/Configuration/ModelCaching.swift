// What is kept of the responses of applications, and how they are compressed.

/// `CacheKeyQuery`, `CacheIgnoreQueryString`: which part of a query names a response.
package enum CacheKeyQuery: Hashable, Sendable {
  /// All of it, as sent.
  case all
  /// `CacheIgnoreQueryString On`
  case none
  /// Only these parameters, or all but these; sorted by name if wished.
  case keep([String], sorted: Bool)
  case drop([String], sorted: Bool)
}

/// The operator's orders about the responses of applications. What the application says in
/// `CDN-Cache-Control` or `Ring3-Cache-Control` comes before all of it but `isEnabled`.
package struct CachingSettings: Hashable, Sendable {
  /// False: `CacheDisable`. Responses with explicit lifetimes are kept without any directive.
  package var isEnabled = true
  /// `CacheDefaultExpire`: lifetime of responses without one; nil: they are not kept.
  package var defaultSeconds: Int64?
  /// `CacheLastModifiedFactor`, in thousandths: heuristic lifetime (RFC 9111 §4.2.2); 0: none.
  package var lastModifiedPermille = 0
  /// `CacheMaxExpire`, `CacheMinExpire`: bounds of a lifetime.
  package var secondsMax: Int64?
  package var secondsMin: Int64?
  /// `CacheIgnoreHeaders`: fields that are not kept, lower case.
  package var ignoredFields: [String] = []
  package var keyQuery = CacheKeyQuery.all
  /// `CacheIgnoreCacheControl`: requests with no-cache are answered from the cache too.
  package var ignoresRequestCacheControl = false
  /// `CacheStoreExpired`, `CacheStoreNoStore`, `CacheStorePrivate`.
  package var storesExpired = false
  package var storesNoStore = false
  package var storesPrivate = false
  /// `CacheVaryUserAgent`, `CacheVaryCookie` (ours): such responses are kept all the same.
  package var storesVaryUserAgent = false
  package var storesVaryCookie = false
  /// `CacheStaleOnError`: how long a stale response may stand in for an error when the application
  /// says nothing; 0: not at all.
  package var staleOnErrorSeconds: Int64 = 0
  /// `CacheStaleWhileRevalidate` (ours), likewise.
  package var staleWhileRevalidateSeconds: Int64 = 0
  /// `CacheLock`: one request of many fetches, the others wait.
  package var locks = true
  /// `CacheLockMaxAge`
  package var lockMilliseconds: Int64 = 5000
  /// `CacheDebug` (ours): Cache-Status says why a response was not kept.
  package var debugs = false
  /// `CacheStatusField` (ours, default on): Cache-Status (RFC 9211) on responses of applications.
  package var sendsCacheStatus = true
  /// `CachePurgeFrom` (ours): who may send PURGE; nil: nobody.
  package var purgeFrom: AccessRule?

  package init() {}
}

/// A coding that responses are compressed with.
package enum CompressionCoding: String, Hashable, Sendable, CaseIterable {
  case zstd, brotli, deflate
}

/// `AddOutputFilterByType DEFLATE|BROTLI_COMPRESS|ZSTD_COMPRESS` and levels.
package struct CompressionSettings: Hashable, Sendable {
  /// By media type without parameters, lower case; "text/*" is possible, and "*/*" for what is not
  /// compressed already.
  package var codings: [(type: String, coding: CompressionCoding)] = []
  /// `DeflateCompressionLevel` 1 … 9, `BrotliCompressionQuality` 0 … 11, `ZstdCompressionLevel`
  /// 1 … 19.
  package var deflateLevel = 6
  package var brotliQuality = 5
  package var zstdLevel = 3
  /// `CompressionMinLength` (ours): smaller bodies are sent as they are.
  package var byteCountMin = 256

  package init() {}

  /// What a response of a media type (without parameters, lower case) is compressed with, the best
  /// first.
  package func codings(mediaType: String) -> [CompressionCoding] {
    let family = mediaType.prefix { $0 != "/" } + "/*"
    return CompressionCoding.allCases.filter { coding in
      codings.contains { entry in
        entry.coding == coding
          && (entry.type == mediaType || entry.type == family
            || entry.type == "*/*" && !Self.isCompressed(mediaType))
      }
    }
  }

  /// What gains nothing: its format is compressed in itself.
  private static func isCompressed(_ mediaType: String) -> Bool {
    if ["image/svg+xml", "image/bmp", "image/x-icon", "image/vnd.microsoft.icon"]
      .contains(mediaType)
    {
      return false
    }
    return ["image/", "video/", "audio/", "font/woff"].contains { mediaType.hasPrefix($0) }
      || [
        "application/zip", "application/gzip", "application/zstd", "application/x-7z-compressed",
        "application/x-bzip2", "application/x-xz", "application/vnd.rar", "application/pdf",
        "application/octet-stream",
      ].contains(mediaType)
  }

  package static func == (one: Self, other: Self) -> Bool {
    one.codings.elementsEqual(other.codings, by: ==) && one.deflateLevel == other.deflateLevel
      && one.brotliQuality == other.brotliQuality && one.zstdLevel == other.zstdLevel
      && one.byteCountMin == other.byteCountMin
  }

  package func hash(into hasher: inout Hasher) {
    for (type, coding) in codings {
      hasher.combine(type)
      hasher.combine(coding)
    }
    hasher.combine(deflateLevel)
    hasher.combine(brotliQuality)
    hasher.combine(zstdLevel)
    hasher.combine(byteCountMin)
  }
}
