// What the library needs of the kernel and Dispatch: Unix sockets, descriptors, waiting, a timer.

import CLinux
import Dispatch
import Glibc

/// Calls of the kernel, without a thread and without a pointer in a signature.
enum System {
  /// What `receive` found.
  enum Received {
    /// Numbers belong to the caller.
    case bytes([UInt8], [CInt])
    case wouldBlock
    /// The other end is gone, or the connection is unusable: why.
    case closed(String)
  }

  private static let receiveBytesMax = 65_536

  /// An environment variable; nil if it is not set.
  static func environment(_ name: String) -> String? {
    guard let value = unsafe getenv(name) else { return nil }
    return unsafe String(cString: value)
  }

  /// What errno says, for people.
  static var failure: String {
    guard let text = unsafe strerror(ring3_errno()) else { return "error \(ring3_errno())" }
    return unsafe String(cString: text)
  }

  /// A connected, non-blocking Unix stream socket, or -1 and errno. EAGAIN: too many wait there.
  static func connect(path: String) -> CInt { unsafe ring3_unix_stream(path, 0, 1) }

  /// What came of `accept`.
  enum Accepted {
    /// The number belongs to the caller.
    case accepted(CInt)
    /// Somebody else has taken it, or it was given up.
    case wouldBlock
    /// There is no descriptor or memory for it at the moment.
    case failed
  }

  /// One connection, non-blocking and close-on-exec, of a non-blocking listening socket. accept(2).
  static func accept(_ socket: CInt) -> Accepted {
    let number = ring3_accept(socket, nil, nil)
    if number >= 0 { return .accepted(number) }
    return [EAGAIN, EINTR, ECONNABORTED].contains(ring3_errno()) ? .wouldBlock : .failed
  }

  /// Ends a connection in both directions; the number stays open.
  static func shutDown(_ socket: CInt) { _ = shutdown(socket, CInt(SHUT_RDWR)) }

  /// Sends what fits, with descriptors beside its first byte; nil if the other end is gone.
  static func send(_ socket: CInt, _ bytes: ArraySlice<UInt8>, with numbers: [CInt]) -> Int? {
    if bytes.isEmpty { return 0 }
    let sent = unsafe bytes.withUnsafeBytes { buffer in
      unsafe ring3_message_send(socket, buffer.baseAddress, buffer.count, numbers, numbers.count)
    }
    if sent >= 0 { return sent }
    return [EAGAIN, EINTR].contains(ring3_errno()) ? 0 : nil
  }

  /// Receives bytes and what descriptors come with them, close-on-exec.
  static func receive(_ socket: CInt) -> Received {
    var numbers = [CInt](repeating: -1, count: Int(RING3_MESSAGE_DESCRIPTORS_MAX))
    var numberCount = 0
    var flags: CInt = 0
    var result = -1
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: receiveBytesMax) { buffer, count in
      repeat {
        result = unsafe ring3_message_receive(
          socket, buffer.baseAddress, receiveBytesMax, &numbers, &numberCount, &flags)
      } while result < 0 && ring3_errno() == EINTR
      count = max(0, result)
    }
    if result < 0 { return ring3_errno() == EAGAIN ? .wouldBlock : .closed(failure) }
    let arrived = Array(numbers.prefix(numberCount))
    if result > 0 && flags & 2 == 0 { return .bytes(bytes, arrived) }
    for number in arrived { _ = close(number) }
    return .closed(
      result == 0
        ? "the server ended the session" : "this process has too many open files for a socket more")
  }

  /// Waits until a descriptor is readable (or writable), at most so long. False after that time.
  static func wait(_ number: CInt, writable: Bool, milliseconds: Int32) -> Bool {
    var item = pollfd(fd: number, events: Int16(writable ? POLLOUT : POLLIN), revents: 0)
    return unsafe poll(&item, 1, milliseconds) > 0
  }
}

/// One descriptor that others can wait for: readable when one that it watches is, or when its timer
/// has run out. epoll(7), timerfd_create(2).
final class Alarm: Sendable {
  let descriptor: CInt
  private let timer: CInt

  init() throws(ControlError) {
    descriptor = epoll_create1(CInt(EPOLL_CLOEXEC))
    timer = timerfd_create(CLOCK_MONOTONIC, CInt(TFD_CLOEXEC | TFD_NONBLOCK))
    guard descriptor >= 0, timer >= 0, watch(timer) else {
      throw ControlError(.local, "no events can be waited for: \(System.failure)")
    }
  }

  deinit {
    _ = close(timer)
    _ = close(descriptor)
  }

  /// From now on it is readable when `number` is.
  func watch(_ number: CInt) -> Bool {
    var event = unsafe epoll_event()
    unsafe event.events = EPOLLIN.rawValue | EPOLLRDHUP.rawValue
    return unsafe epoll_ctl(descriptor, EPOLL_CTL_ADD, number, &event) == 0
  }

  func forget(_ number: CInt) {
    var event = unsafe epoll_event()
    _ = unsafe epoll_ctl(descriptor, EPOLL_CTL_DEL, number, &event)
  }

  /// Readable after so long, until it is set anew; nil: not at all.
  func set(after delay: Duration?) {
    var value = itimerspec()
    if let delay {
      let (seconds, attoseconds) = delay.components
      value.it_value.tv_sec = max(0, Int(seconds))
      // Zero would turn it off.
      value.it_value.tv_nsec = max(delay <= .zero ? 1 : 0, Int(attoseconds / 1_000_000_000))
    }
    _ = unsafe timerfd_settime(timer, 0, &value, nil)
  }
}

/// Does something whenever a descriptor is readable, from its making until `cancel`.
final class ReadableWatch: Sendable {
  // Sources may be used from any thread, but are not marked so.
  private nonisolated(unsafe) let source: any DispatchSourceRead

  /// - Parameters:
  ///   - body: kept, with all that it holds, until nothing waits for the descriptor.
  ///   - whenCancelled: done once, after the last time that `body` was.
  init(
    _ descriptor: CInt, on queue: DispatchQueue, _ body: @escaping @Sendable () -> Void,
    whenCancelled: @escaping @Sendable () -> Void = {}
  ) {
    unsafe source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: queue)
    unsafe source.setEventHandler(handler: body)
    unsafe source.setCancelHandler { withExtendedLifetime(body, whenCancelled) }
    unsafe source.activate()
  }

  func cancel() { unsafe source.cancel() }
}
