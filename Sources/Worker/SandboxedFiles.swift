// What the sandbox keeps from a process: when to look again, and what to tell the operator.

import Platform

/// A helper's view of its own sandbox: whether it is outdated.
struct SandboxedFiles {
  let plan: SandboxPlan
  private let paths: ReadablePaths

  /// Locks this process in.
  init(entering plan: SandboxPlan) {
    self.plan = plan
    // Looked at first: what changes in between is found to have changed.
    paths = ReadablePaths(plan.mode == .on ? plan.readablePaths : [])
    Sandbox.enter(plan)
  }

  /// Other paths may be read now than when this process was forked.
  var isOutdated: Bool { plan.board.version != plan.version }

  /// Whether a file that was refused might be allowed to a process that locks itself in now: a
  /// directory was replaced by another of its name, or has come into being.
  func mayHaveChanged(for request: FileRequest) -> Bool {
    let places = [request.root, request.path] + [File.finalPath(request.path)].compactMap { $0 }
    return places.contains { paths.hasChanged(onTheWayTo: $0) }
  }
}

extension FileRequest {
  /// For the log: the sandbox forbids what this leads to.
  var sandboxRefusal: String {
    let target = File.finalPath(path) ?? path
    let shown = String(decoding: target, as: UTF8.self)
    let directory = target.lastIndex(of: UInt8(ascii: "/")).map { target[..<$0] } ?? []
    return "the sandbox forbids to read '\(shown)': it lies outside of all document roots and "
      + "aliases; <Directory \"\(String(decoding: directory, as: UTF8.self))\"> in the "
      + "configuration allows it"
  }
}
