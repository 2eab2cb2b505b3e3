#!/usr/bin/env python3
"""A small application behind Ring3: each page says for how long it may be kept.

Usage: pages.py [PORT]        default: 8081, on 127.0.0.1 only. Nothing but Python is needed.
"""

import http.server
import socketserver
import sys
import time


class Pages(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    article = "Nothing has been written yet."

    def answer(self, text, status=200, **fields):
        body = (text + "\n").encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        now = time.strftime("%H:%M:%S")
        if self.path == "/clock":
            # For N seconds; a little longer while a new one is fetched, and while there is none.
            self.answer(
                f"It was {now} when this was made.",
                Cache_Control="max-age=5, stale-while-revalidate=5, stale-if-error=3600")
        elif self.path == "/article":
            # Until somebody says otherwise: by its tag, or by writing a new one.
            self.answer(
                f"{Pages.article} (made at {now})",
                Ring3_Cache_Control="until-invalidated", Surrogate_Key="articles")
        elif self.path == "/own":
            self.answer(f"For you alone, at {now}.", Cache_Control="no-store")
        else:
            self.answer("clock, article, own", 404)

    do_HEAD = do_GET

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        Pages.article = self.rfile.read(length).decode(errors="replace")
        self.answer("Written.", 201)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8081
    try:
        Server(("127.0.0.1", port), Pages).serve_forever()
    except KeyboardInterrupt:
        pass
    except OSError as error:
        sys.exit(f"pages.py: port {port}: {error.strerror}")
