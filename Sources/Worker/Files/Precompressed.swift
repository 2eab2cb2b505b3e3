// Precompressed neighbours: name.br, name.zst and name.gz beside name.

import HTTP
import Platform

/// The file to send for a path: itself or a neighbour.
struct FileVariant {
  let file: FoundFile
  let path: [UInt8]
  var coding = ContentCoding.identity
  var variantsAvailable: ContentCodings = []

  /// Looks for all neighbours, because which of them exist decides on Vary even when the client
  /// accepts none, and takes the first accepted one. The rules for links hold for them too.
  static func choose(
    for original: FoundFile, at path: [UInt8], accepted: [ContentCoding], resolver: PathResolver
  ) throws(SystemError) -> FileVariant {
    var usable: [(coding: ContentCoding, file: FoundFile)] = []
    var available: ContentCodings = []
    for coding in ContentCoding.allCases where coding != .identity {
      guard let neighbour = try find(path + coding.suffix, resolver),
        isUsable(neighbour.facts, for: original.facts)
      else { continue }
      usable.append((coding, neighbour))
      available.insert(ContentCodings(coding))
    }
    for coding in accepted {
      guard let choice = usable.first(where: { $0.coding == coding }) else { continue }
      return FileVariant(
        file: choice.file, path: path + coding.suffix, coding: coding, variantsAvailable: available)
    }
    return FileVariant(file: original, path: path, variantsAvailable: available)
  }

  /// An older neighbour was made from another version; one that is not smaller is of no use.
  static func isUsable(_ neighbour: FileFacts, for original: FileFacts) -> Bool {
    neighbour.isRegularFile && neighbour.modifiedNanoseconds >= original.modifiedNanoseconds
      && neighbour.size < original.size
  }

  private static func find(
    _ path: [UInt8], _ resolver: PathResolver
  ) throws(SystemError) -> FoundFile? {
    do {
      return try resolver.locate(path)
    } catch {
      // A neighbour that is missing, forbidden or too long to name is none.
      if FileResolver.answer(to: error.code) != nil { return nil }
      throw error
    }
  }
}
