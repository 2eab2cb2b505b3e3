// A directory as an HTML page.

import HTTP
import Platform

/// What `Options Indexes` shows where no index file is. Names come from the file system and may be
/// anything: they are escaped as text and percent-encoded as links.
package struct DirectoryListing {
  /// More are counted as "and more"; bounds the helper's work and the page.
  package static let entryCountMax = 10_000

  /// One line of the page.
  package struct Entry: Sendable {
    package let name: [UInt8]
    package let isDirectory: Bool
    /// Bytes.
    package let size: Int64
    /// Since 1970, UTC.
    package let modifiedSeconds: Int64

    package init(name: [UInt8], isDirectory: Bool, size: Int64, modifiedSeconds: Int64) {
      self.name = name
      self.isDirectory = isDirectory
      self.size = size
      self.modifiedSeconds = modifiedSeconds
    }
  }

  /// Ends with a slash.
  let urlPath: [UInt8]
  let entries: [Entry]
  let isComplete: Bool

  /// Sorts the entries: directories first, then by name, digits by their value.
  package init(urlPath: [UInt8], entries: [Entry], isComplete: Bool) {
    self.urlPath = urlPath
    self.isComplete = isComplete
    self.entries = entries.sorted { first, second in
      if first.isDirectory != second.isDirectory { return first.isDirectory }
      return Self.isOrdered(first.name, second.name)
    }
  }

  /// Dot files, ".ht*" among them, are never shown.
  package static func isShown(_ name: [UInt8]) -> Bool {
    name.first != UInt8(ascii: ".")
  }

  /// "a2" before "A10"; equal but for case or leading zeros: by bytes.
  package static func isOrdered(_ first: [UInt8], _ second: [UInt8]) -> Bool {
    var one = first[...]
    var other = second[...]
    while let left = one.first, let right = other.first {
      if isDigit(left) && isDigit(right) {
        let leftNumber = takeNumber(&one)
        let rightNumber = takeNumber(&other)
        if leftNumber.count != rightNumber.count { return leftNumber.count < rightNumber.count }
        if leftNumber != rightNumber { return leftNumber.lexicographicallyPrecedes(rightNumber) }
        continue
      }
      let (left, right) = (lowercased(left), lowercased(right))
      if left != right { return left < right }
      one.removeFirst()
      other.removeFirst()
    }
    if one.isEmpty != other.isEmpty { return one.isEmpty }
    return first.lexicographicallyPrecedes(second)
  }

  private static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }
  private static func lowercased(_ byte: UInt8) -> UInt8 {
    byte &- 0x41 < 26 ? byte | 0x20 : byte
  }

  /// The digits in front, without leading zeros.
  private static func takeNumber(_ bytes: inout ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    let digits = bytes.prefix(while: isDigit)
    bytes = bytes.dropFirst(digits.count)
    return digits.drop { $0 == 0x30 }
  }

  // MARK: The page

  /// UTF-8.
  package func html() -> [UInt8] {
    var page: [UInt8] = []
    page.reserveCapacity(2_048 + entries.count * 160)
    let title = "Index of " + Self.escaped(urlPath)
    page +=
      """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <title>\(title)</title>
      <style>\(Self.style)</style>
      </head>
      <body>
      <h1>\(title)</h1>
      <table>
      <thead><tr><th>Name</th><th>Size</th><th>Modified (UTC)</th></tr></thead>
      <tbody>

      """.utf8
    if urlPath != [UInt8(ascii: "/")] {
      page += "<tr><td><a href=\"../\">..</a></td><td></td><td></td></tr>\n".utf8
    }
    for entry in entries { append(entry, to: &page) }
    page += "</tbody>\n</table>\n".utf8
    if !isComplete {
      page += "<p>Only the first \(entries.count) entries are shown.</p>\n".utf8
    } else if entries.isEmpty {
      page += "<p>This directory is empty.</p>\n".utf8
    }
    page += "</body>\n</html>\n".utf8
    return page
  }

  private func append(_ entry: Entry, to page: inout [UInt8]) {
    let slash = entry.isDirectory ? "/" : ""
    var link: [UInt8] = []
    PercentEncoding.append(name: entry.name.rawSpan, to: &link)
    page += "<tr><td><a href=\"\(Self.escaped(link))".utf8
    // <bdi>: a name with right-to-left characters cannot disguise its neighbours.
    page += "\(slash)\"><bdi>\(Self.escaped(entry.name))\(slash)</bdi></a></td><td>".utf8
    if !entry.isDirectory {
      page += "<span title=\"\(entry.size) bytes\">\(Self.humanSize(entry.size))</span>".utf8
    }
    page += "</td><td>\(Self.timeText(entry.modifiedSeconds))</td></tr>\n".utf8
  }

  private static let style = """
    :root{color-scheme:light dark}
    body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
    h1{font-size:1.25rem;font-weight:600;overflow-wrap:anywhere}
    table{border-collapse:collapse;width:100%}
    th{text-align:left;font-weight:600}
    th,td{padding:.25rem .75rem .25rem 0;border-bottom:1px solid #8883}
    td:first-child{overflow-wrap:anywhere}
    td+td,th+th{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
    a{text-decoration:none}
    a:hover{text-decoration:underline}
    """

  /// As HTML text or attribute value; what is no UTF-8 becomes U+FFFD.
  static func escaped(_ bytes: [UInt8]) -> String {
    var text: [UInt8] = []
    HTMLEscape.append(Array(String(decoding: bytes, as: UTF8.self).utf8).rawSpan, to: &text)
    return String(decoding: text, as: UTF8.self)
  }

  /// "0", "999", "1.0K", "12K", "3.4M": powers of 1024, one decimal below ten.
  static func humanSize(_ size: Int64) -> String {
    guard size >= 1000 else { return String(max(0, size)) }
    var tenths = size / 1024 * 10 + (size % 1024 * 10 + 512) / 1024
    for unit in ["K", "M", "G", "T", "P", "E"] {
      if tenths < 100 { return "\(tenths / 10).\(tenths % 10)\(unit)" }
      if tenths < 9_995 || unit == "E" { return "\((tenths + 5) / 10)\(unit)" }
      tenths = (tenths + 512) / 1024
    }
    return String(size)
  }

  /// "2026-07-31 09:05", UTC, proleptic Gregorian.
  static func timeText(_ seconds: Int64) -> String {
    let day = seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400
    let minuteOfDay = (seconds - day * 86_400) / 60
    // Days from 0000-03-01, in 400-year eras: the leap day is a year's last.
    let shifted = day + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra =
      (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let dayOfMonth = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
    let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
    return
      "\(year)-\(two(month))-\(two(dayOfMonth)) \(two(minuteOfDay / 60)):\(two(minuteOfDay % 60))"
  }
}
