#!/usr/bin/env python3
# An application that claims URLs while Ring3 runs: register.py CONTROL-SOCKET QUEUE PREFIX...
#
# The server must name a QueueDirectory, and a reservation must let this user listen (or this is
# root, or the server's user): UrlReservation in ring3.conf(5). The claim ends with this process.
import array
import http.server
import os
import socket
import sys
import threading


class Session:
    """Lines of words separated by tabs, each answered by lines that end in "x CODE"."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.ask("session", "1")

    def ask(self, *words):
        """Returns the descriptor that came with the answer, or None."""
        self.socket.sendall(("\t".join(words) + "\n").encode())
        answer, descriptors = b"", array.array("i")
        while not answer.startswith(b"x ") and b"\nx " not in answer or answer[-1:] != b"\n":
            data, extra, _, _ = self.socket.recvmsg(65536, socket.CMSG_SPACE(4))
            if not data:
                sys.exit("register.py: the server ended the session")
            answer += data
            for _, _, bytes in extra:
                descriptors.frombytes(bytes)
        *lines, last = answer.decode().splitlines()
        if last != "x 0":
            sys.exit("\n".join(line[2:] for line in lines))
        return descriptors[0] if descriptors else None


def end_with(session):
    session.socket.recv(1)
    os._exit(1)  # The server has gone; whoever started this starts it again.


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
    def get_request(self):
        return self.socket.accept()[0], ("unix", 0)


path, queue, *prefixes = sys.argv[1:]
session = Session(path)
for start in range(0, len(prefixes), 100):
    session.ask("register", *prefixes[start : start + 100], f"--queue={queue}")
server = Server(("", 0), Handler, bind_and_activate=False)
server.socket = socket.socket(fileno=session.ask("attach", queue))
# The socket is shared with other processes of the queue, so another may be faster: it is waited on.
server.socket.setblocking(True)
threading.Thread(target=end_with, args=[session], daemon=True).start()
print("ready", flush=True)
server.serve_forever()
