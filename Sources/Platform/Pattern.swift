// Regular expressions over bytes: PCRE2, JIT compiled, with limits that a hostile subject cannot
// exceed.

import CPCRE2
import Glibc

/// Why a pattern was refused: PCRE2's message and the byte where it stopped reading.
package struct PatternError: Error, Equatable, Sendable {
  package let message: String
  /// 0 … the pattern's length in bytes.
  package let byteOffset: Int
}

/// One match: the whole (group 0) and each group, as byte ranges of the subject; nil for a group
/// that took no part.
package struct PatternMatch: Equatable, Sendable {
  package let captures: [Range<Int>?]

  package init(captures: [Range<Int>?]) { self.captures = captures }
}

/// What became of a match.
package enum PatternResult: Equatable, Sendable {
  case match(PatternMatch)
  case noMatch
  /// The subject made the pattern work harder than `Pattern.matchLimit`: to be treated as no match,
  /// and logged.
  case limitExceeded
}

/// A group's name and number.
package struct PatternName: Equatable, Sendable {
  package let name: String
  package let group: Int
}

/// A compiled pattern. Bytes, not characters: `.` is one byte and matches a line feed, `$` only the
/// end (httpd's defaults, DOTALL and DOLLAR_ENDONLY). Compiled once, before the workers are forked.
@safe
package final class Pattern: @unchecked Sendable {
  /// Backtracking steps per match (pcre2api, "match limit"): about 10 ms at worst.
  package static let matchLimit: UInt32 = 200_000
  /// Kibibytes the interpreter may use where there is no JIT.
  private static let heapLimitKibibytes: UInt32 = 1024

  package let text: String
  /// Groups with names, in the order of PCRE2's table (by name).
  package let names: [PatternName]
  /// Number of groups, without group 0.
  package let groupCount: Int
  /// Sets of literals; every match contains at least one literal of each set, in lower case if the
  /// pattern ignores case. Best effort: may be empty.
  package let requiredLiterals: [[[UInt8]]]
  // Immutable after init and only read by pcre2_match: safe to share, hence @unchecked Sendable.
  private let code: OpaquePointer
  private let context: OpaquePointer

  /// Compiles; `anchoredBothEnds` makes it match the whole subject or nothing.
  package init(
    _ text: String, caseInsensitive: Bool = false, anchoredBothEnds: Bool = false
  ) throws(PatternError) {
    var options = PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C
    if caseInsensitive { options |= PCRE2_CASELESS }
    if anchoredBothEnds { options |= PCRE2_ANCHORED | UInt32(PCRE2_ENDANCHORED) }
    var errorCode: CInt = 0
    var errorOffset = 0
    let bytes = Array(text.utf8)
    let compiled = unsafe bytes.withUnsafeBufferPointer { buffer -> OpaquePointer? in
      // An empty array may have no address; PCRE2 wants one.
      var nothing: UInt8 = 0
      return unsafe withUnsafePointer(to: &nothing) { empty in
        unsafe pcre2_compile_8(
          buffer.baseAddress ?? empty, buffer.count, options, &errorCode, &errorOffset, nil)
      }
    }
    guard let code = unsafe compiled else {
      throw PatternError(message: Pattern.message(of: errorCode), byteOffset: errorOffset)
    }
    guard let context = unsafe pcre2_match_context_create_8(nil) else {
      unsafe pcre2_code_free_8(code)
      throw PatternError(message: "out of memory", byteOffset: 0)
    }
    // Where memory may not be made executable this fails, and pcre2_match interprets.
    _ = unsafe pcre2_jit_compile_8(code, UInt32(PCRE2_JIT_COMPLETE))
    unsafe pcre2_set_match_limit_8(context, Pattern.matchLimit)
    unsafe pcre2_set_heap_limit_8(context, Pattern.heapLimitKibibytes)
    self.text = text
    unsafe self.code = code
    unsafe self.context = context
    names = unsafe Pattern.names(of: code)
    var groups: UInt32 = 0
    unsafe pcre2_pattern_info_8(code, UInt32(PCRE2_INFO_CAPTURECOUNT), &groups)
    groupCount = Int(groups)
    requiredLiterals = PatternLiterals.required(by: bytes, caseInsensitive: caseInsensitive)
  }

  deinit {
    unsafe pcre2_match_context_free_8(context)
    unsafe pcre2_code_free_8(code)
  }

  /// Runs the pattern over the subject; the first match from the left.
  package func match(_ subject: [UInt8]) -> PatternResult {
    guard let data = unsafe pcre2_match_data_create_from_pattern_8(code, nil) else {
      return .limitExceeded
    }
    defer { unsafe pcre2_match_data_free_8(data) }
    var result = unsafe run(subject, options: 0, data: data)
    if result == PCRE2_ERROR_JIT_STACKLIMIT {
      result = unsafe run(subject, options: PCRE2_NO_JIT, data: data)
    }
    if result == PCRE2_ERROR_NOMATCH { return .noMatch }
    // Every other error is a limit (match, depth, heap, memory): the options rule out the rest.
    guard result > 0, let offsets = unsafe pcre2_get_ovector_pointer_8(data) else {
      return .limitExceeded
    }
    let captures = (0...groupCount).map { group -> Range<Int>? in
      guard group < result else { return nil }
      let start = unsafe offsets[2 * group]
      let end = unsafe offsets[2 * group + 1]
      // PCRE2_UNSET is all ones; \K in a look-ahead can put the start behind the end.
      guard start != Int(bitPattern: UInt.max), start <= end else { return nil }
      return Int(start)..<Int(end)
    }
    return .match(PatternMatch(captures: captures))
  }

  /// True if the subject matches; a limit counts as no match.
  package func matches(_ subject: [UInt8]) -> Bool {
    if case .match = match(subject) { return true }
    return false
  }

  private func run(_ subject: [UInt8], options: UInt32, data: OpaquePointer) -> CInt {
    unsafe subject.withUnsafeBufferPointer { buffer in
      var nothing: UInt8 = 0
      return unsafe withUnsafePointer(to: &nothing) { empty in
        unsafe pcre2_match_8(
          code, buffer.baseAddress ?? empty, buffer.count, 0, options, data, context)
      }
    }
  }

  private static func message(of code: CInt) -> String {
    var text = [UInt8](repeating: 0, count: 256)
    let count = unsafe pcre2_get_error_message_8(code, &text, text.count)
    return String(decoding: text.prefix(max(0, Int(count))), as: UTF8.self)
  }

  /// The name table: entries of equal size, a big-endian group number, then the name, NUL.
  private static func names(of code: OpaquePointer) -> [PatternName] {
    var count: UInt32 = 0
    var entryBytes: UInt32 = 0
    var table: UnsafePointer<UInt8>?
    unsafe pcre2_pattern_info_8(code, UInt32(PCRE2_INFO_NAMECOUNT), &count)
    unsafe pcre2_pattern_info_8(code, UInt32(PCRE2_INFO_NAMEENTRYSIZE), &entryBytes)
    unsafe pcre2_pattern_info_8(code, UInt32(PCRE2_INFO_NAMETABLE), &table)
    guard let table = unsafe table else { return [] }
    return (0..<Int(count)).map { index in
      let start = index * Int(entryBytes)
      let group = unsafe Int(table[start]) << 8 | Int(table[start + 1])
      var name: [UInt8] = []
      var offset = start + 2
      while offset < start + Int(entryBytes), unsafe table[offset] != 0 {
        unsafe name.append(table[offset])
        offset += 1
      }
      return PatternName(name: String(decoding: name, as: UTF8.self), group: group)
    }
  }
}
