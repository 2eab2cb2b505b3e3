// The store's own policy in one piece: GDSF with its priorities in steps of two, and with a memory
// of what left. Beside the store it shows what shards, pieces of memory and bounded searches cost.

final class RoomsModel: CacheModel {
  private static let roomCount = 32
  private static let unitBytes = 128
  /// An object so many times as large as the mean costs as much by its bytes as by being missed.
  private static let balancedMeans = 16
  private static let visitsMax = 16
  /// Sixteen times the binary logarithm of 0 … 15 uses.
  private static let weights = [0, 0, 16, 25, 32, 37, 41, 45, 48, 51, 53, 55, 57, 59, 61, 63]

  private let space: ModelSpace
  private var rooms: [ObjectQueue]
  private var usedBytes = 0
  private var entries = 0
  private var clock = 0
  private var expiry: [Int]
  private var roomOf: [Int8]
  private var uses: [UInt8]
  private var mark: [UInt8]
  private var memory: GhostTable

  init(_ space: ModelSpace) {
    self.space = space
    let count = space.charges.count
    let links = QueueLinks(count: count)
    rooms = (0..<RoomsModel.roomCount).map { _ in ObjectQueue(links, charges: space.charges) }
    expiry = [Int](repeating: 0, count: count)
    roomOf = [Int8](repeating: -1, count: count)
    uses = [UInt8](repeating: 0, count: count)
    mark = uses
    memory = GhostTable(capacity: space.capacity)
  }

  func access(_ object: Int) -> Bool {
    if roomOf[object] >= 0 {
      mark[object] = min(3, mark[object] + 1)
      return true
    }
    guard space.admits(object) else { return false }
    while usedBytes + space.charges[object] > space.capacity, evict() {}
    uses[object] = memory.take(object).map { max(2, $0) } ?? 1
    mark[object] = 0
    usedBytes += space.charges[object]
    entries += 1
    queue(object)
    return false
  }

  /// The power of two of (uses × (1 / units + 1 / balanced units)) to the power of 3/2.
  private func room(uses: UInt8, units: Int) -> Int {
    let meanUnits = usedBytes / max(1, entries) / RoomsModel.unitBytes
    let balanced = RoomsModel.balancedMeans * max(1, meanUnits)
    let sixteenths =
      RoomsModel.weights[Int(uses)] + RoomsModel.logarithm(balanced + units)
      - RoomsModel.logarithm(balanced) - RoomsModel.logarithm(units)
    let room = (27 * 16 + 8 + sixteenths + (sixteenths >> 1)) >> 4
    return min(RoomsModel.roomCount - 1, max(0, room))
  }

  /// Binary, in sixteenths, linear between powers of two.
  private static func logarithm(_ number: Int) -> Int {
    let power = Int.bitWidth - 1 - number.leadingZeroBitCount
    return 16 * power + ((number << 4) >> power & 15)
  }

  private func queue(_ object: Int) {
    let units = max(1, (space.charges[object] + RoomsModel.unitBytes - 1) / RoomsModel.unitBytes)
    let room = room(uses: uses[object], units: units)
    roomOf[object] = Int8(room)
    expiry[object] = clock + (1 << room)
    rooms[room].append(object)
  }

  private func evict() -> Bool {
    for visit in 1...RoomsModel.visitsMax {
      let heads = rooms.compactMap(\.head)
      guard let object = heads.min(by: { expiry[$0] < expiry[$1] }) else { return false }
      clock = expiry[object]
      rooms[Int(roomOf[object])].remove(object)
      uses[object] = min(15, uses[object] + mark[object])
      if mark[object] > 0 && visit < RoomsModel.visitsMax {
        mark[object] = 0
        queue(object)
        continue
      }
      roomOf[object] = -1
      usedBytes -= space.charges[object]
      entries -= 1
      memory.put(object, uses: uses[object])
      return true
    }
    return false
  }
}

/// Uses of objects that left, a place for each 2 KiB of the cache; newest first in each bucket.
struct GhostTable {
  private static let bucketPlaces = 16
  private let bucketCount: Int
  private var places: [(object: Int32, uses: UInt8)]

  init(capacity: Int) {
    bucketCount = max(1, capacity / (GhostTable.bucketPlaces * 2048))
    places = Array(repeating: (-1, 0), count: bucketCount * GhostTable.bucketPlaces)
  }

  private func bucket(_ object: Int) -> Range<Int> {
    var random = SplitMix(state: UInt64(object))
    let start = random.next(below: bucketCount) * GhostTable.bucketPlaces
    return start..<start + GhostTable.bucketPlaces
  }

  mutating func put(_ object: Int, uses: UInt8) {
    let bucket = bucket(object)
    let place = bucket.first { places[$0].object == object || places[$0].object < 0 }
    for index in stride(from: place ?? bucket.upperBound - 1, to: bucket.lowerBound, by: -1) {
      places[index] = places[index - 1]
    }
    places[bucket.lowerBound] = (Int32(object), uses)
  }

  mutating func take(_ object: Int) -> UInt8? {
    let bucket = bucket(object)
    guard let place = bucket.first(where: { places[$0].object == object }) else { return nil }
    let uses = places[place].uses
    for index in place..<bucket.upperBound - 1 { places[index] = places[index + 1] }
    places[bucket.upperBound - 1] = (-1, 0)
    return uses
  }
}
