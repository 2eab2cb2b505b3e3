// The fields of a response that the rules of caching read, collected in one pass.

/// Values of a response's field lines, one element a line, in their order, blanks around them
/// stripped.
package struct CachingFields: Sendable {
  package var cacheControl: [[UInt8]] = []
  /// `Ring3-Cache-Control` and `CDN-Cache-Control` (RFC 9213).
  package var ring3CacheControl: [[UInt8]] = []
  package var cdnCacheControl: [[UInt8]] = []
  package var expires: [[UInt8]] = []
  package var date: [[UInt8]] = []
  package var age: [[UInt8]] = []
  package var lastModified: [[UInt8]] = []
  package var entityTag: [[UInt8]] = []
  package var vary: [[UInt8]] = []
  package var pragma: [[UInt8]] = []
  package var surrogateKey: [[UInt8]] = []
  package var cacheTag: [[UInt8]] = []
  package var cacheGroups: [[UInt8]] = []
  package var cacheGroupInvalidation: [[UInt8]] = []
  package var location: [[UInt8]] = []
  package var contentLocation: [[UInt8]] = []
  package var hasSetCookie = false

  package init() {}

  /// Notes a field line if the rules read it; the name may be in any case of letters. By length
  /// first, so that most names are compared with one or two others.
  package mutating func take(name: RawSpan, value: RawSpan) {
    func isNamed(_ wanted: StaticString) -> Bool { FieldName.equal(name, wanted) }
    func add(to lines: inout [[UInt8]]) { lines.append([UInt8](copying: value)) }
    switch name.byteCount {
    case 3 where isNamed("age"): add(to: &age)
    case 4 where isNamed("date"): add(to: &date)
    case 4 where isNamed("etag"): add(to: &entityTag)
    case 4 where isNamed("vary"): add(to: &vary)
    case 6 where isNamed("pragma"): add(to: &pragma)
    case 7 where isNamed("expires"): add(to: &expires)
    case 8 where isNamed("location"): add(to: &location)
    case 9 where isNamed("cache-tag"): add(to: &cacheTag)
    case 10 where isNamed("set-cookie"): hasSetCookie = true
    case 12 where isNamed("cache-groups"): add(to: &cacheGroups)
    case 13 where isNamed("cache-control"): add(to: &cacheControl)
    case 13 where isNamed("last-modified"): add(to: &lastModified)
    case 13 where isNamed("surrogate-key"): add(to: &surrogateKey)
    case 16 where isNamed("content-location"): add(to: &contentLocation)
    case 17 where isNamed("cdn-cache-control"): add(to: &cdnCacheControl)
    case 19 where isNamed("ring3-cache-control"): add(to: &ring3CacheControl)
    case 24 where isNamed("cache-group-invalidation"): add(to: &cacheGroupInvalidation)
    default: break
    }
  }
}
