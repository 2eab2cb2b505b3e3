// Which part of a path names a script, and what follows it (PATH_INFO).

import Configuration
import HTTP
import Platform

extension EventLoop {
  /// Passes a request to a script once it is known whether its path goes on behind a file. What is
  /// not there at all is the application's business.
  func passOn(script target: ProxyTarget, _ exchange: Exchange, _ stream: RequestStream) -> Bool {
    guard !exchange.isSplit, target.scriptPath.first == ASCII.slash else {
      exchange.file = nil
      return passOn(target, exchange, stream)
    }
    var request = FileRequest(
      path: target.scriptPath, root: [ASCII.slash], urlPath: exchange.currentPath)
    request.findsScript = true
    switch FileResolver.resolve(request) {
    case .done(let answer): return takeScript(answer, request, exchange, stream)
    case .needsHelper(let question):
      // What comes meanwhile of a body has to stay somewhere.
      if stream.state.bodyPending, head.body == .chunked || !(stream is Connection) {
        return collectBody(exchange, stream)
      }
      exchange.file = request
      exchange.waiting = .resolution
      return ask(question, exchange, stream)
    }
  }

  /// What the file system said of a script's path.
  func takeScript(
    _ answer: FileAnswer, _ request: FileRequest, _ exchange: Exchange, _ stream: RequestStream
  ) -> Bool {
    exchange.file = nil
    exchange.isSplit = true
    if case .pathInfo(let byteCount) = answer, split(byteCount, request, exchange) {
      return follow(exchange.currentPath, exchange, stream)
    }
    guard case .proxy(let target) = exchange.route.action else {
      return fail(exchange, stream, 503, .internal)
    }
    return passOn(target, exchange, stream)
  }

  /// Notes how much of the path is for the script before it; false: nothing, or that is known, or a
  /// rule has made another path of it.
  func split(_ byteCount: Int, _ request: FileRequest, _ exchange: Exchange) -> Bool {
    guard byteCount > 0, exchange.pathInfoByteCount == 0, byteCount < exchange.currentPath.count,
      exchange.currentPath.suffix(byteCount) == request.path.suffix(byteCount)
    else { return false }
    exchange.pathInfoByteCount = byteCount
    exchange.isSplit = true
    return true
  }
}
