// HPACK read by the library's own decoder, as a client would.

import CNGHTTP2

@safe final class ClientDecoder {
  private var inflater: OpaquePointer?

  init() { unsafe nghttp2_hd_inflate_new(&inflater) }
  deinit { unsafe nghttp2_hd_inflate_del(inflater) }

  /// What SETTINGS have said to the encoder.
  func changeTable(_ byteCount: Int) {
    unsafe nghttp2_hd_inflate_change_table_size(inflater, byteCount)
  }

  /// "name: value" for each field; nil if the block cannot be decoded.
  func decode(_ block: [UInt8]) -> [String]? {
    var fields: [String] = []
    var rest = block[...]
    while true {
      var field = unsafe nghttp2_nv()
      var flags: CInt = 0
      let count = unsafe Array(rest).withUnsafeBufferPointer { bytes in
        unsafe nghttp2_hd_inflate_hd2(
          inflater, &field, &flags, bytes.baseAddress, bytes.count, 1)
      }
      guard count >= 0 else { return nil }
      rest = rest.dropFirst(count)
      if flags & CInt(NGHTTP2_HD_INFLATE_EMIT.rawValue) != 0 {
        let name = unsafe UnsafeBufferPointer(start: field.name, count: field.namelen)
        let value = unsafe UnsafeBufferPointer(start: field.value, count: field.valuelen)
        unsafe fields.append(
          String(decoding: name, as: UTF8.self) + ": " + String(decoding: value, as: UTF8.self))
      }
      if flags & CInt(NGHTTP2_HD_INFLATE_FINAL.rawValue) != 0 {
        unsafe nghttp2_hd_inflate_end_headers(inflater)
        return fields
      }
    }
  }
}
