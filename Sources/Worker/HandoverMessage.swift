// What one worker tells another about the connections it hands over, byte by byte.

import Platform

/// One connection in a hand-over packet; its descriptor travels beside the bytes.
struct HandedConnection: Equatable {
  /// Identifier of the listener it was accepted on.
  var listener: UInt32
  var requestCount: UInt32
  var client: SocketAddress
}

/// A packet of the hand-over channel. Sender and receiver are of the same machine, but after a
/// binary upgrade not of the same build: the first byte is a version.
enum HandoverMessage: Equatable {
  /// Connections, in the order of the attached descriptors.
  case connections([HandedConnection])
  /// The last packet is taken: its first `count` connections now belong to the receiver.
  case acknowledged(count: UInt32)

  private static let version: UInt8 = 1

  var bytes: [UInt8] {
    var bytes = [HandoverMessage.version]
    func append<T: FixedWidthInteger & UnsignedInteger>(_ value: T) {
      for shift in 0..<MemoryLayout<T>.size {
        bytes.append(UInt8(truncatingIfNeeded: value >> T(8 * shift)))
      }
    }
    switch self {
    case .connections(let connections):
      bytes.append(1)
      for connection in connections {
        append(connection.listener)
        append(connection.requestCount)
        append(connection.client.address.family.rawValue)
        append(connection.client.address.high)
        append(connection.client.address.low)
        append(connection.client.port)
      }
    case .acknowledged(let count):
      bytes.append(2)
      append(count)
    }
    return bytes
  }

  /// nil for what no build of version 1 sends.
  init?(bytes: [UInt8]) {
    guard bytes.count >= 2, bytes[0] == HandoverMessage.version else { return nil }
    var index = 2
    func next<T: FixedWidthInteger & UnsignedInteger>(_ type: T.Type) -> T {
      var value: T = 0
      for shift in 0..<MemoryLayout<T>.size {
        value |= T(bytes[index + shift]) << T(8 * shift)
      }
      index += MemoryLayout<T>.size
      return value
    }
    switch bytes[1] {
    case 1:
      let recordBytes = 27
      guard (bytes.count - 2) % recordBytes == 0 else { return nil }
      var connections: [HandedConnection] = []
      while index < bytes.count {
        let listener = next(UInt32.self)
        let requestCount = next(UInt32.self)
        guard let family = IPAddress.Family(rawValue: next(UInt8.self)) else { return nil }
        let high = next(UInt64.self)
        let low = next(UInt64.self)
        let address =
          family == .v4
          ? IPAddress(v4: UInt32(truncatingIfNeeded: low)) : IPAddress(v6High: high, low: low)
        connections.append(
          HandedConnection(
            listener: listener, requestCount: requestCount,
            client: SocketAddress(address, port: next(UInt16.self))))
      }
      self = .connections(connections)
    case 2:
      guard bytes.count == 6 else { return nil }
      self = .acknowledged(count: next(UInt32.self))
    default:
      return nil
    }
  }
}
