// OpenSSL as a whole: started once, asked for its version and its errors.

import COpenSSL
import Glibc

/// Whether memory that OpenSSL frees is wiped, all of it: it wipes keys by itself, but not every
/// form in which it has held them while it read a file. A plain word, for it is read with each of
/// the thousand pieces that a handshake frees; it changes once, where there is one thread.
nonisolated(unsafe) private var wipesMemory = true

/// What concerns the library itself, not a context or a session.
package enum TLSLibrary {
  /// Starts OpenSSL; by the master before it forks, so that the tables are shared. Its openssl.cnf
  /// is not read: what a connection may do is said by our configuration alone, and no file can make
  /// OpenSSL load code into a process that has root's rights. No exit handlers are installed:
  /// children that exit leave their parent's state alone. Starts no thread and opens no file.
  package static func initialise() throws(TLSError) {
    // Only before OpenSSL's first allocation; later it has been done.
    _ = unsafe CRYPTO_set_mem_functions(
      { size, _, _ in unsafe malloc(size) },
      { memory, size, _, _ in unsafe TLSLibrary.reallocate(memory, size) },
      { memory, _, _ in unsafe TLSLibrary.release(memory) })
    let options =
      UInt64(OPENSSL_INIT_LOAD_SSL_STRINGS) | UInt64(OPENSSL_INIT_LOAD_CRYPTO_STRINGS)
      | UInt64(OPENSSL_INIT_NO_LOAD_CONFIG) | UInt64(OPENSSL_INIT_NO_ATEXIT)
    guard OPENSSL_init_ssl(options, nil) == 1 else {
      throw TLSError("OpenSSL does not start: \(OpenSSLErrors.take().text)")
    }
    // The generator's first use finds the provider, which is then the children's too. After a fork
    // the generator seeds itself anew with getrandom(2).
    _ = try randomBytes(1)
  }

  /// For processes that hold keys for all their life, and have better things to do; before they
  /// make a session.
  package static func stopWiping() { unsafe wipesMemory = false }

  @unsafe private static func release(_ memory: UnsafeMutableRawPointer?) {
    guard unsafe wipesMemory else { return unsafe free(memory) }
    unsafe ring3_memory_wipe_and_free(memory)
  }

  @unsafe private static func reallocate(
    _ memory: UnsafeMutableRawPointer?, _ size: Int
  ) -> UnsafeMutableRawPointer? {
    guard unsafe wipesMemory else { return unsafe realloc(memory, size) }
    return unsafe ring3_memory_move(memory, size)
  }

  /// "OpenSSL 3.0.15 3 Sep 2024": the library that runs, not the one that was compiled against.
  package static var versionText: String {
    unsafe OpenSSL_version(OPENSSL_VERSION).map { unsafe String(cString: $0) } ?? "OpenSSL"
  }

  /// Bytes nobody can guess, for keys.
  static func randomBytes(_ count: Int) throws(TLSError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    ERR_clear_error()
    guard unsafe RAND_priv_bytes(&bytes, CInt(count)) == 1 else {
      throw TLSError("no random bytes: \(OpenSSLErrors.take().text)")
    }
    return bytes
  }
}

/// Why something of the configuration cannot be used: a sentence for the operator that names the
/// file.
package struct TLSError: Error, Equatable, Sendable, CustomStringConvertible {
  package let message: String

  package init(_ message: String) { self.message = message }

  package var description: String { message }
}

/// The thread's queue of OpenSSL errors. Whoever calls OpenSSL clears it before and takes it after.
enum OpenSSLErrors {
  /// The oldest error, which is the cause.
  struct Taken {
    /// 0: there was none.
    var library: CInt = 0
    var reason: CInt = 0
    var text = "unknown error"
  }

  /// Empties the queue.
  static func take() -> Taken {
    var taken = Taken()
    var data: UnsafePointer<CChar>?
    var flags: CInt = 0
    let code = unsafe ERR_get_error_all(nil, nil, nil, &data, &flags)
    guard code != 0 else { return taken }
    taken.library = ERR_GET_LIB(code)
    taken.reason = ERR_GET_REASON(code)
    if let reason = unsafe ERR_reason_error_string(code) {
      taken.text = unsafe String(cString: reason)
    } else {
      taken.text = "error \(taken.library):\(taken.reason)"
    }
    if let data = unsafe data, flags & ERR_TXT_STRING != 0 {
      let detail = unsafe String(cString: data)
      if !detail.isEmpty { taken.text += " (\(detail))" }
    }
    ERR_clear_error()
    return taken
  }
}
