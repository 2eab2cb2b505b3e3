// What a certificate says, for warnings, `ring3ctl` and variables of requests.

import COpenSSL

/// The facts of one certificate.
package struct TLSCertificateFacts: Equatable, Sendable {
  /// RFC 2253: "CN=example.org,O=Example".
  package let subject: String
  package let issuer: String
  /// The last CN of the subject; nil if there is none.
  package let commonName: String?
  /// dNSName entries of the alternative names, as written.
  package let hostNames: [String]
  /// iPAddress entries: 4 or 16 bytes each.
  package let addresses: [[UInt8]]
  /// Seconds since 1970-01-01 UTC.
  package let notBeforeSeconds: Int64
  package let notAfterSeconds: Int64
  /// Hexadecimal, capital letters.
  package let serial: String
  /// OpenSSL's name: "RSA", "EC", "ED25519".
  package let keyType: String
  package let keyBits: Int
  /// Where its OCSP responder listens, the first of them; nil if it names none.
  package let ocspURL: String?
  /// It promises a stapled OCSP response ("must staple", RFC 7633).
  package let mustStaple: Bool
  /// SHA-256 of the DER form: 32 bytes.
  package let fingerprint: [UInt8]

  /// Of the first certificate in a PEM file.
  package init(pem file: TLSNamedBytes) throws(TLSError) {
    defer { ERR_clear_error() }
    let certificate = try PEM.certificates(in: file)[0]
    guard let facts = unsafe TLSCertificateFacts(certificate: certificate.handle) else {
      throw TLSError("the certificate in '\(file.name)' cannot be read")
    }
    self = facts
  }

  /// Nil when something in it cannot be read.
  @unsafe init?(certificate: OpaquePointer) {
    guard let notBefore = unsafe TLSCertificateFacts.seconds(X509_get0_notBefore(certificate)),
      let notAfter = unsafe TLSCertificateFacts.seconds(X509_get0_notAfter(certificate)),
      let subject = unsafe X509_get_subject_name(certificate),
      let issuer = unsafe X509_get_issuer_name(certificate),
      let key = unsafe X509_get0_pubkey(certificate)
    else { return nil }
    notBeforeSeconds = notBefore
    notAfterSeconds = notAfter
    self.subject = unsafe TLSCertificateFacts.text(of: subject)
    self.issuer = unsafe TLSCertificateFacts.text(of: issuer)
    commonName = unsafe TLSCertificateFacts.commonName(of: subject)
    (hostNames, addresses) = unsafe TLSCertificateFacts.alternativeNames(of: certificate)
    serial = unsafe TLSCertificateFacts.hexadecimal(X509_get0_serialNumber(certificate))
    keyType = unsafe EVP_PKEY_get0_type_name(key).map { unsafe String(cString: $0) } ?? "unknown"
    keyBits = unsafe Int(EVP_PKEY_get_bits(key))
    ocspURL = unsafe TLSCertificateFacts.responder(of: certificate)
    mustStaple = unsafe X509_get_ext_by_NID(certificate, NID_tlsfeature, -1) >= 0
    fingerprint = unsafe TLSCertificateFacts.fingerprint(of: certificate)
  }

  /// SHA-256 of a certificate's DER.
  @unsafe static func fingerprint(of certificate: OpaquePointer) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: 32)
    _ = unsafe X509_digest(certificate, EVP_sha256(), &digest, nil)
    return digest
  }

  @unsafe static func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64? {
    var parts = unsafe tm()
    guard let time = unsafe time, unsafe ASN1_TIME_to_tm(time, &parts) == 1 else { return nil }
    // Not timegm(3): it opens /etc/localtime, which a sandboxed worker may not. Days of the
    // proleptic Gregorian calendar since 1970-01-01, years counted from March.
    let month = Int64(unsafe parts.tm_mon)
    let year = Int64(unsafe parts.tm_year) + 1_900 - (month < 2 ? 1 : 0)
    let dayOfYear = (153 * ((month + 10) % 12) + 2) / 5 + Int64(unsafe parts.tm_mday) - 1
    let days = year * 365 + year / 4 - year / 100 + year / 400 + dayOfYear - 719_468
    let (hours, minutes) = unsafe (Int64(parts.tm_hour), Int64(parts.tm_min))
    return unsafe days * 86_400 + hours * 3_600 + minutes * 60 + Int64(parts.tm_sec)
  }

  @unsafe private static func text(of name: OpaquePointer) -> String {
    guard let bio = unsafe BIO_new(BIO_s_mem()) else { return "" }
    defer { unsafe BIO_free(bio) }
    _ = unsafe ring3_print_name(bio, name)
    return unsafe String(decoding: bytes(in: bio), as: UTF8.self)
  }

  @unsafe static func bytes(in bio: OpaquePointer) -> [UInt8] {
    var start: UnsafePointer<UInt8>?
    let count = unsafe ring3_bio_memory(bio, &start)
    return unsafe [UInt8](UnsafeBufferPointer(start: start, count: max(0, count)))
  }

  @unsafe static func pem(of certificate: OpaquePointer) -> [UInt8]? {
    guard let bio = unsafe BIO_new(BIO_s_mem()) else { return nil }
    defer { unsafe BIO_free(bio) }
    guard unsafe PEM_write_bio_X509(bio, certificate) == 1 else { return nil }
    return unsafe bytes(in: bio)
  }

  @unsafe private static func commonName(of name: OpaquePointer) -> String? {
    var (index, last): (CInt, CInt) = (-1, -1)
    while true {
      index = unsafe X509_NAME_get_index_by_NID(name, NID_commonName, index)
      if index < 0 { break }
      last = index
    }
    guard last >= 0, let entry = unsafe X509_NAME_get_entry(name, last) else { return nil }
    var text: UnsafeMutablePointer<UInt8>?
    let count = unsafe ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry))
    guard count >= 0, let text = unsafe text else { return nil }
    defer { unsafe ring3_free(text) }
    return unsafe String(
      decoding: UnsafeBufferPointer(start: text, count: Int(count)), as: UTF8.self)
  }

  @unsafe private static func alternativeNames(
    of certificate: OpaquePointer
  ) -> (hosts: [String], addresses: [[UInt8]]) {
    var hosts: [String] = []
    var addresses: [[UInt8]] = []
    guard let data = unsafe X509_get_ext_d2i(certificate, NID_subject_alt_name, nil, nil) else {
      return ([], [])
    }
    let names = OpaquePointer(data)
    defer { unsafe GENERAL_NAMES_free(names) }
    for index in unsafe 0..<max(0, ring3_general_names_count(names)) {
      var (type, count): (CInt, CInt) = (0, 0)
      guard
        let start = unsafe ring3_general_name(ring3_general_name_at(names, index), &type, &count)
      else { continue }
      let bytes = unsafe [UInt8](UnsafeBufferPointer(start: start, count: Int(max(0, count))))
      if type == GEN_DNS {
        hosts.append(String(decoding: bytes, as: UTF8.self))
      } else {
        addresses.append(bytes)
      }
    }
    return (hosts, addresses)
  }

  @unsafe private static func hexadecimal(_ number: UnsafePointer<ASN1_INTEGER>?) -> String {
    guard let value = unsafe ASN1_INTEGER_to_BN(number, nil) else { return "" }
    defer { unsafe BN_free(value) }
    guard let text = unsafe BN_bn2hex(value) else { return "" }
    defer { unsafe ring3_free(text) }
    return unsafe String(cString: text)
  }

  @unsafe private static func responder(of certificate: OpaquePointer) -> String? {
    guard let strings = unsafe X509_get1_ocsp(certificate) else { return nil }
    defer { unsafe X509_email_free(strings) }
    guard unsafe ring3_strings_count(strings) > 0,
      let first = unsafe ring3_string_at(strings, 0)
    else { return nil }
    return unsafe String(cString: first)
  }
}
