// The control socket: many clients, one request each, all of them bounded.

import Configuration
import Platform

/// Clients of the control socket. Knows bytes and deadlines; `Master` knows what they mean.
final class ControlServer {
  enum State: Equatable {
    case reading
    /// The answer comes later (a reload, a stop).
    case waiting
    /// A part of the answer may be on its way, and more comes later (a walk through the cache).
    case streaming
    case writing
  }

  struct Client {
    let descriptor: Descriptor
    var peer: PeerIdentity
    /// It may not command the server.
    let isGuest: Bool
    var state = State.reading
    var bytes: [UInt8] = []
    var sent = 0
    /// nil while it waits.
    var deadline: Int64?
    /// Has time anew whenever it takes something.
    var isStream = false
    var request: ControlRequest?
    /// Its last request was JSON, and so are answers and events.
    var speaksJSON = false
    /// It stays open for more requests: see ControlSessions.
    var isSession = false
    /// What has come behind the last request.
    var input: [UInt8] = []
    /// When a session's line that has begun must be whole.
    var lineDeadline: Int64?
    /// Descriptors sent since it had read everything.
    var lentCount = 0
    /// It may send the listening sockets in this directory back; nil: no descriptors at all.
    var lendsFrom: String?
    /// It has sent something else.
    var hasSentForeign = false
    /// Descriptors that came with it, of a session.
    var lent: [Descriptor] = []
  }

  let path: String
  let listener: Descriptor
  /// This kernel keeps descriptors away from who may not send any.
  let refusesDescriptors: Bool
  /// Of clients that are gone, until nobody here has their connections any more.
  var holds: [UnixSocket.Hold] = []
  private let poller: Poller
  var clients: [UInt64: Client] = [:]
  private var lastSerial: UInt64 = 0

  init(path: String, listener: Descriptor, poller: Poller) throws(SystemError) {
    self.path = path
    self.listener = listener
    self.poller = poller
    refusesDescriptors = UnixSocket.passDescriptors(listener, false)
    try poller.add(listener.number, token: Token.controlListener, interest: .readable)
  }

  /// Every descriptor, for a child that must not hold them.
  var numbers: [CInt] {
    [listener.number] + holds.map(\.number)
      + clients.values.flatMap { [$0.descriptor.number] + $0.lent.map(\.number) }
  }

  var nextDeadline: Int64? {
    clients.values.lazy.flatMap { [$0.deadline, $0.lineDeadline] }.compactMap { $0 }.min()
  }

  /// Takes all waiting clients; beyond the limits they are closed at once. Guests, who may not
  /// command, have limits of their own, so that they keep nobody else away.
  func accept(now: Int64, isGuest: (PeerIdentity) -> Bool) {
    while let descriptor = (try? UnixSocket.accept(listener)) ?? nil {
      guard let peer = try? UnixSocket.peer(of: descriptor) else { continue }
      let isGuest = isGuest(peer)
      let alike = clients.values.filter { $0.isGuest == isGuest }
      let limit = isGuest ? Limits.controlGuests : Limits.controlClients
      // Sessions last: they are counted apart, so that they do not keep commands away.
      guard alike.count(where: { isGuest || !$0.isSession }) < limit else {
        refuse(descriptor, "there are \(limit) connections already, which is the most")
        continue
      }
      let most = Limits.controlGuestsPerUser
      guard !isGuest || alike.count(where: { $0.peer.user == peer.user }) < most else {
        refuse(descriptor, "this user has \(most) connections already, which is the most")
        continue
      }
      lastSerial += 1
      let added: Void? = try? poller.add(
        descriptor.number, token: Token.client(lastSerial), interest: .readable)
      guard added != nil else { continue }
      clients[lastSerial] = Client(
        descriptor: descriptor, peer: peer, isGuest: isGuest,
        deadline: now + Limits.controlMilliseconds)
    }
  }

  /// Says why a client is not served; as much as its socket takes at once.
  private func refuse(_ descriptor: Descriptor, _ reason: String) {
    let answer = ControlAnswer.failure("\(reason); try again later\n")
    _ = UnixSocket.send(descriptor, answer.bytes[...])
    hold(descriptor)
  }

  /// Reads or writes; returns a request that has just become complete.
  func advance(_ serial: UInt64) -> ControlRequest? {
    guard var client = clients[serial] else { return nil }
    if !refusesDescriptors, client.lendsFrom == nil, bringsDescriptors(client.descriptor) {
      close(serial)
      return nil
    }
    if client.isSession {
      readSession(serial)
      return nil
    }
    switch client.state {
    case .writing:
      write(serial)
      return nil
    case .waiting:
      // Nothing is expected: bytes are thrown away, an end means that nobody waits any more.
      if case .closed = UnixSocket.receive(client.descriptor, byteCountMax: 4096) { close(serial) }
      return nil
    case .streaming:
      if case .closed = UnixSocket.receive(client.descriptor, byteCountMax: 4096) {
        close(serial)
      } else {
        write(serial)
      }
      return nil
    case .reading: break
    }
    switch UnixSocket.receive(client.descriptor, byteCountMax: 4096) {
    case .wouldBlock: return nil
    case .closed:
      close(serial)
      return nil
    case .bytes(let bytes): client.bytes += bytes
    }
    client.speaksJSON = ControlRequest.isJSON(client.bytes)
    clients[serial] = client
    switch ControlRequest.parse(client.bytes) {
    case .needMore: return nil
    case .garbage(let text):
      answer(serial, .failure("bad request: \(text)\n", code: 2))
      return nil
    case .request(let request):
      clients[serial]?.state = .waiting
      clients[serial]?.deadline = nil
      clients[serial]?.bytes = []
      clients[serial]?.input = Array(
        client.bytes.drop { $0 != UInt8(ascii: "\n") }.dropFirst())
      clients[serial]?.request = request
      return request
    }
  }

  /// Sends an answer; the connection ends after its last byte.
  func answer(_ serial: UInt64, _ answer: ControlAnswer) {
    guard let client = clients[serial] else { return }
    clients[serial]?.state = client.isSession ? .streaming : .writing
    append(serial, bytes(of: answer, for: client))
  }

  /// Sends a part of an answer; `answer` ends it. Ask `backlog` first.
  func stream(_ serial: UInt64, _ part: ControlAnswer) {
    guard let client = clients[serial] else { return }
    clients[serial]?.state = .streaming
    clients[serial]?.isStream = true
    append(serial, client.speaksJSON ? part.jsonBytes(isWhole: false) : part.partBytes)
  }

  /// Tells a session something that it has not asked for; one that reads nothing is told nothing.
  func tell(_ serial: UInt64, event: String, queue: String) -> Bool {
    guard let client = clients[serial], client.isSession, hasRoom(serial) else { return false }
    clients[serial]?.state = .streaming
    let members: [(name: String, value: JSON)] = [
      ("event", .string(event)), ("queue", .string(queue)),
    ]
    let line = client.speaksJSON ? JSON.object(members).text : "! \(event) \(queue)"
    append(serial, Array((line + "\n").utf8))
    return true
  }

  /// In the client's spelling.
  func bytes(of answer: ControlAnswer, for client: Client) -> [UInt8] {
    client.speaksJSON ? answer.jsonBytes(isWhole: true) : answer.bytes
  }

  /// Bytes that a client has not taken yet; nil when it is gone. More is worth making when this is
  /// below `Limits.controlBacklogBytes`.
  func backlog(_ serial: UInt64) -> Int? { clients[serial].map { $0.bytes.count - $0.sent } }

  private func append(_ serial: UInt64, _ bytes: [UInt8]) {
    guard let client = clients[serial] else { return }
    if client.sent == client.bytes.count {
      clients[serial]?.bytes = bytes
      clients[serial]?.sent = 0
      clients[serial]?.deadline = Clock.monotonicMilliseconds() + Limits.controlMilliseconds
    } else {
      clients[serial]?.bytes += bytes
    }
    write(serial)
  }

  /// Until its answer leaves nothing that a client sends is looked at, not even its end.
  func hold(_ serial: UInt64) {
    if let client = clients[serial] { poller.remove(client.descriptor.number) }
  }

  /// Answers a client that was held, and listens to it again.
  func release(_ serial: UInt64, _ answer: ControlAnswer) {
    guard let client = clients[serial] else { return }
    let added: Void? = try? poller.add(
      client.descriptor.number, token: Token.client(serial), interest: .readable)
    guard added != nil else { return close(serial) }
    self.answer(serial, answer)
  }

  func write(_ serial: UInt64) {
    guard var client = clients[serial] else { return }
    let before = client.sent
    while client.sent < client.bytes.count {
      guard let count = UnixSocket.send(client.descriptor, client.bytes[client.sent...]) else {
        close(serial)
        return
      }
      if count == 0 { break }
      client.sent += count
    }
    let isAllSent = client.sent == client.bytes.count
    if isAllSent && client.state == .writing {
      close(serial)
      return
    }
    if client.sent > 0 {
      client.bytes.removeFirst(client.sent)
      if client.isStream && client.sent > before {
        client.deadline = Clock.monotonicMilliseconds() + Limits.controlMilliseconds
      }
      client.sent = 0
    }
    if isAllSent { client.deadline = nil }
    clients[serial] = client
    // One that streams is listened to, too: its end ends the work for it.
    let interest: Interest =
      client.state == .writing || client.isSession && !hasRoom(serial)
      ? .writable : isAllSent ? .readable : [.readable, .writable]
    try? poller.modify(client.descriptor.number, token: Token.client(serial), interest: interest)
  }

  /// Ends clients that are too slow; returns those that are gone, for whoever remembers them.
  func expire(now: Int64) {
    holds = []
    for (serial, client) in clients {
      let deadline = min(client.deadline ?? .max, client.lineDeadline ?? .max)
      if deadline <= now { close(serial) }
    }
  }

  func close(_ serial: UInt64) {
    guard let client = clients.removeValue(forKey: serial) else { return }
    poller.remove(client.descriptor.number)
    hold(client.descriptor, isUnsure: client.lendsFrom != nil)
  }

  func removeSocketFile() { UnixSocket.remove(path: path) }
}
