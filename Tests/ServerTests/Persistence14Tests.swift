// 14: the cache outlives the server: restarts, deaths of everything, other sizes; and never is
// anybody else's.

import Foundation
import TestSupport
import Testing

extension ServerTests {
  @Suite struct `14 its cache persists` {
    /// Bodies that say whose they are.
    private static func body(_ number: Int) -> [UInt8] {
      Array(String(repeating: "file \(number) of the cache. ", count: 40 + number * 13).utf8)
    }

    private func server(_ configuration: String = "", files count: Int = 30) throws -> TestServer {
      let server = try TestServer(configuration, starts: false)
      for number in 0..<count { server.directory.write(Self.body(number), to: "www/f\(number)") }
      try server.start()
      return server
    }

    /// Fetches all files and checks every byte.
    private func fetchAll(_ server: TestServer, files count: Int = 30) throws {
      let connection = try server.open()
      for number in 0..<count {
        #expect(try connection.get("/f\(number)").body == Self.body(number))
      }
    }

    /// Until all files lie in the cache: the youngest are not stored at first.
    private func fill(_ server: TestServer, files count: Int = 30) throws {
      #expect(
        try eventually {
          try fetchAll(server, files: count)
          return fills(server) == count
        })
    }

    private func fills(_ server: TestServer) -> Int? {
      server.status()?.number("counters.cacheFills")
    }

    /// The one segment of a running server, without its passing names.
    private func segment(_ server: TestServer) throws -> String {
      let maps = textOfKernelFile("/proc/\(try #require(server.program).pid)/maps")
      let names = maps.split(separator: "\n").compactMap { line in
        line.range(of: "/dev/shm/ring3").map { String(line[$0.lowerBound...]) }
      }.filter { !$0.contains(" (deleted)") && !$0.contains(".elder") }
      return try #require(Set(names).first)
    }

    /// Everything dies at once, as it can.
    private func killAll(_ server: TestServer) {
      let report = server.status()
      let children = server.children
      server.stop(Signal.kill)
      for process in Set(children + (report?.workerPids ?? [])) {
        send(signal: Signal.kill, toProcess: process)
      }
      #expect(
        eventually {
          children.allSatisfy { textOfKernelFile("/proc/\($0)/cmdline").isEmpty }
        })
    }

    @Test func `after a restart the same entries answer`() throws {
      let server = try server()
      try fill(server)
      let segment = try segment(server)
      server.stop()
      try server.start()
      // The same one, though helpers were killed and not waited for a moment before.
      #expect(!server.said.contains("cache: "), "\(server.said)")
      #expect(try self.segment(server) == segment)
      try fetchAll(server)
      #expect(fills(server) == 0)
      #expect(server.status()?.number("counters.cacheRevalidations") ?? 0 >= 30)
    }

    @Test func `after everything was killed the same entries answer`() throws {
      let server = try server()
      try fill(server)
      let segment = try segment(server)
      for _ in 0..<3 {
        killAll(server)
        #expect(FileManager.default.fileExists(atPath: segment))
        try server.start()
        #expect(!server.said.contains("cache: "), "\(server.said)")
        try fetchAll(server)
        #expect(fills(server) == 0)
        #expect(try self.segment(server) == segment)
      }
    }

    @Test func `what was damaged meanwhile is dropped, counted and made anew`() throws {
      let server = try server()
      try fill(server)
      let segment = try segment(server)
      killAll(server)
      let file = try #require(FileHandle(forUpdatingAtPath: segment))
      let bytes = try #require(try file.readToEnd())
      var damaged = 0
      for number in [3, 17, 29] {
        let place = try #require(bytes.range(of: Data(Self.body(number))))
        try file.seek(toOffset: UInt64(place.lowerBound + 70))
        try file.write(contentsOf: Data([0]))
        damaged += 1
      }
      try file.close()
      try server.start()
      try fetchAll(server)
      #expect(fills(server) == damaged)
      if let counted = server.status()?.number("cache.damaged") { #expect(counted == damaged) }
      try fetchAll(server)
      #expect(fills(server) == damaged)
    }

    @Test func `a file that changed while the server was down is seen`() throws {
      let server = try server()
      try fill(server)
      server.stop()
      server.directory.replace("www/f5", with: Array("new".utf8))
      server.directory.remove("www/f6")
      try server.start()
      #expect(try server.get("/f5").text == "new")
      #expect(try server.get("/f6").status == 404)
    }

    @Test func `another size keeps the content`() throws {
      let server = try server("CacheSize 16M")
      try fill(server)
      server.stop()
      for configuration in [
        "CacheSize 48M", "CacheSize 24M\nCacheMaxObject 3M", "CacheSize 9M\nCacheMaxObject 100K",
      ] {
        server.configure(configuration)
        try server.start()
        try fetchAll(server)
        #expect(fills(server) == 0, "\(configuration)")
        server.stop()
      }
      #expect(server.said.contains("30 entries with"), "\(server.said)")
    }

    @Test func `a new master beside orphans has their content, and they end in peace`() throws {
      let server = try server()
      try fill(server)
      let idle = try server.open()
      #expect(try idle.get("/f1").status == 200)
      let segment = try segment(server)
      let workers = server.workers
      for worker in workers { send(signal: Signal.stop, toProcess: worker) }
      server.stop(Signal.kill)
      // The address is theirs, and they cannot leave it: another one, with the same files.
      server.directory.replace(
        "ring3.conf",
        with: Array(
          server.directory.read("ring3.conf").replacing(
            "127.0.0.1:\(server.port)", with: "127.0.0.2:\(server.port)"
          ).utf8))
      let started = try? server.daemonStart()
      defer {
        for worker in workers { send(signal: Signal.continue, toProcess: worker) }
        started?.signal(Signal.terminate)
        _ = started?.wait(milliseconds: 10_000)
      }
      let daemon = try #require(started)
      #expect(eventually { server.control("status").succeeded })
      let elders = try FileManager.default.contentsOfDirectory(atPath: "/dev/shm").filter {
        "/dev/shm/\($0)".hasPrefix(segment + ".elder")
      }
      #expect(elders.count == 1)
      #expect(server.said.contains("is still in use, a new one is made"), "\(server.said)")
      for worker in workers { send(signal: Signal.continue, toProcess: worker) }
      // They leave by themselves; then the name of their segment goes.
      #expect(
        eventually(milliseconds: 30_000) {
          elders.allSatisfy { !FileManager.default.fileExists(atPath: "/dev/shm/\($0)") }
        })
      #expect(daemon.end() == nil)
      #expect(FileManager.default.fileExists(atPath: segment))
    }

    @Test func `a new image with another layout leaves the old one's segment to its workers`()
      throws
    {
      let server = try server()
      try fill(server)
      let segment = try segment(server)
      let idle = try server.open()
      #expect(try idle.get("/f1").status == 200)
      // To the new image it is one of another version; who has it mapped looks no more.
      let file = try #require(FileHandle(forUpdatingAtPath: segment))
      try file.seek(toOffset: 8)
      try file.write(contentsOf: Data([99, 0, 0, 0]))
      try file.close()
      let workers = server.workers
      server.program?.signal(Signal.user2)
      #expect(
        eventually(milliseconds: 20_000) {
          !server.workers.isEmpty && Set(server.workers).isDisjoint(with: workers)
        })
      #expect(server.said.contains("the earlier one has another layout"), "\(server.said)")
      #expect(try idle.get("/f1").body == Self.body(1))
      try fetchAll(server)
      // Old workers leave; their segment's name goes, the new one stays.
      let elder = segment + ".elder0"
      #expect(eventually(milliseconds: 20_000) { !FileManager.default.fileExists(atPath: elder) })
      #expect(FileManager.default.fileExists(atPath: segment))
    }

    @Test func `CachePersist Off leaves nothing at a clean stop`() throws {
      let server = try server("CachePersist Off", files: 3)
      try fill(server, files: 3)
      let segment = try segment(server)
      server.stop()
      #expect(!FileManager.default.fileExists(atPath: segment))
      server.configure("")
      try server.start()
      try fill(server, files: 3)
      // As of the last configuration that served.
      #expect(server.reload("CachePersist Off").succeeded)
      server.stop(Signal.quit)
      #expect(!FileManager.default.fileExists(atPath: segment))
    }

    @Test func `the segment is its owner's alone, and another server's is another`() throws {
      let first = try server(files: 3)
      let second = try server(files: 3)
      let segments = try [segment(first), segment(second)]
      #expect(segments[0] != segments[1])
      for segment in segments {
        let facts = try FileManager.default.attributesOfItem(atPath: segment)
        #expect(facts[.posixPermissions] as? Int == 0o600)
      }
      // The same configuration once more is refused before it touches the segment.
      let again = first.daemon("--foreground")
      #expect(again.ending == .exited(1))
      #expect(try segment(first) == segments[0])
      try fetchAll(first, files: 3)
      #expect(fills(first) == 3 || fills(first) == 0)
    }

    @Test(arguments: ["a link", "open to others"])
    func `an object that is not the server's alone is not used`(_ what: String) throws {
      let server = try server(files: 3)
      let segment = try segment(server)
      server.stop()
      let files = FileManager.default
      if what == "a link" {
        server.directory.write([UInt8](repeating: 7, count: 9 << 20), to: "target")
        try files.removeItem(atPath: segment)
        try files.createSymbolicLink(
          atPath: segment, withDestinationPath: server.directory.path("target"))
      } else {
        try files.setAttributes([.posixPermissions: 0o666], ofItemAtPath: segment)
      }
      try server.start()
      #expect(server.said.contains("no shared cache"), "\(server.said)")
      #expect(server.said.contains(segment), "\(server.said)")
      try fetchAll(server, files: 3)
      server.stop()
      if what == "a link" {
        #expect(
          server.directory.read("target").utf8.elementsEqual([UInt8](repeating: 7, count: 9 << 20)))
      }
      try files.removeItem(atPath: segment)
    }

    @Test func `a size that does not fit is told, and the server serves without`() throws {
      // No machine that runs tests has as much.
      let server = try server("CacheSize 128G", files: 3)
      #expect(server.said.contains("no shared cache"), "\(server.said)")
      #expect(
        server.said.contains("a cache of 131072 MiB does not fit: /dev/shm has "), "\(server.said)")
      #expect(server.said.contains(" MiB of memory: No space left"), "\(server.said)")
      try fetchAll(server, files: 3)
    }

    @Test func `huge pages that the system refuses are a warning only where they are wanted`()
      throws
    {
      let mounts = textOfKernelFile("/proc/mounts").split(separator: "\n")
      guard !mounts.contains(where: { $0.contains(" /dev/shm ") && $0.contains("huge=") }) else {
        return
      }
      for (wish, isWarned) in [("auto", false), ("off", false), ("on", true)] {
        let server = try server("CacheHugePages \(wish)", files: 3)
        #expect(server.said.contains("CacheHugePages on: ") == isWarned, "\(server.said)")
        try fetchAll(server, files: 3)
        server.stop()
      }
    }
  }
}

extension TestServer {
  /// All processes that the master has made and that live.
  fileprivate var children: [Int32] {
    guard let program else { return [] }
    return textOfKernelFile("/proc/\(program.pid)/task/\(program.pid)/children")
      .split(whereSeparator: \.isWhitespace).compactMap { Int32($0) }
  }

  /// Starts ring3d without waiting for its address.
  fileprivate func daemonStart() throws -> ChildProgram {
    try ChildProgram(
      [Ring3.path("ring3d"), "--foreground", "-c", directory.path("ring3.conf")],
      outputPath: directory.path("output"))
  }
}
