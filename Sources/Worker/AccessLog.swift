// One record for each finished exchange, and the lines that access logs make of it.

import Configuration
import HTTP
import Platform

/// What the cache had to do with a response.
enum CacheOutcome: UInt8 {
  /// Not asked: no file, or not a GET or HEAD.
  case none
  /// Answered from shared memory.
  case hit
  /// Answered from shared memory after the file was looked at again.
  case revalidated
  /// Read from the file and stored.
  case filled
  /// Read from the file and not stored.
  case bypassed
}

/// What a log line needs of a request, copied before the bytes are gone; only for sites that log.
struct RequestSummary {
  var client: SocketAddress
  var requestLine: [UInt8]
  var referer: [UInt8]?
  var userAgent: [UInt8]?
}

/// How a request was passed on, for logs that say so.
final class PassingRecord {
  /// The server that answered, or was tried last; empty: none was.
  var member = ""
  /// Attempts after the first one.
  var retryCount = 0
  /// From the beginning, in milliseconds: to the answer's head, to its end. nil: there was none.
  var firstMilliseconds: Int64?
  var totalMilliseconds: Int64?
  /// What the cache said, in one word.
  var cacheWord = ""
}

/// One finished exchange.
struct ExchangeRecord {
  /// Index into `Model.sites`.
  var site: Int
  var status: UInt16
  /// Bytes sent, head included.
  var byteCount = 0
  /// How many of them are the head's.
  var headByteCount = 0
  var outcome = CacheOutcome.none
  /// Seconds since 1970 when the request was read.
  var second: Int64
  /// Monotonic milliseconds when the request was read, and when its last byte had left.
  var startedMilliseconds: Int64 = 0
  var endedMilliseconds: Int64 = 0
  var method = Method.other
  var reason = EndReason.completed
  /// Why the response is an error of the server's own, if it is.
  var refusal = EndReason.completed
  /// nil when the site has no access log.
  var summary: RequestSummary?
  /// nil when it was not passed on, or no log of the site says more.
  var passing: PassingRecord?
}

/// The access logs of all sites, buffered; written when full and once a second.
struct AccessLogs {
  private struct Target {
    let log: Int
    let format: AccessLog.Format
  }

  private let descriptors: [Descriptor]
  private var buffers: [[UInt8]]
  /// Indexed by site.
  private let targets: [[Target]]
  private var stamp: (second: Int64, text: [UInt8]) = (-1, [])
  private static let bufferBytesMax = 32_768

  init(_ model: Model, _ logs: [InheritedLog]) {
    descriptors = logs.map(\.descriptor)
    buffers = logs.map { _ in [] }
    let places = Dictionary(
      logs.enumerated().map { ($0.element.path, $0.offset) },
      uniquingKeysWith: { first, _ in first })
    targets = model.sites.map { site in
      site.accessLogs.compactMap { log in
        places[log.path].map { Target(log: $0, format: log.format) }
      }
    }
  }

  mutating func append(_ record: ExchangeRecord) {
    guard let summary = record.summary else { return }
    if stamp.second != record.second {
      stamp = (record.second, Array(LogTime.accessLog(record.second).utf8))
    }
    for target in targets[record.site] {
      AccessLogLine.append(
        record, summary, time: stamp.text, format: target.format, to: &buffers[target.log])
      if buffers[target.log].count >= AccessLogs.bufferBytesMax { write(target.log) }
    }
  }

  mutating func flush() {
    for index in buffers.indices where !buffers[index].isEmpty { write(index) }
  }

  private mutating func write(_ index: Int) {
    LogFile.append(buffers[index], to: descriptors[index])
    buffers[index].removeAll(keepingCapacity: true)
  }
}

/// Apache's `common` and `combined` formats (mod_log_config), and `proxied`.
enum AccessLogLine {
  /// Appends `%h %l %u %t "%r" %>s %b`, and for combined `"%{Referer}i" "%{User-Agent}i"`.
  static func append(
    _ record: ExchangeRecord, _ summary: RequestSummary, time: [UInt8], format: AccessLog.Format,
    to line: inout [UInt8]
  ) {
    line += Array(summary.client.address.unmapped.description.utf8)
    line += Array(" - - ".utf8)
    line += time
    line += Array(" \"".utf8)
    appendEscaped(summary.requestLine, to: &line)
    // A connection that was handed off: whoever has it knows.
    line += Array(record.status == 0 ? "\" - ".utf8 : "\" \(record.status) ".utf8)
    let body = record.byteCount - record.headByteCount
    line += body > 0 ? Array(String(body).utf8) : [UInt8(ascii: "-")]
    if format != .common {
      for value in [summary.referer, summary.userAgent] {
        line += Array(" \"".utf8)
        if let value { appendEscaped(value, to: &line) } else { line.append(UInt8(ascii: "-")) }
        line.append(UInt8(ascii: "\""))
      }
    }
    if format == .proxied { appendPassing(record, to: &line) }
    line.append(UInt8(ascii: "\n"))
  }

  /// ` member="URL" retries=N first_ms=N total_ms=N cache=WORD reason=WORD`
  private static func appendPassing(_ record: ExchangeRecord, to line: inout [UInt8]) {
    let passing = record.passing
    let hasMember = passing?.member.isEmpty == false
    func text(_ number: Int64?) -> String { number.map { "\($0)" } ?? "-" }
    line += Array(" member=\"".utf8)
    appendEscaped(Array((hasMember ? passing?.member ?? "" : "-").utf8), to: &line)
    let retries = hasMember ? passing.map { Int64($0.retryCount) } : nil
    var word = passing?.cacheWord ?? ""
    switch record.outcome {
    case .hit where word != "stale": word = "hit"
    case .revalidated: word = "revalidated"
    default: break
    }
    let reason = record.refusal == .completed ? record.reason : record.refusal
    line += Array(
      ("\" retries=\(text(retries)) first_ms=\(text(passing?.firstMilliseconds))"
        + " total_ms=\(text(passing?.totalMilliseconds)) cache=\(word.isEmpty ? "-" : word)"
        + " reason=\(reason.isOrderly ? "-" : reason.word)").utf8)
  }

  /// As ap_escape_logitem: quotes and backslashes with a backslash, other bytes outside printable
  /// ASCII as \xHH.
  static func appendEscaped(_ bytes: [UInt8], to line: inout [UInt8]) {
    let digits = Array("0123456789abcdef".utf8)
    for byte in bytes {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        line += [UInt8(ascii: "\\"), byte]
      case 0x20..<0x7f:
        line.append(byte)
      default:
        line += [
          UInt8(ascii: "\\"), UInt8(ascii: "x"), digits[Int(byte >> 4)], digits[Int(byte & 15)],
        ]
      }
    }
  }
}
