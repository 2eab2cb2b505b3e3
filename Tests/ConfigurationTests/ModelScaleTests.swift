// Ten thousand sites cost what ten cost: counted in pattern executions, not in time.

import Platform
import Testing

@testable import Configuration

@Suite struct ModelScaleTests {
  /// The shapes that hosting by pattern takes; most share a suffix, one shares all but a number.
  static let shapes: [@Sendable (Int) -> String] = [
    { "^(?<user>[a-z0-9-]+)\\.site\($0)\\.example\\.com$" },
    { "site\($0)-(?<branch>[a-z]+)\\.example\\.com" },
    { "(?:www|cdn)\\.shop\($0)\\.example" },
    { "(?<a>\\d+)\\.t\($0)\\.(?<b>[a-z]+)\\.example\\.org" },
  ]

  private func hosts(_ count: Int) throws -> Model {
    var text = ""
    for number in 0..<count {
      text += "<VirtualHost *:80>\nServerName name\(number).example.net\n"
      text += "ServerNameMatch \"\(Self.shapes[number % Self.shapes.count](number))\"\n"
      text += "DocumentRoot /srv/www\n</VirtualHost>\n"
    }
    return try model(text)
  }

  /// A reproducible stream of hosts that no pattern matches, many of them near misses.
  private func strangers(_ count: Int) -> [[UInt8]] {
    var state: UInt64 = 42
    func next(_ limit: Int) -> Int {
      state = Fingerprint.scramble(state &+ 0x9e37_79b9_7f4a_7c15)
      return Int(state % UInt64(limit))
    }
    let tails = [".example.com", ".example", ".example.org", ".net", ""]
    return (0..<count).map { _ in
      let name = (0..<(4 + next(24))).map { _ in "abcdefghijklmnopqrstuvwxyz0123456789-."[next(38)]
      }
      return Array((String(name) + tails[next(tails.count)]).utf8)
    }
  }

  private func executions(_ model: Model, _ hosts: [[UInt8]]) throws -> Int {
    let local = try socketAddress("192.0.2.1:80")
    let group = try #require(model.virtualHosts.group(local: local))
    var trace = VirtualHostIndex.Trace()
    for host in hosts {
      if group.index.lookUp(host, trace: &trace) != nil { Issue.record("a stranger matched") }
    }
    return trace.patternExecutions
  }

  @Test func `strangers run no more patterns with ten thousand sites than with ten`() throws {
    let strangers = strangers(2000)
    let few = try executions(hosts(10), strangers)
    let many = try executions(hosts(10_000), strangers)
    // Twice the few, and a hundredth of a pattern a host for short runs that meet by chance.
    #expect(many <= 2 * few + strangers.count / 100, "\(few) with 10, \(many) with 10,000")
  }

  @Test func `each of ten thousand patterns is still found at once`() throws {
    let model = try hosts(10_000)
    for number in stride(from: 0, to: 10_000, by: 37) {
      let host = [
        "x.site\(number).example.com", "site\(number)-b.example.com",
        "cdn.shop\(number).example", "7.t\(number).q.example.org",
      ][number % 4]
      #expect(try model.match(host).site == number + 1, Comment(rawValue: host))
      #expect(try model.match("name\(number).example.net").site == number + 1)
    }
  }

  @Test func `wildcards are found by suffix whatever their number`() throws {
    let text = (0..<3000).map {
      "<VirtualHost *:80>\nServerName n\($0)\n"
        + "ServerAlias *.w\($0).example *.x\($0).*\n</VirtualHost>\n"
    }.joined()
    let model = try model(text)
    #expect(try model.siteName("a.w2999.example") == "n2999")
    #expect(try model.siteName("a.x17.anything") == "n17")
    #expect(try model.siteName("w17.example") == "n0")
  }

  @Test func `the index agrees with asking every name in order`() throws {
    var text = ""
    let names = [
      "ServerAlias *.@bc", "ServerNameMatch \"@+\\.b\"", "ServerAlias @*b?c",
      "ServerNameMatch [@b.]+",
      "ServerAlias *", "ServerAlias @.b", "ServerNameMatch \"(@|bb)c?\"", "ServerAlias ?.b *@b",
      "ServerNameMatch \"(?:@d)?b{2}c\"", "ServerNameMatch \"(?i)@\\.C\"",
    ]
    var state: UInt64 = 7
    for site in 0..<60 {
      state = Fingerprint.scramble(state &+ 1)
      text += "<VirtualHost *:80>\nServerName s\(site)\n"
      // "*" only late, or everything behind it is one answer.
      let pick = Int(state % UInt64(names.count))
      text +=
        (pick == 4 && site < 55 ? names[0] : names[pick])
        .replacing("@", with: ["a", "b", "c", "d"][Int(state >> 8) % 4]) + "\n</VirtualHost>\n"
    }
    let model = try model(text)
    let letters = Array("abcd.".utf8)
    for number in 0..<3000 {
      var value = number
      var host: [UInt8] = []
      while value > 0 {
        host.append(letters[value % 5])
        value /= 5
      }
      let expected = model.sites.dropFirst().first { site in
        site.names.contains { $0.matches(host) }
      }
      guard host.last != UInt8(ascii: ".") else { continue }
      let found = try model.site(local: socketAddress("192.0.2.1:80"), host: host)
      #expect(found.site == expected?.index ?? 1, "\(String(decoding: host, as: UTF8.self))")
    }
  }
}

extension String {
  fileprivate subscript(_ offset: Int) -> Character { self[index(startIndex, offsetBy: offset)] }
}
