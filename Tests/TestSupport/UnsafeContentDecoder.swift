// Decodes content codings as a client does, with the libraries' own decoders.

import CBrotliDecoder
import CZlib
import CZstd

/// What a body was before it was coded.
package enum ContentDecoder {
  /// A body, or the beginning of one, decoded as far as it goes.
  package struct Decoded: Equatable, Sendable {
    /// What was decoded.
    package var bytes: [UInt8]
    /// The coded end was there, and nothing behind it.
    package var isWhole: Bool

    /// For comparisons.
    package init(bytes: [UInt8], isWhole: Bool) {
      self.bytes = bytes
      self.isWhole = isWhole
    }
  }

  /// `coding`: gzip, br, zstd; anything else comes back as it is. nil when it is malformed, or
  /// longer than `countMax` when decoded.
  package static func decode(
    _ body: [UInt8], coding: String, countMax: Int = 64 << 20
  ) -> Decoded? {
    let decoded: Decoded?
    switch coding {
    case "gzip": decoded = gunzip(body)
    case "br": decoded = unbrotli(body)
    case "zstd": decoded = unzstd(body)
    default: decoded = Decoded(bytes: body, isWhole: true)
    }
    guard let decoded, decoded.bytes.count <= countMax else { return nil }
    return decoded
  }

  private static let pieceBytes = 65_536

  private static func gunzip(_ body: [UInt8]) -> Decoded? {
    var stream = unsafe z_stream()
    guard
      unsafe inflateInit2_(
        &stream, 15 + 16, zlibVersion(), CInt(MemoryLayout<z_stream>.size)) == Z_OK
    else { return nil }
    defer { unsafe inflateEnd(&stream) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: pieceBytes)
    var input = body
    return unsafe input.withUnsafeMutableBufferPointer { input in
      unsafe stream.next_in = input.baseAddress
      unsafe stream.avail_in = UInt32(input.count)
      while true {
        let result = unsafe piece.withUnsafeMutableBufferPointer { piece in
          unsafe stream.next_out = piece.baseAddress
          unsafe stream.avail_out = UInt32(piece.count)
          return unsafe inflate(&stream, Z_NO_FLUSH)
        }
        let count = unsafe pieceBytes - Int(stream.avail_out)
        bytes += piece[..<count]
        if result == Z_STREAM_END {
          return unsafe Decoded(bytes: bytes, isWhole: stream.avail_in == 0)
        }
        guard result == Z_OK || result == Z_BUF_ERROR else { return nil }
        if count == 0 { return Decoded(bytes: bytes, isWhole: false) }
      }
    }
  }

  private static func unbrotli(_ body: [UInt8]) -> Decoded? {
    let state = unsafe BrotliDecoderCreateInstance(nil, nil, nil)
    defer { unsafe BrotliDecoderDestroyInstance(state) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: pieceBytes)
    return unsafe body.withUnsafeBufferPointer { body in
      var input = body.baseAddress
      var inputCount = body.count
      while true {
        var room = pieceBytes
        let result = unsafe piece.withUnsafeMutableBufferPointer { piece in
          var output = piece.baseAddress
          return unsafe BrotliDecoderDecompressStream(
            state, &inputCount, &input, &room, &output, nil)
        }
        bytes += piece[..<(pieceBytes - room)]
        switch result {
        case BROTLI_DECODER_RESULT_SUCCESS:
          return Decoded(bytes: bytes, isWhole: inputCount == 0)
        case BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT: return Decoded(bytes: bytes, isWhole: false)
        case BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT: continue
        default: return nil
        }
      }
    }
  }

  private static func unzstd(_ body: [UInt8]) -> Decoded? {
    let stream = unsafe ZSTD_createDStream()
    defer { unsafe ZSTD_freeDStream(stream) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: pieceBytes)
    return unsafe body.withUnsafeBytes { body in
      var input = unsafe ZSTD_inBuffer(src: body.baseAddress, size: body.count, pos: 0)
      while true {
        var count = 0
        let left = unsafe piece.withUnsafeMutableBytes { piece in
          var output = unsafe ZSTD_outBuffer(dst: piece.baseAddress, size: piece.count, pos: 0)
          defer { unsafe count = output.pos }
          return unsafe ZSTD_decompressStream(stream, &output, &input)
        }
        guard ZSTD_isError(left) == 0 else { return nil }
        bytes += piece[..<count]
        if left == 0 {
          return unsafe Decoded(bytes: bytes, isWhole: input.pos == input.size)
        }
        if unsafe count < pieceBytes && input.pos == input.size {
          return Decoded(bytes: bytes, isWhole: false)
        }
      }
    }
  }
}
