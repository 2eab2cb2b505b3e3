// What was said of queues by hand, kept like reservations: it holds until somebody says otherwise.
//
//     1000 shop disabled operator
//     1001 news draining
//
// The user who owns the queue, its name, its state, and who has said so if that was an operator.

import Configuration
import Namespace
import Platform
import Worker

/// Whether a queue takes requests, as somebody has said.
struct QueueOrder: Equatable {
  /// Enabled, disabled or draining.
  var state = QueueState.enabled
  /// Who commands the server has said so: the queue's owner does not undo it.
  var isOperators = false
}

/// Reads and writes the file's text.
enum QueueOrderFile {
  static let byteCountMax = 1 << 20
  private static let title = "ring3 queue orders 1"

  static func text(_ orders: [QueueKey: QueueOrder]) -> [UInt8] {
    SealedLines.text(
      title: title,
      orders.map { name, order in
        "\(name.user) \(name.name) \(order.state)" + (order.isOperators ? " operator" : "")
      }.sorted())
  }

  static func parse(_ bytes: [UInt8]) throws(SealedLines.Damage) -> [QueueKey: QueueOrder] {
    var orders: [QueueKey: QueueOrder] = [:]
    for line in try SealedLines.parse(bytes, title: title) {
      let words = line.split(separator: " ").map(String.init)
      guard 3...4 ~= words.count, let user = UInt32(words[0]),
        let state = [.disabled, .draining].first(where: { (state: QueueState) in
          "\(state)" == words[2]
        })
      else { throw SealedLines.Damage(message: "'\(line)' is nothing that is said of a queue") }
      orders[QueueKey(user: user, name: words[1])] = QueueOrder(
        state: state, isOperators: words.count == 4)
    }
    return orders
  }
}

extension Master {
  private static let queueOrdersMax = 4096
  /// Said of one user's queues by somebody who may not command the server.
  private static let queueOrdersPerUserMax = 64

  private var queueOrdersPath: String? { keptDirectory.map { $0 + "/queue-orders" } }

  /// Returns what there is to tell.
  func readQueueOrders() -> [String] {
    guard let path = queueOrdersPath else { return [] }
    do {
      guard let bytes = try DurableFile.read(path, byteCountMax: QueueOrderFile.byteCountMax)
      else { return [] }
      namespace.queueOrders = try QueueOrderFile.parse(bytes)
      return []
    } catch let damage as SealedLines.Damage {
      let (problem, failure) = putAside(path, "the orders to queues in '\(path)'", damage)
      namespace.ordersProblem = failure
      return [problem]
    } catch {
      namespace.ordersProblem = "\(error)"
      return ["cannot read what was said of queues: \(error); all take requests"]
    }
  }

  /// Takes an order and keeps it: either both or nothing.
  func keep(_ order: QueueOrder, for key: QueueKey, _ peer: PeerIdentity) -> ControlAnswer? {
    var orders = namespace.queueOrders
    orders[key] = order.state == .enabled ? nil : order
    if orders == namespace.queueOrders { return nil }
    let isNew = orders.count > namespace.queueOrders.count
    let own = orders.keys.count { $0.user == key.user }
    guard !isNew || orders.count <= Master.queueOrdersMax,
      !isNew || own <= Master.queueOrdersPerUserMax || mayCommand(peer)
    else { return .failure("too much is said of queues already, nothing has changed\n") }
    guard let path = queueOrdersPath, namespace.ordersProblem == nil else {
      return .failure(
        "what is said of queues cannot be kept: \(namespace.ordersProblem ?? "")\n")
    }
    if let refusal = writeRefusal(peer, "queues") { return refusal }
    if let refusal = keep(QueueOrderFile.text(orders), in: path, "what is said of queues") {
      return refusal
    }
    namespace.queueOrders = orders
    return nil
  }

  /// Of a queue that nobody has at the moment: somebody is awaited for it, or what was said of it
  /// is taken back. nil: there is none such.
  func orderAbsent(
    _ name: String, _ client: UInt64, _ order: QueueState
  ) -> ControlAnswer? {
    guard let peer = control?.clients[client]?.peer else { return nil }
    let named = queueKey(name)
    let isOperators = mayCommand(peer)
    var keys = Set(namespace.absentQueues.map(\.key))
    if order == .enabled { keys.formUnion(namespace.queueOrders.keys) }
    keys = keys.filter { key in
      let before = namespace.queueOrders[key]
      return (key.name == name || key == named) && namespace.queues[key] == nil
        && (isOperators || key.user == peer.owner && before?.isOperators != true)
    }
    // All of that name take requests again; anything else is said of one.
    guard order == .enabled || keys.count == 1 else { return nil }
    let fresh = QueueOrder(state: order, isOperators: order != .enabled && isOperators)
    for key in keys {
      if let refusal = keep(fresh, for: key, peer) { return refusal }
      guard let queue = namespace.awaited[key] else { continue }
      namespace.awaited[key]?.order = fresh
      if !queue.isGivenUp { queueBoard?.setState(queue.reference.slot, order) }
    }
    return keys.isEmpty ? nil : .success("queue '\(name)' is \(order)\n")
  }
}
