// Which codings the configuration offers for a response, and files on their way into one.

import Coding
import Configuration
import HTTP
import Platform

extension CompressionSettings {
  /// The codings that responses of a media type may be compressed with: `mediaType` without
  /// parameters, lower case. Empty for none; else marked as made here.
  package func codings(mediaType: [UInt8]) -> ContentCodings {
    guard !codings.isEmpty, !mediaType.isEmpty else { return [] }
    let slash = mediaType.firstIndex(of: UInt8(ascii: "/")) ?? mediaType.count
    var offered: ContentCodings = []
    for (type, coding) in codings {
      let matches =
        type.utf8.elementsEqual(mediaType)
        || type.hasSuffix("/*") && type.utf8.dropLast(2).elementsEqual(mediaType[..<slash])
        || type == "*/*" && !CompressionSettings.isDense(mediaType)
      if matches { offered.formUnion(ContentCodings(coding.contentCoding)) }
    }
    return offered.isEmpty ? [] : offered.union(.madeHere)
  }

  /// Families and types that are compressed in themselves: `*/*` does not mean them.
  private static let denseFamilies: Set<String> = ["image", "audio", "video"]
  private static let denseTypes: Set<String> = [
    "application/gzip", "application/x-gzip", "application/zip", "application/zstd",
    "application/x-7z-compressed", "application/x-bzip2", "application/x-xz",
    "application/vnd.rar", "application/java-archive", "application/pdf", "font/woff",
    "font/woff2",
  ]
  private static let looseImages: Set<String> = ["image/svg+xml", "image/bmp", "image/x-icon"]

  private static func isDense(_ mediaType: [UInt8]) -> Bool {
    let type = String(decoding: mediaType, as: UTF8.self)
    let family = String(type.prefix { $0 != "/" })
    return denseTypes.contains(type)
      || denseFamilies.contains(family) && !looseImages.contains(type)
  }

  /// Of `BodyEncoder`.
  package func level(_ coding: ContentCoding) -> Int {
    switch coding {
    case .identity: 0
    case .gzip: deflateLevel
    case .br: brotliQuality
    case .zstd: zstdLevel
    }
  }
}

extension CompressionCoding {
  package var contentCoding: ContentCoding {
    switch self {
    case .zstd: .zstd
    case .brotli: .br
    case .deflate: .gzip
    }
  }
}

/// All that is being compressed in this process: so much at a time, everything else goes as it is.
final class CompressionLedger {
  let encoders = EncoderPool(memoryBytesMax: Limits.encoderBytesMax)
  /// Bytes of files under way, as they were and as they become.
  fileprivate(set) var fileBytes = 0
  /// What is under way, so that it is made once.
  fileprivate var keys: Set<[UInt8]> = []
  /// Input that was taken in this turn of the loop, known by its time.
  private var turn: Int64 = -1
  private var turnBytes = 0

  /// How much more may be compressed in this turn: what is short comes to its end at once, and all
  /// of them together hold up nobody for long.
  func budget(now: Int64) -> Int {
    if turn != now {
      turn = now
      turnBytes = 0
    }
    return max(0, Limits.compressedBytesPerTurn - turnBytes)
  }

  func spend(_ count: Int) { turnBytes += count }
}

/// A file on its way into a coding; what it holds of the ledger is given back with it.
final class CompressionInProgress {
  let encoder: BodyEncoder
  let output: ByteBuffer
  /// Bytes of the file that were taken.
  var position = 0
  /// The file has been read whole, and may be kept.
  var isStorable = false
  var input: ByteBuffer?
  private let ledger: CompressionLedger
  private let key: [UInt8]
  private let bytes: Int

  /// nil when there is too much under way, or the same. `key`: of the variant; empty if it will not
  /// be kept.
  init?(
    _ coding: ContentCoding, level: Int, byteCount: Int, key: [UInt8], ledger: CompressionLedger
  ) {
    let capacity = BodyEncoder.outputBytesMax(byteCount)
    bytes = byteCount + capacity
    guard bytes <= Limits.compressingBytesMax - ledger.fileBytes, !ledger.keys.contains(key),
      let encoder = ledger.encoders.take(coding, level: level, byteCountHint: byteCount)
    else { return nil }
    self.encoder = encoder
    self.ledger = ledger
    self.key = key
    output = ByteBuffer(capacity: capacity)
    ledger.fileBytes += bytes
    if !key.isEmpty { ledger.keys.insert(key) }
  }

  deinit {
    ledger.encoders.give(encoder)
    ledger.fileBytes -= bytes
    if !key.isEmpty { ledger.keys.remove(key) }
  }

  /// Compresses on, a bounded piece; nil as long as it is not at its end. False: it cannot be.
  func advance(now: Int64) -> Bool? {
    guard let input else { preconditionFailure("nothing was read") }
    let count = min(input.count - position, ledger.budget(now: now))
    guard count > 0 || position == input.count else { return nil }
    let isLast = position + count == input.count
    let step = encoder.encode(
      input.bytes.extracting(position..<position + count), into: output, isLast ? .end : .more)
    ledger.spend(count)
    position += step.consumed
    switch step.outcome {
    case .done: return true
    case .ready: return nil
    // It would be longer than the file ever may become.
    case .full, .failed: return false
    }
  }
}
