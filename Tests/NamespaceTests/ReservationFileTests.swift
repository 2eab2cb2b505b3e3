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
}
