// Robust, process-shared mutexes inside a shared region: tried, never waited for.

import Glibc

/// What trying a robust mutex found.
package enum MutexOutcome: Sendable {
  /// Locked; what it guards is as its last owner left it.
  case locked
  /// Somebody holds it. Nothing was locked.
  case busy
  /// Locked, but its last owner died holding it: repair what it guards, then `markConsistent`,
  /// then unlock. Dying before `markConsistent` makes the next one see `ownerDied` again.
  case ownerDied
}

extension SharedRegion {
  /// Bytes kept for one mutex: a cache line. pthread_mutex_t is 40 or 48 bytes.
  package static var mutexBytes: Int { 64 }

  /// Makes a new mutex at an offset that is a multiple of 8, whatever was there before. Nobody else
  /// may use it at that moment: a robust mutex holds addresses of the processes that use it, so all
  /// are made anew when a segment is taken over alone.
  package func initializeMutex(at offset: Int) {
    unsafe memset(address(offset, SharedRegion.mutexBytes), 0, SharedRegion.mutexBytes)
    var attributes = pthread_mutexattr_t()
    unsafe pthread_mutexattr_init(&attributes)
    unsafe pthread_mutexattr_setpshared(&attributes, CInt(PTHREAD_PROCESS_SHARED))
    unsafe pthread_mutexattr_setrobust(&attributes, CInt(PTHREAD_MUTEX_ROBUST))
    let result = unsafe pthread_mutex_init(mutex(offset), &attributes)
    precondition(result == 0, "pthread_mutex_init")
    unsafe pthread_mutexattr_destroy(&attributes)
  }

  /// Locks without waiting. pthread_mutex_trylock(3).
  package func tryLock(at offset: Int) -> MutexOutcome {
    switch unsafe pthread_mutex_trylock(mutex(offset)) {
    case 0: return .locked
    case EOWNERDEAD: return .ownerDied
    default: return .busy
    }
  }

  /// Says that what the mutex guards is sound again, after `ownerDied`.
  package func markConsistent(at offset: Int) {
    let result = unsafe pthread_mutex_consistent(mutex(offset))
    precondition(result == 0, "pthread_mutex_consistent")
  }

  package func unlock(at offset: Int) {
    let result = unsafe pthread_mutex_unlock(mutex(offset))
    precondition(result == 0, "a mutex is unlocked by who locked it")
  }

  private func mutex(_ offset: Int) -> UnsafeMutablePointer<pthread_mutex_t> {
    precondition(offset & 7 == 0)
    return unsafe address(offset, SharedRegion.mutexBytes).assumingMemoryBound(
      to: pthread_mutex_t.self)
  }
}
