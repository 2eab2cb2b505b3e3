// What is wrong with an <Application> gets one clear message at the word that is wrong.

import Configuration
import Testing

@Suite struct ApplicationBadInputTests {
  private static let start = "Listen 80\nQueueDirectory /q\n<Application a>\n"
  private static let whole = start + "Command x\nUrl http://+:80/\n"

  /// The text, whose last line but one is the sixth, the column in it, and the message.
  static let lines: [(line: String, column: Int, message: String)] = [
    ("Listen 81", 1, "'Listen' is not allowed inside <Application>"),
    ("Command", 1, "'Command' needs an argument"),
    ("Url http://+:80/a", 17, "ends in '/'"),
    ("Url http://+:80/", 5, "'http://+:80/' is application 'a''s already, at"),
    ("Queue a,b", 7, "letters, digits"),
    ("Group mail", 7, "a User is expected too"),
    ("Environment X", 13, "NAME=VALUE is expected, not 'X'"),
    ("Environment =X", 13, "NAME=VALUE is expected, not '=X'"),
    ("Environment X=1 X=2", 17, "'X' has a value already"),
    ("WorkingDirectory /none", 18, "'/none' is not a directory"),
    ("Ping health", 6, "a path that starts with '/'"),
    ("Ping / interval=0", 8, "a time from 1 second to 1 hour"),
    ("Ping / failures=x", 8, "a number from 1 to 100"),
    ("Ping / busy=0", 8, "a time from 1 second to 1 day"),
    ("Ping / often", 8, "interval=SECONDS, failures=NUMBER or busy=SECONDS"),
    ("Processes 0", 11, "the range 1 to 256"),
    ("Concurrency many", 13, "a number is expected"),
    ("KeepAlive maybe", 11, "'on' or 'off'"),
    ("QueueBytes many", 12, "a number of bytes"),
    ("Delegators a b c d e f g h i", 28, "at most 8 users"),
    ("QueueVerbosity ful", 16, "did you mean 'full'?"),
    ("RecycleMemory 5K", 15, "outside the range"),
    ("RecycleAge 10ms", 12, "outside the range"),
    ("IdleStop soon", 10, "a time is expected"),
  ]

  private func errors(_ text: String) -> [Diagnostic] {
    load(text).diagnostics.filter { $0.severity == .error }
  }

  @Test(arguments: lines.indices)
  func `a wrong line is refused at its word`(_ index: Int) {
    let (line, column, message) = Self.lines[index]
    let found = errors(Self.whole + line + "\n</Application>")
    #expect(found.count == 1, "\(line): \(found.map(\.rendered))")
    #expect(found.first?.message.contains(message) == true, "\(found.map(\.rendered))")
    #expect(found.first?.place.map { "\($0.line):\($0.column)" } == "6:\(column)", "\(line)")
  }

  @Test func `what is missing is said at the name`() {
    for (text, message) in [
      (Self.start + "Url http://+:80/\n</Application>", "a Command is missing"),
      (Self.start + "Command x\n</Application>", "a Url is missing"),
      (
        (Self.whole + "</Application>").replacing("QueueDirectory /q", with: "ServerAdmin a@b"),
        "needs a QueueDirectory"
      ),
      (
        (Self.whole + "</Application>").replacing("Application a>", with: "Application a/b>"),
        "the name of an application is letters"
      ),
    ] {
      let found = errors(text)
      #expect(found.count == 1, "\(found.map(\.rendered))")
      #expect(found.first?.message.contains(message) == true, "\(found.map(\.rendered))")
      #expect(found.first?.place?.line == 3)
    }
  }

  @Test func `two applications share neither name, nor queue, nor URL`() {
    let one = Self.whole + "</Application>\n"
    for (other, message) in [
      ("<Application a>\nCommand x\nUrl http://+:80/b/\n", "there is an application 'a' already"),
      ("<Application b>\nQueue a\nCommand x\nUrl http://+:80/b/\n", "is that of application 'a'"),
      ("<Application b>\nCommand x\nUrl http://+:80/\n", "'http://+:80/' is application 'a''s"),
    ] {
      let found = errors(one + other + "</Application>").map(\.message)
      #expect(found.contains { $0.contains(message) }, "\(found)")
    }
  }
}
