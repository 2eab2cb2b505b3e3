// The hold protocol in every order that x86 allows, with death at every place.

import Testing

@testable import Cache

/// The property: memory that a reader has validated as held is never overwritten until that reader
/// lets go, and nothing that nobody holds and the index does not name stays unfree after the last
/// sweep.
///
/// The processes run the functions of HoldProtocol.swift. What is around them is modelled: a store
/// of three units, a mutex that is waited for, a recovery that frees what is neither in the index
/// nor held. Stores go through store buffers (x86-TSO); a killed process's reach memory before its
/// end is seen.
@Suite(.serialized) struct ProtocolModelTests {
  private let reader = Reader.plain(0)
  private let newReader = Reader.plain(1, entering: true)
  private let pinning = Reader.pinning(0)
  private let following = Reader.following(0)
  private let reusing = Writer().reusing()
  private let replacing = Writer().replacing(times: 3)
  private let replacingTwice = Writer().replacing(times: 2)
  private let reusingAlias = Writer().reusing(ModelPlace.aliasIndex)

  /// The first thing wrong in any order of these programs and a last sweep, nil if all is right.
  private func fault(
    _ name: String, _ programs: [[Stage]], slots: Int = 1, alias: Bool = false,
    mortal: Set<Int> = [], unfenced: Set<Int> = []
  ) -> String? {
    var explorer = Explorer(
      memory: ModelPlace.start(slots: slots, alias: alias),
      programs: programs + [Writer().last()], mortal: mortal, unfenced: unfenced)
    explorer.run()
    print("protocol model: \(name): \(explorer.stateCount) states")
    return explorer.violation
  }

  @Test func `no writer overwrites what a reader holds, nor loses any memory`() {
    let new = Reader.plain(0, entering: true)
    #expect(fault("reader, reusing writer", [reader, reusing]) == nil)
    #expect(fault("reader, replacing writer", [reader, replacing]) == nil)
    #expect(fault("reader in a new slot, writer", [new, reusing], slots: 0) == nil)
    #expect(fault("2 readers, reusing writer", [reader, newReader, reusing]) == nil)
    #expect(fault("2 readers, replacing writer", [reader, newReader, replacing]) == nil)
    #expect(fault("reader, 2 writers", [reader, reusing, replacingTwice]) == nil)
    #expect(fault("2 readers, 2 writers", [reader, newReader, reusing, replacingTwice]) == nil)
  }

  @Test func `a hold that moves to the ledger or the alias's word is not missed`() {
    #expect(fault("pin, reusing writer", [pinning, reusing]) == nil)
    #expect(fault("pin, replacing writer", [pinning, replacing]) == nil)
    #expect(fault("pin, 2 writers", [pinning, reusing, replacingTwice]) == nil)
    #expect(fault("alias, its writer", [following, reusingAlias], alias: true) == nil)
    #expect(fault("alias, 2 writers", [following, reusingAlias, reusing], alias: true) == nil)
    #expect(
      fault(
        "alias, pin, writer", [following, Reader.pinning(1), reusingAlias], slots: 2, alias: true)
        == nil)
  }

  @Test func `a writer that dies anywhere, also in recovery, neither takes nor loses memory`() {
    #expect(fault("reader, mortal writer", [reader, reusing], mortal: [1]) == nil)
    #expect(
      fault("reader, 2 mortal writers", [reader, reusing, replacingTwice], mortal: [1, 2]) == nil)
    #expect(
      fault("pin, 2 mortal writers", [pinning, reusing, replacingTwice], mortal: [1, 2]) == nil)
    #expect(
      fault(
        "alias, 2 mortal writers", [following, reusingAlias, reusing], alias: true,
        mortal: [1, 2]) == nil)
  }

  @Test func `a reader that dies anywhere keeps nothing once its slot is cleared`() {
    let master = Writer.master(of: 0, slot: 0)
    #expect(
      fault("mortal reader and writer", [reader, master, reusing], mortal: [0, 2]) == nil)
    #expect(fault("mortal pin and writer", [pinning, master, reusing], mortal: [0, 2]) == nil)
    #expect(
      fault(
        "mortal alias and writer", [following, master, reusingAlias], alias: true,
        mortal: [0, 2]) == nil)
  }

  @Test func `the model sees what each fence, each order and each second look is for`() {
    func isFound(_ name: String, _ fault: String?) {
      #expect(fault?.hasPrefix("held memory was overwritten") == true, "\(name)")
    }
    let holds = ModelPlace.holds.first
    isFound(
      "hazard", fault("no fence after the hazard", [reader, reusing], unfenced: [holds.hazard]))
    isFound(
      "index", fault("no fence after unlinking", [reader, reusing], unfenced: [ModelPlace.index]))
    isFound("again", fault("no second look", [Reader.trusting(0), reusing]))
    isFound("slot", fault("a slot raised late", [Reader.enteringLate(0), reusing], slots: 0))
    isFound("pin", fault("let go, then pin", [Reader.pinningLate(0), reusing]))
    let aliasFirst = Writer(holds: ModelPlace.aliasFirst).reusing(ModelPlace.aliasIndex)
    isFound(
      "alias", fault("the alias's word read first", [following, aliasFirst], alias: true))
    let ledgerFirst = Writer(holds: ModelPlace.ledgerFirst).reusing()
    isFound("ledger", fault("the ledger read first", [pinning, ledgerFirst]))
    let forgetful = Writer(recoveryIgnoresHolds: true).replacing()
    isFound(
      "recovery", fault("recovery ignores holds", [reader, reusing, forgetful], mortal: [1]))
    let lost = fault("a dead reader's slot stays", [reader, reusing], mortal: [0])
    #expect(lost?.hasPrefix("a hold is left") == true)
  }

  @Test(arguments: [[], [4], [0]] as [Set<Int>])
  func `leaving out orders that change nothing hides no ending`(unfenced: Set<Int>) {
    func explore(reducing: Bool) -> Explorer {
      var explorer = Explorer(
        memory: ModelPlace.start(slots: 1),
        programs: [reader, reusing, Writer().replacing(), Writer().last()],
        mortal: [1], unfenced: unfenced, reducing: reducing)
      explorer.run()
      return explorer
    }
    let all = explore(reducing: false)
    let fewer = explore(reducing: true)
    print("protocol model: \(all.stateCount) states, reduced to \(fewer.stateCount)")
    #expect((all.violation == nil) == unfenced.isEmpty)
    #expect((fewer.violation == nil) == unfenced.isEmpty)
    if unfenced.isEmpty { #expect(all.endings == fewer.endings) }
  }
}
