// Records that the kernel makes (kTLS): for who asks for them, where the kernel can.

import COpenSSL
import Glibc
import Platform

/// What the kernel does for a connection whose records it makes (Documentation/networking/tls.rst).
/// An interface, so that a test can be a kernel that can more than the one it runs on.
package protocol RecordKernel {
  /// Gives it the keys of all that is sent from now on, as struct tls12_crypto_info_… of
  /// <linux/tls.h>; false: it does not take them, and nothing has changed.
  func takeOver(_ descriptor: CInt, keys: RawSpan) -> Bool
  /// Sends application data: send(2).
  func send(_ descriptor: CInt, _ output: OutputVector) -> SendResult
  /// Sends one record of another type, a handshake message or an alert; false: not all of it.
  func send(_ descriptor: CInt, recordType: UInt8, _ content: [UInt8]) -> Bool
}

/// The kernel that we run on.
package struct LinuxRecords: RecordKernel {
  package init() {}

  package func takeOver(_ descriptor: CInt, keys: RawSpan) -> Bool {
    unsafe keys.withUnsafeBytes { keys in
      unsafe ring3_ktls_start(descriptor, keys.baseAddress, keys.count) == 0
    }
  }

  package func send(_ descriptor: CInt, _ output: OutputVector) -> SendResult {
    Stream.send(descriptor, output)
  }

  package func send(_ descriptor: CInt, recordType: UInt8, _ content: [UInt8]) -> Bool {
    unsafe ring3_ktls_send(descriptor, recordType, content, content.count) == content.count
  }
}

/// OpenSSL asks for it at the end of a handshake, where a policy says `Options KTLS`.
extension TLSSession {
  /// The keys of what we send: what OpenSSL has made itself so far must be gone by then.
  @unsafe func giveKeys(_ information: UnsafeMutableRawPointer?) -> Bool {
    drain()
    let byteCount = unsafe ring3_ktls_keys_size(information)
    guard !hasUnsent, output == .open, !isSentByKernel, byteCount > 0,
      let information = unsafe information
    else { return false }
    // Not copied: OpenSSL wipes them.
    let keys = unsafe UnsafeRawBufferPointer(start: information, count: byteCount)
    isSentByKernel = unsafe workspace.kernel.takeOver(descriptor, keys: keys.bytes)
    return isSentByKernel
  }

  /// What OpenSSL writes then is never data, which goes past it.
  func sendMessage(_ content: [UInt8]) -> Bool {
    guard let type = messageType else { return false }
    messageType = nil
    guard workspace.kernel.send(descriptor, recordType: type, content) else {
      output = .broken
      return false
    }
    return true
  }
}
