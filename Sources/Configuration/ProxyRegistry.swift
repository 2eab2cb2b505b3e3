// Members and balancers of one configuration while it is read.

/// What `ProxyPass`, `<Proxy>` and `SetHandler` name, each once over all sites.
struct ProxyRegistry {
  private(set) var members: [ProxyMember] = []
  private(set) var balancers: [ProxyBalancer] = []
  private var memberIndices: [ProxyMember: Int] = [:]
  private var balancerIndices: [ProxyBalancer: Int] = [:]

  /// The last one that was added is the first one too many.
  var overflows: Bool {
    mutating get {
      guard members.count > ProxyMember.countMax, !hasOverflown else { return false }
      hasOverflown = true
      return true
    }
  }
  private var hasOverflown = false

  /// The index of a member; equal ones are one.
  mutating func add(_ member: ProxyMember) -> Int {
    if let index = memberIndices[member] { return index }
    members.append(member)
    memberIndices[member] = members.count - 1
    return members.count - 1
  }

  /// The index of the balancer of one member.
  mutating func add(single member: ProxyMember) -> Int {
    let balancer = ProxyBalancer(name: member.name, members: [add(member)])
    if let index = balancerIndices[balancer] { return index }
    balancers.append(balancer)
    balancerIndices[balancer] = balancers.count - 1
    return balancers.count - 1
  }

  /// Makes room for a balancer whose members are still to come. Two sites may have different ones
  /// of one name, so names are not looked up here.
  mutating func reserve(name: String) -> Int {
    balancers.append(ProxyBalancer(name: name, members: []))
    return balancers.count - 1
  }

  /// Changes a balancer that `reserve` made.
  mutating func change(_ index: Int, _ body: (inout ProxyBalancer) -> Void) {
    body(&balancers[index])
  }

  /// What of a balancer decides which responses it gives: who its members are, not how they are
  /// treated.
  func responseText(_ index: Int) -> String {
    let balancer = balancers[index]
    return "\(balancer.name) = "
      + balancer.members.map { members[$0].name }.joined(separator: " ")
  }
}
