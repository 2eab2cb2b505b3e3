// Which member takes a request, and what is remembered of how it went.

import Configuration
import HTTP
import Platform

extension EventLoop {
  /// The next member for a request; nil when none can take it.
  func chooseMember(_ forwarding: Forwarding) -> Int? {
    let balancer = model.proxyBalancers[forwarding.target.balancer]
    return balancer.members.first { !forwarding.tried.contains($0) }
  }

  func memberFailed(_ forwarding: Forwarding) {}

  /// A head has come; `failonstatus` may say that it is none of a working member.
  func noteResponse(_ forwarding: Forwarding) {}
}
