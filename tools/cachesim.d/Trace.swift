// A trace of requests: which object each one asks for, and how many bytes each object has.
//
// The file format is that of many cache simulators: a line `id size` for each request, both
// decimal, separated by blanks. An id is any 64-bit number; its first line says its size in bytes,
// at most 2^40. Empty lines and lines that start with # mean nothing. A trace in which every size
// is 1 has no sizes. A file whose name ends in .xz is read through `xz -dc`.

import Foundation

struct Trace {
  let name: String
  /// Per request, the object: a number below `sizes.count`, in order of first request.
  let requests: [UInt32]
  /// Per object, the bytes of its body.
  let sizes: [Int]

  /// A larger one is taken for a mistake.
  private static let sizeMax = 1 << 40
  /// Bytes of every object of a trace without sizes.
  static let unknownSizeBytes = 4096
}

/// Gives objects their numbers as they come.
struct TraceBuilder {
  private(set) var requests: [UInt32] = []
  private(set) var ids: [UInt64] = []
  private(set) var sizes: [Int] = []
  private var numbers: [UInt64: UInt32] = [:]

  mutating func append(id: UInt64, size: Int) {
    if let number = numbers[id] {
      requests.append(number)
      return
    }
    let number = UInt32(ids.count)
    numbers[id] = number
    ids.append(id)
    sizes.append(size)
    requests.append(number)
  }

  /// The trace, with sizes as they were given, or drawn by id.
  func trace(name: String, sizes choice: SizeChoice) -> Trace {
    let chosen: [Int]
    switch choice {
    case .lognormal: chosen = ids.map(SyntheticTrace.logNormalSize)
    case .given where sizes.contains { $0 != 1 }: chosen = sizes
    case .given, .constant:
      chosen = [Int](repeating: Trace.unknownSizeBytes, count: ids.count)
    }
    return Trace(name: name, requests: requests, sizes: chosen)
  }
}

/// Where sizes come from.
enum SizeChoice: String, CaseIterable {
  case given, lognormal, constant
}

/// Why a trace cannot be used.
struct TraceError: Error, CustomStringConvertible {
  let description: String
}

extension Trace {
  /// Reads a file.
  static func read(path: String, sizes: SizeChoice) throws -> Trace {
    let bytes = try contents(of: path)
    var builder = TraceBuilder()
    var lineNumber = 0
    for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      lineNumber += 1
      let words = line.split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") || $0 == 13 }
      guard let first = words.first, first.first != UInt8(ascii: "#") else { continue }
      guard words.count == 2, let id = number(words[0]), let size = number(words[1]),
        let size = Int(exactly: size), size <= sizeMax
      else { throw TraceError(description: "\(path):\(lineNumber): not 'id size'") }
      builder.append(id: id, size: size)
    }
    guard !builder.requests.isEmpty else {
      throw TraceError(description: "\(path): no request in it")
    }
    let file = path.split(separator: "/").last.map(String.init) ?? path
    let name = file.split(separator: ".").first.map(String.init) ?? file
    return builder.trace(name: sizes == .given ? name : "\(name)/\(sizes)", sizes: sizes)
  }

  private static func number(_ digits: ArraySlice<UInt8>) -> UInt64? {
    UInt64(String(decoding: digits, as: UTF8.self))
  }

  private static func contents(of path: String) throws -> [UInt8] {
    guard path.hasSuffix(".xz") else {
      guard let data = FileManager.default.contents(atPath: path) else {
        throw TraceError(description: "\(path): cannot be read")
      }
      return [UInt8](data)
    }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["xz", "-dc", "--", path]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw TraceError(description: "\(path): xz could not unpack it")
    }
    return [UInt8](data)
  }
}
