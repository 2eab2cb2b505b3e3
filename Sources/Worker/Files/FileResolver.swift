// From a file request to its answer, with httpd's semantics, without waiting.

import HTTP
import Platform

/// Answers file requests. The event loop calls it with `.neverWaits`; what cannot be told without
/// waiting goes to the I/O helper, which runs the same code with `.mayWait`.
package enum FileResolver {
  /// The next step of a request. With `.mayWait` it is always `done`.
  package static func resolve(_ request: FileRequest, mode: ResolveMode = .neverWaits) -> FileStep {
    var attempts = 1
    while true {
      do {
        return .done(try Resolution(request, mode: mode).answer())
      } catch {
        if error.code == SystemError.sandboxed {
          // A helper may have been started later, when the path led elsewhere.
          return mode.cachedOnly
            ? .needsHelper(.resolve(request)) : .done(.forbidden(.sandbox))
        }
        guard error.code == SystemError.wouldBlock else { return .done(.failed(error)) }
        if mode.cachedOnly { return .needsHelper(.resolve(request)) }
        // Names were exchanged between two steps: look again.
        if attempts == attemptsMax { return .done(.failed(error)) }
        attempts += 1
      }
    }
  }

  private static let attemptsMax = 8

  /// What revalidation found.
  package enum Validity: Equatable, Sendable {
    /// The request leads to the same bytes.
    case unchanged
    /// Resolve it anew.
    case changed
    /// Send `.resolve(request)` to the helper and compare its answer.
    case unknown
  }

  /// Resolves the path again, opening nothing: whether a request that gave a file with these facts,
  /// coding and variants would give the same one now. Mode and owner in `facts` do not count.
  package static func revalidate(
    _ request: FileRequest, facts: FileFacts, coding: ContentCoding,
    variantsAvailable: ContentCodings,
    mode: ResolveMode = .neverWaits
  ) -> Validity {
    do {
      let choice = try Resolution(request, mode: mode).choice()
      guard let choice, choice.file.facts.isUnchanged(since: facts), choice.coding == coding,
        choice.variantsAvailable == variantsAvailable
      else { return .changed }
      return .unchanged
    } catch {
      return error.code == SystemError.wouldBlock ? .unknown : .changed
    }
  }

  /// What an errno of a resolution means to the client; nil for what is no fact about the file.
  static func answer(to code: CInt) -> FileAnswer? {
    switch code {
    case SystemError.notFound, SystemError.notDirectory: return .notFound
    case SystemError.accessDenied, SystemError.notPermitted: return .forbidden(.permission)
    case SystemError.symbolicLinkLoop, SystemError.crossDevice: return .forbidden(.symbolicLink)
    case SystemError.nameTooLong: return .forbidden(.nameTooLong)
    default: return nil
    }
  }
}

/// One run through the rules. Errors that are no fact about the file are thrown.
private struct Resolution {
  let request: FileRequest
  let mode: ResolveMode
  let resolver: PathResolver
  /// Without a slash at its end.
  let path: [UInt8]

  init(_ request: FileRequest, mode: ResolveMode) {
    self.request = request
    self.mode = mode
    resolver = PathResolver(request, mode: mode)
    var path = request.path
    while path.count > 1 && path.last == UInt8(ascii: "/") { path.removeLast() }
    self.path = path
  }

  var asksForDirectory: Bool { request.urlPath.last == UInt8(ascii: "/") }

  func answer() throws(SystemError) -> FileAnswer {
    if request.findsScript { return try script() }
    let found: FoundFile
    do {
      found = try resolver.locate(path)
    } catch {
      if error.code == SystemError.notFound, let fallback = fallback { return fallback }
      if error.code == SystemError.notDirectory { return try pathInfo() }
      guard let answer = FileResolver.answer(to: error.code) else { throw error }
      return answer
    }
    if found.facts.isDirectory { return try directory(found) }
    if asksForDirectory { return try pathInfo() }
    guard found.facts.isRegularFile else { return .forbidden(.notRegularFile) }
    do {
      return try open(try variant(of: found))
    } catch {
      guard let answer = FileResolver.answer(to: error.code) else { throw error }
      return answer
    }
  }

  // MARK: Scripts

  /// Whether the path goes on behind a file. Where its directory is one it does not, whatever is in
  /// it.
  private func script() throws(SystemError) -> FileAnswer {
    do {
      let parent = path.prefix(max(1, path.lastIndex(of: UInt8(ascii: "/")) ?? 1))
      let isWhole = path.count == request.path.count
      if isWhole, try resolver.locate(Array(parent)).facts.isDirectory { return .notFound }
    } catch {
      guard error.code == SystemError.notDirectory else {
        guard FileResolver.answer(to: error.code) == nil else { return .notFound }
        throw error
      }
    }
    return try pathInfo()
  }

  /// The first file on the way down; what follows it is for it.
  private func pathInfo() throws(SystemError) -> FileAnswer {
    let slash = UInt8(ascii: "/")
    var end = request.root == [slash] ? 0 : request.root.count
    do {
      while end < path.count {
        guard path[end] == slash else { return .notFound }
        end = path[(end + 1)...].firstIndex(of: slash) ?? path.count
        let facts = try resolver.locate(Array(path[..<end])).facts
        if facts.isRegularFile {
          return end < request.path.count
            ? .pathInfo(byteCount: request.path.count - end) : .notFound
        }
        guard facts.isDirectory else { return .notFound }
      }
    } catch {
      guard FileResolver.answer(to: error.code) == nil else { return .notFound }
      throw error
    }
    return .notFound
  }

  /// The file that would be opened; nil when the answer is no file.
  func choice() throws(SystemError) -> FileVariant? {
    let found = try resolver.locate(path)
    guard found.facts.isRegularFile, !asksForDirectory else { return nil }
    return try variant(of: found)
  }

  private func variant(of found: FoundFile) throws(SystemError) -> FileVariant {
    guard request.precompressedAllowed else { return FileVariant(file: found, path: path) }
    return try FileVariant.choose(
      for: found, at: path, accepted: request.acceptedCodings, resolver: resolver)
  }

  private func open(_ variant: FileVariant) throws(SystemError) -> FileAnswer {
    let (descriptor, facts) = try resolver.open(variant.file, at: variant.path)
    guard facts.isRegularFile else { return .forbidden(.notRegularFile) }
    // A neighbour that was replaced between look and open may be older than the original now.
    guard variant.coding == .identity || facts == variant.file.facts else {
      throw SystemError(code: SystemError.wouldBlock, operation: "open")
    }
    return .file(
      OpenFile(
        descriptor: descriptor, facts: facts, coding: variant.coding,
        variantsAvailable: variant.variantsAvailable))
  }

  /// Only for what does not exist, as in httpd; the fallback itself has none.
  private var fallback: FileAnswer? {
    guard let target = request.fallbackResource, target != request.urlPath else { return nil }
    return .internalRedirect(
      InternalRedirect(urlPath: target, isVerified: false, resumeAt: request.indexNames.count))
  }

  // MARK: Directories

  private func directory(_ found: FoundFile) throws(SystemError) -> FileAnswer {
    guard asksForDirectory else { return .directoryRedirect }
    var refusal: FileAnswer?
    for index in request.indexNames.indices.dropFirst(request.indexStart) {
      switch try self.index(request.indexNames[index], at: index) {
      case .forbidden(let reason): refusal = .forbidden(reason)
      case .internalRedirect(let redirect): return .internalRedirect(redirect)
      default: continue
      }
    }
    // An index file that may not be read must not be replaced by a listing that shows its name.
    if let refusal { return refusal }
    guard request.listingAllowed else { return .forbidden(.listingNotAllowed) }
    if mode.cachedOnly { throw SystemError(code: SystemError.wouldBlock, operation: "readdir") }
    do {
      return try listing(of: found)
    } catch {
      guard let answer = FileResolver.answer(to: error.code) else { throw error }
      return answer
    }
  }

  /// `notFound`, `forbidden`, or an internal redirect.
  private func index(_ name: [UInt8], at index: Int) throws(SystemError) -> FileAnswer {
    let slash = UInt8(ascii: "/")
    let redirect = InternalRedirect(
      urlPath: name.first == slash ? name : request.urlPath + name, isVerified: true,
      resumeAt: index + 1)
    let isPlain = !name.contains(slash) && !name.contains(UInt8(ascii: "?")) && name.first != 0x2e
    guard isPlain, !name.isEmpty else {
      // A path of its own: only routing knows where it leads.
      var unverified = redirect
      unverified.isVerified = false
      return name.isEmpty ? .notFound : .internalRedirect(unverified)
    }
    do {
      let found = try resolver.locate(path == [slash] ? path + name : path + [slash] + name)
      return found.facts.isRegularFile ? .internalRedirect(redirect) : .notFound
    } catch {
      guard let answer = FileResolver.answer(to: error.code) else { throw error }
      return answer
    }
  }

  private func listing(of found: FoundFile) throws(SystemError) -> FileAnswer {
    let directory = try File.open(
      [UInt8(ascii: ".")], in: found.descriptor, for: [.read, .directory])
    let (names, isComplete) = try DirectoryReader.names(
      in: directory, countMax: DirectoryListing.entryCountMax,
      where: DirectoryListing.isShown)
    var entries: [DirectoryListing.Entry] = []
    entries.reserveCapacity(names.count)
    let prefix = path.last == UInt8(ascii: "/") ? path : path + [UInt8(ascii: "/")]
    for name in names {
      // What a request for it would not get is not shown: forbidden and broken links, devices.
      guard let entry = try? resolver.locate(prefix + name).facts,
        entry.isRegularFile || entry.isDirectory
      else { continue }
      entries.append(
        DirectoryListing.Entry(
          name: name, isDirectory: entry.isDirectory, size: entry.size,
          modifiedSeconds: entry.lastModifiedSeconds(nowSeconds: .max)))
    }
    let page = DirectoryListing(
      urlPath: request.urlPath, entries: entries, isComplete: isComplete
    ).html()
    let file = try File.inMemory(page)
    return .listing(OpenFile(descriptor: file, facts: try File.facts(file)))
  }
}
