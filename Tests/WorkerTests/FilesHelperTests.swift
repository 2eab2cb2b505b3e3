// The I/O helper and its client, over a real channel.

import Foundation
import HTTP
import Platform
import Testing

@testable import Worker

@Suite(.timeLimit(.minutes(1))) struct FilesHelperTests {
  /// All replies until `count` have come, by request number.
  private func replies(_ client: HelperClient, _ count: Int) -> [UInt64: HelperReply] {
    var found: [UInt64: HelperReply] = [:]
    let end = Date().addingTimeInterval(20)
    while found.count < count && Date() < end {
      client.flush()
      for (identifier, reply) in client.receive() { found[identifier] = reply }
      Thread.sleep(forTimeInterval: 0.001)
    }
    return found
  }

  /// Helpers on threads of this process; their flags are set when they have ended well.
  private func startHelpers(_ count: Int) throws -> (HelperClient, [Flag]) {
    let (near, far) = try MessageSocket.pair()
    let flags = (0..<count).map { _ in Flag() }
    for flag in flags {
      let channel = try far.descriptor.duplicate()
      Thread { if IOHelper.run(channels: [channel]) == 0 { flag.set() } }.start()
    }
    return (HelperClient(near), flags)
  }

  @Test func `helpers answer every kind of question and end with their channel`() throws {
    let tree = try TemporaryTree()
    try tree.write("site/a.html", "A")
    try tree.write("site/dir/x")
    var helpers: [Flag] = []
    do {
      let (client, flags) = try startHelpers(2)
      helpers = flags
      var listed = tree.request("/dir/")
      listed.listingAllowed = true
      var indexed = tree.request("/dir/")
      indexed.indexNames = [Array("x".utf8)]
      let questions: [(FileRequest, String)] = [
        (tree.request("/a.html"), "file:A"), (tree.request("/none"), "404"),
        (tree.request("/dir"), "redirect"), (tree.request("/dir/"), "403 listingNotAllowed"),
        (indexed, "internal:/dir/x"), (listed, "listing"),
      ]
      var expected: [UInt64: String] = [:]
      for (request, answer) in questions {
        expected[try #require(client.send(.resolve(request), now: 0))] = answer
      }
      let found = replies(client, questions.count)
      for (identifier, answer) in expected {
        guard case .answer(let reply)? = found[identifier] else {
          Issue.record("no answer: \(answer)")
          continue
        }
        #expect(word(reply) == answer)
        guard case .file(let file) = reply else { continue }
        let warm = try #require(client.send(.warm(file.descriptor, offset: 0, count: 1), now: 0))
        guard case .warmed? = replies(client, 1)[warm] else {
          Issue.record("not warmed")
          continue
        }
      }
      #expect(client.outstandingCount == 0)
    }
    let end = Date().addingTimeInterval(10)
    while !helpers.allSatisfy({ $0.isSet }) && Date() < end { Thread.sleep(forTimeInterval: 0.01) }
    #expect(helpers.allSatisfy { $0.isSet })
  }

  @Test func `more requests than the channel holds are all answered`() throws {
    let tree = try TemporaryTree()
    try tree.write("site/a.html", "A")
    let (client, _) = try startHelpers(1)
    let longName = "/" + String(repeating: "n", count: 200)
    var count = 0
    while client.send(.resolve(tree.request(count % 2 == 0 ? "/a.html" : longName)), now: 0) != nil
    {
      count += 1
    }
    #expect(count == HelperClient.outstandingMax)
    #expect(replies(client, count).count == count)
  }

  @Test func `late answers are dropped and time-outs are told once`() throws {
    let (near, far) = try MessageSocket.pair()
    let client = HelperClient(near)
    let tree = try TemporaryTree()
    let first = try #require(client.send(.resolve(tree.request("/a")), now: 0))
    let second = try #require(client.send(.resolve(tree.request("/b")), now: 5_000))
    #expect(client.expire(now: 9_999) == [])
    #expect(client.expire(now: 10_000) == [first])
    #expect(client.expire(now: 10_000) == [])
    #expect(IOHelper.serveOne(far) == .done)
    #expect(IOHelper.serveOne(far) == .done)
    #expect(client.receive().map { $0.identifier } == [second])
  }

  @Test func `the end of the channel fails everything under way`() throws {
    let tree = try TemporaryTree()
    var pair: (MessageSocket, MessageSocket)? = try MessageSocket.pair()
    let client = HelperClient(try #require(pair?.0))
    let identifier = try #require(client.send(.resolve(tree.request("/a")), now: 0))
    pair = nil
    #expect(client.receive().isEmpty)
    #expect(client.isClosed)
    #expect(client.expire(now: 0) == [identifier])
    #expect(client.send(.resolve(tree.request("/a")), now: 0) == nil)
    #expect(client.outstandingCount == 0)
  }

  @Test func `a request survives the wire, and no cut packet is taken`() throws {
    var request = FileRequest(
      path: [0x2f, 0xff], root: [0x2f], urlPath: [0x2f, 0x00], links: .ownerMatch,
      isConfined: true, indexNames: [[0x61], []], listingAllowed: true, fallbackResource: [],
      acceptedCodings: [.zstd, .gzip], precompressedAllowed: false)
    request.indexStart = 2
    let (bytes, _) = HelperMessage.encode(.resolve(request), identifier: .max)
    let decoded = try #require(HelperMessage.decodeRequest(bytes, []))
    #expect(decoded.identifier == .max)
    guard case .resolve(let copy) = decoded.request else {
      Issue.record("another kind")
      return
    }
    #expect(copy == request)
    for count in 0..<bytes.count {
      #expect(HelperMessage.decodeRequest(Array(bytes.prefix(count)), [])?.identifier == nil)
    }
    #expect(HelperMessage.decodeRequest(bytes + [0], [])?.identifier == nil)
  }

  @Test func `garbage from a worker is ignored`() throws {
    let (near, far) = try MessageSocket.pair()
    for packet in [[0], [1, 2, 3], [UInt8](repeating: 0xff, count: 100)] as [[UInt8]] {
      #expect(try near.send(packet))
      #expect(IOHelper.serveOne(far) == .done)
    }
    guard case .wouldBlock = try near.receive() else {
      Issue.record("an answer to garbage")
      return
    }
  }
}
