// Why something that was asked of the server came to nothing.

/// Why a request to the server failed, in words for people.
///
/// ``kind`` is what a program decides by; ``message`` is what the server said, or what is wrong on
/// this side.
public struct ControlError: Error, Sendable, Hashable, CustomStringConvertible {
  /// What went wrong, for programs.
  public enum Kind: Sendable, Hashable {
    /// The server understood and refused (1): a prefix is registered already, a queue is not there.
    case refused
    /// The server does not know the words, or cannot do what was asked for (2).
    case notUnderstood
    /// No reservation lets this user do it, or it belongs to another user (77).
    case notAllowed
    /// No server answers at the socket.
    case unreachable
    /// The server has ended the session, or it was closed.
    case ended
    /// The server did not answer in time. The session is over: what would come next is not known.
    case timedOut
    /// What was to be sent cannot be a request, or a call of the kernel's failed.
    case local
  }

  /// What went wrong.
  public let kind: Kind
  /// The exit code that came with the answer; `ring3ctl` would end with it. 69 without an answer.
  public let code: Int32
  /// What is wrong, and often what to do instead; maybe several lines.
  public let message: String

  /// Whether the same may succeed a moment later, without any change: there is no server now.
  public var isPassing: Bool { [.unreachable, .ended, .timedOut].contains(kind) }

  /// The message.
  public var description: String { message }

  init(_ kind: Kind, _ message: String, code: Int32 = ControlError.withoutAnswer) {
    self.kind = kind
    self.code = code
    self.message = message
  }

  /// What an answer that ends in `code` means; nil if all is well.
  init?(code: Int32, errors: [String]) {
    let kind: Kind
    switch code {
    case 0: return nil
    case 2: kind = .notUnderstood
    case 77: kind = .notAllowed
    default: kind = .refused
    }
    let message = errors.joined(separator: "\n")
    self.init(
      kind, message.isEmpty ? "the server refused with code \(code)" : message, code: code)
  }

  private static let withoutAnswer: Int32 = 69
}
