// What is written on the stored responses of claimed URLs: whose they are, and by which names their
// owner can call them back.

import Configuration
import HTTP
import Namespace

/// Labels of a claimed URL's response, besides those of its tags (`CacheTags`), which begin with
/// "t:" and "g:". Paths are decoded and normalised. All but the first are short marks: two that are
/// the same by chance only have more looked at anew.
package enum OwnerLabels {
  /// A response further below its owner's prefix is not kept: it has a label for each directory.
  package static let depthMax = 32

  /// Whose it is, word for word; the first label.
  package static func owner(_ owner: NamespaceOwner) -> [UInt8] {
    mark + Array(owner.text.utf8)
  }

  /// One path of an owner's, on any host that its prefix is for.
  package static func path(_ path: [UInt8], of owner: NamespaceOwner) -> [UInt8] {
    label("p:", owner.text, path)
  }

  /// All below a directory of an owner's; its path ends with "/".
  package static func directory(_ path: [UInt8], of owner: NamespaceOwner) -> [UInt8] {
    label("d:", owner.text, path)
  }

  /// A fragment of an owner's.
  package static func fragment(_ path: [UInt8], of owner: NamespaceOwner) -> [UInt8] {
    label("f:", owner.text, path)
  }

  /// What of an owner's lies at a path and below it, on whole segments.
  package static func subtree(_ path: [UInt8], of owner: NamespaceOwner) -> [[UInt8]] {
    let isDirectory = path.last == ASCII.slash
    let directory = isDirectory ? path : path + [ASCII.slash]
    let top = owner.prefix.path
    if top.starts(with: directory) { return [self.directory(top, of: owner)] }
    guard directory.starts(with: top) else { return [] }
    return [self.directory(directory, of: owner)]
      + (isDirectory ? [] : [self.path(path, of: owner)])
  }

  /// A tag among those of one application: a user's queue. `tag` as `CacheTags` has it.
  package static func tag(_ tag: [UInt8], user: UInt32, queue: String) -> [UInt8] {
    label("o:", "\(user) \(queue)", tag)
  }

  /// A group (`CacheTags`) among those of one origin, and on it of one application. A group may
  /// hold blanks, but no tab: that of a back-end of the configuration is never an application's.
  package static func group(
    _ tag: [UInt8], of owner: NamespaceOwner?, at origin: [UInt8]
  ) -> [UInt8] {
    tag + Array((owner.map { "\t\($0.user) \($0.queue) " } ?? " ").utf8) + origin
  }

  static func isTooDeep(_ path: [UInt8], below owner: NamespaceOwner) -> Bool {
    // One is the prefix itself.
    path.dropFirst(owner.prefix.path.count).count { $0 == ASCII.slash } >= depthMax
  }

  /// All of a response, each with its end; nil: its path is too deep.
  package static func all(
    _ owner: NamespaceOwner, path: [UInt8], tags: [[UInt8]]
  ) -> [UInt8]? {
    var labels = self.owner(owner) + [0] + self.path(path, of: owner) + [0]
    guard !isTooDeep(path, below: owner) else { return nil }
    let top = owner.prefix.path.count
    labels += directory(owner.prefix.path, of: owner) + [0]
    for index in path.indices where index >= top && path[index] == ASCII.slash {
      labels += directory(Array(path[...index]), of: owner) + [0]
    }
    for tag in tags where tag.starts(with: "t:".utf8) {
      labels += self.tag(tag, user: owner.user, queue: owner.queue) + [0]
    }
    return labels
  }

  /// The owner's text that labels begin with, as they lie in an entry; nil: they are no owner's.
  package static func ownerText(in labels: [UInt8]) -> String? {
    guard labels.starts(with: mark) else { return nil }
    return String(decoding: labels.dropFirst(mark.count).prefix { $0 != 0 }, as: UTF8.self)
  }

  /// Whether a label is one that the application gave.
  static func isTag(_ label: some Collection<UInt8>) -> Bool {
    label.starts(with: "t:".utf8) || label.starts(with: "g:".utf8)
  }

  static let mark = Array("w:".utf8)

  private static func label(_ kind: String, _ owner: String, _ name: [UInt8]) -> [UInt8] {
    var fingerprint = Fingerprint()
    fingerprint.mix(owner)
    fingerprint.mix(name)
    return Array("\(kind)\(String(fingerprint.value, radix: 36))".utf8)
  }
}
