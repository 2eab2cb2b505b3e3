// Who we are, who we become, and how many descriptors we may have.

import CLinux
import Glibc

/// A user and group to run as, resolved to numbers while the user database is still readable.
package struct Identity: Equatable, Sendable {
  /// nil when it was given as a number without an entry; then no supplementary groups are set.
  package let userName: String?
  package let user: UInt32
  package let group: UInt32
}

package enum Privileges {
  /// Whether this process may change its identity and bind low ports.
  package static var isRoot: Bool { geteuid() == 0 }
  package static var effectiveUser: UInt32 { geteuid() }
  package static var effectiveGroup: UInt32 { getegid() }

  /// A user by name or "#number" (Apache's form); nil if unknown. getpwnam(3).
  package static func user(_ text: String) -> (name: String?, user: UInt32, group: UInt32)? {
    if text.hasPrefix("#") {
      // The largest one means "as it was" to setresuid(2).
      guard let number = UInt32(text.dropFirst()), number != .max else { return nil }
      guard let entry = unsafe getpwuid(number) else { return (nil, number, number) }
      return unsafe (String(cString: entry.pointee.pw_name), number, entry.pointee.pw_gid)
    }
    guard let entry = unsafe getpwnam(text) else { return nil }
    return unsafe (text, entry.pointee.pw_uid, entry.pointee.pw_gid)
  }

  /// A group by name or "#number"; nil if unknown. getgrnam(3).
  package static func group(_ text: String) -> UInt32? {
    if text.hasPrefix("#") { return UInt32(text.dropFirst()).flatMap { $0 == .max ? nil : $0 } }
    guard let entry = unsafe getgrnam(text) else { return nil }
    return unsafe entry.pointee.gr_gid
  }

  /// A user's name; "#number" for one without. getpwuid(3).
  package static func name(ofUser user: UInt32) -> String {
    guard let entry = unsafe getpwuid(user) else { return "#\(user)" }
    return unsafe String(cString: entry.pointee.pw_name)
  }

  /// The same of a group. getgrgid(3).
  package static func name(ofGroup group: UInt32) -> String {
    guard let entry = unsafe getgrgid(group) else { return "#\(group)" }
    return unsafe String(cString: entry.pointee.gr_name)
  }

  /// The groups that a process of this identity is in beside its own. getgrouplist(3).
  package static func supplementaryGroups(_ identity: Identity) -> [UInt32] {
    guard let name = identity.userName else { return [] }
    var count: CInt = 64
    for _ in 0..<2 {
      var groups = [gid_t](repeating: 0, count: Int(count))
      if unsafe getgrouplist(name, identity.group, &groups, &count) >= 0 {
        return Array(groups.prefix(Int(count)))
      }
    }
    return [identity.group]
  }

  /// Where a user is at home; nil without an entry. getpwuid(3).
  package static func home(ofUser user: UInt32) -> String? {
    guard let entry = unsafe getpwuid(user), let home = unsafe entry.pointee.pw_dir else {
      return nil
    }
    return unsafe String(cString: home)
  }

  /// Before programs of others are started: gives up every capability but those to change users, to
  /// end their processes, and to reach a control socket that somebody else owns; and nobody looks
  /// into this process. Programs get their rights anew from exec(3), by who they are.
  /// capabilities(7), PR_SET_DUMPABLE of prctl(2).
  package static func keepSupervisorCapabilities() {
    _ = ring3_keep_capabilities(isRoot ? ring3_supervisor_capabilities() : 0)
    _ = ring3_forbid_inspection()
  }

  /// The identity for `User` and `Group`; nil for a group means the user's own. Throws the name
  /// that does not exist.
  package static func identity(user: String, group: String?) throws(UnknownName) -> Identity {
    guard let found = Privileges.user(user) else { throw UnknownName(kind: "user", name: user) }
    guard let group else {
      return Identity(userName: found.name, user: found.user, group: found.group)
    }
    guard let number = Privileges.group(group) else {
      throw UnknownName(kind: "group", name: group)
    }
    return Identity(userName: found.name, user: found.user, group: number)
  }

  /// As root: gives up every capability that a master does not need:
  /// it stays root, but not all of root). A new image started by exec(3) has them again and calls
  /// this itself. capabilities(7).
  package static func keepMasterCapabilities() throws(SystemError) {
    guard isRoot else { return }
    _ = try systemCall("capset") { ring3_keep_capabilities(ring3_master_capabilities()) }
  }

  /// Becomes that identity for good: supplementary groups, group, user, and a check that there is
  /// no way back.
  package static func become(_ identity: Identity) throws(SystemError) {
    let user = identity.user
    let group = identity.group
    let name = identity.userName
    _ = try systemCall("setresuid") {
      if let name { return unsafe ring3_become(name, user, group) }
      return ring3_become(nil, user, group)
    }
    _ = ring3_allow_inspection()
  }

  /// Raises the soft limit of open files to the hard one; returns the limit that holds now.
  @discardableResult
  package static func raiseDescriptorLimit() -> UInt64 {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
      return 1024
    }
    var raised = limit
    raised.rlim_cur = raised.rlim_max
    if limit.rlim_cur < limit.rlim_max,
      unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) == 0
    {
      return UInt64(raised.rlim_cur)
    }
    return UInt64(limit.rlim_cur)
  }

  /// How many processors this process may use. sched_getaffinity(2) through sysconf(3).
  package static var processorCount: Int { max(1, sysconf(CInt(_SC_NPROCESSORS_ONLN))) }

  /// A name that no user or group has.
  package struct UnknownName: Error, Equatable, CustomStringConvertible {
    package let kind: String
    package let name: String
    package var description: String { "unknown \(kind) '\(name)'" }
  }
}
