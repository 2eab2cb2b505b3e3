// Exactly what a worker receives from the master when it is forked, and nothing else.

import Cache
import Configuration
import Platform

/// One listening socket of one address: there are as many per address as worker slots, all bound
/// with SO_REUSEPORT, all owned by the master (DESIGN 2).
package struct InheritedListener: Sendable {
  /// Its place in `Heritage.listeners`; orders name listeners by it. Stable while the address is
  /// configured, over all generations.
  package let identifier: UInt32
  package let address: SocketAddress
  package let descriptor: Descriptor

  package init(identifier: UInt32, address: SocketAddress, descriptor: Descriptor) {
    self.identifier = identifier
    self.address = address
    self.descriptor = descriptor
  }
}

/// An open log file: workers write whole lines with O_APPEND.
package struct InheritedLog: Sendable {
  /// As written in the configuration after expansion; the key by which sites name their log.
  package let path: String
  package let descriptor: Descriptor

  package init(path: String, descriptor: Descriptor) {
    self.path = path
    self.descriptor = descriptor
  }
}

/// The whole inheritance of a worker.
package struct Heritage {
  package let model: Model
  /// Counts from 1; raised by each reload.
  package let generation: UInt32
  /// The cache's routing epoch that this model belongs to (DESIGN 3.7).
  package let routingEpoch: UInt32
  /// 0 … workers - 1 within the generation.
  package let workerIndex: Int
  /// 0 … 255: the slot in the cache's and the scoreboard's tables, owned until the process is
  /// reaped.
  package let processSlot: Int
  package let listeners: [InheritedListener]
  /// Identifiers of the listeners that this worker accepts on from its start.
  package let served: [UInt32]
  /// nil when the cache could not be created (reported by the master).
  package let cache: CacheStore?
  /// Who fetches what, over all workers; nil: each fetches for itself. Of the worker's own process
  /// slot once it is attached.
  package let flights: CacheFlights?
  /// Request queues of applications; nil: there are none.
  package let queues: QueueBoard?
  /// By which processes wake each other; nil where descriptors are too few.
  package let wakers: ProcessWakers?
  package let scoreboard: Scoreboard
  /// SOCK_SEQPACKET to the master: `WorkerOrder` in, `WorkerReport` out.
  package let control: Descriptor
  /// SOCK_SEQPACKET to the I/O helpers; nil in tests.
  package let fileHelper: Descriptor?
  /// nil: files are compared with their paths only (`CacheWatchFiles Off`).
  package let watch: WatchLink?
  /// nil when no site is encrypted.
  package let tls: TLSHeritage?
  /// nil when no request is passed on.
  package let upstreams: UpstreamBoard?
  /// Who owns which URLs: a `NamespaceSnapshot` in a sealed file; nil: nobody but the sites.
  package let namespace: Descriptor?
  package let errorLog: Descriptor
  package let logs: [InheritedLog]
  /// What it locks itself in with before it serves; nil in tests.
  package let sandbox: SandboxPlan?

  package init(
    model: Model, generation: UInt32, routingEpoch: UInt32, workerIndex: Int, processSlot: Int,
    listeners: [InheritedListener], served: [UInt32], cache: CacheStore?,
    flights: CacheFlights? = nil, queues: QueueBoard? = nil, wakers: ProcessWakers? = nil,
    scoreboard: Scoreboard, control: Descriptor,
    fileHelper: Descriptor?, watch: WatchLink?, tls: TLSHeritage?,
    upstreams: UpstreamBoard? = nil, namespace: Descriptor? = nil, errorLog: Descriptor,
    logs: [InheritedLog],
    sandbox: SandboxPlan? = nil
  ) {
    self.model = model
    self.generation = generation
    self.routingEpoch = routingEpoch
    self.workerIndex = workerIndex
    self.processSlot = processSlot
    self.listeners = listeners
    self.served = served
    self.cache = cache
    self.flights = flights
    self.queues = queues
    self.wakers = wakers
    self.scoreboard = scoreboard
    self.control = control
    self.fileHelper = fileHelper
    self.watch = watch
    self.tls = tls
    self.upstreams = upstreams
    self.namespace = namespace
    self.errorLog = errorLog
    self.logs = logs
    self.sandbox = sandbox
  }
}
