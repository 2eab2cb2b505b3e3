// cachesim: replays traces of requests through the real store, and through models beside it.

import ArgumentParser

struct CacheSimulation: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cachesim",
    abstract: "Hit ratios of Ring3's store on traces, beside models of known policies.",
    discussion: """
      A trace file has a line 'id size' for each request: two decimal numbers, the id of the \
      object and its size in bytes. The first line of an id says its size. Empty lines and lines \
      that start with # mean nothing; files named *.xz are read through xz. A trace in which all \
      sizes are 1 has no sizes: each object gets 4096 bytes.

      A synthetic trace is zipf, scan or shift, with an exponent behind a colon (zipf:0.8): \
      independent requests by Zipf's law; the same with 12,500 objects after each 50,000 requests \
      that never come again; the same with the 1,000 most popular objects changing after each \
      20,000 requests. Their sizes are log-normal: median 8 KiB, sigma 1.5, 200 bytes to 4 MiB.

      The footprint is the sum of what all objects take in the store: body and overhead (header, \
      key, head, rounding), measured on the store at the start. The cache at a fraction is a store \
      in which entries have that part of the footprint, an anonymous segment of its own; the \
      models get exactly as many bytes, and take as much for each object (with --charge body the \
      body alone, so that the store pays for its overhead and they do not). Sizes are multiplied \
      by a whole number when the store would else be too small to be real. What the store refuses \
      for its size, models refuse too. The store's hash has a random seed, so the shard of an \
      object, and with it the last digit, differs from run to run.

      Rooms is the store's own policy as a model: without shards, fragmentation or bounded search.
      """)

  @Option(name: .long, help: "A trace file; may be given several times.") var trace: [String] = []
  @Option(help: "A synthetic trace: zipf, scan or shift, then :EXPONENT; may be repeated.")
  var synthetic: [String] = []
  @Option(help: "Cache sizes as parts of the footprint, separated by commas.")
  var fractions = "0.01,0.1,0.3"
  @Option(help: "all, none, or names: LRU, FIFO, SIEVE, S3-FIFO, W-TinyLFU, GDSF, Rooms.")
  var models = "all"
  @Option(help: "given: the trace's; lognormal: drawn by id; constant: 4096 bytes each.")
  var sizes = SizeChoice.given
  @Option(help: "stored: models pay the store's overhead for each object; body: they do not.")
  var charge = Charge.stored
  @Option(help: "Requests of a synthetic trace.") var requests = 1_000_000
  @Option(help: "Objects of a synthetic trace.") var objects = 100_000
  @Option(help: "Seed of a synthetic trace.") var seed: UInt64 = 42
  @Option(help: "MiB that entries have at least, at the least fraction.") var least = 16
  @Flag(help: "Check store and models on short traces, and nothing else.") var selfCheck = false

  func run() throws {
    if selfCheck {
      let faults = try countingFaults()
      for fault in faults { print(fault) }
      guard faults.isEmpty else { throw ExitCode.failure }
      print("Store and models count right.")
      return
    }
    let plan = try plan()
    for trace in try traces() {
      print(try Comparison(trace, plan: plan).text, terminator: "\n\n")
    }
  }

  private func plan() throws -> ComparisonPlan {
    let parts = fractions.split(separator: ",").map { Double($0) ?? 0 }
    guard !parts.isEmpty, parts.allSatisfy({ $0 > 0 && $0 <= 1 }) else {
      throw ValidationError("--fractions wants numbers above 0, at most 1")
    }
    guard least >= 1, least <= 4096 else { throw ValidationError("--least wants 1 to 4096") }
    let names: [ModelName]
    switch models {
    case "all": names = ModelName.allCases
    case "none": names = []
    default:
      names = try models.split(separator: ",").map { name in
        guard let model = ModelName(spelling: name) else {
          throw ValidationError("no model is called '\(name)'")
        }
        return model
      }
    }
    return ComparisonPlan(
      fractions: parts, models: names,
      overheadBytes: charge == .stored ? try StoreReplay.measuredOverheadBytes() : 0,
      leastArenaBytes: least << 20)
  }

  /// The traces asked for, each made when its turn has come.
  private func traces() throws -> some Sequence<Trace> {
    guard objects > 0, requests > 0, objects < 1 << 31 else {
      throw ValidationError("--objects and --requests want numbers above 0")
    }
    var wanted = try synthetic.map { try generator($0) }
    if trace.isEmpty && wanted.isEmpty {
      wanted = try ["zipf:0.8", "zipf:1", "scan:0.8", "scan:1", "shift:0.8", "shift:1"].map {
        try generator($0)
      }
    }
    let files = try trace.map { try Trace.read(path: $0, sizes: sizes) }
    return sequence(state: (files: files[...], made: wanted[...])) { state in
      state.files.popFirst() ?? state.made.popFirst()?.trace(sizes: sizes)
    }
  }

  private func generator(_ name: String) throws -> SyntheticTrace {
    guard var generator = SyntheticTrace(name) else {
      throw ValidationError("no synthetic trace is called '\(name)'")
    }
    generator.objects = objects
    generator.requests = requests
    generator.seed = seed
    return generator
  }
}

/// What an object counts for in the models.
enum Charge: String, CaseIterable, ExpressibleByArgument {
  case stored, body
}

extension SizeChoice: ExpressibleByArgument {}

CacheSimulation.main()
