// The descriptor that wakes another process.

import Platform
import Testing

@Suite struct `an event descriptor` {
  @Test func `it is readable from the first signal to the next drain`() throws {
    let event = try EventDescriptor()
    let poller = try Poller()
    try poller.add(event.descriptor.number, token: 7, interest: .readable)
    #expect(!event.drain())
    #expect(poller.wait(timeoutMilliseconds: 0) == 0)
    event.signal()
    event.signal()
    #expect(poller.wait(timeoutMilliseconds: 0) == 1)
    #expect(event.drain())
    #expect(poller.wait(timeoutMilliseconds: 0) == 0)
    #expect(!event.drain())
  }
}
