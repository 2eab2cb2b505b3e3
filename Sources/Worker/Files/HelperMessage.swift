// What a worker and the I/O helpers say to each other: one packet each way.

import HTTP
import Platform

/// Work that may have to wait for a disk.
package enum HelperRequest: Sendable {
  /// Resolve and open. Answered by `HelperReply.answer`.
  case resolve(FileRequest)
  /// Bring `count` bytes at `offset` of an open file into memory. Answered by `HelperReply.warmed`.
  case warm(Descriptor, offset: Int64, count: Int)
}

/// What came of it.
package enum HelperReply: Sendable {
  case answer(FileAnswer)
  /// As far as possible: whoever reads next sees errors.
  case warmed
  /// What this helper may read is outdated; one that knows better takes its place: ask again.
  case outdated
}

/// Packets begin with the request's number and a kind; integers are little-endian, byte strings
/// carry their length in front. A reply repeats the request's number.
enum HelperMessage {
  /// Longer requests are refused before they are sent: paths end at 4096 bytes anyway.
  static let byteCountMax = 65_536

  static func encode(
    _ request: HelperRequest, identifier: UInt64
  ) -> (bytes: [UInt8], descriptors: [Descriptor]) {
    var writer = WireWriter()
    writer.append(identifier)
    switch request {
    case .resolve(let file):
      writer.append(UInt8(1))
      writer.append(file)
      return (writer.bytes, [])
    case .warm(let descriptor, let offset, let count):
      writer.append(UInt8(2))
      writer.append(UInt64(bitPattern: offset))
      writer.append(UInt64(count))
      return (writer.bytes, [descriptor])
    }
  }

  /// nil for what no worker of this build sends: a worker may have been taken over.
  static func decodeRequest(
    _ bytes: [UInt8], _ descriptors: [Descriptor]
  ) -> (identifier: UInt64, request: HelperRequest)? {
    var reader = WireReader(bytes)
    guard let identifier = reader.integer(UInt64.self), let kind = reader.integer(UInt8.self) else {
      return nil
    }
    switch kind {
    case 1:
      guard let file = reader.fileRequest(), reader.isAtEnd, descriptors.isEmpty else { return nil }
      return (identifier, .resolve(file))
    case 2:
      guard let offset = reader.integer(UInt64.self), let count = reader.integer(UInt64.self),
        reader.isAtEnd, let descriptor = descriptors.first, descriptors.count == 1,
        offset <= UInt64(Int64.max / 2), count <= UInt64(warmCountMax)
      else { return nil }
      return (identifier, .warm(descriptor, offset: Int64(offset), count: Int(count)))
    default: return nil
    }
  }

  /// Bounds the time one helper spends on one request.
  static let warmCountMax = 64 << 20

  static func encode(
    _ reply: HelperReply, identifier: UInt64
  ) -> (bytes: [UInt8], descriptors: [Descriptor]) {
    var writer = WireWriter()
    writer.append(identifier)
    switch reply {
    case .warmed:
      writer.append(UInt8(1))
      return (writer.bytes, [])
    case .outdated:
      writer.append(UInt8(3))
      return (writer.bytes, [])
    case .answer(let answer):
      writer.append(UInt8(2))
      let descriptors = writer.append(answer)
      return (writer.bytes, descriptors)
    }
  }

  static func decodeReply(
    _ bytes: [UInt8], _ descriptors: [Descriptor]
  ) -> (identifier: UInt64, reply: HelperReply)? {
    var reader = WireReader(bytes)
    guard let identifier = reader.integer(UInt64.self), let kind = reader.integer(UInt8.self) else {
      return nil
    }
    switch kind {
    case 1: return reader.isAtEnd ? (identifier, .warmed) : nil
    case 2:
      guard let answer = reader.fileAnswer(descriptors), reader.isAtEnd else { return nil }
      return (identifier, .answer(answer))
    case 3: return reader.isAtEnd ? (identifier, .outdated) : nil
    default: return nil
    }
  }
}

/// Builds a packet.
struct WireWriter {
  private(set) var bytes: [UInt8] = []

  mutating func append<T: FixedWidthInteger>(_ value: T) {
    for shift in stride(from: 0, to: T.bitWidth, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: value >> T(shift)))
    }
  }

  mutating func append(_ flag: Bool) { bytes.append(flag ? 1 : 0) }

  mutating func append(_ string: [UInt8]) {
    append(UInt32(string.count))
    bytes += string
  }

  mutating func append(_ request: FileRequest) {
    append(request.path)
    append(request.root)
    append(request.urlPath)
    append(request.links.rawValue)
    append(request.isConfined)
    append(request.listingAllowed)
    append(request.precompressedAllowed)
    append(request.findsScript)
    append(UInt16(clamping: request.indexStart))
    let names = request.indexNames.prefix(Int(UInt16.max))
    append(UInt16(names.count))
    for name in names { append(name) }
    append(request.fallbackResource != nil)
    append(request.fallbackResource ?? [])
    append(request.acceptedCodings.map { $0.rawValue })
  }

  /// Returns the descriptors that travel beside the bytes.
  mutating func append(_ answer: FileAnswer) -> [Descriptor] {
    switch answer {
    case .file(let file):
      append(UInt8(1))
      append(file)
      return [file.descriptor]
    case .listing(let file):
      append(UInt8(2))
      append(file)
      return [file.descriptor]
    case .directoryRedirect: append(UInt8(3))
    case .internalRedirect(let redirect):
      append(UInt8(4))
      append(redirect.urlPath)
      append(redirect.isVerified)
      append(UInt16(clamping: redirect.resumeAt))
    case .notFound: append(UInt8(5))
    case .pathInfo(let byteCount):
      append(UInt8(8))
      append(UInt32(clamping: byteCount))
    case .forbidden(let reason):
      append(UInt8(6))
      append(reason.rawValue)
    case .failed(let error):
      append(UInt8(7))
      append(error.code)
      append(Array(error.operation.utf8.prefix(200)))
    }
    return []
  }

  private mutating func append(_ file: OpenFile) {
    append(file.facts.device)
    append(file.facts.inode)
    append(file.facts.size)
    append(file.facts.modifiedNanoseconds)
    append(file.facts.changedNanoseconds)
    append(file.facts.mode)
    append(file.facts.owner)
    append(file.coding.rawValue)
    append(file.variantsAvailable.rawValue)
  }
}

/// Takes a packet apart; nil for whatever is not there.
struct WireReader {
  private let bytes: [UInt8]
  private var position = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var isAtEnd: Bool { position == bytes.count }

  mutating func integer<T: FixedWidthInteger>(_ type: T.Type) -> T? {
    let count = T.bitWidth / 8
    guard bytes.count - position >= count else { return nil }
    var value: T = 0
    for index in 0..<count {
      value |= T(truncatingIfNeeded: bytes[position + index]) << T(8 * index)
    }
    position += count
    return value
  }

  mutating func flag() -> Bool? {
    guard let byte = integer(UInt8.self), byte < 2 else { return nil }
    return byte == 1
  }

  mutating func string() -> [UInt8]? {
    guard let count = integer(UInt32.self), Int(count) <= bytes.count - position else { return nil }
    defer { position += Int(count) }
    return Array(bytes[position..<position + Int(count)])
  }

  mutating func fileRequest() -> FileRequest? {
    guard let path = string(), let root = string(), let urlPath = string(),
      let links = integer(UInt8.self).flatMap({ SymbolicLinkPolicy(rawValue: $0) }),
      let isConfined = flag(), let listingAllowed = flag(), let precompressedAllowed = flag(),
      let findsScript = flag(),
      let indexStart = integer(UInt16.self), let indexCount = integer(UInt16.self)
    else { return nil }
    var indexNames: [[UInt8]] = []
    for _ in 0..<indexCount {
      guard let name = string() else { return nil }
      indexNames.append(name)
    }
    guard let hasFallback = flag(), let fallback = string(), let codings = string() else {
      return nil
    }
    var request = FileRequest(
      path: path, root: root, urlPath: urlPath, links: links, isConfined: isConfined,
      indexNames: indexNames, listingAllowed: listingAllowed,
      fallbackResource: hasFallback ? fallback : nil,
      acceptedCodings: codings.compactMap { ContentCoding(rawValue: $0) },
      precompressedAllowed: precompressedAllowed)
    request.indexStart = Int(indexStart)
    request.findsScript = findsScript
    return request
  }

  mutating func fileAnswer(_ descriptors: [Descriptor]) -> FileAnswer? {
    guard let kind = integer(UInt8.self) else { return nil }
    switch kind {
    case 1: return openFile(descriptors).map { .file($0) }
    case 2: return openFile(descriptors).map { .listing($0) }
    case 3: return .directoryRedirect
    case 4:
      guard let urlPath = string(), let isVerified = flag(), let resumeAt = integer(UInt16.self)
      else { return nil }
      return .internalRedirect(
        InternalRedirect(urlPath: urlPath, isVerified: isVerified, resumeAt: Int(resumeAt)))
    case 5: return .notFound
    case 6:
      return integer(UInt8.self).flatMap { ForbiddenReason(rawValue: $0) }.map { .forbidden($0) }
    case 7:
      guard let code = integer(Int32.self), let operation = string() else { return nil }
      return .failed(SystemError(code: code, operation: String(decoding: operation, as: UTF8.self)))
    case 8: return integer(UInt32.self).map { .pathInfo(byteCount: Int($0)) }
    default: return nil
    }
  }

  private mutating func openFile(_ descriptors: [Descriptor]) -> OpenFile? {
    guard let device = integer(UInt64.self), let inode = integer(UInt64.self),
      let size = integer(Int64.self), let modified = integer(Int64.self),
      let changed = integer(Int64.self), let mode = integer(UInt32.self),
      let owner = integer(UInt32.self),
      let coding = integer(UInt8.self).flatMap({ ContentCoding(rawValue: $0) }),
      let variants = integer(UInt8.self), let descriptor = descriptors.first
    else { return nil }
    let facts = FileFacts(
      device: device, inode: inode, size: size, modifiedNanoseconds: modified,
      changedNanoseconds: changed, mode: mode, owner: owner)
    return OpenFile(
      descriptor: descriptor, facts: facts, coding: coding,
      variantsAvailable: ContentCodings(rawValue: variants))
  }
}
