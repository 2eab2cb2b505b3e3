// What the model's tests share: configurations from strings, and questions to the model.

import Configuration
import Platform
import Testing

/// Loads a configuration that stands in /etc/ring3.conf; /srv and some directories in it exist.
func load(_ text: String, files: [String: String] = [:]) -> LoadResult {
  var all: [String: [UInt8]] = [
    "/etc/ring3.conf": Array(text.utf8),
    "/srv/www/index.html": [], "/srv/a/index.html": [], "/srv/b/index.html": [],
    "/srv/tenants/index.html": [],
  ]
  for (path, content) in files { all[path] = Array(content.utf8) }
  return ConfigurationLoader.load(file: "/etc/ring3.conf", reader: .memory(all))
}

/// A model that must load without errors; `Listen 80` and a DocumentRoot are put in front.
func model(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) throws -> Model {
  let result = load("Listen 80\nDocumentRoot /srv/www\n" + text)
  return try #require(
    result.model, Comment(rawValue: result.diagnostics.map(\.rendered).joined(separator: "\n")),
    sourceLocation: sourceLocation)
}

/// "192.0.2.1:80" or "[::1]:80"
func socketAddress(_ text: String) throws -> SocketAddress {
  let colon = try #require(text.lastIndex(of: ":"))
  let host = text[..<colon].filter { $0 != "[" && $0 != "]" }
  return SocketAddress(
    try #require(IPAddress(host)), port: try #require(UInt16(text[text.index(after: colon)...])))
}

extension Model {
  func match(_ host: String, _ local: String = "192.0.2.1:80") throws -> SiteMatch {
    site(local: try socketAddress(local), host: Array(host.utf8))
  }

  /// The name of the site that answers.
  func siteName(_ host: String, _ local: String = "192.0.2.1:80") throws -> String {
    let site = sites[try match(host, local).site]
    return site.isMainServer ? "main" : site.name
  }

  func route(_ path: String, host: String = "x", query: String? = nil) throws -> Route {
    route(try match(host), path: Array(path.utf8), query: query.map { Array($0.utf8) })
  }

  /// "file /srv/www/x", "301 https://…" or "404".
  func action(_ path: String, host: String = "x", query: String? = nil) throws -> String {
    switch try route(path, host: host, query: query).action {
    case .file(let path, _): "file \(String(decoding: path, as: UTF8.self))"
    case .proxy(let target): "proxy \(String(decoding: target.path, as: UTF8.self))"
    case .redirect(let status, let location):
      "\(status) \(String(decoding: location, as: UTF8.self))"
    case .refuse(let status): "\(status)"
    }
  }
}
