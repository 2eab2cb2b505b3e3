// Bodies that are put together while they pass.

import Platform
import Testing

@testable import Worker

@Suite struct `a body that is put together` {
  /// "#3" stands for so many bytes of the message, anything else for a copy.
  private func assembly(_ parts: [String], _ budget: CollectionBudget) -> FragmentAssembly? {
    FragmentAssembly(
      parts.map { part in
        part.first == "#"
          ? .own(Int(part.dropFirst()) ?? 0) : .copied(ByteBuffer(holding: Array(part.utf8)))
      }, budget)
  }

  /// The body when the message comes in pieces of this size; nil: too many or too few bytes came.
  private func body(_ parts: [String], _ message: String, by size: Int) -> String? {
    let budget = CollectionBudget()
    guard let assembly = assembly(parts, budget) else { return nil }
    let bytes = Array(message.utf8)
    var body: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: size) {
      let end = min(bytes.count, start + size)
      let buffer = ByteBuffer(holding: Array("<".utf8) + bytes[start..<end])
      guard let more = assembly.take(buffer, [1..<buffer.count], isEnd: false) else { return nil }
      body += more.copy(0..<more.count)
    }
    guard let last = assembly.take(ByteBuffer(capacity: 1), [], isEnd: true) else { return nil }
    return String(decoding: body + last.copy(0..<last.count), as: UTF8.self)
  }

  @Test(arguments: [1, 2, 3, 100])
  func `has each part in its place, however the message is cut`(size: Int) {
    let vectors: [(parts: [String], message: String, body: String?)] = [
      (["#5"], "hello", "hello"), (["a", "b"], "", "ab"), (["a", "#5", "b"], "hello", "ahellob"),
      (["#1", "a", "#0", "b", "#4", "c"], "hello", "habelloc"), (["#0", "a", "#0"], "", "a"),
      (["a", "#5"], "hell", nil), (["#5", "a"], "hello!", nil), (["a"], "x", nil),
      (["#1"], "", nil),
    ]
    for vector in vectors {
      #expect(body(vector.parts, vector.message, by: size) == vector.body, "\(vector)")
    }
  }

  @Test func `takes no more room than there is, and gives it back`() {
    let budget = CollectionBudget()
    var first = assembly(["abc", "#2", "de"], budget)
    #expect(first?.byteCount == 7 && first?.ownByteCount == 2 && budget.byteCount == 5)
    first = nil
    #expect(budget.byteCount == 0)
    let large = String(repeating: "x", count: 1 << 20)
    var all: [FragmentAssembly?] = []
    for _ in 0..<128 { all.append(assembly([large], budget)) }
    #expect(all.allSatisfy { $0 != nil })
    #expect(assembly(["x"], budget) == nil)
    #expect(assembly(["#1"], budget) != nil)
  }
}
