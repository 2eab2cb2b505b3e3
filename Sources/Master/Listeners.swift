// The listening sockets: one per address and worker slot, owned by the master for ever.

import Platform
import Worker

/// All listening sockets, by identifier. A socket is bound when a reload needs it and starts to
/// listen when the generation that brought it serves: before that it would take a share of the
/// connections that nobody accepts.
struct ListenerTable {
  struct Entry {
    let identifier: UInt32
    let address: SocketAddress
    let slot: Int
    let descriptor: Descriptor
    var isListening: Bool
    /// From a service manager: it listens whether we serve or not, so it is never ended.
    var isGiven = false
  }

  private(set) var entries: [Entry] = []
  /// Listening sockets from a service manager, not used yet: each becomes slot 0 of its address.
  private var given: [SocketAddress: Descriptor] = [:]
  private var lastIdentifier: UInt32 = 0
  /// Identifiers of sockets that have ended lately, for workers that still hold them.
  private(set) var ended: Set<UInt32> = []

  /// Takes the service manager's sockets; one that is no listening TCP socket is refused.
  mutating func give(_ sockets: [Descriptor]) throws(Refusal) {
    for socket in sockets {
      guard ListeningSocket.isListening(socket),
        let address = Stream.localAddress(socket.number)
      else { throw Refusal("descriptor \(socket.number) of LISTEN_FDS is no listening TCP socket") }
      do {
        try ListeningSocket.adopt(socket)
      } catch {
        throw Refusal("cannot adopt the socket of \(address): \(error)")
      }
      given[address] = socket
    }
  }

  /// What the next image needs: all that listen, and as number 0 what was given and is not used.
  var inheritable: [Entry] {
    entries.filter { $0.isListening || $0.isGiven }
      + given.map { address, descriptor in
        Entry(
          identifier: 0, address: address, slot: 0, descriptor: descriptor, isListening: true,
          isGiven: true)
      }
  }

  /// Takes over a socket through exec in place.
  mutating func inherit(_ entry: Entry) {
    if entry.identifier == 0 {
      given[entry.address] = entry.descriptor
      return
    }
    entries.append(entry)
    lastIdentifier = max(lastIdentifier, entry.identifier)
  }

  /// Binds what is missing so that every address has `slotCount` sockets; returns the identifiers
  /// of the new ones. Throws with a message for the operator, and then nothing has changed.
  mutating func prepare(
    _ addresses: [SocketAddress], slotCount: Int
  ) throws(Refusal) -> [UInt32] {
    let before = self
    do {
      for address in addresses where isNew(address) { try probe(address) }
      var fresh: [UInt32] = []
      for address in addresses {
        let slots = Set(entries.lazy.filter { $0.address == address }.map { $0.slot })
        for slot in 0..<slotCount where !slots.contains(slot) {
          fresh.append(try bind(address, slot))
        }
      }
      return fresh
    } catch {
      self = before
      throw error
    }
  }

  private func isNew(_ address: SocketAddress) -> Bool {
    given[address] == nil && !entries.contains { $0.address == address }
  }

  private func probe(_ address: SocketAddress) throws(Refusal) {
    do {
      try ListeningSocket.probe(address)
    } catch {
      // Our own socket on 0.0.0.0 or on one address of the same port is no stranger.
      let overlaps = entries.contains { entry in
        entry.address.port == address.port
          && entry.address.address.family == address.address.family
          && (entry.address.address.isAny || address.address.isAny)
      }
      if error.code == SystemError.addressInUse && overlaps { return }
      throw ListenerTable.refusal(error, address)
    }
  }

  private mutating func bind(_ address: SocketAddress, _ slot: Int) throws(Refusal) -> UInt32 {
    let descriptor: Descriptor
    var isGiven = false
    if slot == 0, let socket = given.removeValue(forKey: address) {
      descriptor = socket
      isGiven = true
    } else {
      do {
        descriptor = try ListeningSocket.bound(to: address)
      } catch {
        throw ListenerTable.refusal(error, address)
      }
    }
    lastIdentifier += 1
    entries.append(
      Entry(
        identifier: lastIdentifier, address: address, slot: slot, descriptor: descriptor,
        isListening: false, isGiven: isGiven))
    return lastIdentifier
  }

  private static func refusal(_ error: SystemError, _ address: SocketAddress) -> Refusal {
    var text = "cannot listen on \(address): \(SystemError.text(of: error.code))"
    if error.code == SystemError.addressInUse {
      text += " (another server, or another ring3d, listens there)"
    }
    if error.code == SystemError.accessDenied && address.port < 1024 {
      text += " (ports below 1024 need root or CAP_NET_BIND_SERVICE)"
    }
    return Refusal(text)
  }

  /// Starts to listen; an address that was taken meanwhile is reported.
  mutating func listen(_ identifiers: [UInt32], backlog: Int32) -> [SystemError] {
    var failures: [SystemError] = []
    for place in entries.indices where identifiers.contains(entries[place].identifier) {
      do {
        try ListeningSocket.listen(entries[place].descriptor, backlog: backlog)
        entries[place].isListening = true
      } catch {
        failures.append(error.on(entries[place].address.description))
      }
    }
    return failures
  }

  /// Ends sockets for every process that holds them and forgets them. The service manager's are
  /// only set aside: it goes on listening on them, and starts us again with them.
  mutating func end(_ identifiers: Set<UInt32>) {
    for entry in entries where identifiers.contains(entry.identifier) {
      if entry.isGiven {
        given[entry.address] = entry.descriptor
      } else if entry.isListening {
        ListeningSocket.end(entry.descriptor)
      }
    }
    entries.removeAll { identifiers.contains($0.identifier) }
    ended.formUnion(identifiers)
    // Older ones are held by nobody: generations are capped.
    if ended.count > 1024 { ended = Set(ended.sorted().suffix(512)) }
  }

  /// Identifiers of addresses that are in the list.
  func identifiers(within addresses: [SocketAddress]) -> Set<UInt32> {
    Set(entries.lazy.filter { addresses.contains($0.address) }.map { $0.identifier })
  }

  /// Identifiers of addresses that are not in the list.
  func identifiers(outside addresses: [SocketAddress]) -> Set<UInt32> {
    Set(entries.lazy.filter { !addresses.contains($0.address) }.map { $0.identifier })
  }

  /// Identifiers of the listening sockets of some addresses in some slots.
  func identifiers(_ addresses: [SocketAddress], slots: [Int]) -> [UInt32] {
    entries.filter {
      $0.isListening && slots.contains($0.slot) && addresses.contains($0.address)
    }.map { $0.identifier }
  }

  /// What a worker of a generation with these addresses inherits.
  func heritage(_ addresses: [SocketAddress]) -> [InheritedListener] {
    entries.filter { addresses.contains($0.address) }.map {
      InheritedListener(
        identifier: $0.identifier, address: $0.address, descriptor: $0.descriptor)
    }
  }
}
