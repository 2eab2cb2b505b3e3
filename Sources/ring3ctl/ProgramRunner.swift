// `ring3ctl run`: claims URLs for a program that knows nothing of Ring3, and keeps it running.

import Platform
import Programs

enum ProgramRunner {
  /// Runs until the programs have ended; returns the exit code.
  static func run(words: [String], socketPath: String) -> Int32 {
    if words.prefix(while: { $0 != "--" }).contains(where: { ["--help", "-h"].contains($0) }) {
      Console.output(RunArguments.usage + "\n")
      return 0
    }
    do {
      let settings = try RunArguments(words).settings
      if let user = settings.user {
        guard Privileges.isRoot else {
          throw RunArguments.Mistake(message: "--user: only root can become '\(user)'", code: 77)
        }
        guard Privileges.user(user) != nil else {
          throw RunArguments.Mistake(message: "--user: there is no user '\(user)'", code: 67)
        }
      } else if Privileges.isRoot {
        complain("warning: the program runs as root, whoever asks it for what; say --user NAME")
      }
      let word = settings.command[0]
      let environment = Environment.all
      let path = settings.environment["PATH"] ?? environment["PATH"]
      // Another user, or another directory, may see what we do not.
      let isOurs = settings.user == nil && settings.directory == nil
      guard let program = Executable.find(word, among: path),
        !isOurs || Executable.mayRun(program)
      else {
        complain("there is no program '\(word)'")
        return 127
      }
      let supervisor = try ProgramSupervisor(
        socketPath: socketPath, environment: environment,
        log: { log($0, settings.queue, $1) })
      try supervisor.run(settings)
      return 0
    } catch let mistake as RunArguments.Mistake {
      complain(mistake.message + (mistake.code == 64 ? "\n\(RunArguments.usage)" : ""))
      return mistake.code
    } catch let failure as SessionFailure {
      complain(failure.message)
      return failure.code
    } catch {
      complain("\(error)")
      return 71
    }
  }

  /// As in the server's log: when, how grave, of which queue.
  private static func log(_ weight: ProgramNote, _ queue: String, _ text: String) {
    Console.error("[\(LogTime.errorLogNow())] [\(weight)] [queue \(queue)] \(text)")
  }

  private static func complain(_ text: String) { Console.error("ring3ctl run: \(text)") }
}
