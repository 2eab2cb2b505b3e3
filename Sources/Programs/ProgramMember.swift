// One process of an application, as its machine knows it.

/// One process of an application.
struct ProgramMember: Equatable, Sendable {
  enum Standing: Equatable, Sendable {
    /// It is one of those that are to be there.
    case fresh
    /// It serves until others have taken its place.
    case stale
    /// It was told to end.
    case retired
  }

  let process: Int32
  var startedAt: Int64
  var standing = Standing.fresh
  /// Its share of what the queue served.
  var served = 0.0
  var requestsMax: Double?
  var ageMax: Int64?
  var bytesMax: Int?
  /// It does not answer: it is killed when its time comes.
  var hangs = false
  var killAt: Int64?
}
