// Servers that others wrote, as applications behind a server of a test's own.

import Foundation
import TestSupport
import Testing

/// A server of Debian's in the foreground, with a configuration of the test's, in a directory of
/// the test's. It ends with the last reference.
final class Peer {
  /// Which one.
  enum Kind: String, CaseIterable, Sendable {
    case nginx, httpd, gunicorn
  }

  let kind: Kind
  let port = freePort()
  let directory: TemporaryDirectory
  private let program: ChildProgram

  /// `keepAliveSeconds`: how long it keeps a connection that is idle.
  init(_ kind: Kind, in directory: TemporaryDirectory, keepAliveSeconds: Int = 60) throws {
    self.kind = kind
    self.directory = directory
    let (name, package) =
      switch kind {
      case .nginx: ("nginx", "nginx-light")
      case .httpd: ("apache2", "apache2-bin")
      case .gunicorn: ("gunicorn", "gunicorn")
      }
    let path = try #require(
      Program.path(name), "\(name) is missing: apt-get install \(package)")
    let root = directory.path
    let port = port
    func expand(_ text: String) -> String {
      text.replacing("@root@", with: root).replacing("@port@", with: "\(port)")
        .replacing("@keep@", with: "\(keepAliveSeconds)")
    }
    let words: [String]
    switch kind {
    case .nginx:
      directory.write(expand(Peer.nginxConfiguration), to: "nginx.conf")
      words = ["-p", root, "-c", root + "/nginx.conf", "-e", root + "/nginx.log"]
    case .httpd:
      directory.write(expand(Peer.httpdConfiguration), to: "httpd.conf")
      words = ["-d", root, "-f", root + "/httpd.conf", "-D", "FOREGROUND"]
    case .gunicorn:
      directory.write(Peer.application, to: "app.py")
      words =
        [
          "--bind", "127.0.0.1:\(port)", "--workers", "2", "--worker-class", "gthread",
          "--threads", "4", "--keep-alive", "\(keepAliveSeconds)", "--graceful-timeout", "10",
          "--chdir", root, "--worker-tmp-dir", root, "--log-file", root + "/gunicorn.log",
        ] + (isRoot() ? ["--user", "nobody", "--group", "nogroup"] : []) + ["app:answer"]
    }
    program = try ChildProgram(
      [path] + words, outputPath: directory.path("\(kind).out"),
      environment: ["PYTHONDONTWRITEBYTECODE": "1"])
    let isUp = eventually { (try? ClientSocket(port: port)) != nil }
    try #require(isUp, "\(name) does not start: \(said)")
  }

  deinit {
    program.signal(kind == .nginx ? Signal.quit : Signal.terminate)
    if program.wait(milliseconds: 3000) == nil { program.signal(Signal.terminate) }
    _ = program.wait(milliseconds: 5000)
  }

  /// What it says of itself.
  var said: String { directory.read("\(kind).out") + directory.read("\(kind).log") }

  /// New processes take over, as its manual says.
  func reload() {
    program.signal(kind == .httpd ? Signal.user1 : Signal.hangUp)
  }

  private static var user: String { isRoot() ? "user nobody nogroup;" : "" }

  private static let nginxConfiguration = """
    daemon off; worker_processes 2; pid @root@/nginx.pid; \(user)
    events { worker_connections 256; }
    http {
      log_format tests '$connection $connection_requests $request_method $uri $status';
      access_log @root@/nginx.access tests;
      client_body_temp_path @root@/nginx.body; proxy_temp_path @root@/nginx.proxy;
      fastcgi_temp_path @root@/nginx.fcgi; uwsgi_temp_path @root@/nginx.uwsgi;
      scgi_temp_path @root@/nginx.scgi;
      client_max_body_size 0; keepalive_timeout @keep@s; keepalive_requests 100000;
      types { text/plain txt; application/octet-stream bin; }
      gzip on; gzip_vary on; gzip_proxied any; gzip_types text/plain; gzip_min_length 100;
      server {
        listen 127.0.0.1:@port@; listen unix:@root@/nginx.sock; root @root@/peer;
        location /fresh/ { alias @root@/peer/; add_header Cache-Control max-age=1; }
        location /kept/ { alias @root@/peer/; add_header Cache-Control max-age=60; }
        location /put/ { dav_methods PUT DELETE; }
        location = /broken { return 500; }
        location = /own { return 418 "short and stout"; }
      }
    }
    """

  private static let httpdConfiguration = """
    ServerName localhost
    Listen 127.0.0.1:@port@
    PidFile @root@/httpd.pid
    DefaultRuntimeDir @root@
    ErrorLog @root@/httpd.log
    LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
    LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
    LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so
    LoadModule mime_module /usr/lib/apache2/modules/mod_mime.so
    LoadModule headers_module /usr/lib/apache2/modules/mod_headers.so
    LoadModule filter_module /usr/lib/apache2/modules/mod_filter.so
    LoadModule deflate_module /usr/lib/apache2/modules/mod_deflate.so
    LoadModule cgid_module /usr/lib/apache2/modules/mod_cgid.so
    LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
    LoadModule proxy_fcgi_module /usr/lib/apache2/modules/mod_proxy_fcgi.so
    \(isRoot() ? "User nobody\nGroup nogroup" : "")
    StartServers 2
    ServerLimit 4
    KeepAliveTimeout @keep@
    MaxKeepAliveRequests 0
    LogFormat "%{REMOTE_PORT}e %k %m %U %>s" tests
    TypesConfig /dev/null
    AddType text/plain .txt
    AddType application/octet-stream .bin
    ScriptSock @root@/cgid.sock
    DocumentRoot @root@/peer
    <Directory @root@/peer>
      Require all granted
    </Directory>
    Alias /fresh/ @root@/peer/
    Alias /kept/ @root@/peer/
    <Location /fresh/>
      Header set Cache-Control max-age=1
    </Location>
    <Location /kept/>
      Header set Cache-Control max-age=60
    </Location>
    AddOutputFilterByType DEFLATE text/plain
    <Directory @root@/cgi>
      Require all granted
    </Directory>
    ScriptAlias /cgi/ @root@/cgi/
    <FilesMatch "\\.php$">
      SetHandler "proxy:unix:@root@/php.sock|fcgi://localhost"
    </FilesMatch>
    """

  /// Says what it got, or does what the path says.
  private static let application = """
    import hashlib, time

    def body(environ):
        stream, digest, count = environ['wsgi.input'], hashlib.sha256(), 0
        while True:
            part = stream.read(65536)
            if not part:
                return count, digest.hexdigest()
            digest.update(part)
            count += len(part)

    def answer(environ, start):
        path = environ['PATH_INFO']
        fields = [('Content-Type', 'text/plain')]
        if path.startswith('/cache/'):
            fields.append(('Cache-Control', path[7:]))
            fields.append(('X-Now', repr(time.time())))
            fields.append(('Content-Length', '4'))
            start('200 OK', fields)
            return [b'kept']
        if path == '/chunks':
            start('200 OK', fields)
            return (b'%07d\\n' % number for number in range(100000))
        if path == '/large':
            fields.append(('Content-Length', str(8 << 20)))
            start('200 OK', fields)
            return (bytes([number]) * 65536 for number in range(128))
        if path == '/broken':
            raise RuntimeError('broken')
        count, digest = body(environ)
        text = '%s %s %d %s' % (
            environ['REQUEST_METHOD'], environ.get('HTTP_X_MINE', '-'), count, digest)
        if path == '/missing':
            start('404 Not Found', fields + [('Content-Length', str(len(text)))])
        else:
            start('200 OK', fields + [('Content-Length', str(len(text)))])
        return [text.encode()]
    """
}

/// php-fpm with two children on a Unix socket in a server's directory.
final class PHP {
  let program: ChildProgram

  init(in directory: TemporaryDirectory) throws {
    let sbin = "/usr/sbin"
    let names = try FileManager.default.contentsOfDirectory(atPath: sbin)
    let name = try #require(names.first { $0.hasPrefix("php-fpm") }, "php-fpm is missing")
    directory.write(
      """
      [global]
      error_log = \(directory.path("fpm.log"))
      [www]
      \(isRoot() ? "user = nobody\ngroup = nogroup" : "")
      listen = \(directory.path("php.sock"))
      listen.mode = 0666
      pm = static
      pm.max_children = 2
      catch_workers_output = yes
      php_admin_value[post_max_size] = 0
      """, to: "fpm.conf")
    program = try ChildProgram(
      ["\(sbin)/\(name)", "-F", "-n", "-y", directory.path("fpm.conf")],
      outputPath: directory.path("fpm.out"))
    let socket = directory.path("php.sock")
    #expect(eventually { (try? ClientSocket(unixPath: socket)) != nil })
  }

  deinit {
    program.signal(Signal.terminate)
    _ = program.wait(milliseconds: 5000)
  }
}

/// Clients in threads of their own that ask for one target again and again.
final class Load: @unchecked Sendable {
  private let lock = NSLock()
  private var isOver = false
  private var running: Int
  private var answered = 0
  private var failures: [String] = []

  /// `gap`: milliseconds between two requests of a client, by its number.
  init(
    _ server: TestServer, _ target: String, clients: Int,
    gap: @escaping @Sendable (Int) -> Int = { _ in 0 }
  ) {
    running = clients
    let port = server.port
    for number in 0..<clients {
      Thread.detachNewThread { [self] in
        ask(port, target, number, gap(number))
        lock.withLock { running -= 1 }
      }
    }
  }

  private func ask(_ port: UInt16, _ target: String, _ number: Int, _ gap: Int) {
    var connection: Conversation?
    while !lock.withLock({ isOver }) {
      do {
        let open = try connection ?? Conversation(port: port)
        let response = try open.get(target, fields: ["X-Client: \(number)"])
        connection = response.head.closes ? nil : open
        lock.withLock {
          answered += 1
          if response.status != 200 { failures.append("status \(response.status)") }
        }
      } catch {
        connection = nil
        lock.withLock { failures.append("\(error)") }
      }
      if gap > 0 { pause(milliseconds: gap) }
    }
  }

  /// Ends all clients: how many answers came, and what went wrong.
  func end() -> (answered: Int, failures: [String]) {
    lock.withLock { isOver = true }
    _ = eventually(milliseconds: 30_000) { lock.withLock { running == 0 } }
    return lock.withLock { (answered, failures) }
  }
}
