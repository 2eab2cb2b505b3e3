// Traces made up from a seed: the same ones on every machine.

import Foundation

/// SplitMix64 (https://prng.di.unimi.it/splitmix64.c): small, and good enough for drawing requests.
struct SplitMix {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var word = state
    word = (word ^ word >> 30) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ word >> 27) &* 0x94d0_49bb_1331_11eb
    return word ^ word >> 31
  }

  /// At least 0, below 1.
  mutating func nextFraction() -> Double { Double(next() >> 11) / 0x1p53 }

  mutating func next(below limit: Int) -> Int { Int(next() % UInt64(limit)) }
}

/// A kind of trace, as an option names it: `zipf:0.8`.
struct SyntheticTrace {
  enum Kind: String, CaseIterable {
    /// Independent requests, the object of rank r as often as r to the power of −exponent.
    case zipf
    /// The same; after each 50,000 requests 12,500 objects are asked for that never come again.
    case scan
    /// The same; after each 20,000 requests the 1,000 most popular objects, and 1,000 others,
    /// change places with any ones.
    case shift
  }

  let kind: Kind
  let exponent: Double
  var objects = 100_000
  var requests = 1_000_000
  var seed: UInt64 = 42

  /// nil for a name of no kind.
  init?(_ text: String) {
    let parts = text.split(separator: ":", maxSplits: 1)
    guard let first = parts.first, let kind = Kind(rawValue: String(first)) else { return nil }
    self.kind = kind
    guard parts.count > 1 else {
      exponent = 0.8
      return
    }
    guard let exponent = Double(parts[1]), exponent > 0, exponent < 10 else { return nil }
    self.exponent = exponent
  }

  /// Log-normal by id: median 8 KiB, sigma 1.5, at least 200 bytes and at most 4 MiB.
  static func logNormalSize(id: UInt64) -> Int {
    var random = SplitMix(state: id &* 77 &+ 12345)
    let radius = (-2 * log(max(random.nextFraction(), 1e-300))).squareRoot()
    let normal = radius * cos(2 * .pi * random.nextFraction())
    return Int(min(4_194_304, max(200, 8192 * exp(1.5 * normal))))
  }

  func trace(sizes: SizeChoice) -> Trace {
    var random = SplitMix(state: seed)
    let ranks = rankDistribution()
    var objectOfRank = (0..<UInt64(objects)).map { $0 }
    for place in stride(from: objects - 1, to: 0, by: -1) {
      objectOfRank.swapAt(place, random.next(below: place + 1))
    }
    var nextSingle: UInt64 = 1 << 32
    var builder = TraceBuilder()
    for request in 1...requests {
      if kind == .scan && request % 50_000 == 0 {
        for _ in 0..<12_500 {
          builder.append(id: nextSingle, size: 1)
          nextSingle += 1
        }
      }
      if kind == .shift && request % 20_000 == 0 {
        for step in 0..<2_000 {
          let rank = step < 1_000 ? min(step, objects - 1) : random.next(below: objects)
          objectOfRank.swapAt(rank, random.next(below: objects))
        }
      }
      builder.append(id: objectOfRank[draw(&random, ranks)], size: 1)
    }
    let name = "\(kind):\(exponent)"
    return builder.trace(
      name: sizes == .constant ? "\(name)/constant" : name,
      sizes: sizes == .given ? .lognormal : sizes)
  }

  /// Per rank, how probable it or a lower one is.
  private func rankDistribution() -> [Double] {
    var sum = 0.0
    let sums = (1...objects).map { rank in
      sum += pow(Double(rank), -exponent)
      return sum
    }
    return sums.map { $0 / sum }
  }

  private func draw(_ random: inout SplitMix, _ ranks: [Double]) -> Int {
    let wanted = random.nextFraction()
    var low = 0
    var high = ranks.count - 1
    while low < high {
      let middle = (low + high) / 2
      if ranks[middle] < wanted { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
