// The funnel to the kernel: every system call returns through here, as a value or a SystemError.

import CLinux
import Glibc

/// A system call that failed: what was tried, on what, and errno. An operating error, never a bug
/// of ours: those (EBADF, EFAULT) trap in `systemCall`.
package struct SystemError: Error, Equatable, CustomStringConvertible {
  /// errno, as in errno(3).
  package let code: CInt
  /// The C function or a phrase ("bind", "open").
  package let operation: String
  /// The path or address it was tried on; empty when there is none.
  package let subject: String

  package init(code: CInt, operation: String, subject: String = "") {
    self.code = code
    self.operation = operation
    self.subject = subject
  }

  /// "open '/etc/x': Permission denied"
  package var description: String {
    let on = subject.isEmpty ? "" : " '\(subject)'"
    return "\(operation)\(on): \(SystemError.text(of: code))"
  }

  /// strerror(3) of an errno value.
  package static func text(of code: CInt) -> String {
    if code == sandboxed { return "Refused by the sandbox" }
    guard let text = unsafe strerror(code) else { return "error \(code)" }
    return unsafe String(cString: text)
  }

  /// The same error with the path or address it concerns.
  package func on(_ subject: String) -> SystemError {
    SystemError(code: code, operation: operation, subject: subject)
  }
}

/// Runs a system call that returns -1 on failure, again after EINTR. EBADF and EFAULT are bugs of
/// ours, so they end the process instead of becoming an error someone might swallow.
@inline(__always)
package func systemCall<T: FixedWidthInteger>(
  _ operation: StaticString, _ body: () -> T
) throws(SystemError) -> T {
  while true {
    let result = body()
    if result != -1 { return result }
    let code = ring3_errno()
    if code == EINTR { continue }
    precondition(code != EBADF && code != EFAULT, "bad descriptor or address in a system call")
    throw SystemError(code: code, operation: "\(operation)")
  }
}

/// errno values by name, for callers outside this room.
extension SystemError {
  package static var wouldBlock: CInt { EAGAIN }
  package static var notFound: CInt { ENOENT }
  package static var notDirectory: CInt { ENOTDIR }
  package static var accessDenied: CInt { EACCES }
  package static var notPermitted: CInt { EPERM }
  package static var addressInUse: CInt { EADDRINUSE }
  package static var tooManyFiles: CInt { EMFILE }
  package static var tooManyFilesSystem: CInt { ENFILE }
  package static var messageTooLong: CInt { EMSGSIZE }
  package static var noMemory: CInt { ENOMEM }
  package static var noBufferSpace: CInt { ENOBUFS }
  package static var brokenPipe: CInt { EPIPE }
  package static var connectionReset: CInt { ECONNRESET }
  package static var connectionRefused: CInt { ECONNREFUSED }
  package static var tooManyReferences: CInt { ETOOMANYREFS }
  package static var notSupported: CInt { EOPNOTSUPP }
  package static var noSystemCall: CInt { ENOSYS }
  package static var symbolicLinkLoop: CInt { ELOOP }
  package static var crossDevice: CInt { EXDEV }
  package static var nameTooLong: CInt { ENAMETOOLONG }
  package static var noSpace: CInt { ENOSPC }
  package static var exists: CInt { EEXIST }
}
