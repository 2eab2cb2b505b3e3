// 17: certificates. Loaded or refused, renewed while serving, found by name; sessions resume.

import Foundation
import TestSupport
import Testing

/// A server with an address in TLS beside the one in clear text, and a client for it.
struct TLSServer {
  let server: TestServer
  let port: UInt16

  /// `certificates` are made before the start, as NAME.pem and NAME.key for NAME.test.
  init(
    _ configuration: String, workers: Int = 2, certificates: [String] = [], starts: Bool = true
  ) throws {
    port = freePort()
    server = try TestServer(workers: workers, starts: false)
    for name in certificates { try make(name) }
    server.configure(expand(configuration), workers: workers)
    if starts { try server.start() }
  }

  func expand(_ configuration: String) -> String {
    "Listen 127.0.0.1:\(port) https\n" + configuration
  }

  /// Makes FILE.pem and FILE.key (or both in FILE.pem) for some host.
  func make(
    _ file: String, host: String? = nil, together: Bool = false, days: Int = 30, kind: String = "ec"
  ) throws {
    let path = server.directory.path(file)
    let host = host ?? "\(file).test"
    let key = together ? path + ".temporary" : path + ".key"
    #expect(
      try run(
        "openssl req -x509 -newkey \(kind == "ec" ? "ec -pkeyopt ec_paramgen_curve:P-256" : kind)"
          + " -nodes -days \(days)"
          + " -keyout '\(key)' -out '\(path).pem' -subj '/CN=\(host)'"
          + " -addext 'subjectAltName=DNS:\(host)'"
      ).succeeded)
    if together {
      #expect(try run("cat '\(key)' >> '\(path).pem' && rm '\(key)'").succeeded)
    }
  }

  @discardableResult
  func run(_ command: String) throws -> Outcome {
    let output = "output-\(UUID().uuidString)"
    defer { server.directory.remove(output) }
    let program = try ChildProgram(
      ["/bin/sh", "-c", "umask 077; " + command], outputPath: server.directory.path(output))
    let ending = program.wait(milliseconds: 20_000)
    return Outcome(ending: ending, output: server.directory.read(output))
  }

  /// One request by `openssl s_client`; all it prints.
  func client(_ options: String = "", name: String? = "a.test") throws -> String {
    let naming = name.map { "-servername \($0)" } ?? "-noservername"
    return try run(
      "printf 'GET / HTTP/1.1\\r\\nHost: \(name ?? "localhost")\\r\\nConnection: close\\r\\n\\r\\n'"
        + " | openssl s_client -connect 127.0.0.1:\(port) -ign_eof \(naming) \(options) 2>&1"
    ).output
  }

  /// The name in the certificate that is shown; nil if the handshake fails.
  func shown(_ name: String?) throws -> String? {
    let output = try client(name: name)
    guard let place = output.range(of: "subject=CN = ") else { return nil }
    return String(output[place.upperBound...].prefix { $0 != "\n" })
  }

  /// How many of so many handshakes resume the session in a file.
  func resumed(_ file: String, count: Int = 12, options: String = "") throws -> Int {
    try (0..<count).count { _ in
      try client("-sess_in '\(server.directory.path(file))' \(options)")
        .contains("Reused, TLSv1.")
    }
  }

  func saveSession(_ file: String, options: String = "") throws -> Bool {
    try client("-sess_out '\(server.directory.path(file))' \(options)").contains("New, TLSv1.")
  }
}

extension ServerTests {
  @Suite struct `17 it keeps certificates` {
    static let one = """
      SSLCertificateFile a.pem
      SSLCertificateKeyFile a.key
      """

    @Test(arguments: ["-tls1_2", "-tls1_3"])
    func `every session resumes in any worker, after a reload and in a new image`(
      version: String
    ) throws {
      let tls = try TLSServer(Self.one, workers: 4, certificates: ["a"])
      #expect(try tls.client(version).contains("home"))
      #expect(try tls.saveSession("session", options: version))
      #expect(try tls.resumed("session", options: version) == 12)
      #expect(tls.server.control("reload").succeeded)
      #expect(try tls.resumed("session", options: version) == 12)
      let generation = tls.server.status()?.number("generation")
      tls.server.program?.signal(12)
      #expect(
        eventually {
          tls.server.status()?.number("generation") ?? 0 > generation ?? 0
            && tls.server.workers.count == 4
        })
      #expect(try tls.resumed("session", options: version) == 12)
    }

    @Test func `with keys in a file sessions resume after a restart, else not`() throws {
      let tls = try TLSServer(Self.one, certificates: ["a"])
      #expect(try tls.saveSession("session"))
      tls.server.stop()
      try tls.server.start()
      #expect(try tls.resumed("session", count: 4) == 0)
      #expect(try tls.run("openssl rand -out '\(tls.server.directory.path("keys"))' 80").succeeded)
      tls.server.configure(tls.expand(Self.one + "\nSSLSessionTicketKeyFile keys"))
      #expect(tls.server.control("reload").succeeded)
      #expect(try tls.saveSession("session"))
      tls.server.stop()
      try tls.server.start()
      #expect(try tls.resumed("session", count: 4) == 4)
    }

    @Test func `what cannot be used is refused where it is written, and nothing changes`() throws {
      let tls = try TLSServer(Self.one, certificates: ["a", "b"])
      tls.server.directory.write("nonsense", to: "broken.pem")
      let line = TestServer.preambleLineCount + 2
      let cases: [(String, Int, String)] = [
        ("SSLCertificateFile none.pem\nSSLCertificateKeyFile a.key", 0, "No such file"),
        ("SSLCertificateFile a.pem\nSSLCertificateKeyFile b.key", 1, "does not belong to"),
        ("SSLCertificateFile broken.pem\nSSLCertificateKeyFile a.key", 0, "holds no certificate"),
        ("SSLCertificateFile www\nSSLCertificateKeyFile a.key", 0, "is a directory"),
        (Self.one + "\nSSLCipherSuite NONESUCH", 2, "names no cipher suite"),
        (Self.one + "\nSSLSessionTicketKeyFile broken.pem", 2, "48 or 80"),
        (Self.one + "\nSSLCertificateDirectory none", 2, "does not exist"),
      ]
      for (configuration, offset, sentence) in cases {
        tls.server.configure(tls.expand(configuration))
        let outcomes = [
          tls.server.control("reload"), tls.server.control("check"), tls.server.daemon("--check"),
        ]
        for outcome in outcomes {
          #expect(outcome.ending == .exited(1), "\(configuration)")
          #expect(outcome.output.contains(sentence), "\(outcome.output)")
          #expect(outcome.output.contains("ring3.conf:\(line + offset):"), "\(outcome.output)")
        }
      }
      #expect(try tls.shown("a.test") == "a.test")
      tls.server.configure(tls.expand(Self.one))
      #expect(tls.server.control("reload").succeeded)
    }

    @Test func `a key that everybody may read is warned of`() throws {
      let tls = try TLSServer(Self.one, certificates: ["a"])
      #expect(!tls.server.said.contains("everybody may read it"))
      #expect(try tls.run("chmod 644 '\(tls.server.directory.path("a.key"))'").succeeded)
      let outcome = tls.server.control("reload")
      #expect(outcome.succeeded)
      #expect(outcome.output.contains("everybody may read it"), "\(outcome.output)")
      #expect(tls.server.said.contains("everybody may read it"))
    }

    @Test func `a renewed certificate is used without a reload`() throws {
      let tls = try TLSServer(Self.one, workers: 4, certificates: ["a"])
      let workers = tls.server.workers
      try tls.make("new", host: "renewed.test")
      let directory = tls.server.directory
      // The key comes later than the certificate: nothing is said of the time in between.
      #expect(moveOver(directory.path("new.pem"), directory.path("a.pem")))
      pause(milliseconds: 1_500)
      #expect(moveOver(directory.path("new.key"), directory.path("a.key")))
      #expect(try eventually { try tls.shown("a.test") == "renewed.test" })
      for _ in 0..<12 { #expect(try tls.shown("a.test") == "renewed.test") }
      #expect(!tls.server.said.contains("are not used"), "\(tls.server.said)")
      #expect(tls.server.workers == workers)
      // Workers that are started later have it too.
      send(signal: Signal.kill, toProcess: workers[0])
      #expect(eventually { tls.server.workers.count == 4 && tls.server.workers != workers })
      for _ in 0..<12 { #expect(try tls.shown("a.test") == "renewed.test") }
    }

    @Test func `links are followed when they are swapped, as certbot does it`() throws {
      let tls = try TLSServer(
        "SSLCertificateFile live/cert.pem\nSSLCertificateKeyFile live/key.pem",
        certificates: [], starts: false)
      let directory = tls.server.directory
      for number in ["1", "2"] { try tls.make(number, host: "v\(number).test") }
      let script = { (number: String) in
        """
        cd '\(directory.path)'; mkdir -p live; ln -sf ../\(number).pem live/cert.next
        ln -sf ../\(number).key live/key.next; mv -f live/cert.next live/cert.pem
        mv -f live/key.next live/key.pem
        """
      }
      #expect(try tls.run(script("1")).succeeded)
      try tls.server.start()
      #expect(try tls.shown("a.test") == "v1.test")
      #expect(try tls.run(script("2")).succeeded)
      #expect(try eventually { try tls.shown("a.test") == "v2.test" })
    }

    @Test func `an unusable new certificate is reported once and the old one stays`() throws {
      let tls = try TLSServer(Self.one, certificates: ["a"])
      try tls.make("other", host: "other.test")
      let directory = tls.server.directory
      #expect(moveOver(directory.path("other.pem"), directory.path("a.pem")))
      #expect(eventually { tls.server.said.contains("are not used") })
      pause(milliseconds: 3_000)
      #expect(tls.server.said.components(separatedBy: "are not used").count == 2)
      #expect(tls.server.said.contains("does not belong to"))
      #expect(try tls.shown("a.test") == "a.test")
      let report = tls.server.control("certificates").output
      #expect(report.contains("PROBLEM"), "\(report)")
      #expect(moveOver(directory.path("other.key"), directory.path("a.key")))
      #expect(try eventually { try tls.shown("a.test") == "other.test" })
      #expect(!tls.server.control("certificates").output.contains("PROBLEM"))
    }

    @Test func `certificates are found by name when a client first wants them`() throws {
      let tls = try TLSServer("SSLCertificateDirectory names", starts: false)
      let directory = tls.server.directory
      #expect(try tls.run("mkdir '\(directory.path("names"))'").succeeded)
      try tls.make("names/one.test", host: "one.test", together: true)
      try tls.make("names/*.two.test", host: "*.two.test", together: true)
      try tls.make("names/exact.two.test", host: "exact.two.test", together: true)
      try tls.server.start()
      for _ in 0..<6 {
        #expect(try tls.shown("one.test") == "one.test")
        #expect(try tls.shown("ONE.test") == "one.test")
        #expect(try tls.shown("x.two.test") == "*.two.test")
        #expect(try tls.shown("exact.two.test") == "exact.two.test")
        #expect(try tls.shown("two.test") == nil)
        #expect(try tls.shown("y.x.two.test") == nil)
        #expect(try tls.shown(nil) == nil)
      }
      #expect(try tls.client(name: "three.test").contains("unrecognized name"))
      try tls.make("names/three.test", host: "three.test", together: true)
      #expect(try eventually { try tls.shown("three.test") == "three.test" })
      try tls.make("names/one.test", host: "changed.test", together: true)
      #expect(try eventually { try tls.shown("one.test") == "changed.test" })
      directory.remove("names/exact.two.test.pem")
      #expect(try eventually { try tls.shown("exact.two.test") == "*.two.test" })
    }

    @Test func `without a file for its name a client is shown the site's own`() throws {
      let tls = try TLSServer(
        Self.one + "\nSSLCertificateDirectory names", certificates: ["a"], starts: false)
      let directory = tls.server.directory
      #expect(try tls.run("mkdir '\(directory.path("names"))'").succeeded)
      try tls.make("names/one.test", host: "one.test", together: true)
      directory.write("nonsense", to: "names/broken.test.pem")
      directory.link("names/outside.test.pem", to: "../a.pem")
      try tls.server.start()
      #expect(try tls.shown("one.test") == "one.test")
      for name in ["other.test", "broken.test", "outside.test", nil] {
        #expect(try tls.shown(name) == "a.test", "\(name ?? "")")
      }
      #expect(eventually { tls.server.said.contains("broken.test.pem' holds no certificate") })
    }

    @Test func `certificates are listed with what an operator wants to know`() throws {
      let tls = try TLSServer(Self.one, certificates: ["a"])
      let report = tls.server.control("certificates").output
      for word in ["a.pem", "a.test", "EC 256", "a.key", "main server"] {
        #expect(report.contains(word), "\(word): \(report)")
      }
      // The days are whole, and the first one has begun.
      #expect(report.contains("29 days left") || report.contains("30 days left"), "\(report)")
      let json = tls.server.control("certificates", "--json").output
      #expect(json.contains("\"keyBits\":256"), "\(json)")
      #expect(json.contains("\"problem\":null"), "\(json)")
      #expect(try TestServer().control("certificates").output == "no site is encrypted\n")
    }
  }
}
