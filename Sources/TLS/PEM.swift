// Certificates, keys and revocation lists read from PEM, with sentences for what is wrong.

import COpenSSL

/// Owns one reference of an OpenSSL object.
@safe final class Owned {
  let handle: OpaquePointer
  private let free: (OpaquePointer) -> Void

  init(_ handle: OpaquePointer, _ free: @escaping (OpaquePointer) -> Void) {
    unsafe self.handle = unsafe handle
    unsafe self.free = unsafe free
  }

  deinit { unsafe free(handle) }
}

enum PEM {
  /// Calls `body` with a BIO that reads the bytes.
  static func reading<T>(
    _ bytes: [UInt8], _ body: (OpaquePointer) throws(TLSError) -> T
  ) throws(TLSError) -> T {
    let result: Result<T, TLSError> = unsafe bytes.withUnsafeBytes { buffer in
      guard buffer.count < CInt.max,
        let bio = unsafe BIO_new_mem_buf(buffer.baseAddress, CInt(buffer.count))
      else { return .failure(TLSError("out of memory")) }
      defer { unsafe BIO_free(bio) }
      do throws(TLSError) {
        return .success(try unsafe body(bio))
      } catch { return .failure(error) }
    }
    return try result.get()
  }

  /// All objects of one kind in a file, read by `next`, which returns nil at the end.
  private static func all(
    in file: TLSNamedBytes, what: String, free: @escaping (OpaquePointer) -> Void,
    next: (OpaquePointer) -> OpaquePointer?
  ) throws(TLSError) -> [Owned] {
    // An empty buffer is told as BIO_new_mem_buf(NULL), which fails.
    guard !file.bytes.isEmpty else {
      throw TLSError("'\(file.name)' holds no \(what): it is empty")
    }
    ERR_clear_error()
    var objects: [Owned] = []
    try unsafe reading(file.bytes) { (bio) throws(TLSError) in
      while let object = unsafe next(bio) { unsafe objects.append(Owned(object, free)) }
    }
    let error = OpenSSLErrors.take()
    let isEnd = error.library == ERR_LIB_PEM && error.reason == PEM_R_NO_START_LINE
    guard isEnd || error.library == 0 else {
      throw TLSError("'\(file.name)' holds a damaged \(what): \(error.text)")
    }
    guard !objects.isEmpty else {
      throw TLSError("'\(file.name)' holds no \(what) in PEM")
    }
    return objects
  }

  /// At least one, in the file's order.
  static func certificates(in file: TLSNamedBytes) throws(TLSError) -> [Owned] {
    try unsafe all(
      in: file, what: "certificate", free: { unsafe X509_free($0) },
      next: { unsafe PEM_read_bio_X509_AUX($0, nil, nil, nil) })
  }

  /// At least one, in the file's order.
  static func revocationLists(in file: TLSNamedBytes) throws(TLSError) -> [Owned] {
    try unsafe all(
      in: file, what: "revocation list", free: { unsafe X509_CRL_free($0) },
      next: { unsafe PEM_read_bio_X509_CRL($0, nil, nil, nil) })
  }

  /// The first private key; never asks for a password.
  static func key(in file: TLSNamedBytes) throws(TLSError) -> Owned {
    guard !file.bytes.isEmpty else {
      throw TLSError("'\(file.name)' holds no private key: it is empty")
    }
    ERR_clear_error()
    var asked: CInt = 0
    var key: Owned?
    try unsafe reading(file.bytes) { (bio) throws(TLSError) in
      if let handle = unsafe ring3_read_key(bio, &asked) {
        key = unsafe Owned(handle) { unsafe EVP_PKEY_free($0) }
      }
    }
    let error = OpenSSLErrors.take()
    if let key { return key }
    if asked != 0 {
      throw TLSError(
        "the private key in '\(file.name)' is encrypted; store it without a password "
          + "(openssl pkey -in FILE -out FILE.new) and keep it readable for root only")
    }
    let isAbsent =
      error.library == ERR_LIB_PEM && error.reason == PEM_R_NO_START_LINE
      || error.library == ERR_LIB_OSSL_DECODER
    if isAbsent && !PEM.mentionsKey(file.bytes) {
      throw TLSError("'\(file.name)' holds no private key in PEM")
    }
    throw TLSError("the private key in '\(file.name)' is damaged: \(error.text)")
  }

  /// Some line begins a private key.
  private static func mentionsKey(_ bytes: [UInt8]) -> Bool {
    bytes.split(separator: UInt8(ascii: "\n")).contains {
      $0.starts(with: "-----BEGIN ".utf8)
        && String(decoding: $0, as: UTF8.self).contains("PRIVATE KEY-----")
    }
  }
}
