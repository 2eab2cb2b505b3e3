// Which file answers a path: httpd's rules, the policies for links, and attempts to get around
// them.

import Foundation
import HTTP
import Platform
import Testing

@testable import Worker

@Suite struct FilesResolverTests {
  let tree: TemporaryTree

  init() throws {
    tree = try TemporaryTree()
    try tree.write("site/a.html", "A")
    try tree.write("site/docs/index.html", "I")
    try tree.write("site/docs/deep/b.txt", "B")
    try tree.write("outside/secret.txt", "S")
    try tree.makeDirectory("site/empty")
    try tree.link("site/inside", to: "docs/deep/b.txt")
    try tree.link("site/insideAbsolute", to: tree.root + "/a.html")
    try tree.link("site/escape", to: "../outside/secret.txt")
    try tree.link("site/escapeAbsolute", to: tree.top + "/outside/secret.txt")
    try tree.link("site/escapeDirectory", to: "../outside")
    try tree.link("site/chain", to: "inside")
    try tree.link("site/loop", to: "loop")
    try tree.link("site/broken", to: "nowhere")
    try tree.link("site/upAndBack", to: "docs/../a.html")
    try tree.link("site/outAndBack", to: "../site/a.html")
    try tree.link("site/fileAsDirectory", to: "a.html/")
    try tree.link("site/magic", to: "/proc/self/fd/0")
    try tree.link("site/magicRoot", to: "/proc/self/" + "root/etc/passwd")
  }

  private func ask(
    _ urlPath: String, _ resolver: Resolver, _ change: (inout FileRequest) -> Void = { _ in }
  ) -> String {
    var request = tree.request(urlPath)
    change(&request)
    return word(resolver.answer(request))
  }

  @Test(arguments: Resolver.allCases)
  func `FollowSymLinks follows links wherever they lead`(resolver: Resolver) {
    let expected = [
      "/a.html": "file:A", "/inside": "file:B", "/insideAbsolute": "file:A", "/escape": "file:S",
      "/escapeAbsolute": "file:S", "/escapeDirectory/secret.txt": "file:S", "/chain": "file:B",
      "/loop": "403 symbolicLink", "/broken": "404", "/upAndBack": "file:A",
      "/outAndBack": "file:A", "/fileAsDirectory": "404",
    ]
    for (path, answer) in expected { #expect(ask(path, resolver) == answer, "\(path)") }
  }

  @Test(arguments: [Resolver.eventLoop, .helper])
  func `links to open files of the process are never followed`(resolver: Resolver) {
    #expect(ask("/magic", resolver) == "403 symbolicLink")
    #expect(ask("/magicRoot", resolver) == "403 symbolicLink")
  }

  @Test(arguments: Resolver.allCases)
  func `without FollowSymLinks a link anywhere beneath the root is refused`(resolver: Resolver) {
    let expected = [
      "/a.html": "file:A", "/docs/deep/b.txt": "file:B", "/inside": "403 symbolicLink",
      "/insideAbsolute": "403 symbolicLink", "/escape": "403 symbolicLink",
      "/escapeDirectory/secret.txt": "403 symbolicLink", "/broken": "403 symbolicLink",
      "/missing": "404",
    ]
    for (path, answer) in expected {
      for isConfined in [false, true] {
        let word = ask(path, resolver) {
          $0.links = .none
          $0.isConfined = isConfined
        }
        #expect(word == answer, "\(path)")
      }
    }
  }

  @Test(arguments: Resolver.allCases)
  func `SymlinkConfine follows links that stay beneath the root and no others`(
    resolver: Resolver
  ) {
    let expected = [
      "/a.html": "file:A", "/inside": "file:B", "/chain": "file:B", "/upAndBack": "file:A",
      "/insideAbsolute": "403 symbolicLink", "/escape": "403 symbolicLink",
      "/escapeAbsolute": "403 symbolicLink", "/escapeDirectory/secret.txt": "403 symbolicLink",
      "/outAndBack": "403 symbolicLink", "/loop": "403 symbolicLink", "/broken": "404",
      "/magicRoot": "403 symbolicLink",
    ]
    for (path, answer) in expected {
      for links in [SymbolicLinkPolicy.follow, .ownerMatch] {
        let word = ask(path, resolver) {
          $0.isConfined = true
          $0.links = links
        }
        #expect(word == answer, "\(path) \(links)")
      }
    }
  }

  @Test(
    .enabled(if: FileManager.default.isWritableFile(atPath: "/etc")), arguments: Resolver.allCases)
  func `SymLinksIfOwnerMatch compares the owner of each link with what it leads to`(
    resolver: Resolver
  ) throws {
    let mine: (inout FileRequest) -> Void = { $0.links = .ownerMatch }
    for path in ["/inside", "/escapeDirectory/secret.txt", "/chain", "/outAndBack"] {
      #expect(ask(path, resolver, mine).hasPrefix("file:"), "\(path)")
    }
    try tree.run("chown -h 12345", "site/inside")
    try tree.run("chown -h 12345", "site/escapeDirectory")
    try tree.run("chown -h 12345", "site/outAndBack")
    // "chain" is ours, but leads through "inside", which is not.
    for path in ["/inside", "/escapeDirectory/secret.txt", "/chain", "/outAndBack"] {
      #expect(ask(path, resolver, mine) == "403 symbolicLink", "\(path)")
    }
    try tree.run("chown 12345", "site/docs/deep/b.txt")
    #expect(ask("/inside", resolver, mine) == "file:B")
    #expect(ask("/chain", resolver, mine) == "403 symbolicLink")
  }

  @Test(arguments: Resolver.allCases)
  func `links in the root itself are the configuration's business`(resolver: Resolver) throws {
    try tree.link("current", to: "site")
    let root = tree.top + "/current"
    for links in [SymbolicLinkPolicy.none, .ownerMatch, .follow] {
      for isConfined in [false, true] {
        let request = FileRequest(
          path: Array((root + "/a.html").utf8), root: Array(root.utf8),
          urlPath: Array("/a.html".utf8), links: links, isConfined: isConfined)
        #expect(word(resolver.answer(request)) == "file:A")
      }
    }
  }

  @Test(arguments: Resolver.allCases)
  func `a path that is not beneath its root or climbs out of it is refused`(resolver: Resolver) {
    let outside = ["/../outside/secret.txt", "/docs/../../outside/secret.txt", "/docs/..", "x/a"]
    for path in outside {
      #expect(ask(path, resolver) == "403 symbolicLink", "\(path)")
    }
    var request = tree.request("/secret.txt")
    request.path = Array((tree.top + "/outside/secret.txt").utf8)
    #expect(word(resolver.answer(request)) == "403 symbolicLink")
    #expect(ask("/a.html\u{0}.txt", resolver) == "404")
  }

  @Test(arguments: Resolver.allCases)
  func `an alias to a single file serves that file`(resolver: Resolver) {
    let path = Array((tree.root + "/inside").utf8)
    for links in [SymbolicLinkPolicy.none, .follow] {
      let request = FileRequest(
        path: path, root: path, urlPath: Array("/favicon.ico".utf8), links: links)
      #expect(word(resolver.answer(request)) == "file:B")
    }
  }

  @Test(arguments: Resolver.allCases)
  func `path info, long names and missing files get httpd's statuses`(resolver: Resolver) {
    #expect(ask("/a.html/extra", resolver) == "path info 6")
    #expect(ask("/a.html/", resolver) == "path info 1")
    #expect(ask("/a.html/extra/more/", resolver) == "path info 12")
    #expect(ask("/nothing/at/all", resolver) == "404")
    #expect(ask("/" + String(repeating: "n", count: 300), resolver) == "403 nameTooLong")
  }

  @Test(.timeLimit(.minutes(1)), arguments: Resolver.allCases)
  func `a FIFO neither hangs nor is opened`(resolver: Resolver) throws {
    try tree.run("mkfifo", "site/pipe")
    try tree.link("site/linkToPipe", to: "pipe")
    #expect(ask("/pipe", resolver) == "403 notRegularFile")
    #expect(ask("/linkToPipe", resolver) == "403 notRegularFile")
    // A device behind a link that is allowed to leave the root.
    try tree.link("site/device", to: "/dev/null")
    #expect(ask("/device", resolver) == "403 notRegularFile")
  }

  @Test(arguments: Resolver.allCases)
  func `directories are redirected, indexed, listed or refused`(resolver: Resolver) throws {
    let names = ["index.php", "index.html"].map { Array($0.utf8) }
    #expect(ask("/docs", resolver) == "redirect")
    #expect(ask("/docs/", resolver) { $0.indexNames = names } == "internal:/docs/index.html")
    #expect(ask("/docs/", resolver) == "403 listingNotAllowed")
    #expect(ask("/docs/", resolver) { $0.listingAllowed = true } == "listing")
    #expect(
      ask("/empty/", resolver) {
        $0.indexNames = names
        $0.listingAllowed = true
      } == "listing")
    // A URL path as index: only routing knows whether it leads anywhere.
    #expect(
      ask("/empty/", resolver) { $0.indexNames = names + [Array("/app".utf8)] } == "internal:/app")
    #expect(
      ask("/empty/", resolver) {
        $0.indexNames = names + [Array("/app".utf8)]
        $0.indexStart = 3
      } == "403 listingNotAllowed")
    // An index file that is refused must not open the way to a listing.
    try tree.link("site/empty/index.html", to: "../a.html")
    #expect(
      ask("/empty/", resolver) {
        $0.indexNames = names
        $0.listingAllowed = true
        $0.links = .none
      } == "403 symbolicLink")
  }

  @Test(arguments: Resolver.allCases)
  func `FallbackResource answers what does not exist and nothing else`(resolver: Resolver) {
    let change: (inout FileRequest) -> Void = { $0.fallbackResource = Array("/front".utf8) }
    #expect(ask("/missing", resolver, change) == "internal:/front")
    #expect(ask("/missing/deeper/", resolver, change) == "internal:/front")
    #expect(ask("/a.html", resolver, change) == "file:A")
    #expect(ask("/a.html/extra", resolver, change) == "path info 6")
    #expect(ask("/empty/", resolver, change) == "403 listingNotAllowed")
    #expect(ask("/front", resolver, change) == "404")
  }

  @Test(.timeLimit(.minutes(1)), arguments: Resolver.allCases)
  func `a link that is swapped all the time never leads out of a confined root`(
    resolver: Resolver
  ) throws {
    let stop = Flag()
    let tree = self.tree
    let swapper = Thread {
      while !stop.isSet {
        try? tree.link("site/swapped", to: "docs/deep")
        try? tree.link("site/swapped", to: "../outside")
      }
      stop.set()
    }
    try tree.write("outside/b.txt", "S")
    swapper.start()
    defer { stop.set() }
    var served = 0
    var round = 0
    // Until the other thread has been seen at work, which may take a while on a busy machine.
    let end = ContinuousClock.now + .seconds(45)
    while round < 1_500 || served == 0 && ContinuousClock.now < end {
      round += 1
      let word = ask("/swapped/b.txt", resolver) {
        $0.isConfined = true
        $0.links = round % 2 == 0 ? .follow : .ownerMatch
      }
      #expect(word != "file:S")
      if word == "file:B" { served += 1 }
    }
    #expect(served > 0)
  }

  @Test(.enabled(if: File.canLimitResolution))
  func `what the kernel has in memory is answered without a helper`() {
    for links in [SymbolicLinkPolicy.none, .ownerMatch, .follow] {
      var request = tree.request("/docs/deep/b.txt")
      request.links = links
      _ = Resolver.helper.answer(request)
      guard case .done(.file) = FileResolver.resolve(request) else {
        Issue.record("\(links) needs a helper")
        continue
      }
    }
  }

  @Test func `a walk does not open what took a checked file's place`() throws {
    var request = tree.request("/a.html")
    request.links = .ownerMatch
    let resolver = PathResolver(request, mode: .mayWait)
    let found = try resolver.locate(request.path)
    try FileManager.default.moveItem(
      atPath: tree.top + "/outside/secret.txt", toPath: tree.root + "/new")
    try tree.run("mv -f \(tree.root)/new", "site/a.html")
    #expect(throws: SystemError(code: SystemError.wouldBlock, operation: "open")) {
      try resolver.open(found, at: request.path)
    }
  }

  // MARK: Precompressed neighbours

  @Test(arguments: Resolver.allCases)
  func `a neighbour is used if it is accepted, newer and smaller`(resolver: Resolver) throws {
    try tree.write("site/app.js", "original original", age: 100)
    try tree.write("site/app.js.gz", "gzip", age: 50)
    try tree.write("site/app.js.br", "br", age: 200)
    try tree.write("site/app.js.zst", "longer than the original is", age: 50)
    func file(_ codings: [ContentCoding], allowed: Bool = true) -> OpenFile? {
      var request = tree.request("/app.js")
      request.acceptedCodings = codings
      request.precompressedAllowed = allowed
      guard case .file(let file) = resolver.answer(request) else { return nil }
      return file
    }
    let plain = try #require(file([]))
    #expect(plain.coding == .identity && content(plain) == "original original")
    #expect(plain.variantsAvailable == ContentCodings(.gzip))
    let coded = try #require(file([.br, .zstd, .gzip]))
    #expect(coded.coding == .gzip && content(coded) == "gzip")
    #expect(coded.variantsAvailable == ContentCodings(.gzip))
    let refused = try #require(file([.gzip], allowed: false))
    #expect(refused.coding == .identity && refused.variantsAvailable.isEmpty)

    try tree.write("site/app.js.br", "br", age: 50)
    #expect(try #require(file([.gzip, .br])).coding == .gzip)
    #expect(try #require(file([.br, .gzip])).coding == .br)
    try tree.write("site/app.js", "original, changed", age: 0)
    #expect(try #require(file([.br, .gzip])).coding == .identity)
  }

  @Test func `a neighbour obeys the rules for links`() throws {
    try tree.write("site/x.css", "body {            }", age: 100)
    try tree.link("site/x.css.gz", to: "../outside/secret.txt")
    var request = tree.request("/x.css")
    request.acceptedCodings = [.gzip]
    #expect(word(Resolver.helper.answer(request)) == "file:S")
    request.isConfined = true
    #expect(word(Resolver.helper.answer(request)) == "file:body {            }")
  }

  @Test func `revalidation sees a new file, a swapped link and a new neighbour`() throws {
    try tree.write("site/v1/page", "one", age: 10)
    try tree.write("site/v2/page", "one", age: 10)
    try tree.link("site/now", to: "v1")
    let request = tree.request("/now/page")
    guard case .file(let file) = Resolver.helper.answer(request) else {
      Issue.record("not found")
      return
    }
    func validity() -> FileResolver.Validity {
      FileResolver.revalidate(
        request, facts: file.facts, coding: file.coding, variantsAvailable: file.variantsAvailable,
        mode: .mayWait)
    }
    #expect(validity() == .unchanged)
    try tree.write("site/v1/page.gz", "g", age: 5)
    #expect(validity() == .changed)
    try FileManager.default.removeItem(atPath: tree.root + "/v1/page.gz")
    #expect(validity() == .unchanged)
    try tree.link("site/now", to: "v2")
    #expect(validity() == .changed)
    try FileManager.default.removeItem(atPath: tree.root + "/now")
    #expect(validity() == .changed)
  }
}
