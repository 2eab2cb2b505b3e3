// Reading certificates, keys and lists: once each, whole, and with a word for whatever is wrong.

import Configuration
import Platform
import TLS
import Worker

/// What one input of a policy gave.
struct CertificateReading {
  var pieces: [TLSNamedBytes] = []
  /// By path, of what was read and of directories: any difference means to read again.
  var facts: [String: FileFacts] = [:]
  /// The permissions of the file if it is one.
  var mode: UInt32 = 0
}

/// Why an input cannot be used: the rest of the sentence that begins with its path.
struct CertificateProblem: Error, Equatable {
  let text: String
}

/// Reads every input once, however many sites name it.
final class CertificateReader {
  /// Bytes of one file; a bundle of all public authorities has about a quarter of it.
  static let fileBytesMax = 1 << 20
  /// Files of one directory of authorities.
  static let directoryFilesMax = 10_000

  private var readings: [CertificateInput: Result<CertificateReading, CertificateProblem>] = [:]

  func read(_ input: CertificateInput) -> Result<CertificateReading, CertificateProblem> {
    if let known = readings[input] { return known }
    let result: Result<CertificateReading, CertificateProblem>
    do throws(CertificateProblem) {
      switch input {
      case .file(let path): result = .success(try CertificateReader.file(path))
      case .issuers(let path): result = .success(try CertificateReader.directory(path, mark: ""))
      case .revocations(let path):
        result = .success(try CertificateReader.directory(path, mark: "r"))
      }
    } catch { result = .failure(error) }
    readings[input] = result
    return result
  }

  /// A regular file, not too large, and the same before and after it was read.
  static func file(_ path: String) throws(CertificateProblem) -> CertificateReading {
    do throws(SystemError) {
      for _ in 0..<3 {
        let file = try File.open(Array(path.utf8), for: .read)
        let facts = try File.facts(file)
        if facts.isDirectory { throw SystemError(code: SystemError.isDirectory, operation: "") }
        guard facts.isRegularFile else {
          throw SystemError(code: SystemError.invalidArgument, operation: "")
        }
        guard facts.size <= Int64(fileBytesMax) else {
          throw SystemError(code: SystemError.fileTooLarge, operation: "")
        }
        let bytes = try File.content(of: file, byteCountMax: fileBytesMax)
        guard try File.facts(file).isUnchanged(since: facts) else {
          bytes.wipe()
          continue
        }
        return CertificateReading(
          pieces: [TLSNamedBytes(name: path, bytes: bytes)], facts: [path: facts],
          mode: facts.mode)
      }
    } catch {
      switch error.code {
      case SystemError.isDirectory:
        throw CertificateProblem(text: "is a directory; name a file in PEM")
      case SystemError.invalidArgument:
        throw CertificateProblem(text: "is not a regular file; name a file in PEM")
      case SystemError.fileTooLarge:
        throw CertificateProblem(text: "is longer than \(fileBytesMax) bytes")
      default:
        throw CertificateProblem(text: "cannot be read: \(SystemError.text(of: error.code))")
      }
    }
    throw CertificateProblem(text: "changes while it is read")
  }

  /// The files of a directory that OpenSSL would look at: "1a2b3c4d.0", with `mark` before the
  /// number.
  private static func directory(
    _ path: String, mark: String
  ) throws(CertificateProblem) -> CertificateReading {
    guard let facts = File.facts(path: path), facts.isDirectory else {
      throw CertificateProblem(text: "is not a directory")
    }
    var reading = CertificateReading()
    reading.facts[path] = facts
    let names: [String]
    switch ConfigurationFiles.list(path) {
    case .failure(let error):
      throw CertificateProblem(text: "cannot be read: \(SystemError.text(of: error.code))")
    case .success(let found): names = found.filter { isHashed($0, mark) }
    }
    guard names.count <= directoryFilesMax else {
      throw CertificateProblem(text: "holds more than \(directoryFilesMax) files")
    }
    for name in names {
      do throws(CertificateProblem) {
        let one = try file("\(path)/\(name)")
        reading.pieces += one.pieces
        reading.facts.merge(one.facts) { $1 }
      } catch {
        throw CertificateProblem(text: "holds '\(name)', which \(error.text)")
      }
    }
    guard !reading.pieces.isEmpty else {
      throw CertificateProblem(
        text: "holds no file with a name by hash ('1a2b3c4d.\(mark)0'); run 'openssl rehash' on it")
    }
    return reading
  }

  /// The certificates of a PEM file, read for them alone.
  static func certificates(_ path: String) throws(CertificateProblem) -> [UInt8] {
    let bytes = try file(path).pieces[0].bytes
    defer { bytes.wipe() }
    return certificatesOnly(bytes)
  }

  /// Overwrites what has been read of these files, for all who share it.
  func wipe(_ paths: Set<String>) {
    for path in paths {
      guard case .success(let reading)? = readings.removeValue(forKey: .file(path)) else {
        continue
      }
      for piece in reading.pieces { piece.bytes.wipe() }
    }
  }

  /// The certificates of a PEM file without whatever else is in it: keys go nowhere, not even into
  /// memory that is freed.
  static func certificatesOnly(_ bytes: [UInt8]) -> [UInt8] {
    let kinds = ["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"]
    var kept: [UInt8] = []
    var isInside = false
    for line in bytes.split(whereSeparator: { $0 == 10 || $0 == 13 }) {
      if line.starts(with: "-----BEGIN ".utf8) {
        isInside = kinds.contains { line.starts(with: "-----BEGIN \($0)-----".utf8) }
      }
      if isInside { kept += line + [10] }
      if line.starts(with: "-----END ".utf8) { isInside = false }
    }
    return kept
  }

  private static func isHashed(_ name: String, _ mark: String) -> Bool {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 2, parts[0].utf8.count == 8, parts[1].hasPrefix(mark) else {
      return false
    }
    let number = parts[1].dropFirst(mark.count)
    return parts[0].allSatisfy(\.isHexDigit) && !number.isEmpty
      && number.allSatisfy { $0.isASCII && $0.isNumber }
  }
}
