// 17: which processes hold private keys, and what an operator hears of certificates.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `17 it keeps keys where they are needed` {
    /// Every form in which a key might lie in memory: pieces of its PEM, its DER, and its secret
    /// numbers, whose least significant byte comes first in the library's own form.
    private func needles(_ tls: TLSServer, _ file: String) throws -> [[UInt8]] {
      let pem = tls.server.directory.read(file)
      var needles = pem.split(separator: "\n").dropFirst(2).dropLast()
        .filter { $0.utf8.count >= 32 }.map { Array($0.utf8.prefix(48)) }
      let path = tls.server.directory.path(file)
      let text = try tls.run("openssl pkey -in '\(path)' -noout -text").output
      // "priv:", "privateExponent:", "prime1:" and lines of "    ab:cd:…" below each.
      var number: [UInt8]?
      func end() {
        if let number, number.count >= 32 {
          let digits = Array(number.drop { $0 == 0 })
          needles += [Array(digits.prefix(24)), Array(digits.reversed().prefix(24))]
        }
        number = nil
      }
      for line in text.split(separator: "\n") {
        if line.hasPrefix("    ") {
          number? += line.split(whereSeparator: { ": ".contains($0) })
            .compactMap { UInt8($0, radix: 16) }
        } else {
          end()
          let secrets = ["priv:", "privateExponent:", "prime1:", "prime2:", "coefficient:"]
          if secrets.contains(String(line)) { number = [] }
        }
      }
      end()
      return needles
    }

    /// How many of them are in a process's memory that it may write to.
    private func found(_ needles: [[UInt8]], in process: Int32) throws -> Int {
      let memory = try #require(FileHandle(forReadingAtPath: "/proc/\(process)/mem"))
      var found: Set<Int> = []
      for line in textOfKernelFile("/proc/\(process)/maps").split(separator: "\n") {
        let words = line.split(separator: " ")
        let ends = words[0].split(separator: "-").compactMap { UInt64($0, radix: 16) }
        // The cache is shared and large.
        let isLarge = ends.count == 2 && ends[1] - ends[0] > 1 << 20
        guard words[1] == "rw-p" || words[1] == "rw-s" && !isLarge, ends.count == 2 else {
          continue
        }
        try memory.seek(toOffset: ends[0])
        guard let bytes = try? memory.read(upToCount: Int(ends[1] - ends[0])) else { continue }
        for (index, needle) in needles.enumerated()
        where !found.contains(index) && bytes.range(of: Data(needle)) != nil {
          found.insert(index)
        }
      }
      return found.count
    }

    private func helpers(of server: TestServer) -> [Int32] {
      let list =
        server.control("status", "--json").output
        .firstMatch(of: /"helpers":\[([0-9,]+)\]/)?.1.split(separator: ",") ?? []
      let watcher = server.status()?.number("watcher.pid").map { Int32($0) }
      return list.compactMap { Int32($0) } + [watcher].compactMap { $0 }
    }

    @Test(.enabled(if: isRoot()))
    func `a key is in the memory of workers, of no other child of the master`() throws {
      let tls = try TLSServer(
        "SSLCertificateFile a.pem\nSSLCertificateKeyFile a.key\nSSLCertificateFile b.pem\n"
          + "SSLSessionTicketKeyFile tickets\nSSLCertificateDirectory names",
        certificates: ["a"], starts: false)
      let directory = tls.server.directory
      try tls.make("b", host: "a.test", together: true, kind: "rsa:2048")
      try tls.run("openssl rand -out '\(directory.path("tickets"))' 80")
      try tls.run("mkdir '\(directory.path("names"))'")
      try tls.make("names/c.test", host: "c.test", together: true)
      let tickets = try Data(contentsOf: URL(fileURLWithPath: directory.path("tickets")))
      try tls.run("openssl pkey -in '\(directory.path("b.pem"))' -out '\(directory.path("b.key"))'")
      var secrets = try needles(tls, "a.key") + needles(tls, "b.key")
      secrets.append(Array(tickets.suffix(32)))
      #expect(secrets.count > 20)
      try tls.server.start()
      #expect(try tls.client().contains("home"))
      #expect(try tls.shown("c.test") == "c.test")
      for process in helpers(of: tls.server) { #expect(try found(secrets, in: process) == 0) }
      #expect(try tls.server.workers.contains { try found(secrets, in: $0) > 4 })

      // Processes that are forked after keys have come and gone.
      try tls.make("new", host: "renewed.test")
      secrets += try needles(tls, "new.key")
      #expect(moveOver(directory.path("new.key"), directory.path("a.key")))
      #expect(moveOver(directory.path("new.pem"), directory.path("a.pem")))
      #expect(try eventually { try tls.shown("a.test") == "renewed.test" })
      #expect(tls.server.control("reload").succeeded)
      let former = Set(helpers(of: tls.server))
      for process in former { send(signal: Signal.kill, toProcess: process) }
      #expect(
        eventually {
          let now = helpers(of: tls.server)
          return now.count == former.count && former.isDisjoint(with: now)
        })
      for process in helpers(of: tls.server) { #expect(try found(secrets, in: process) == 0) }
      #expect(try tls.shown("a.test") == "renewed.test")
    }

    @Test func `status tells of handshakes and of what ends first`() throws {
      let tls = try TLSServer(ServerTests.`17 it keeps certificates`.one, certificates: ["a"])
      #expect(try tls.client().contains("home"))
      #expect(try tls.client("-tls1_1 -cipher DEFAULT@SECLEVEL=0").contains("alert"))
      let line =
        tls.server.control("status").output.split(separator: "\n")
        .first { $0.hasPrefix("TLS ") } ?? ""
      #expect(
        line.hasPrefix("TLS handshakes=1 resumed=0 TLS_Version=1, kTLS ")
          && line.contains(" by this kernel") && line.contains(", certificates 1, the first "))
      // The days are whole, and the first one may have begun.
      #expect(line.hasSuffix("29 days left)") || line.hasSuffix("30 days left)"), "\(line)")
      let report = try #require(tls.server.status())
      #expect(report.number("tls.handshakes") == 1 && report.number("tls.certificates") == 1)
      #expect([29, 30].contains(report.number("tls.earliestDaysLeft")))
      #expect(report.number("tls.failures.TLS_Version") == 1)
      #expect(!tls.server.said.contains("expires in"))
    }

    @Test func `a certificate that ends soon is told of once`() throws {
      let tls = try TLSServer(ServerTests.`17 it keeps certificates`.one, starts: false)
      try tls.make("a", days: 5)
      try tls.server.start()
      // In the second it was made it has five whole days.
      let words = "a.pem' (a.test) expires in "
      #expect(
        eventually {
          tls.server.said.contains("\(words)4 days, on ")
            || tls.server.said.contains("\(words)5 days, on ")
        })
      #expect(tls.server.control("reload").succeeded)
      pause(milliseconds: 2_500)
      #expect(tls.server.said.components(separatedBy: words).count == 2)
    }
  }
}
