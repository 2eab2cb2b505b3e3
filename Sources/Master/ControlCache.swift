// `ring3ctl cache`: what the store holds, why it answers or not, and making it forget.

import Cache
import Configuration
import Platform
import Worker

extension ControlCommand {
  /// The verbs that look into the cache.
  static let cacheTable: [ControlCommand] = [
    ControlCommand(
      verb: "cache stats", usage: "[--json]", arity: 0...0, flags: ["json"],
      help: "room, entries, hits, misses by reason, refusals, contention",
      details: """
        Counts of hits and misses begin with the master process, the others with the segment.
        Misses: absent (nothing stored under the URL as spelled), variant (only in other codings),
        epoch (found under older routing: routed again), age (to be compared with its file), soft
        and hard (invalidated), client (who may see it depends on the client), request (another
        method, a body, a target that is no path). Most are answered from the cache all the same,
        after that one look.
        """,
      run: { master, request, _ in .now(master.cacheStatsCommand(request)) }),
    ControlCommand(
      verb: "cache show", usage: "[PREFIX] [--limit N] [--json]", arity: 0...1,
      flags: ["limit", "json"], help: "entries whose URL begins with PREFIX, in order",
      details: """
        At most N entries (\(Limits.shownEntries) unless told otherwise, up to \
        \(Limits.shownEntriesMax)); it is said how many more there are.
        TTL is the time until the entry is compared with its file; USES is about how often it was
        used; PINS is how many processes are sending it to slow clients.
        """,
      run: { $0.cacheShowCommand($1, $2) }),
    ControlCommand(
      verb: "cache explain", usage: "URL [--address A] [--accept-encoding X] [--json]",
      arity: 1...1, flags: ["address", "accept-encoding", "json"],
      help: "whether a GET of this URL would be a hit; if not, why",
      details: """
        --address is the server's address that the client connects to, --accept-encoding what the
        client's Accept-Encoding says. For what an application answers it says what it is kept
        under, what the configuration's rules do with it, and of what is kept the fields that
        select it, age, lifetime and tags.
        """,
      run: { master, request, _ in .now(master.cacheExplainCommand(request)) }),
    ControlCommand(
      verb: "cache purge", usage: "WHAT [--hard] [--json]", arity: 0...1,
      flags: ["all", "hard", "host", "json", "prefix", "regex", "tag"],
      help: "compare again with the origin before the next use; --hard: never use again",
      details: """
        WHAT is one of:
        URL           this resource, in all its variants; the port is the one that the server
                      listens on
        --prefix URL  on whole segments: of http://h/a both /a and /a/…, but not /ab
        --tag LABEL   whatever has this label; may be given again
        --host HOST   all of a host, on any port
        --regex PATTERN
                      whose URL, as `cache show` prints it, matches (PCRE2); walks through the
                      whole index in small steps. Covers what was stored or being stored when it
                      began.
        --all         everything
        Holds for all workers when the command returns. What was being stored from before is not
        kept.
        """,
      run: { $0.cachePurgeCommand($1, $2) }),
  ]
}

extension Master {
  static let noCache = ControlAnswer.failure("this server runs without a shared cache\n")
  static let noSlot = ControlAnswer.failure(
    "all \(Limits.processSlots) process slots of the cache are in use; try again\n")

  // MARK: Stats

  fileprivate func cacheStatsCommand(_ request: ControlRequest) -> ControlAnswer {
    guard let cache else { return Master.noCache }
    let report = CacheReport(store: cache.statistics, scoreboard)
    return .success(request.wantsJSON ? report.json.text + "\n" : report.text)
  }

  // MARK: Show

  fileprivate func cacheShowCommand(_ request: ControlRequest, _ client: UInt64) -> CommandOutcome {
    guard cache != nil else { return .now(Master.noCache) }
    var limit = Limits.shownEntries
    if let text = request.flags["limit"] {
      guard let number = Int(text), (1...Limits.shownEntriesMax).contains(number) else {
        return .now(
          .failure(
            "'--limit \(text)': write a number from 1 to \(Limits.shownEntriesMax)\n", code: 2))
      }
      limit = number
    }
    let freshMilliseconds = currentModel?.server.cacheStaticRevalidateMilliseconds ?? 0
    return begin(
      ShowEntries(
        prefix: ShowEntries.prefix(request.arguments.first ?? ""), limit: limit,
        freshMilliseconds: freshMilliseconds, isJSON: request.wantsJSON), for: client)
  }

  // MARK: Explain

  fileprivate func cacheExplainCommand(_ request: ControlRequest) -> ControlAnswer {
    guard cache != nil else { return Master.noCache }
    guard let model = currentModel else {
      return .failure("what is serving now is not known to this binary; reload first\n")
    }
    let address: IPAddress?
    switch serverAddress(request) {
    case .failure(let refusal): return .failure("\(refusal)\n", code: 2)
    case .success(let given): address = given
    }
    let url: CacheURL
    do throws(CacheURLError) {
      url = try CacheURL(request.arguments[0], model)
    } catch {
      return .failure("\(error)\n", code: 2)
    }
    switch model.explain(url: request.arguments[0], address: address) {
    case .failure(let failure): return .failure(failure.message + "\n")
    case .success(var explanation):
      addNamespace(to: &explanation, model)
      let verdict = withCacheAttached { cache in
        CacheInspection.judge(
          cache, model, url, explanation, acceptEncoding: request.flags["accept-encoding"])
      }
      guard let verdict else { return Master.noSlot }
      let fresh = model.server.cacheStaticRevalidateMilliseconds
      return .success(
        request.wantsJSON
          ? verdict.json(url: explanation.url, freshMilliseconds: fresh).text + "\n"
          : verdict.text(explanation, freshMilliseconds: fresh))
    }
  }

  /// The address that `--address` names, nil without it.
  func serverAddress(_ request: ControlRequest) -> Result<IPAddress?, Refusal> {
    guard let text = request.flags["address"] else { return .success(nil) }
    guard let address = IPAddress(text) else {
      return .failure(Refusal("'\(text)' is no IP address"))
    }
    return .success(address)
  }
}
