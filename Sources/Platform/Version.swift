// The version of this build.

/// Semantic version; raised by a release.
package enum Version {
  package static let major = 0
  package static let minor = 1
  package static let patch = 0
  /// Of the manual pages.
  package static let date = "November 23, 2026"
  package static var text: String { "\(major).\(minor).\(patch)" }
}
