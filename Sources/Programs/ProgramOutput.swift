// What the programs of one application write, line by line.

import Platform

/// A pipe: programs have one end, and can do no more with it than write.
final class ProgramOutput {
  /// In one turn; whoever writes more waits for the pipe to have room.
  private static let bytesPerTurn = 16_384
  private static let lineBytesMax = 4096

  let readEnd: Descriptor
  let writeEnd: Descriptor
  private var unfinished: [UInt8] = []

  init() throws(SystemError) {
    (readEnd, writeEnd) = try Pipe.open()
  }

  /// Takes what is there, and tells each whole line.
  func read(_ tell: (String) -> Void) {
    guard case .bytes(let bytes) = UnixSocket.receive(readEnd, byteCountMax: Self.bytesPerTurn)
    else { return }
    for byte in bytes {
      let isEnd = byte == UInt8(ascii: "\n")
      // Nothing that a terminal could take for an order.
      if !isEnd { unfinished.append(byte < 0x20 && byte != 0x09 || byte == 0x7f ? 0x3f : byte) }
      if isEnd || unfinished.count >= Self.lineBytesMax {
        tell(String(decoding: unfinished, as: UTF8.self))
        unfinished.removeAll(keepingCapacity: true)
      }
    }
  }
}
