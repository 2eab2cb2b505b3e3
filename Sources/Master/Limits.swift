// Limits of this room: how long, how many, how often.

/// Every number that bounds the master. Times are milliseconds.
package enum Limits {
  /// Answers about certificates that wait for one worker to take them.
  static let certificateAnswersMax = 128
  /// A generation must be ready within this time or it counts as failed.
  package static let readyMilliseconds: Int64 = 10_000
  /// This many deaths within `probationMilliseconds` send a generation back.
  package static let probationDeaths = 3
  package static let probationMilliseconds: Int64 = 5_000
  /// A worker whose heartbeat is older is killed.
  package static let heartbeatMilliseconds: Int64 = 5_000
  /// How often heartbeats are looked at.
  package static let heartbeatCheckMilliseconds: Int64 = 1_000
  /// A master that has not looked for longer was not running itself; and for so long after waking
  /// it trusts no heartbeat.
  package static let heartbeatPauseMilliseconds: Int64 = 2_500
  /// From "stop" to SIGKILL.
  package static let stopMilliseconds: Int64 = 2_000
  /// What a withdrawn generation may spend on requests in flight.
  package static let withdrawnMilliseconds: Int64 = 2_000
  /// How long workers may empty the queues of an address that was removed.
  package static let retireMilliseconds: Int64 = 1_000
  /// The same for the sockets of a generation that failed.
  package static let giveUpMilliseconds: Int64 = 200
  /// Generations alive at a time. One more waits for the oldest to finish handing over, and stops
  /// it after `drainPatienceMilliseconds`.
  package static let generationsMax = 4
  package static let drainPatienceMilliseconds: Int64 = 10_000
  /// Process slots, a constant of the cache's layout (DESIGN 4.4).
  package static let processSlots = 256
  /// Open files that this process must be allowed for flights to be worth their descriptors: one
  /// for each process slot, in every worker.
  package static let descriptorsForFlights = 1024
  /// Workers of one generation: so that `generationsMax` + 1 generations fit into the slots.
  package static let workersMax = 48

  /// Waiting times before a worker that died is started again: none, then this, doubled up to
  /// the maximum, forgotten after it lived long enough.
  package static let backOffFirstMilliseconds: Int64 = 100
  /// The longest wait while no worker serves at all.
  package static let backOffUrgentMilliseconds: Int64 = 50
  package static let backOffMaxMilliseconds: Int64 = 10_000
  package static let backOffForgetMilliseconds: Int64 = 30_000

  /// When to send orders again that were held up.
  package static let orderRetryMilliseconds: Int64 = 20
  /// Between two starts of helpers that leave because they may read too little.
  package static let helperRenewalMilliseconds: Int64 = 20
  /// Reports read from one worker before others have their turn.
  package static let reportsPerTurn = 64

  /// Clients of the control socket at a time.
  package static let controlClients = 64
  /// Sessions of applications at a time.
  package static let controlSessions = 512
  /// The same of users who may not command the server, and of one of them.
  package static let controlGuests = 256
  package static let controlGuestsPerUser = 32
  /// Bytes of one request on the control socket.
  package static let controlRequestBytes = 65_536
  /// From the connection to the whole request, and from the answer to its last byte.
  package static let controlMilliseconds: Int64 = 5_000

  /// Puts and gets of sessions that wait until workers know whose the URL is, and how long they do;
  /// and those that one worker has not taken.
  static let cacheOrders = 64
  static let cacheOrderMilliseconds: Int64 = 10_000
  static let cacheOrdersPerWorker = 16

  /// Descriptors on their way to a client that has not read what came before.
  static let lentDescriptors = 8

  /// Bytes of an answer that wait for a client before the work for it waits too.
  package static let controlBacklogBytes = 65_536
  /// Descriptors that a session has sent and that nothing was asked with.
  package static let controlDescriptors = 4

  /// Work for a client in one turn of the loop; then everybody else has theirs.
  package static let jobMicroseconds: Int64 = 1_000
  /// Buckets of the cache's index between two looks at the clock.
  package static let bucketsPerLook = 16
  /// How often a long walk says how far it is.
  package static let progressMilliseconds: Int64 = 500
  /// Entries that `cache show` lists unless told otherwise, and at most.
  package static let shownEntries = 1_000
  package static let shownEntriesMax = 10_000

  /// How often certificate files are compared with what was read, and how many of them at a time.
  package static let certificateLookMilliseconds: Int64 = 1_000
  package static let certificateFilesPerLook = 2_000
  /// How long new files may be unusable before that is told: they are replaced one by one.
  package static let certificatePatienceMilliseconds: Int64 = 3_000

  /// Certificates that end within this time are told of.
  package static let certificateExpirySeconds: Int64 = 14 * 86_400
  /// Between two looks at that.
  package static let expiryLookMilliseconds: Int64 = 60_000

  /// Files of `SSLCertificateDirectory` that are stapled and watched for their end, and how long
  /// one that nobody wants is; less when there is no room for others.
  package static let namedCertificatesMax = 1_024
  package static let namedCertificateIdleMilliseconds: Int64 = 86_400_000
  package static let namedCertificateScarceMilliseconds: Int64 = 600_000

  /// Questions to the OCSP fetcher at a time, and what a responder's name may take to be
  /// resolved, beside `SSLStaplingResponderTimeout`.
  package static let stapleQuestionsMax = 4
  package static let stapleGraceMilliseconds: Int64 = 60_000
  /// How long one is shown with a certificate that is to be used no more.
  package static let stapleKeptMilliseconds: Int64 = 30_000
  /// When to look again whether a certificate that is being replaced can be asked about.
  package static let stapleChangedMilliseconds: Int64 = 5_000

  /// How often the master looks after proxy members.
  package static let upstreamsMilliseconds: Int64 = 1_000
  /// How long a launch waits for the first look at the names of proxy members.
  package static let namesMilliseconds: Int64 = 2_000

  /// How much longer than their programs the supervisor of applications may take to end.
  static let applicationsGraceMilliseconds: Int64 = 5_000

  /// Log descriptors in one packet: SCM_MAX_FD of the kernel.
  package static let logsPerMessage = 253
}
