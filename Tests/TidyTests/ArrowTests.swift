// The arrows between rooms, and the fence around unsafe code (DESIGN: modules and arrows).

import Foundation
import Testing

@Suite struct `rooms keep to their arrows` {
  /// What a room may import; a room that is not here may not exist.
  static let arrows: [String: Set<String>] = [
    "CLinux": [],
    "CPCRE2": [],
    "CIDN2": [],
    "COpenSSL": [],
    "CZlib": [],
    "CBrotli": [],
    "CZstd": [],
    "Platform": ["CLinux", "CPCRE2", "CIDN2", "Glibc", "Synchronization"],
    "TLS": ["COpenSSL", "Platform", "Glibc", "Synchronization"],
    "HTTP": [],
    "HTTP2": ["HTTP", "Platform"],
    "Coding": ["CZlib", "CBrotli", "CZstd", "HTTP", "Platform", "Glibc"],
    "Namespace": ["HTTP", "Platform"],
    "Programs": ["Platform"],
    "Configuration": ["HTTP", "Namespace", "Platform", "Programs"],
    "Cache": ["Platform", "Synchronization"],
    "Worker": [
      "Cache", "Coding", "Configuration", "HTTP", "HTTP2", "Namespace", "Platform", "TLS",
    ],
    "Master": [
      "Worker", "Cache", "Configuration", "HTTP", "Namespace", "Platform", "Programs", "TLS",
    ],
    "Ring3App": ["CLinux", "Glibc", "Synchronization", "Dispatch"],
    "ring3d": ["Master", "Configuration", "Platform", "ArgumentParser"],
    "ring3ctl": ["Platform", "Programs", "ArgumentParser"],
  ]

  @Test func `a room imports only what its arrow points at`() {
    for file in SourceTree.swift {
      guard let room = file.room else { continue }
      guard let allowed = Self.arrows[room] else {
        report(file, 1, "room '\(room)' has no row in ArrowTests; add one, or use another room")
        continue
      }
      for (index, line) in file.codeLines.enumerated() {
        guard let module = line.importedModule, !allowed.contains(module) else { continue }
        let list = allowed.isEmpty ? "nothing" : allowed.sorted().joined(separator: ", ")
        report(file, index + 1, "\(room) imports \(module); it may import \(list)")
      }
    }
  }

  @Test func `the library of arguments stays in main`() {
    for file in SourceTree.swift where file.room != nil && file.name != "main.swift" {
      for (index, line) in file.codeLines.enumerated()
      where line.importedModule == "ArgumentParser" && file.room == "ring3d" {
        report(file, index + 1, "ArgumentParser brings Foundation; parse arguments in main.swift")
      }
    }
  }

  /// The rooms that meet foreign code all over: the kernel and the C library, OpenSSL. The latter
  /// has a room of its own so that `ring3ctl` and the pure rooms need none.
  static let floor: Set<String> = ["Platform", "TLS"]

  @Test func `unsafe code stands only on the floor and in one Unsafe file a room`() {
    let words = [
      "unsafe", "@unsafe", "@safe", "@unchecked", "UnsafePointer", "UnsafeMutablePointer",
      "UnsafeRawPointer", "UnsafeMutableRawPointer", "OpaquePointer",
    ]
    for file in SourceTree.swift {
      guard let room = file.room, !Self.floor.contains(room), !file.name.hasPrefix("Unsafe") else {
        continue
      }
      for (index, line) in file.codeLines.enumerated() {
        let isOver =
          words.contains { line.hasWord($0) } || line.contains("withUnsafe")
          || line.contains("UnsafeBufferPointer") || line.contains("UnsafeRawBufferPointer")
        if isOver {
          report(file, index + 1, "unsafe code; use spans and offsets, or move it to Platform")
        }
      }
    }
  }

  @Test func `a room has at most one Unsafe file`() {
    let files = SourceTree.swift.filter { $0.room != nil && $0.name.hasPrefix("Unsafe") }
    for (room, group) in Dictionary(grouping: files, by: { $0.room ?? "" }) where group.count > 1 {
      for file in group where !Self.floor.contains(room) {
        report(file, 1, "room \(room) has \(group.count) Unsafe files; make it one")
      }
    }
  }

  @Test func `no threads and no tasks, because the master forks`() {
    let words = ["async", "await", "Task", "Thread", "DispatchQueue", "actor", "pthread_create"]
    for file in SourceTree.swift where file.room != nil && file.room != SourceFile.publicRoom {
      for (index, line) in file.codeLines.enumerated() {
        for word in words where line.hasWord(word) {
          report(file, index + 1, "'\(word)': an event in the loop, or a process of its own")
        }
      }
    }
  }
}

extension String {
  /// "HTTP" for "import HTTP", "package import HTTP", "import struct HTTP.Status".
  fileprivate var importedModule: String? {
    let words = split(separator: " ")
    guard let place = words.firstIndex(of: "import"), place + 1 < words.count,
      words[..<place].allSatisfy({
        $0.first == "@" || ["package", "internal", "private"].contains($0)
      })
    else { return nil }
    let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "let"]
    let name =
      kinds.contains(words[place + 1]) ? words.dropFirst(place + 2).first : words[place + 1]
    return name.map { String($0.prefix { $0 != "." }) }
  }
}
