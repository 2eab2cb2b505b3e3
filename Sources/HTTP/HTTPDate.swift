// Dates of HTTP (RFC 9110 §5.6.7): three forms read, one written; pure arithmetic, always UTC.

/// Seconds since 1970-01-01 00:00:00 UTC, to and from the dates of HTTP.
package enum HTTPDate {
  /// Bytes of an IMF-fixdate.
  package static let byteCount = 29

  /// `Sun, 06 Nov 1994 08:49:37 GMT` for a time between the years 0 and 9999; others are clamped.
  package static func format(_ seconds: Int64) -> InlineArray<29, UInt8> {
    let clamped = min(max(seconds, -62_167_219_200), 253_402_300_799)
    let day = floorDivide(clamped, 86_400)
    let second = Int(clamped - day * 86_400)
    let date = civil(day: day)
    let weekday = Int(((day + 4) % 7 + 7) % 7)
    var out = InlineArray<29, UInt8>(repeating: ASCII.space)
    for index in 0..<3 {
      out[index] = Scan.literalByte("SunMonTueWedThuFriSat", weekday * 3 + index)
      out[8 + index] = Scan.literalByte(monthNames, (date.month - 1) * 3 + index)
      out[26 + index] = Scan.literalByte("GMT", index)
    }
    func put(_ value: Int, at index: Int) {
      out[index] = 0x30 + UInt8(value / 10 % 10)
      out[index + 1] = 0x30 + UInt8(value % 10)
    }
    out[3] = ASCII.comma
    put(date.day, at: 5)
    put(date.year / 100, at: 12)
    put(date.year % 100, at: 14)
    put(second / 3600, at: 17)
    out[19] = ASCII.colon
    put(second / 60 % 60, at: 20)
    out[22] = ASCII.colon
    put(second % 60, at: 23)
    return out
  }

  /// Appends `format(seconds)`.
  package static func append(_ seconds: Int64, to bytes: inout [UInt8]) {
    let text = format(seconds)
    for index in 0..<byteCount { bytes.append(text[index]) }
  }

  /// Reads IMF-fixdate, the RFC 850 form and asctime's form; nil for anything else (RFC 9110
  /// §5.6.7: a recipient must accept all three, in exactly these spellings).
  ///
  /// - Parameter now: present time; a two-digit year that would lie more than 50 years ahead of it
  ///   means the century before.
  package static func parse(_ text: RawSpan, now: Int64) -> Int64? {
    guard text.byteCount >= 24 else { return nil }
    if Scan.byte(text, at: 3) == ASCII.comma { return parseFixed(text) }
    if Scan.byte(text, at: 3) == ASCII.space { return parseAsctime(text) }
    return parseRFC850(text, now: now)
  }

  /// `Sun, 06 Nov 1994 08:49:37 GMT`
  private static func parseFixed(_ text: RawSpan) -> Int64? {
    guard text.byteCount == byteCount,
      fits(text, "Www, dd Mmm dddd dd:dd:dd GMT"), weekday(text, shortAt: 0)
    else { return nil }
    return seconds(
      year: number(text, 12, 4), month: month(text, 8), day: number(text, 5, 2), text, timeAt: 17)
  }

  /// `Sunday, 06-Nov-94 08:49:37 GMT`
  private static func parseRFC850(_ text: RawSpan, now: Int64) -> Int64? {
    let comma = Scan.firstIndex(of: ASCII.comma, in: text, from: 0, to: text.byteCount)
    guard text.byteCount == comma + 24, longWeekday(text.extracting(0..<comma)),
      fits(text.extracting(comma..<text.byteCount), ", dd-Mmm-dd dd:dd:dd GMT")
    else { return nil }
    let thisYear = civil(day: floorDivide(now, 86_400)).year
    var year = thisYear - thisYear % 100 + number(text, comma + 9, 2)
    if year > thisYear + 50 { year -= 100 }
    return seconds(
      year: year, month: month(text, comma + 5), day: number(text, comma + 2, 2), text,
      timeAt: comma + 12)
  }

  /// `Sun Nov  6 08:49:37 1994`
  private static func parseAsctime(_ text: RawSpan) -> Int64? {
    guard text.byteCount == 24, weekday(text, shortAt: 0),
      fits(text, "Www Mmm _d dd:dd:dd dddd")
    else { return nil }
    let tens = Scan.byte(text, at: 8)
    let day = (tens == ASCII.space ? 0 : Int(tens - 0x30) * 10) + number(text, 9, 1)
    return seconds(year: number(text, 20, 4), month: month(text, 4), day: day, text, timeAt: 11)
  }

  // MARK: Pieces

  private static let monthNames: StaticString = "JanFebMarAprMayJunJulAugSepOctNovDec"

  /// Whether `text` has the shape of `pattern`: "d" a digit, "_" a digit or a space, "W", "w", "M",
  /// "m" checked elsewhere, anything else itself.
  private static func fits(_ text: RawSpan, _ pattern: StaticString) -> Bool {
    guard text.byteCount == pattern.utf8CodeUnitCount else { return false }
    for index in 0..<text.byteCount {
      let byte = Scan.byte(text, at: index)
      let wanted = Scan.literalByte(pattern, index)
      let fits =
        switch wanted {
        case UInt8(ascii: "d"): ASCII.isDigit(byte)
        case UInt8(ascii: "_"): ASCII.isDigit(byte) || byte == ASCII.space
        case UInt8(ascii: "W"), UInt8(ascii: "w"), UInt8(ascii: "m"): true
        // "GMT" holds the one M that is meant literally; a month's is checked by `month`.
        case UInt8(ascii: "M"): true
        default: byte == wanted
        }
      if !fits { return false }
    }
    return text.byteCount < 3 || endsWell(text, pattern)
  }

  private static func endsWell(_ text: RawSpan, _ pattern: StaticString) -> Bool {
    let last = text.byteCount - 1
    guard Scan.literalByte(pattern, last) == UInt8(ascii: "T") else { return true }
    return Scan.byte(text, at: last - 1) == UInt8(ascii: "M")
  }

  private static func weekday(_ text: RawSpan, shortAt start: Int) -> Bool {
    let names: StaticString = "SunMonTueWedThuFriSat"
    return (0..<7).contains { matches(text, start, names, $0 * 3) }
  }

  private static func longWeekday(_ text: RawSpan) -> Bool {
    Scan.equal(text, "Sunday") || Scan.equal(text, "Monday") || Scan.equal(text, "Tuesday")
      || Scan.equal(text, "Wednesday") || Scan.equal(text, "Thursday")
      || Scan.equal(text, "Friday") || Scan.equal(text, "Saturday")
  }

  /// 1 to 12, or 0 if there is no month's name.
  private static func month(_ text: RawSpan, _ start: Int) -> Int {
    ((0..<12).first { matches(text, start, monthNames, $0 * 3) } ?? -1) + 1
  }

  private static func matches(
    _ text: RawSpan, _ start: Int, _ names: StaticString, _ nameStart: Int
  ) -> Bool {
    for index in 0..<3
    where Scan.byte(text, at: start + index) != Scan.literalByte(names, nameStart + index) {
      return false
    }
    return true
  }

  private static func number(_ text: RawSpan, _ start: Int, _ count: Int) -> Int {
    var value = 0
    for index in start..<start + count {
      value = value * 10 + Int(Scan.byte(text, at: index) & 15)
    }
    return value
  }

  /// Puts a date and the `dd:dd:dd` at `timeAt` together; nil if there is no such day or time.
  private static func seconds(
    year: Int, month: Int, day: Int, _ text: RawSpan, timeAt: Int
  ) -> Int64? {
    let hour = number(text, timeAt, 2)
    let minute = number(text, timeAt + 3, 2)
    let second = number(text, timeAt + 6, 2)
    // 60 is a leap second (RFC 9110 §5.6.7, second = 2DIGIT); it counts as the next minute's first.
    guard month >= 1, day >= 1, day <= dayCount(year: year, month: month), hour < 24, minute < 60,
      second <= 60
    else { return nil }
    return dayNumber(year: year, month: month, day: day) * 86_400
      + Int64(hour * 3600 + minute * 60 + second)
  }

  private static func dayCount(year: Int, month: Int) -> Int {
    let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    return switch month {
    case 2: isLeap ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  private static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
    let quotient = value / divisor
    return value % divisor < 0 ? quotient - 1 : quotient
  }

  /// Days since 1970-01-01 of a date in the Gregorian calendar. Years start in March, so that the
  /// leap day is the last of its year; 719,468 days lie between 0000-03-01 and 1970-01-01.
  private static func dayNumber(year: Int, month: Int, day: Int) -> Int64 {
    let marchYear = Int64(month <= 2 ? year - 1 : year)
    let era = floorDivide(marchYear, 400)
    let yearOfEra = marchYear - era * 400
    let dayOfYear = Int64((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1)
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  private static func civil(day: Int64) -> (year: Int, month: Int, day: Int) {
    let shifted = day + 719_468
    let era = floorDivide(shifted, 146_097)
    let dayOfEra = shifted - era * 146_097
    let yearOfEra =
      (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let month = Int(monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9)
    let year = Int(yearOfEra + era * 400) + (month <= 2 ? 1 : 0)
    return (year, month, Int(dayOfYear - (153 * monthFromMarch + 2) / 5 + 1))
  }
}
