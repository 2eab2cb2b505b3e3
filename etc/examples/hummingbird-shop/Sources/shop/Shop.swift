// An application: shop QUEUE PREFIX...; the server's socket is $RING3_SOCKET or /run/ring3/ring3d.sock.
// Without prefixes it serves for a process that holds them, until its standard input ends.

import Dispatch
import Glibc
import Hummingbird
import Logging
import Ring3App
import ServiceLifecycle

@main
struct Shop {
  static func main() async throws {
    let words = CommandLine.arguments.dropFirst()
    guard let queue = words.first else {
      print("usage: shop QUEUE PREFIX...")
      exit(64)
    }
    let prefixes = Array(words.dropFirst())
    // Nobody waits for those that it starts.
    signal(SIGCHLD, SIG_IGN)
    let logger = Logger(label: queue)
    let router = Router()
    router.get("**") { request, _ in "\(getpid()) \(request.uri.path)\n" }
    router.post("**") { request, _ in
      let body = try await request.body.collect(upTo: 1 << 20)
      return "\(getpid()) \(body.readableBytes) bytes\n"
    }
    do {
      let claim = try Claim(
        .init(
          prefixes: prefixes, queue: queue,
          properties: prefixes.isEmpty ? .init() : .init(concurrency: 64)))
      if prefixes.isEmpty {
        DispatchQueue.global().async {
          Successor.awaitEnd()
          kill(getpid(), SIGTERM)
        }
      }
      let server = LentServer(
        claim: claim, holdsURLs: !prefixes.isEmpty, responder: router.buildResponder(),
        logger: logger)
      print("ready")
      fflush(nil)
      let services = ServiceGroup(
        services: [server], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
      try await services.run()
    } catch let error as ControlError {
      print(error.message)
      exit(error.code)
    }
  }
}
