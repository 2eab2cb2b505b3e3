// What the models share: their interface, and queues of objects that are linked through arrays.

/// A cache that is only counted, not kept.
protocol CacheModel: AnyObject {
  /// Asks for an object; a miss brings it in if the policy takes it. True for a hit.
  func access(_ object: Int) -> Bool
}

/// What a model may fill, and with what.
struct ModelSpace {
  /// Bytes of the cache.
  let capacity: Int
  /// Bytes of the largest object that may enter.
  let largest: Int
  /// Per object, the bytes it takes.
  let charges: [Int]

  func admits(_ object: Int) -> Bool {
    charges[object] <= largest && charges[object] <= capacity
  }
}

/// The links of queues that share one set of objects; an object is in at most one of them.
final class QueueLinks {
  fileprivate(set) var next: [Int32]
  fileprivate(set) var previous: [Int32]

  init(count: Int) {
    next = [Int32](repeating: -1, count: count)
    previous = next
  }
}

/// A queue of objects in order of arrival, with the bytes in it.
struct ObjectQueue {
  private let links: QueueLinks
  private let charges: [Int]
  private var first: Int32 = -1
  private var last: Int32 = -1
  private(set) var bytes = 0

  init(_ links: QueueLinks, charges: [Int]) {
    self.links = links
    self.charges = charges
  }

  /// The object that came first.
  var head: Int? { first < 0 ? nil : Int(first) }

  func object(after object: Int) -> Int? {
    links.next[object] < 0 ? nil : Int(links.next[object])
  }

  mutating func append(_ object: Int) {
    links.previous[object] = last
    links.next[object] = -1
    if last >= 0 { links.next[Int(last)] = Int32(object) } else { first = Int32(object) }
    last = Int32(object)
    bytes += charges[object]
  }

  mutating func remove(_ object: Int) {
    let before = links.previous[object]
    let after = links.next[object]
    if before >= 0 { links.next[Int(before)] = after } else { first = after }
    if after >= 0 { links.previous[Int(after)] = before } else { last = before }
    bytes -= charges[object]
  }

  mutating func removeHead() -> Int? {
    guard let object = head else { return nil }
    remove(object)
    return object
  }

  /// Takes it to the end.
  mutating func renew(_ object: Int) {
    remove(object)
    append(object)
  }
}

/// The models by the names that `--models` takes.
enum ModelName: String, CaseIterable {
  case lru = "LRU"
  case fifo = "FIFO"
  case sieve = "SIEVE"
  case s3fifo = "S3-FIFO"
  case tinyLFU = "W-TinyLFU"
  case gdsf = "GDSF"
  case rooms = "Rooms"

  /// By its name in any spelling of letters, with or without hyphens.
  init?(spelling: Substring) {
    func plain(_ name: some StringProtocol) -> String { name.lowercased().filter { $0 != "-" } }
    guard let name = ModelName.allCases.first(where: { plain($0.rawValue) == plain(spelling) })
    else { return nil }
    self = name
  }

  func model(_ space: ModelSpace) -> any CacheModel {
    switch self {
    case .lru: RecencyModel(space, renewing: true)
    case .fifo: RecencyModel(space, renewing: false)
    case .sieve: SieveModel(space)
    case .s3fifo: S3FIFOModel(space)
    case .tinyLFU: TinyLFUModel(space)
    case .gdsf: GDSFModel(space)
    case .rooms: RoomsModel(space)
    }
  }
}
