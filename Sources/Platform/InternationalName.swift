// Host names in any script as their ASCII form: libidn2 knows the tables.

import CIDN2

/// IDNA2008 with the mapping of UTS #46, non-transitional: what browsers do.
package enum InternationalName {
  /// What is wrong with a name.
  package struct Failure: Error, Equatable {
    package let message: String
  }

  /// "bücher.example" as "xn--bcher-kva.example", in lower case; a name in ASCII comes back as it
  /// is, its A-labels checked. No NUL may stand in it. idn2_to_ascii_8z(3).
  package static func ascii(_ name: String) throws(Failure) -> String {
    var result: UnsafeMutablePointer<CChar>?
    let flags = CInt(IDN2_NONTRANSITIONAL.rawValue | IDN2_NFC_INPUT.rawValue)
    let code = unsafe idn2_to_ascii_8z(name, &result, flags)
    guard code == CInt(IDN2_OK.rawValue), let text = unsafe result else {
      throw Failure(message: unsafe String(cString: idn2_strerror(code)))
    }
    defer { unsafe idn2_free(text) }
    return unsafe String(cString: text)
  }
}
