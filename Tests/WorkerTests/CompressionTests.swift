// Codings by media type, and files compressed a piece at a time.

import Coding
import Configuration
import HTTP
import Platform
import TestSupport
import Testing
@testable import Worker

@Suite struct `what is compressed` {
  @Test(
    arguments: [
      ("text/html", [ContentCoding.gzip, .br]), ("text/plain", [.gzip]),
      ("application/json", [.zstd]), ("image/png", []), ("", []), ("text/", [.gzip]),
      ("textual/plain", []),
    ] as [(String, [ContentCoding])]) func `is decided by the media type`(
      type: String, codings: [ContentCoding]
    )
  {
    var expected: ContentCodings = codings.isEmpty ? [] : .madeHere
    for coding in codings { expected.formUnion(ContentCodings(coding)) }
    var settings = CompressionSettings()
    settings.codings = [
      ("text/*", .deflate), ("text/html", .brotli), ("application/json", .zstd),
    ]
    #expect(settings.codings(mediaType: Array(type.utf8)) == expected)
    #expect(CompressionSettings().codings(mediaType: Array(type.utf8)) == [])
  }

  @Test(arguments: [
    ("text/html", true), ("image/svg+xml", true), ("image/png", false), ("video/mp4", false),
    ("application/zip", false), ("application/wasm", true), ("font/woff2", false), ("", false),
  ]) func `is all that is not dense already if the filter is set for all`(
    type: String, isCompressed: Bool
  ) {
    var settings = CompressionSettings()
    settings.codings = [("*/*", .brotli)]
    #expect(
      settings.codings(mediaType: Array(type.utf8)) == (isCompressed ? [.madeHere, .br] : []))
  }

  @Test func `has the level of its coding`() {
    var settings = CompressionSettings()
    settings.deflateLevel = 1
    settings.brotliQuality = 2
    settings.zstdLevel = 3
    #expect(ContentCoding.allCases.map(settings.level) == [0, 1, 3, 2])
  }
}

@Suite struct `a file being compressed` {
  private func begin(
    _ byteCount: Int, key: [UInt8] = [1], _ ledger: CompressionLedger
  ) -> CompressionInProgress? {
    let compression = CompressionInProgress(
      .gzip, level: 6, byteCount: byteCount, key: key, ledger: ledger)
    let input = ByteBuffer(capacity: byteCount)
    for index in 0..<byteCount { input.append(UInt8(truncatingIfNeeded: index / 7)) }
    compression?.input = input
    return compression
  }

  @Test func `takes several turns, and comes out as it was`() throws {
    let ledger = CompressionLedger()
    let compression = try #require(begin(3 * Limits.compressedBytesPerTurn - 5, ledger))
    var turns: Int64 = 0
    while compression.advance(now: turns) == nil {
      #expect(compression.position == Int(turns + 1) * Limits.compressedBytesPerTurn)
      // The turn is used up.
      #expect(compression.advance(now: turns) == nil)
      #expect(compression.position == Int(turns + 1) * Limits.compressedBytesPerTurn)
      turns += 1
    }
    #expect(turns == 2)
    let coded = compression.output.copy(0..<compression.output.count)
    let input = try #require(compression.input)
    #expect(
      ContentDecoder.decode(coded, coding: "gzip")
        == .init(bytes: input.copy(0..<input.count), isWhole: true))
  }

  @Test func `is not begun twice for the same key, but again when it is over`() throws {
    let ledger = CompressionLedger()
    var first = begin(1000, ledger)
    #expect(first != nil && ledger.fileBytes > 2000)
    #expect(begin(1000, ledger) == nil)
    let other = begin(1000, key: [2], ledger)
    #expect(other != nil)
    first = nil
    #expect(begin(1000, ledger) != nil)
    #expect(begin(1000, key: [], ledger) != nil)
  }

  @Test func `is not begun when too much is under way`() throws {
    let ledger = CompressionLedger()
    var begun: [CompressionInProgress] = []
    for number in 0..<100 {
      guard
        let next = CompressionInProgress(
          .gzip, level: 1, byteCount: Limits.compressedFileBytesMax, key: [UInt8(number)],
          ledger: ledger)
      else { break }
      begun.append(next)
    }
    #expect((1..<8).contains(begun.count))
    #expect(ledger.fileBytes <= Limits.compressingBytesMax)
    begun = []
    #expect(ledger.fileBytes == 0)
  }
}
