// Unix stream sockets with a path: the control socket and its client, and who is at the other end.

import CLinux
import Glibc

/// Who holds the other end, as the kernel says (SO_PEERCRED, SO_PEERGROUPS).
package struct PeerIdentity: Equatable, Sendable {
  package let process: Int32
  package let user: UInt32
  /// The primary one.
  package let group: UInt32
  package let supplementaryGroups: [UInt32]
  /// Whose is what it makes: the user himself, unless root has said that it acts for another.
  package var owner: UInt32

  package init(process: Int32, user: UInt32, group: UInt32, supplementaryGroups: [UInt32] = []) {
    self.process = process
    self.user = user
    owner = user
    self.group = group
    self.supplementaryGroups = supplementaryGroups
  }

  package func isMember(of group: UInt32) -> Bool {
    group == self.group || supplementaryGroups.contains(group)
  }
}

/// Unix stream sockets: the path's first '@' means the abstract namespace. unix(7).
package enum UnixSocket {
  /// A listening socket at `path`, non-blocking. A socket file that nobody listens on is removed
  /// first; a live one throws EADDRINUSE, and a file that is no socket throws EEXIST. `mode` holds
  /// from the first moment; owner and group change only where given.
  package static func listen(
    path: String, mode: UInt32, owner: UInt32?, group: UInt32?, backlog: Int32
  ) throws(SystemError) -> Descriptor {
    do {
      try removeStale(path)
      // The mode is made with the socket, and the owner of a link is the link's: by path, a moment
      // later, it might be another file.
      let before = umask(~mode & 0o777)
      defer { umask(before) }
      let socket = Descriptor(
        adopting: try systemCall("bind") { unsafe ring3_unix_stream(path, 1, 1) })
      if !path.hasPrefix("@") && (owner != nil || group != nil) {
        _ = try systemCall("lchown") {
          unsafe lchown(path, owner ?? UInt32.max, group ?? UInt32.max)
        }
      }
      _ = try systemCall("listen") { Glibc.listen(socket.number, backlog) }
      return socket
    } catch {
      throw error.on(path)
    }
  }

  /// A blocking connection to `path`.
  package static func connect(path: String) throws(SystemError) -> Descriptor {
    do {
      return Descriptor(
        adopting: try systemCall("connect") { unsafe ring3_unix_stream(path, 0, 0) })
    } catch {
      throw error.on(path)
    }
  }

  /// Where a Unix stream socket listens; nil for anything else, and for one without a path.
  package static func listeningPath(of socket: Descriptor) -> String? {
    listeningPath(ofNumber: socket.number)
  }

  static func listeningPath(ofNumber number: CInt) -> String? {
    var isListening: CInt = 0
    var kind: CInt = 0
    var size = socklen_t(MemoryLayout<CInt>.size)
    guard
      unsafe getsockopt(number, SOL_SOCKET, SO_ACCEPTCONN, &isListening, &size) == 0,
      unsafe getsockopt(number, SOL_SOCKET, SO_TYPE, &kind, &size) == 0,
      isListening != 0, kind == CInt(SOCK_STREAM.rawValue)
    else { return nil }
    var address = sockaddr_un()
    var length = socklen_t(MemoryLayout<sockaddr_un>.size)
    let result = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe getsockname(number, $0, &length)
      }
    }
    guard result == 0, address.sun_family == sa_family_t(AF_UNIX) else { return nil }
    let bytes = unsafe withUnsafeBytes(of: address.sun_path) { path in
      unsafe [UInt8](path.prefix { $0 != 0 })
    }
    return bytes.isEmpty ? nil : String(validating: bytes, as: UTF8.self)
  }

  /// The next waiting client, non-blocking; nil when there is none.
  package static func accept(_ listener: Descriptor) throws(SystemError) -> Descriptor? {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    do {
      let number = try systemCall("accept4") {
        unsafe withUnsafeMutablePointer(to: &storage) { pointer in
          unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
            unsafe ring3_accept(listener.number, address, &length)
          }
        }
      }
      return Descriptor(adopting: number)
    } catch {
      if error.code == EAGAIN || error.code == ECONNABORTED { return nil }
      throw error
    }
  }

  /// Whether somebody waits to be accepted.
  package static func hasWaiting(_ listener: Descriptor) -> Bool {
    var entry = pollfd(fd: listener.number, events: Int16(POLLIN), revents: 0)
    return unsafe poll(&entry, 1, 0) > 0 && entry.revents & Int16(POLLIN) != 0
  }

  /// SO_PEERCRED: who connected.
  package static func peer(of socket: Descriptor) throws(SystemError) -> PeerIdentity {
    var process: Int32 = 0
    var user: UInt32 = 0
    var group: UInt32 = 0
    _ = try systemCall("getsockopt") {
      unsafe ring3_peer(socket.number, &process, &user, &group)
    }
    return PeerIdentity(
      process: process, user: user, group: group, supplementaryGroups: peerGroups(socket))
  }

  /// Empty where the kernel cannot tell (before 4.13).
  private static func peerGroups(_ socket: Descriptor) -> [UInt32] {
    var groups = [UInt32](repeating: 0, count: 64)
    for _ in 0..<2 {
      var size = socklen_t(groups.count * MemoryLayout<UInt32>.size)
      let result = unsafe getsockopt(socket.number, SOL_SOCKET, SO_PEERGROUPS, &groups, &size)
      let count = Int(size) / MemoryLayout<UInt32>.size
      if result == 0 { return Array(groups.prefix(count)) }
      guard ring3_errno() == ERANGE, count > groups.count else { return [] }
      groups = [UInt32](repeating: 0, count: count)
    }
    return []
  }

  /// What `receive` found.
  package enum Received: Sendable {
    case bytes([UInt8])
    case wouldBlock
    case closed
  }

  /// At most `byteCountMax` bytes. A reset counts as closed.
  package static func receive(_ socket: Descriptor, byteCountMax: Int) -> Received {
    var result = 0
    var code: CInt = 0
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: byteCountMax) { buffer, count in
      repeat {
        unsafe result = read(socket.number, buffer.baseAddress, byteCountMax)
        code = result < 0 ? ring3_errno() : 0
      } while code == EINTR
      count = max(0, result)
    }
    if result > 0 { return .bytes(bytes) }
    return code == EAGAIN ? .wouldBlock : .closed
  }

  /// Sends what fits; returns how many bytes that was, nil when the other end is gone.
  package static func send(_ socket: Descriptor, _ bytes: ArraySlice<UInt8>) -> Int? {
    if bytes.isEmpty { return 0 }
    let result = unsafe bytes.withUnsafeBytes { buffer in
      while true {
        let sent = unsafe Glibc.send(
          socket.number, buffer.baseAddress, buffer.count, CInt(MSG_NOSIGNAL))
        if sent >= 0 { return sent }
        let code = ring3_errno()
        if code == EAGAIN { return 0 }
        if code != EINTR { return -1 }
      }
    }
    return result < 0 ? nil : result
  }

  /// What was sent over a stream socket and the other end has not received yet, in bytes as the
  /// kernel accounts for them; 0: it has received everything. unix(7), SIOCOUTQ.
  package static func unreadBytes(_ socket: Descriptor) -> Int {
    var count: CInt = 0
    guard unsafe ioctl(socket.number, UInt(TIOCOUTQ), &count) == 0 else { return 0 }
    return Int(count)
  }

  /// Sends everything over a blocking socket; false when the other end is gone before that.
  package static func sendAll(_ socket: Descriptor, _ bytes: [UInt8]) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
      guard let count = send(socket, rest) else { return false }
      rest = rest.dropFirst(count)
    }
    return true
  }

  /// Whether somebody accepts connections at `path`.
  package static func isAlive(path: String) -> Bool {
    let number = unsafe ring3_unix_stream(path, 0, 1)
    if number < 0 { return ring3_errno() == EAGAIN }
    Descriptor.close(number)
    return true
  }

  /// Removes a socket file that nobody listens on any more; false, and nothing is removed, when
  /// somebody may. Who does finds a connection that says nothing.
  package static func removeUnheld(path: String) -> Bool {
    let number = unsafe ring3_unix_stream(path, 0, 1)
    let code = number < 0 ? ring3_errno() : 0
    if number >= 0 { Descriptor.close(number) }
    guard code == ECONNREFUSED else { return code == ENOENT }
    remove(path: path)
    return true
  }

  /// Removes the file of a socket that we listened on.
  package static func remove(path: String) {
    if !path.hasPrefix("@") { _ = unsafe unlink(path) }
  }

  private static func removeStale(_ path: String) throws(SystemError) {
    if path.hasPrefix("@") { return }
    var status = stat()
    guard unsafe lstat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFSOCK else {
      throw SystemError(code: EEXIST, operation: "bind")
    }
    if isAlive(path: path) { throw SystemError(code: EADDRINUSE, operation: "bind") }
    _ = try systemCall("unlink") { unsafe unlink(path) }
  }
}
