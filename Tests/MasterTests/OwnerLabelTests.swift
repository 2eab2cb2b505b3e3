// By which names an owner's responses are his, and can be called back.

import Namespace
import Testing
import Worker

@testable import Master

@Suite struct `an owner's responses bear his names` {
  private func owner(
    _ prefix: String, user: UInt32 = 7, queue: String = "q"
  ) throws -> NamespaceOwner {
    NamespaceOwner(prefix: try UrlPrefix(prefix), user: user, queue: queue)
  }

  private func labels(_ owner: NamespaceOwner, _ path: String, tags: [String] = []) -> [[UInt8]]? {
    OwnerLabels.all(owner, path: Array(path.utf8), tags: tags.map { Array($0.utf8) }).map {
      $0.split(separator: 0).map { Array($0) }
    }
  }

  private func isMet(_ path: String, by called: [[UInt8]], of owner: NamespaceOwner) -> Bool {
    let labels = labels(owner, path) ?? []
    return called.contains { labels.contains($0) }
  }

  @Test func `the first says whose they are`() throws {
    let one = try owner("http://+:80/shop/")
    let labels = try #require(self.labels(one, "/shop/a/b"))
    #expect(labels[0] == Array("w:http://+:80/shop/ 7 q".utf8))
    #expect(OwnerLabels.ownerText(in: labels[0] + [0]) == one.text)
    #expect(OwnerLabels.ownerText(in: Array("t:w:x".utf8) + [0]) == nil)
    #expect(OwnerLabels.ownerText(in: []) == nil)
    let others = [
      try owner("http://+:80/shop/", user: 8), try owner("http://+:80/shop/", queue: "r"),
      try owner("http://*:80/shop/"), try owner("http://+:81/shop/"),
    ]
    for other in others {
      let foreign = try #require(self.labels(other, "/shop/a/b"))
      #expect(Set(foreign).isDisjoint(with: labels), "\(other.text)")
    }
  }

  @Test func `a path, what is below it, and a tag are called back, and nothing else`() throws {
    let one = try owner("http://+:80/shop/")
    let path = [OwnerLabels.path(Array("/shop/a".utf8), of: one)]
    #expect(isMet("/shop/a", by: path, of: one))
    #expect(!isMet("/shop/a/", by: path, of: one) && !isMet("/shop/ab", by: path, of: one))
    let below = OwnerLabels.subtree(Array("/shop/a".utf8), of: one)
    for met in ["/shop/a", "/shop/a/", "/shop/a/b/c"] { #expect(isMet(met, by: below, of: one)) }
    for other in ["/shop", "/shop/", "/shop/ab", "/shop/b/a"] {
      #expect(!isMet(other, by: below, of: one), "\(other)")
    }
    let inside = OwnerLabels.subtree(Array("/shop/a/".utf8), of: one)
    #expect(!isMet("/shop/a", by: inside, of: one) && isMet("/shop/a/b", by: inside, of: one))
    for top in ["/", "/shop", "/shop/"] {
      let all = OwnerLabels.subtree(Array(top.utf8), of: one)
      for met in ["/shop", "/shop/", "/shop/a"] {
        #expect(isMet(met, by: all, of: one), "\(top) \(met)")
      }
    }
    #expect(OwnerLabels.subtree(Array("/other".utf8), of: one).isEmpty)
    let tagged = try #require(labels(one, "/shop/a", tags: ["t:x", "g:x"]))
    #expect(tagged.contains(OwnerLabels.tag(Array("t:x".utf8), user: 7, queue: "q")))
    #expect(!tagged.contains(OwnerLabels.tag(Array("t:y".utf8), user: 7, queue: "q")))
    #expect(!tagged.contains(OwnerLabels.tag(Array("g:x".utf8), user: 7, queue: "q")))
  }

  @Test func `a group is one application's, whatever it is called`() throws {
    let one = try owner("http://+:80/shop/")
    func group(_ name: String, _ owner: NamespaceOwner?) -> [UInt8] {
      OwnerLabels.group(Array("g:\(name)".utf8), of: owner, at: Array("http 80 shop.test".utf8))
    }
    #expect(group("x", one) == group("x", one) && group("x", nil) == group("x", nil))
    let mine = group("x", one)
    // A back-end of the configuration may call its groups what it likes.
    for name in ["x 7 q", "x", "x 7 q http 80 shop.test"] { #expect(group(name, nil) != mine) }
    #expect(group("x 7 q", one) != mine)
    #expect(group("x", try owner("http://+:80/shop/", user: 8)) != mine)
    #expect(group("x", try owner("http://+:80/shop/", queue: "r")) != mine)
  }

  @Test func `what is too deep has no names, and is not kept`() throws {
    let one = try owner("http://+:80/shop/")
    #expect(labels(one, "/shop" + String(repeating: "/a", count: OwnerLabels.depthMax)) != nil)
    #expect(labels(one, "/shop" + String(repeating: "/a", count: OwnerLabels.depthMax + 1)) == nil)
  }

  @Test(arguments: [
    "http://+:80/x?y", "http://+/x", "http://+:80/%zz", "http://+:80/a%2Fb", "ftp://+:80/",
    "http://*.:80/x", "http://+", "http://+:80x/", "http://+:0/",
  ])
  func `a URL on all hosts is read strictly`(_ text: String) {
    #expect(throws: SessionRefusal.self) { try PrefixURL(text, nil) }
  }

  @Test func `a URL on all hosts is read as requests are`() throws {
    let url = try PrefixURL("http://*.Example.test:80/a/../b%20c", nil)
    #expect(url.prefix == (try UrlPrefix("http://*.example.test:80/")))
    #expect(url.paths == [Array("/b c".utf8)])
    #expect(try PrefixURL("https://+:443", nil).paths == [Array("/".utf8)])
    #expect(PrefixURL.hasWildcard("http://+:80/") && PrefixURL.hasWildcard("http://*.a:80/"))
    #expect(!PrefixURL.hasWildcard("http://a:80/+") && !PrefixURL.hasWildcard("+:80/"))
  }
}
