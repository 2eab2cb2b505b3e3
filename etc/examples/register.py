#!/usr/bin/env python3
# An application that claims URLs while Ring3 runs: register.py CONTROL-SOCKET QUEUE PREFIX...
#
# The server must name a QueueDirectory, and a reservation must let this user listen (or this is
# root, or the server's user): UrlReservation in ring3.conf(5). The claim ends with this process,
# and is made again when the server is started anew. `ring3ctl recycle QUEUE` has the program start
# anew, as its file is by then, without losing a request.
import http.server
import os
import sys
import threading

import ring3


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        text = f"{os.getpid()} {self.headers['Host']} {self.path}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


class Server(http.server.HTTPServer):
    """Accepts from a socket that was lent. Others do too, and may be faster: then it waits again."""

    def __init__(self, listener):
        super().__init__(("", 0), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener

    def get_request(self):
        return self.socket.accept()[0], ("unix", 0)


path, queue, *prefixes = sys.argv[1:]
try:
    claim = ring3.Claim(queue, prefixes, path)
except (OSError, ring3.Refused) as refusal:
    sys.exit(f"register.py: {refusal}")
server = None
for event, what in claim.events():
    if event == "attached":
        if server:
            # What still waits in the earlier socket is answered first.
            threading.Timer(1, server.shutdown).start()
        else:
            print("ready", flush=True)
        server = Server(what)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    elif event == "recycle":
        # What is at hand is answered, the next request waits in the socket until we are back.
        server.shutdown()
        claim.hand_over()
        os.execv(sys.executable, sys.orig_argv)
    elif event == "lost":
        print("register.py:", what, file=sys.stderr, flush=True)
