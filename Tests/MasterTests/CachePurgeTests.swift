// What `cache purge` and `cache show` make of their arguments.

import Cache
import Testing
import Worker

@testable import Master

private func request(_ line: String) -> ControlRequest {
  guard case .request(let request) = ControlRequest.parse(Array((line + "\n").utf8)) else {
    preconditionFailure("no request: \(line)")
  }
  return request
}

/// The targets of a purge, or why it is refused.
private func targets(_ words: String) -> Result<[CacheTarget], Refusal> {
  let request = request(
    (["cache", "purge"] + words.split(separator: " ").map(String.init))
      .joined(separator: "\t"))
  switch ControlCommand.find(request) {
  case .failure(let refusal): return .failure(refusal)
  case .success:
    do throws(Refusal) {
      return .success(try PurgeOrder(request, nil).targets)
    } catch {
      return .failure(error)
    }
  }
}

private func authority(_ port: Int, _ scheme: UInt8 = 1) -> [UInt8] {
  [scheme, UInt8(port >> 8), UInt8(port & 255)]
}

private func resource(
  _ target: String, host: String = "h.test", port: Int = 80, scheme: UInt8 = 1
) -> CacheTarget {
  .resource(
    authority: authority(port, scheme), host: Array(host.utf8), target: Array(target.utf8))
}

private func subtree(_ path: String, host: String = "h.test", port: Int = 80) -> CacheTarget {
  .subtree(authority: authority(port), host: Array(host.utf8), path: Array(path.utf8))
}

@Test(arguments: [
  ("http://h.test/a", [resource("/a")]),
  ("h.test/a", [resource("/a")]),
  ("HTTP://H.Test./a#part", [resource("/a")]),
  ("http://h.test", [resource("/")]),
  ("http://h.test:8080/a", [resource("/a", port: 8080)]),
  ("http://h.test:80/a/./b/../c//d", [resource("/a/c/d")]),
  ("http://h.test/%61%20%7e", [resource("/a%20~")]),
  ("http://h.test/a?x=1", [resource("/a"), resource("/a?x=1")]),
  ("https://h.test/a", [resource("/a", port: 443, scheme: 2)]),
  ("https://h.test:8443/a", [resource("/a", port: 8443, scheme: 2)]),
  ("http://[::1]:8080/", [resource("/", host: "[::1]", port: 8080)]),
  ("http://127.0.0.1/", [resource("/", host: "127.0.0.1")]),
  ("--prefix http://h.test/a", [resource("/a"), subtree("/a/")]),
  ("--prefix http://h.test/a/", [subtree("/a/")]),
  ("--prefix http://h.test", [subtree("/")]),
  ("--prefix=h.test:81/%61/b", [resource("/a/b", port: 81), subtree("/a/b/", port: 81)]),
  ("--host H.test.", [.host(Array("h.test".utf8))]),
  ("--host [::1]", [.host(Array("[::1]".utf8))]),
  ("--tag a --tag b --hard", [.label(Array("t:a".utf8)), .label(Array("t:b".utf8))]),
  ("--all", [.everything]),
  ("--regex ^http://h", []),
])
func `a purge means exactly what it says`(words: String, expected: [CacheTarget]) {
  #expect(targets(words) == .success(expected))
}

@Test(arguments: [
  ("", "say what to purge"), ("--hard", "say what to purge"),
  ("http://h/ --all", "one thing to purge at a time"),
  ("--host h --tag t", "one thing to purge at a time"),
  ("ftp://h.test/", "write http[s]://"),
  ("http:///a", "write http[s]://"), ("http://h.test:port/", "write http[s]://"),
  ("http://h.test:99999/", "write http[s]://"), ("http://user@h.test/", "write http[s]://"),
  ("http://h.test/%zz", "a bad escape"), ("http://h.test/../a", "leaves the root"),
  ("http://h.test/%00", "%00"), ("http://h.test/a b", "usage"), ("/a", "write http[s]://"),
  ("http://h.test/ä", "write http[s]://"),
  ("--prefix http://h.test/a?b", "leave out '?"), ("--prefix", "wants a value"),
  ("--host", "wants a value"), ("--host --hard", "wants a value"),
  ("--host http://h.test", "write the name alone"), ("--host h.test:80", "write the name alone"),
  ("--host h.test/a", "write the name alone"), ("--host a --host b", "may be given once"),
  ("--tag", "wants a value"), ("--regex (", "at byte 1"), ("--regex", "wants a value"),
  ("--all=yes", "takes no value"), ("--all --hard=no", "takes no value"),
  ("--nonsense", "no option '--nonsense'"), ("a b", "usage"),
])
func `a purge that is not clear is refused with what to write`(words: String, reason: String) {
  guard case .failure(let refusal) = targets(words) else {
    Issue.record("accepted: \(targets(words))")
    return
  }
  #expect(refusal.description.contains(reason), "\(refusal.description)")
}

@Test func `an empty argument is not passed over`() {
  // As from: cache purge --host "$UNSET" --all
  let words = ["cache", "purge", "--host", "", "--all"].joined(separator: "\t")
  guard case .failure(let refusal) = ControlCommand.find(request(words)) else {
    Issue.record("accepted")
    return
  }
  #expect(refusal.description == "'--host' wants a value")
  #expect(request("cache\tpurge\t").arguments == [""])
  #expect(throws: Refusal.self) { try PurgeOrder(request("cache\tpurge\t"), nil) }
}

@Test func `cache alone, or with a word it does not know, lists what there is`() {
  guard case .failure(let refusal) = ControlCommand.find(request("cache")) else {
    Issue.record("accepted")
    return
  }
  for verb in ["stats", "show", "explain", "purge"] {
    #expect(refusal.description.contains("cache \(verb)"))
  }
  #expect(
    ControlCommand.find(request("cache\tstat")).failure?.description
      == "unknown command 'cache stat'; try 'help'")
  guard case .success(let command) = ControlCommand.find(request("cache\tpurge\t--help")) else {
    Issue.record("refused")
    return
  }
  #expect(command.manual.contains("--prefix URL"))
}

extension Result {
  fileprivate var failure: Failure? {
    if case .failure(let failure) = self { failure } else { nil }
  }
}

@Test(arguments: [
  ("", ""), ("h", "h"), ("H.Test/A", "h.test/A"), ("HTTPS://H/", "https://h/"),
  ("HTTP://H.test:8080/%41", "http://h.test:8080/%41"), ("http://", "http://"),
])
func `a prefix to show is completed and its host made lower case`(text: String, url: String) {
  #expect(ShowEntries.prefix(text) == url)
}

@Test func `a key is shown as the URL that purges it`() throws {
  let key =
    [1, 1, 0x1f, 0x90] + [UInt8](repeating: 7, count: 8)
    + Array("h.test\0/a%20b\u{1}?x".utf8)
  #expect(CacheInspection.url(ofKey: key) == "http://h.test:8080/a%20b%01?x")
  #expect(
    CacheInspection.resource(ofKey: key) == resource("/a%20b\u{1}?x", port: 8080))
  #expect(CacheInspection.url(ofKey: [2, 0xff]) == "key:02ff")
  #expect(CacheInspection.resource(ofKey: [UInt8](repeating: 1, count: 20)) == nil)
}
