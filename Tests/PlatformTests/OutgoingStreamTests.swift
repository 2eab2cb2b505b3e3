// Connecting to other servers without waiting: TCP and Unix sockets, and how it can fail.

import Foundation
import Testing

@testable import Platform

@Suite struct `an outgoing stream` {
  private let loopback = IPAddress(v4: 0x7f00_0001)

  /// A bound port, listening or not.
  private func server(listens: Bool) throws -> (Descriptor, SocketAddress) {
    let socket = try ListeningSocket.bound(to: SocketAddress(loopback, port: 0))
    if listens { try ListeningSocket.listen(socket, backlog: 8) }
    return (socket, try #require(Stream.localAddress(socket.number)))
  }

  /// Waits until a connection is decided, at most five seconds.
  private func ended(_ number: CInt) throws -> SystemError? {
    let poller = try Poller(batchMax: 1)
    try poller.add(number, token: 0, interest: .writable)
    #expect(poller.wait(timeoutMilliseconds: 5_000) == 1)
    return Stream.connectError(number)
  }

  @Test func `connects to a server that listens`() throws {
    let (listener, address) = try server(listens: true)
    let number: CInt
    switch Stream.connect(to: address) {
    case .connected(let own): number = own
    case .inProgress(let own):
      number = own
      #expect(try ended(number) == nil)
    default:
      Issue.record("not connected")
      return
    }
    defer { Descriptor.close(number) }
    #expect(fcntl(number, F_GETFL) & O_NONBLOCK != 0)
    #expect(fcntl(number, F_GETFD) & FD_CLOEXEC != 0)
    var value: CInt = 0
    var size = socklen_t(4)
    #expect(unsafe getsockopt(number, CInt(IPPROTO_TCP), TCP_NODELAY, &value, &size) == 0)
    #expect(value != 0)
    guard case .accepted(let other, let client) = Stream.accept(listener.number) else {
      Issue.record("nobody came")
      return
    }
    #expect(client == Stream.localAddress(number))
    Descriptor.close(other)
  }

  @Test func `tells that nobody listens`() throws {
    let (socket, address) = try server(listens: false)
    switch Stream.connect(to: address) {
    case .inProgress(let number):
      #expect(try ended(number)?.code == ECONNREFUSED)
      Descriptor.close(number)
    case .refused(let error):
      #expect(error.code == ECONNREFUSED && error.subject == address.description)
    default: Issue.record("connected to nobody")
    }
    _ = socket
  }

  @Test func `connects to Unix sockets, and tells a full queue from no server`() throws {
    let name = "\(FileManager.default.temporaryDirectory.path)/r3-\(UUID().uuidString).sock"
    let path = Array(name.utf8)
    guard case .refused(let missing) = Stream.connect(toUnix: path) else {
      Issue.record("connected to no file")
      return
    }
    #expect(missing.code == ENOENT && missing.subject == name)
    let listener = try UnixSocket.listen(
      path: name, mode: 0o600, owner: nil, group: nil, backlog: 1)
    defer { UnixSocket.remove(path: name) }
    var numbers: [CInt] = []
    var isFull = false
    while !isFull, numbers.count < 16 {
      switch Stream.connect(toUnix: path) {
      case .connected(let number): numbers.append(number)
      case .queueFull: isFull = true
      default: Issue.record("neither connected nor told that the queue is full")
      }
    }
    #expect(isFull && !numbers.isEmpty)
    for number in numbers { Descriptor.close(number) }
    _ = listener
    let long = Stream.connect(toUnix: [UInt8](repeating: 0x2f, count: 108))
    guard case .refused(let error) = long else {
      Issue.record("connected to a path that no address can hold")
      return
    }
    #expect(error.code == ENAMETOOLONG)
  }

  @Test func `resolves literals of both families`() throws {
    let v4 = try NameResolver.addresses(of: "127.0.0.1", port: 8080)
    #expect(v4 == [SocketAddress(loopback, port: 8080)])
    let v6 = try NameResolver.addresses(of: "::1", port: 81)
    #expect(v6 == [SocketAddress(IPAddress(v6High: 0, low: 1), port: 81)])
    #expect(throws: NameFailure.self) {
      _ = try NameResolver.addresses(of: "name.invalid", port: 80)
    }
  }
}
