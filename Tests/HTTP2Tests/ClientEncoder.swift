// HPACK written by another library's encoder, as a client would.

import CNGHTTP2

@safe final class ClientEncoder {
  private var deflater: OpaquePointer?

  init(tableBytes: Int = 4096) { unsafe nghttp2_hd_deflate_new(&deflater, tableBytes) }
  deinit { unsafe nghttp2_hd_deflate_del(deflater) }

  func changeTable(_ byteCount: Int) {
    unsafe nghttp2_hd_deflate_change_table_size(deflater, byteCount)
  }

  func encode(_ fields: [(String, String)]) -> [UInt8] {
    var texts = fields.map { (Array($0.0.utf8), Array($0.1.utf8)) }
    var block = [UInt8](repeating: 0, count: 1 << 17)
    var views: [nghttp2_nv] = unsafe []
    // The arrays stay where they are while the library reads them.
    return unsafe encode(&texts, from: 0, &views, &block)
  }

  private func encode(
    _ texts: inout [([UInt8], [UInt8])], from index: Int, _ views: inout [nghttp2_nv],
    _ block: inout [UInt8]
  ) -> [UInt8] {
    guard index < texts.count else {
      let room = block.count
      let count = unsafe nghttp2_hd_deflate_hd(deflater, &block, room, views, views.count)
      return Array(block[0..<max(0, Int(count))])
    }
    var (name, value) = texts[index]
    return unsafe name.withUnsafeMutableBufferPointer { name in
      unsafe value.withUnsafeMutableBufferPointer { value in
        unsafe views.append(
          nghttp2_nv(
            name: name.baseAddress, value: value.baseAddress, namelen: name.count,
            valuelen: value.count, flags: 0))
        return unsafe encode(&texts, from: index + 1, &views, &block)
      }
    }
  }
}
