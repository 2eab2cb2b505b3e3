// The file of reservations: what is written is read, what is damaged is not used at all.

import Testing

@testable import Namespace

@Suite struct `the file of reservations` {
  private static func some() throws -> [Reservation] {
    [
      Reservation(
        try UrlPrefix("http://+:8080/shop/"),
        [NamespaceGrant(.user(1000), [.listen, .delegate]), NamespaceGrant(.group(50), .listen)]),
      Reservation(try UrlPrefix("https://*.bücher.example:443/é/"), []),
      Reservation(
        try UrlPrefix("http://[::1]:80/"), [NamespaceGrant(.user(UInt32.max), .delegate)]),
    ]
  }

  @Test func `is read as it was written`() throws {
    let reservations = try Self.some()
    let text = ReservationFile.text(reservations)
    #expect(Set(try ReservationFile.parse(text)) == Set(reservations))
    #expect(ReservationFile.text(reservations.reversed()) == text)
    #expect(try ReservationFile.parse(ReservationFile.text([])).isEmpty)
  }

  @Test func `is refused when it was cut short or changed anywhere`() throws {
    let text = ReservationFile.text(try Self.some())
    for count in text.indices {
      #expect(throws: ReservationFile.Damage.self) {
        try ReservationFile.parse(Array(text[..<count]))
      }
    }
    for place in text.indices {
      for change in [UInt8(1), 0x20, 0x80] {
        var damaged = text
        damaged[place] ^= change
        #expect(throws: ReservationFile.Damage.self) { try ReservationFile.parse(damaged) }
      }
    }
    #expect(throws: ReservationFile.Damage.self) {
      try ReservationFile.parse([UInt8](repeating: 0, count: text.count))
    }
    #expect(throws: ReservationFile.Damage.self) { try ReservationFile.parse(text + text) }
  }

  /// A whole file with this line, as somebody may have written it by hand.
  private func file(_ line: String) -> [UInt8] {
    let body = Array("ring3 reservations 1\n\(line)\n".utf8)
    let hash = body.reduce(0xcbf2_9ce4_8422_2325 as UInt64) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01b3
    }
    let digits = String(hash, radix: 16)
    let padding = String(repeating: "0", count: 16 - digits.count)
    return body + Array("end 1 \(padding)\(digits)\n".utf8)
  }

  @Test func `says who made what because he may delegate`() throws {
    let made = Reservation(
      try UrlPrefix("http://+:80/a/"), [NamespaceGrant(.user(7), .listen)], maker: 1000)
    #expect(ReservationFile.text([made]) == file("http://+:80/a/ by=1000 user=7:listen"))
    #expect(try ReservationFile.parse(ReservationFile.text([made])) == [made])
    #expect(try ReservationFile.parse(file("http://+:80/a/ user=7:listen by=1000")) == [made])
  }

  @Test(arguments: [
    "http://+:80/a/ by=", "http://+:80/a/ by=x", "http://+:80/a/ by=-1", "http://+:80/a/ by",
    "http://+:80/a/ by=4294967296", "http://+:80/a/ by=1 by=2", "http://+:80/a/ by=1:listen",
    "http://+:80/a/ user=7", "http://+:80/a/ user=7:sing", "http://+:80/a", "by=1", "",
  ])
  func `is refused when a line is none`(line: String) throws {
    #expect(throws: ReservationFile.Damage.self) { try ReservationFile.parse(file(line)) }
  }
}
