// One trace through the store and the models at several cache sizes, and the table of it.

/// Requests and bytes that were asked for, and how many of them were hits.
struct HitCount {
  private var requests = 0
  private var hits = 0
  private var bytes = 0
  private var hitBytes = 0

  init(_ trace: Trace, through model: any CacheModel) {
    for request in trace.requests {
      let object = Int(request)
      requests += 1
      bytes += trace.sizes[object]
      if model.access(object) {
        hits += 1
        hitBytes += trace.sizes[object]
      }
    }
  }

  var byObject: Double { Double(hits) / Double(max(1, requests)) }
  var byByte: Double { Double(hitBytes) / Double(max(1, bytes)) }
}

/// Bytes of a trace as the store takes them: small traces are blown up to fill a real segment.
struct Scaling {
  let factor: Int
  let overheadBytes: Int
  /// Per object, what is stored.
  let bodyBytes: [Int]
  /// Per object, what it counts for.
  let charges: [Int]
  let footprintBytes: Int

  /// - Parameters:
  ///   - overheadBytes: what an entry takes beside its body.
  ///   - leastArenaBytes: at the least fraction, entries get at least this much.
  init(_ trace: Trace, overheadBytes: Int, leastFraction: Double, leastArenaBytes: Int) {
    let needed = Double(leastArenaBytes) / leastFraction
    let bodies = trace.sizes.reduce(0, +)
    let overheads = trace.sizes.count * overheadBytes
    let factor = max(1, Int(((needed - Double(overheads)) / Double(max(1, bodies))).rounded(.up)))
    self.factor = factor
    self.overheadBytes = overheadBytes
    bodyBytes = trace.sizes.map { $0 * factor }
    charges = bodyBytes.map { $0 + overheadBytes }
    footprintBytes = charges.reduce(0, +)
  }
}

/// What the command line asks for.
struct ComparisonPlan {
  var fractions: [Double]
  var models: [ModelName]
  var overheadBytes: Int
  var leastArenaBytes: Int
}

/// The results of one trace: a row per policy, a pair of columns per cache size.
struct Comparison {
  private var columns: [String] = []
  private var rows: [[HitCount]] = []
  private var remarks: [String] = []
  private let title: String
  private let names: [String]

  init(_ trace: Trace, plan: ComparisonPlan) throws {
    let scaling = Scaling(
      trace, overheadBytes: plan.overheadBytes, leastFraction: plan.fractions.min() ?? 1,
      leastArenaBytes: plan.leastArenaBytes)
    title = """
      \(trace.name): \(trace.requests.count) requests, \(trace.sizes.count) objects, footprint \
      \(NumberFormat.mebibytes(scaling.footprintBytes)) MiB (sizes × \(scaling.factor), \
      \(scaling.overheadBytes) bytes each beside the body)
      """
    names = ["store"] + plan.models.map(\.rawValue)
    rows = [[HitCount]](repeating: [], count: names.count)
    for fraction in plan.fractions {
      let wanted = Int(Double(scaling.footprintBytes) * fraction)
      let replay = try StoreReplay(arenaBytes: wanted, bodyBytes: scaling.bodyBytes)
      let space = ModelSpace(
        capacity: replay.arenaBytes, largest: replay.objectBytesMax + scaling.overheadBytes,
        charges: scaling.charges)
      columns.append(NumberFormat.percent(fraction))
      rows[0].append(HitCount(trace, through: replay))
      remarks.append("store at \(NumberFormat.percent(fraction)): \(replay.summary)")
      for (index, name) in plan.models.enumerated() {
        rows[index + 1].append(HitCount(trace, through: name.model(space)))
      }
    }
  }

  /// The table, ready to print.
  var text: String {
    var lines = [title, row("", columns.flatMap { [$0, "byte"] })]
    for (name, counts) in zip(names, rows) {
      lines.append(
        row(
          name,
          counts.flatMap { [NumberFormat.ratio($0.byObject), NumberFormat.ratio($0.byByte)] }))
    }
    lines += remarks.map { "  " + $0 }
    return lines.joined(separator: "\n")
  }

  /// A name, then cells that end at the same columns in each row.
  private func row(_ name: String, _ cells: [String]) -> String {
    let spaces = String(repeating: " ", count: max(0, 11 - name.count))
    let padded = cells.map { String(repeating: " ", count: max(1, 9 - $0.count)) + $0 }
    return "  " + name + spaces + padded.joined()
  }
}

/// Numbers as the table shows them.
enum NumberFormat {
  static func ratio(_ value: Double) -> String { rounded(value, digits: 4) }
  static func percent(_ fraction: Double) -> String { rounded(fraction * 100, digits: 1) + " %" }
  static func mebibytes(_ bytes: Int) -> String { rounded(Double(bytes) / 1_048_576, digits: 1) }

  /// A number of at least 0 with so many digits behind the point.
  private static func rounded(_ value: Double, digits: Int) -> String {
    let power = (0..<digits).reduce(1) { power, _ in power * 10 }
    let units = Int((value * Double(power)).rounded())
    let rest = String(units % power)
    return "\(units / power)." + String(repeating: "0", count: digits - rest.count) + rest
  }
}
