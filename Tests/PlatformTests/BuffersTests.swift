// Buffers and tables at fixed addresses.

import Platform
import Testing

@Suite struct `buffers and tables` {
  @Test(
    arguments: [
      0, 7, 10, 99_999_999, 100_000_000, 100_000_001, 1_234_567_890_123, .max, -1, .min,
    ] as [Int64])
  func `a number is written as text`(number: Int64) {
    let buffer = ByteBuffer(capacity: 20)
    buffer.append(decimal: number)
    #expect(String(decoding: buffer.copy(0..<buffer.count), as: UTF8.self) == "\(number)")
  }

  @Test func `integers stay where they are while the table grows`() {
    let table = IntegerTable()
    for number in 0..<1000 { table.append(Int64(number)) }
    table[999] = -1
    #expect(table.count == 1000)
    #expect(table.indices.dropLast().allSatisfy { table[$0] == Int64($0) })
    #expect(table[999] == -1)
  }

  private final class Object {
    let number: Int
    init(_ number: Int) { self.number = number }
  }

  @Test func `objects stay where they are while the table grows, and go when they are taken out`() {
    let table = ObjectTable<Object>()
    weak var gone: Object?
    do {
      let object = Object(3)
      gone = object
      table[3] = object
    }
    table[5] = Object(5)
    table.grow(to: 1000)
    #expect(table.count >= 1000)
    table[999] = Object(999)
    #expect(table.objects.map(\.number) == [3, 5, 999])
    #expect(gone != nil)
    table[3] = nil
    #expect(gone == nil)
    #expect(table.objects.map(\.number) == [5, 999])
  }
}
