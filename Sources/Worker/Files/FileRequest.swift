// A question to the file system and its answers, as plain values.

import HTTP
import Platform

/// `Options FollowSymLinks` and `SymLinksIfOwnerMatch`.
package enum SymbolicLinkPolicy: UInt8, Sendable {
  /// Neither: a link beneath the root is 403.
  case none = 0
  /// Only links that belong to the owner of what they lead to.
  case ownerMatch = 1
  /// Wherever they lead.
  case follow = 2
}

extension ContentCoding {
  /// What a precompressed neighbour's name ends in, with its dot; empty for identity.
  package var suffix: [UInt8] { Array(fileExtension.description.utf8) }
}

/// A GET or HEAD for a path that routing mapped to the file system.
package struct FileRequest: Equatable, Sendable {
  /// Absolute, decoded, without "." and ".." behind the root; a slash at its end is ignored.
  package var path: [UInt8]
  /// DocumentRoot or an alias's target: `path` itself or what it starts with. The configuration
  /// names it, so links in it are always followed; the policy governs what lies beneath.
  package var root: [UInt8]
  /// As in the request line after decoding: a slash at its end asks for a directory.
  package var urlPath: [UInt8]
  package var links: SymbolicLinkPolicy
  /// `SymlinkConfine`: nothing outside the root, whichever links there are.
  package var isConfined: Bool
  /// `DirectoryIndex`; empty when disabled. A name that starts with a slash is a URL path.
  package var indexNames: [[UInt8]]
  /// Where to go on in `indexNames` after a redirect that led to nothing.
  package var indexStart = 0
  /// `Options Indexes`.
  package var listingAllowed: Bool
  /// `FallbackResource`: a URL path.
  package var fallbackResource: [UInt8]?
  /// In the client's order of preference, without identity; empty: none is acceptable.
  package var acceptedCodings: [ContentCoding]
  /// Whether precompressed neighbours are looked for at all.
  package var precompressedAllowed: Bool
  /// Nothing is opened: only whether a file stands in the path before its end is asked for.
  package var findsScript = false

  package init(
    path: [UInt8], root: [UInt8], urlPath: [UInt8], links: SymbolicLinkPolicy = .follow,
    isConfined: Bool = false, indexNames: [[UInt8]] = [], listingAllowed: Bool = false,
    fallbackResource: [UInt8]? = nil, acceptedCodings: [ContentCoding] = [],
    precompressedAllowed: Bool = true
  ) {
    self.path = path
    self.root = root
    self.urlPath = urlPath
    self.links = links
    self.isConfined = isConfined
    self.indexNames = indexNames
    self.listingAllowed = listingAllowed
    self.fallbackResource = fallbackResource
    self.acceptedCodings = acceptedCodings
    self.precompressedAllowed = precompressedAllowed
  }
}

/// A file that was opened for reading. The last copy closes it, so it may be kept and shared.
package struct OpenFile: Sendable {
  package let descriptor: Descriptor
  /// Of the opened file, which may be a precompressed neighbour.
  package let facts: FileFacts
  package let coding: ContentCoding
  /// The usable neighbours, whether or not the client accepts them: not empty means that the
  /// response depends on Accept-Encoding, also this one (RFC 9110 §12.5.5).
  package let variantsAvailable: ContentCodings

  package init(
    descriptor: Descriptor, facts: FileFacts, coding: ContentCoding = .identity,
    variantsAvailable: ContentCodings = []
  ) {
    self.descriptor = descriptor
    self.facts = facts
    self.coding = coding
    self.variantsAvailable = variantsAvailable
  }
}

/// Another URL path to answer with instead; settings and access must be merged again for it.
package struct InternalRedirect: Equatable, Sendable {
  package var urlPath: [UInt8]
  /// A regular file was found there. If not, and the redirect turns out to be
  /// 404, resolve the original request again with `indexStart` = `resumeAt`.
  package var isVerified: Bool
  package var resumeAt: Int

  package init(urlPath: [UInt8], isVerified: Bool, resumeAt: Int) {
    self.urlPath = urlPath
    self.isVerified = isVerified
    self.resumeAt = resumeAt
  }
}

/// Why 403.
package enum ForbiddenReason: UInt8, Sendable {
  /// EACCES, EPERM.
  case permission = 0
  /// A link that the policy forbids, or more than 40 of them.
  case symbolicLink = 1
  /// A FIFO, a socket, a device.
  case notRegularFile = 2
  /// ENAMETOOLONG is 403 in httpd too.
  case nameTooLong = 3
  /// A directory without index file whose listing is not allowed.
  case listingNotAllowed = 4
  /// Not beneath its root, or with "..": a mapping went wrong.
  case outsideRoot = 5
  /// The user may read it, but the sandbox does not let this process.
  case sandbox = 6
}

/// What the file system has to say about a request.
package enum FileAnswer: Sendable {
  case file(OpenFile)
  /// An HTML page (UTF-8) in memory: reading it never waits.
  case listing(OpenFile)
  /// A directory was asked for without the slash at its end: 301 to the path with it.
  case directoryRedirect
  case internalRedirect(InternalRedirect)
  case notFound
  /// A regular file is there, and so many bytes at the path's end go on behind it.
  case pathInfo(byteCount: Int)
  case forbidden(ForbiddenReason)
  /// EMFILE, ENFILE, ENOMEM, EIO …: 503.
  case failed(SystemError)
}

/// The next step of a request.
package enum FileStep: Sendable {
  case done(FileAnswer)
  /// Only waiting would tell: send this to the helper; its reply carries the answer.
  case needsHelper(HelperRequest)
}
