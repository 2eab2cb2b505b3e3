// From a path to a file, under the rules for symbolic links.

import Platform

/// Whether a resolution may wait, and who keeps the limits.
package struct ResolveMode: Sendable {
  /// Fail with EAGAIN rather than wait: for the event loop.
  package var cachedOnly: Bool
  /// Let openat2(2) keep the limits; otherwise they are kept here, component by component.
  package var usesKernelLimits: Bool

  package init(cachedOnly: Bool, usesKernelLimits: Bool = File.canLimitResolution) {
    self.cachedOnly = cachedOnly
    self.usesKernelLimits = usesKernelLimits
  }

  /// For the event loop.
  package static var neverWaits: ResolveMode { ResolveMode(cachedOnly: true) }
  /// For the I/O helper.
  package static var mayWait: ResolveMode { ResolveMode(cachedOnly: false) }
}

/// A file that was found but not opened: O_PATH does not disturb FIFOs and devices.
struct FoundFile {
  let descriptor: Descriptor
  let facts: FileFacts
  /// The directory and the name under which a walk found it; nil when the kernel resolved the path.
  let parent: (directory: Descriptor, name: [UInt8])?
}

/// Resolves paths beneath one root under one policy. Throws what the kernel says; ELOOP for a
/// forbidden link, EXDEV for a way out of the root, EAGAIN for "only waiting would tell".
struct PathResolver {
  let root: [UInt8]
  let links: SymbolicLinkPolicy
  let isConfined: Bool
  let mode: ResolveMode

  /// As many as Linux follows (MAXSYMLINKS).
  private static let linkCountMax = 40
  /// Directories beneath a confined root, when their limits are kept here.
  private static let depthMax = 256
  /// A rename during the resolution makes the kernel say EAGAIN, or us see two different files.
  private static let attemptsMax = 16

  init(_ request: FileRequest, mode: ResolveMode) {
    root = request.root
    links = request.links
    isConfined = request.isConfined
    self.mode = mode
  }

  /// Finds the file or directory at `path`.
  func locate(_ path: [UInt8]) throws(SystemError) -> FoundFile {
    try retrying { () throws(SystemError) in try resolve(path, for: .locate) }
  }

  /// Opens a regular file that was found at `path`. If the name leads to another type by now, the
  /// facts say so; nothing waits for a FIFO's writer.
  func open(_ found: FoundFile, at path: [UInt8]) throws(SystemError) -> (Descriptor, FileFacts) {
    guard let parent = found.parent else {
      let opened = try retrying { () throws(SystemError) in try resolve(path, for: .read) }
      return (opened.descriptor, opened.facts)
    }
    let file = try File.open(
      parent.name, in: parent.directory, for: [.read, .noFollow], limits: cached)
    let facts = try File.facts(file)
    // The walk checked the owner of that file, not of what was put in its place since.
    guard facts.isSameFile(as: found.facts) else { throw Self.again }
    return (file, facts)
  }

  // MARK: By the kernel

  private static var again: SystemError {
    SystemError(code: SystemError.wouldBlock, operation: "open")
  }

  /// In every call of the event loop; without openat2 there is no way but the helper.
  private var cached: ResolveLimits { mode.cachedOnly ? .cachedOnly : [] }

  /// Magic links lead to open files (a log, the cache) instead of names: never followed, except by
  /// kernels before 5.6 under FollowSymLinks.
  private var following: ResolveLimits {
    mode.usesKernelLimits ? cached.union(.noMagicLinks) : cached
  }

  private func retrying<T>(
    _ body: () throws(SystemError) -> T
  ) throws(SystemError) -> T {
    if mode.cachedOnly && !mode.usesKernelLimits { throw Self.again }
    var attempts = 1
    while true {
      do {
        return try body()
      } catch {
        if mode.cachedOnly || error.code != SystemError.wouldBlock || attempts == Self.attemptsMax {
          throw error
        }
        attempts += 1
      }
    }
  }

  private func resolve(
    _ path: [UInt8], for purpose: OpenPurpose
  ) throws(SystemError) -> FoundFile {
    let rest = try components(of: path)
    if (links == .follow && !isConfined) || rest.isEmpty {
      return try found(File.open(path, for: purpose, limits: following))
    }
    let start = try File.open(root, for: [.locate, .directory], limits: following)
    guard links != .ownerMatch, mode.usesKernelLimits else { return try walk(rest, from: start) }
    var limits = cached.union([.beneath, .noMagicLinks])
    if links == .none { limits.insert(.noSymbolicLinks) }
    let relative = Array(rest.joined(separator: CollectionOfOne(UInt8(ascii: "/"))))
    return try found(File.open(relative, in: start, for: purpose, limits: limits))
  }

  private func found(_ descriptor: Descriptor) throws(SystemError) -> FoundFile {
    FoundFile(descriptor: descriptor, facts: try File.facts(descriptor), parent: nil)
  }

  /// What lies between root and file. Mapping has removed "..", but here a slip would open a door.
  private func components(of path: [UInt8]) throws(SystemError) -> [[UInt8]] {
    let slash = UInt8(ascii: "/")
    let prefix = root.last == slash ? root.dropLast() : root[...]
    let rest = path.dropFirst(prefix.count)
    let names = rest.split(separator: slash).map { Array($0) }
    guard path.starts(with: prefix), rest.isEmpty || rest.first == slash, path.first == slash,
      !names.contains(Self.parentName)
    else { throw SystemError(code: SystemError.crossDevice, operation: "open") }
    return names.filter { $0 != Self.ownName }
  }

  // MARK: Component by component

  private static let ownName = [UInt8(ascii: ".")]
  private static let parentName = [UInt8(ascii: "."), UInt8(ascii: ".")]

  /// Where a walk stands.
  private struct Walk {
    /// The way from the root when confined, so that ".." is our own memory and no race can lead
    /// above it; otherwise only the last two.
    var way: [Descriptor]
    /// The last component that was entered by name.
    var parent: (directory: Descriptor, name: [UInt8])?
    /// In reverse.
    var pending: [[UInt8]]
    /// Links on the way: when only `remaining` components are left, the place reached is where the
    /// link leads, and must have this owner.
    var owners: [(remaining: Int, owner: UInt32)] = []
    var linkCount = 0
  }

  private func walk(
    _ names: [[UInt8]], from start: Descriptor
  ) throws(SystemError) -> FoundFile {
    var walk = Walk(way: [start], pending: names.reversed())
    while let name = walk.pending.popLast() {
      switch name {
      case Self.ownName: break
      case Self.parentName: try ascend(&walk)
      default: try enter(name, &walk)
      }
      try checkOwners(&walk)
    }
    guard let end = walk.way.last else { throw Self.again }
    return FoundFile(descriptor: end, facts: try File.facts(end), parent: walk.parent)
  }

  private func ascend(_ walk: inout Walk) throws(SystemError) {
    walk.parent = nil
    if isConfined {
      guard walk.way.count > 1 else {
        throw SystemError(code: SystemError.crossDevice, operation: "open")
      }
      walk.way.removeLast()
      return
    }
    guard let here = walk.way.last else { throw Self.again }
    walk.way = [
      try File.open(Self.parentName, in: here, for: [.locate, .directory], limits: cached)
    ]
  }

  private func enter(_ name: [UInt8], _ walk: inout Walk) throws(SystemError) {
    guard let here = walk.way.last else { throw Self.again }
    let entry = try File.open(name, in: here, for: [.locate, .noFollow], limits: cached)
    let facts = try File.facts(entry)
    if facts.isSymbolicLink {
      try follow(entry, facts, &walk)
      return
    }
    if !facts.isDirectory && !walk.pending.isEmpty {
      throw SystemError(code: SystemError.notDirectory, operation: "open")
    }
    walk.parent = (here, name)
    guard isConfined else {
      walk.way = [entry]
      return
    }
    // Each level costs a descriptor while the walk lasts.
    guard walk.way.count < Self.depthMax else {
      throw SystemError(code: SystemError.nameTooLong, operation: "open")
    }
    walk.way.append(entry)
  }

  /// Puts the link's content in front of what is pending.
  private func follow(
    _ link: Descriptor, _ facts: FileFacts, _ walk: inout Walk
  ) throws(SystemError) {
    let slash = UInt8(ascii: "/")
    walk.linkCount += 1
    guard links != .none, walk.linkCount <= Self.linkCountMax else {
      throw SystemError(code: SystemError.symbolicLinkLoop, operation: "open")
    }
    // A link's content may lie on the disk.
    if mode.cachedOnly { throw Self.again }
    let content = try File.readLink(link)
    guard !content.isEmpty else {
      throw SystemError(code: SystemError.notFound, operation: "readlink")
    }
    if links == .ownerMatch { walk.owners.append((walk.pending.count, facts.owner)) }
    if content.first == slash {
      // RESOLVE_BENEATH refuses absolute links too, even those that lead back inside.
      if isConfined { throw SystemError(code: SystemError.crossDevice, operation: "open") }
      walk.way = [try File.open([slash], for: [.locate, .directory], limits: cached)]
      walk.parent = nil
    }
    // "link/" is a directory or nothing.
    if content.last == slash { walk.pending.append(Self.ownName) }
    walk.pending += content.split(separator: slash).map { Array($0) }.reversed()
  }

  private func checkOwners(_ walk: inout Walk) throws(SystemError) {
    while let last = walk.owners.last, walk.pending.count <= last.remaining {
      guard let here = walk.way.last else { throw Self.again }
      guard try File.facts(here).owner == last.owner else {
        throw SystemError(code: SystemError.symbolicLinkLoop, operation: "open")
      }
      walk.owners.removeLast()
    }
  }
}
