// Who is told what about a reload.

import Testing

@testable import Master

@Test func `requests during a reload are answered by one following reload`() {
  var machine = ReloadMachine()
  #expect(machine.requested(by: .client(1)) == [.load])
  #expect(machine.requested(by: .client(2)).isEmpty)
  #expect(machine.requested(by: .signal).isEmpty)
  #expect(
    machine.finished(.serves(generation: 2)) == [
      .answer([.client(1)], .serves(generation: 2)), .load,
    ])
  #expect(
    machine.finished(.refused("no")) == [.answer([.client(2), .signal], .refused("no"))])
  #expect(!machine.isReloading)
  #expect(machine.requested(by: .signal) == [.load])
}

@Test func `a request during the start waits for a reload of its own`() {
  var machine = ReloadMachine()
  machine.began()
  #expect(machine.requested(by: .client(1)).isEmpty)
  #expect(machine.finished(.serves(generation: 1)) == [.load])
  #expect(
    machine.finished(.serves(generation: 2)) == [
      .answer([.client(1)], .serves(generation: 2))
    ])
}

@Test func `a client that went away is not answered and needs no reload`() {
  var machine = ReloadMachine()
  _ = machine.requested(by: .client(1))
  _ = machine.requested(by: .client(2))
  machine.forget(.client(1))
  machine.forget(.client(2))
  #expect(machine.isReloading)
  #expect(machine.finished(.serves(generation: 2)).isEmpty)
  #expect(!machine.isReloading)
}

@Test func `the end of a reload that is not under way changes nothing`() {
  var machine = ReloadMachine()
  #expect(machine.finished(.serves(generation: 1)).isEmpty)
}

@Test func `when the server stops everybody is told`() {
  var machine = ReloadMachine()
  _ = machine.requested(by: .client(1))
  _ = machine.requested(by: .client(2))
  #expect(
    machine.abandoned("stopping") == [.answer([.client(1), .client(2)], .refused("stopping"))])
}
