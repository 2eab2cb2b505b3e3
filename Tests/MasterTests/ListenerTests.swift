// Listening sockets, sockets with a path, packets and the pid file, on the real kernel.

import Foundation
import Platform
import Testing
import Worker

@testable import Master

/// A loopback address nobody listens on now.
private func freeAddress() throws -> SocketAddress {
  let any = SocketAddress(IPAddress(v4: 0x7f00_0001), port: 0)
  let socket = try ListeningSocket.bound(to: any)
  return try #require(Stream.localAddress(socket.number))
}

private func temporaryPath(_ name: String) -> String {
  NSTemporaryDirectory() + "/ring3-\(ProcessInfo.processInfo.processIdentifier)-"
    + "\(UInt32.random(in: 0...UInt32.max))-\(name)"
}

@Suite(.serialized) struct ListenerTests {
  @Test func `every address gets one socket per slot, and more slots only add sockets`() throws {
    var table = ListenerTable()
    let address = try freeAddress()
    let first = try table.prepare([address], slotCount: 2)
    #expect(first.count == 2)
    #expect(table.identifiers([address], slots: [0, 1]).isEmpty, "nothing listens yet")
    #expect(table.listen(first, backlog: 5).isEmpty)
    #expect(table.identifiers([address], slots: [0, 1]) == first)
    let second = try table.prepare([address], slotCount: 3)
    #expect(second.count == 1)
    #expect(Set(first).isDisjoint(with: second))
    #expect(table.heritage([address]).map { $0.identifier } == first + second)
    #expect(try table.prepare([address], slotCount: 2).isEmpty)
  }

  @Test func `an address that somebody else listens on is refused and nothing has changed`() throws
  {
    let other = try freeAddress()
    let stranger = try ListeningSocket.bound(to: other)
    try ListeningSocket.listen(stranger, backlog: 1)
    var table = ListenerTable()
    let free = try freeAddress()
    #expect(throws: Refusal.self) { try table.prepare([free, other], slotCount: 2) }
    #expect(table.entries.isEmpty)
    // The free one is free again.
    try ListeningSocket.probe(free)
  }

  @Test func `our own socket on one address does not keep us from the wildcard of its port`() throws
  {
    var table = ListenerTable()
    let address = try freeAddress()
    _ = table.listen(try table.prepare([address], slotCount: 1), backlog: 5)
    let wildcard = SocketAddress(.anyV4, port: address.port)
    let fresh = try table.prepare([wildcard], slotCount: 1)
    #expect(table.listen(fresh, backlog: 5).isEmpty)
  }

  @Test func `an ended socket frees its address even while somebody still holds it`() throws {
    var table = ListenerTable()
    let address = try freeAddress()
    let identifiers = try table.prepare([address], slotCount: 1)
    _ = table.listen(identifiers, backlog: 5)
    let held = table.entries[0].descriptor
    table.end(Set(identifiers))
    #expect(table.entries.isEmpty)
    #expect(!ListeningSocket.isListening(held))
  }

  @Test func `a socket from a service manager becomes slot 0 of its address`() throws {
    let address = try freeAddress()
    let given = try ListeningSocket.bound(to: address)
    try ListeningSocket.listen(given, backlog: 5)
    var table = ListenerTable()
    try table.give([given])
    let fresh = try table.prepare([address], slotCount: 2)
    #expect(fresh.count == 2)
    #expect(table.entries.first { $0.slot == 0 }?.descriptor.number == given.number)
  }

  @Test func `a service manager's socket outlives the address and the image`() throws {
    let address = try freeAddress()
    let given = try ListeningSocket.bound(to: address)
    try ListeningSocket.listen(given, backlog: 5)
    var table = ListenerTable()
    try table.give([given])
    let fresh = try table.prepare([address], slotCount: 1)
    _ = table.listen(fresh, backlog: 5)
    table.end(Set(fresh))
    #expect(ListeningSocket.isListening(given))
    // Unused now, but not forgotten: neither by the next image nor by the next reload.
    var next = ListenerTable()
    for entry in table.inheritable { next.inherit(entry) }
    #expect(next.entries.isEmpty)
    #expect(try next.prepare([address], slotCount: 1).count == 1)
    #expect(next.entries[0].descriptor.number == given.number)
    #expect(next.inheritable.map { $0.isGiven } == [true])
  }

  @Test func `the pid file of a live instance names it, a stale one is no obstacle`() throws {
    let path = temporaryPath("pid")
    try "99999999\n".write(toFile: path, atomically: false, encoding: .utf8)
    var file: LockedFile? = try LockedFile(path: path)
    let own = ProcessInfo.processInfo.processIdentifier
    #expect(LockedFile.holder(path: path) == own)
    #expect(throws: LockedFile.Failure.held(path: path, by: own)) { try LockedFile(path: path) }
    file = nil
    _ = file
    let again = try LockedFile(path: path)
    again.remove()
    #expect(!FileManager.default.fileExists(atPath: path))
  }

  @Test func `a stale socket file is replaced, a live one and another file are not`() throws {
    let path = temporaryPath("sock")
    var first: Descriptor? = try UnixSocket.listen(
      path: path, mode: 0o600, owner: nil, group: nil, backlog: 4)
    let live = #expect(throws: SystemError.self) {
      try UnixSocket.listen(path: path, mode: 0o600, owner: nil, group: nil, backlog: 4)
    }
    #expect(live?.code == SystemError.addressInUse)
    first = nil
    _ = first
    let second = try UnixSocket.listen(
      path: path, mode: 0o640, owner: nil, group: nil, backlog: 4)
    let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    #expect(mode == 0o640)
    let client = try UnixSocket.connect(path: path)
    let accepted = try #require(try UnixSocket.accept(second))
    #expect(try UnixSocket.peer(of: accepted).user == getuid())
    withExtendedLifetime(client) {}
    UnixSocket.remove(path: path)
    try "text".write(toFile: path, atomically: false, encoding: .utf8)
    let file = #expect(throws: SystemError.self) {
      try UnixSocket.listen(path: path, mode: 0o600, owner: nil, group: nil, backlog: 4)
    }
    #expect(file?.code == SystemError.exists)
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "text")
    UnixSocket.remove(path: path)
  }

  @Test func `a log is never waited for`() throws {
    let path = temporaryPath("fifo")
    #expect(NamedPipe.make(path))
    defer { try? FileManager.default.removeItem(atPath: path) }
    #expect(throws: SystemError.self) { try LogFile.open(path) }
    let reader = try #require(FileHandle(forUpdatingAtPath: path))
    let log = try LogFile.open(path)
    // Far more than a pipe holds.
    LogFile.append([UInt8](repeating: 0x61, count: 1 << 20), to: log)
    withExtendedLifetime(reader) {}
  }

  @Test func `groups beside the primary one count`() {
    let peer = PeerIdentity(process: 1, user: 1000, group: 1000, supplementaryGroups: [27, 4])
    #expect([1000, 27, 4, 5].map { peer.isMember(of: $0) } == [true, true, true, false])
  }

  @Test func `packets keep their bounds and carry descriptors`() throws {
    let (left, right) = try MessageSocket.pair()
    let (inner, other) = try MessageSocket.pair()
    #expect(try left.send([1, 2, 3]))
    #expect(try left.send([4], descriptors: [inner.descriptor]))
    guard case .message([1, 2, 3], let none) = try right.receive() else {
      Issue.record("no first packet")
      return
    }
    #expect(none.isEmpty)
    guard case .message([4], let descriptors) = try right.receive() else {
      Issue.record("no second packet")
      return
    }
    #expect(try MessageSocket(descriptors[0]).send([9]))
    guard case .message([9], _) = try other.receive() else {
      Issue.record("the descriptor that arrived is another one")
      return
    }
    guard case .wouldBlock = try right.receive() else {
      Issue.record("more than was sent")
      return
    }
  }

  @Test func `a full channel is no error and a dead end is told`() throws {
    var (left, right): (MessageSocket?, MessageSocket) = try MessageSocket.pair()
    var sent = 0
    while try #require(left).send([UInt8](repeating: 7, count: 4096)) { sent += 1 }
    #expect(sent > 0)
    left = nil
    for _ in 0..<sent {
      guard case .message(let bytes, _) = try right.receive() else {
        Issue.record("a packet is missing")
        return
      }
      #expect(bytes.count == 4096)
    }
    guard case .closed = try right.receive() else {
      Issue.record("the end is not told")
      return
    }
    let error = #expect(throws: SystemError.self) { try right.send([1]) }
    #expect(error?.code == SystemError.brokenPipe)
  }

  @Test func `a packet that is longer than expected is an error and the next one arrives`() throws {
    let (left, right) = try MessageSocket.pair()
    #expect(try left.send([1, 2, 3, 4]))
    #expect(try left.send([5]))
    #expect(throws: SystemError.self) { try right.receive(byteCountMax: 3) }
    guard case .message([5], _) = try right.receive(byteCountMax: 3) else {
      Issue.record("the next packet is lost")
      return
    }
  }

  @Test func `replies to a slot's former owner are thrown away`() throws {
    var pool = HelperPool()
    #expect(try pool.ensure(slot: 40))
    #expect(try !pool.ensure(slot: 33), "the block covers 32 … 63")
    #expect(pool.channel(slot: 5) == nil)
    let block = pool.blocks[0]
    #expect(try MessageSocket(block.helperEnds[8]).send([1, 2]))
    let end = try #require(pool.channel(slot: 40))
    guard case .wouldBlock = try MessageSocket(end).receive() else {
      Issue.record("a stale reply is left")
      return
    }
  }
}
