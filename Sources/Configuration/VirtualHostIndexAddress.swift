// Local address to the set of virtual hosts that may answer there.

import Platform

/// Names a set of local addresses that the virtual hosts do not tell apart. Equal content means
/// equal value, in every process and after every reload: part of the cache key (DESIGN 3).
package struct AddressClass: Hashable, Sendable {
  package let hash: UInt64

  /// Eight bytes, big-endian.
  package var bytes: [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: hash >> UInt64(56 - 8 * $0)) }
  }
}

/// The virtual hosts of one address and port, in file order.
struct VirtualHostGroup: Sendable {
  let address: SiteAddress
  let sites: [Int]
  let index: VirtualHostIndex
  let addressClass: AddressClass
}

/// All address groups of a model.
struct VirtualHostTable: Sendable {
  private(set) var groups: [VirtualHostGroup] = []
  private var exact: [SocketAddress: Int] = [:]
  private var anyPort: [IPAddress: Int] = [:]
  private var anyAddress: [UInt16: Int] = [:]
  private var anyAddressAnyPort: Int?

  /// The class of addresses without virtual hosts.
  static let mainServerClass = AddressClass(hash: Fingerprint.of("main server"))

  init() {}

  init(_ sites: [Site]) {
    var members: [SiteAddress: [Int]] = [:]
    var order: [SiteAddress] = []
    for site in sites.dropFirst() {
      for address in site.addresses where members[address]?.last != site.index {
        if members[address] == nil { order.append(address) }
        members[address, default: []].append(site.index)
      }
    }
    // Addresses with the same sites share one index and one class.
    var shared: [[Int]: (index: VirtualHostIndex, name: String)] = [:]
    for address in order {
      let list = members[address] ?? []
      let text = address.description
      if let known = shared[list] {
        if text < known.name { shared[list]?.name = text }
      } else {
        let entries = list.flatMap { site in
          sites[site].names.map { VirtualHostIndex.Entry(site: site, name: $0) }
        }
        shared[list] = (VirtualHostIndex(entries), text)
      }
    }
    for address in order {
      let list = members[address] ?? []
      guard let (index, name) = shared[list] else { continue }
      add(
        VirtualHostGroup(
          address: address, sites: list, index: index,
          addressClass: AddressClass(hash: Fingerprint.of("virtual hosts", name))))
    }
  }

  private mutating func add(_ group: VirtualHostGroup) {
    let place = groups.count
    groups.append(group)
    switch (group.address.address?.unmapped, group.address.port) {
    case (let address?, let port?): exact[SocketAddress(address, port: port)] = place
    case (let address?, nil): anyPort[address] = place
    case (nil, let port?): anyAddress[port] = place
    case (nil, nil): anyAddressAnyPort = place
    }
  }

  /// The group that answers at a local address: one that names the address if there is any, else
  /// a wildcard one. Where both a port and "*" would do, the one that starts earlier in the file.
  func group(local: SocketAddress) -> VirtualHostGroup? {
    let address = local.address.unmapped
    return earlier(exact[SocketAddress(address, port: local.port)], anyPort[address])
      ?? earlier(anyAddress[local.port], anyAddressAnyPort)
  }

  private func earlier(_ left: Int?, _ right: Int?) -> VirtualHostGroup? {
    guard let left, let right else { return (left ?? right).map { groups[$0] } }
    return groups[left].sites[0] <= groups[right].sites[0] ? groups[left] : groups[right]
  }
}
