// `ring3ctl status`: what runs, since when, and what has been counted.

import Cache
import Configuration
import HTTP
import Platform
import Worker

extension Master {
  func statusCommand(_ request: ControlRequest) -> ControlAnswer {
    .success(request.wantsJSON ? statusJSON().text + "\n" : statusText())
  }

  private func statusText() -> String {
    let now = Clock.monotonicMilliseconds()
    var lines = [
      "ring3d pid \(ChildProcess.currentIdentifier), up \((now - startedAt) / 1_000) s"
        + ", configuration \(arguments.configurationFile)"
    ]
    for generation in supervisor.generations {
      lines.append(
        "generation \(generation.number) \(generation.phase.word), \(generation.members.count)"
          + " of \(generation.workers) workers")
      for member in generation.members {
        guard let record = workers[member.name] else { continue }
        let slot = record.processSlot
        let counts =
          record.isInherited
          ? ""
          : ", \(scoreboard.openConnections(slot: slot)) connections, "
            + "\(scoreboard.value(of: .requests, slot: slot)) requests"
        lines.append(
          "  worker \(member.index) pid \(record.process) \(member.state.word)\(counts), up "
            + "\((now - member.startedAt) / 1_000) s")
      }
    }
    let helperCount = helpers.blocks.reduce(0) { $0 + $1.processes.count }
    lines.append("I/O helpers \(helperCount)")
    lines.append(watcherLine)
    lines += upstreamLines + applicationLines + sandboxLines
    if let tlsLine { lines.append(tlsLine) }
    lines.append(
      "counters "
        + Counter.allCases.map { "\($0.name)=\(scoreboard.total($0))" }
        .joined(separator: " "))
    let ends = EndReason.allCases.map { ($0.word, scoreboard.total($0)) }.filter { $0.1 > 0 }
    lines.append("ends " + ends.map { "\($0.0)=\($0.1)" }.joined(separator: " "))
    if let cache {
      lines.append(
        "cache "
          + cacheCounts(cache.statistics).map { "\($0.name)=\($0.value)" }
          .joined(separator: " "))
    } else {
      lines.append("cache off")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private func statusJSON() -> JSON {
    let now = Clock.monotonicMilliseconds()
    let generationValues = supervisor.generations.map { generation -> JSON in
      let members = generation.members.compactMap { member -> JSON? in
        guard let record = workers[member.name] else { return nil }
        let slot = record.processSlot
        return .object([
          ("index", .number(Int64(member.index))), ("pid", .number(Int64(record.process))),
          ("state", .string(member.state.word)), ("slot", .number(Int64(slot))),
          ("serves", .array(member.serves.sorted().map { .number(Int64($0)) })),
          ("connections", .number(Int64(scoreboard.openConnections(slot: slot)))),
          ("requests", .number(Int64(clamping: scoreboard.value(of: .requests, slot: slot)))),
          ("uptimeMilliseconds", .number(now - member.startedAt)),
        ])
      }
      return .object([
        ("number", .number(Int64(generation.number))), ("phase", .string(generation.phase.word)),
        ("workers", .number(Int64(generation.workers))), ("members", .array(members)),
      ])
    }
    let counters = Counter.allCases.map {
      (name: $0.name, value: JSON.number(Int64(clamping: scoreboard.total($0))))
    }
    let ends = EndReason.allCases.map {
      (name: $0.word, value: JSON.number(Int64(clamping: scoreboard.total($0))))
    }
    let cacheValue =
      cache.map { cache in
        JSON.object(
          cacheCounts(cache.statistics).map { ($0.name, .number(Int64($0.value))) })
      } ?? .null
    return .object([
      ("pid", .number(Int64(ChildProcess.currentIdentifier))),
      ("uptimeMilliseconds", .number(now - startedAt)),
      ("generation", supervisor.current.map { .number(Int64($0)) } ?? .null),
      ("generations", .array(generationValues)),
      (
        "helpers",
        .array(helpers.blocks.flatMap { $0.processes.sorted() }.map { .number(Int64($0)) })
      ),
      ("watcher", watcherJSON), ("upstreams", upstreamJSON),
      ("applications", applicationJSON), ("sandbox", sandboxJSON),
      ("tls", tlsJSON),
      ("counters", .object(counters)),
      ("ends", .object(ends)),
      ("cache", cacheValue),
    ])
  }

  private func cacheCounts(_ counts: CacheStatistics) -> [(name: String, value: Int)] {
    [
      ("segmentBytes", Int(counts.segmentBytes)), ("usedBytes", Int(counts.usedBytes)),
      ("freeBytes", Int(counts.freeBytes)), ("pinnedBytes", Int(counts.pinnedBytes)),
      ("entries", Int(counts.entries)), ("aliases", Int(counts.aliases)),
      ("negatives", Int(counts.negatives)),
      ("retired", Int(counts.retired)), ("fills", Int(counts.fills)),
      ("publishes", Int(counts.publishes)), ("evictions", Int(counts.evictions)),
      ("drops", Int(counts.drops)), ("refusedBusy", Int(counts.refusedBusy)),
      ("refusedFull", Int(counts.refusedFull)),
    ]
  }
}
