"""A client of Ring3's sessions, as ring3app(7) describes them: claims URLs, tells what happens to
them, and claims them again when the server was started anew.

    for event, what in ring3.Claim("shop", ["http://+:8080/shop/"]).events():
        if event == "attached": ...   # `what` is the listening socket to accept from
"""
import array
import contextlib
import json
import os
import random
import select
import socket
import time


class Refused(Exception):
    """What the server said."""


class Session:
    """One connection. What it has registered ends with it."""

    def __init__(self, path=None, number=None):
        """`number`: the descriptor of one that goes on."""
        self.rest, self.lines, self.lent, self.waiting = b"", [], None, []
        self.socket, self.capabilities = socket.socket(socket.AF_UNIX, fileno=number), set()
        self.socket.settimeout(5)
        if number is None:
            self.socket.connect(path or os.environ.get("RING3_SOCKET", "/run/ring3/ring3d.sock"))
            self.capabilities = set(self.ask("session", "1")[0].split()[1:])

    def ask(self, *words, lend=()):
        """Sends a request; the lines of its answer. A socket that comes with it is in `lent`."""
        self.lent = None
        line = ("\t".join(map(str, words)) + "\n").encode()
        sent = socket.send_fds(self.socket, [line], [s.fileno() for s in lend])
        self.socket.sendall(line[sent:])
        while not (self.lines and self.lines[-1].startswith("x ")):
            self.read()
        *lines, last = self.lines
        self.lines = []
        if last != "x 0":
            raise Refused("\n".join(line[2:] for line in lines))
        return [line[2:] for line in lines]

    def put(self, url, answer, policy="none", fields=(), verb="put"):
        """Keeps an answer (bytes: head and body) in the cache: "until-invalidated", "seconds:N", or
        as it says itself. `fields`: of the request that it is for, if it has Vary."""
        words = [f"--field={field}" for field in fields]
        self.ask(verb, url, f"--bytes={len(answer)}", f"--policy={policy}", *words)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.lent.sendall(answer)
        said, _ = self.hear()
        if said.get("result") != "stored":
            raise Refused(said["reason"])

    def get(self, url, *options, verb="get"):
        """(head, body) of what the cache has for a URL, or None. Options: --from=N, --length=N."""
        self.ask(verb, url, *options)
        said, data = self.hear()
        if said.get("result") == "found":
            return data[: said["head"]], data[said["head"] :]

    def put_fragment(self, url, data, policy="until-invalidated"):
        """Keeps a piece of bodies, for answers with the field Ring3-Fragments."""
        self.put(url, data, policy, verb="put-fragment")

    def get_fragment(self, url, *options):
        found = self.get(url, *options, verb="get-fragment")
        return found and found[1]

    def delete_fragment(self, url):
        self.ask("delete-fragment", url)

    def hear(self):
        """What comes over a lent connection: one line of JSON, and bytes."""
        self.lent.settimeout(30)
        with self.lent as connection:
            data = b"".join(iter(lambda: connection.recv(65536), b""))
        line, _, rest = data.partition(b"\n")
        return json.loads(line or b'{"reason": "interrupted"}'), rest

    def read(self):
        """Takes what has come: lines of an answer, and events (`! NAME QUEUE`) between them."""
        data, extra, _, _ = self.socket.recvmsg(65536, socket.CMSG_SPACE(4))
        if not data:
            raise ConnectionError("the server ended the session")
        for level, kind, numbers in extra:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                # It is shared with others and stays non-blocking: wait for it, then accept.
                self.lent = socket.socket(fileno=array.array("i", numbers)[0])
        *whole, self.rest = (self.rest + data).split(b"\n")
        for line in map(bytes.decode, whole):
            if line.startswith("! "):
                self.waiting.append(tuple(line.split()[1:3]))
            else:
                self.lines.append(line)


def take_over(connection):
    """Of a queue that has registered with --handoff: the client's own socket, which comes over a
    connection that was accepted, and what was read of it. Close `connection` to be free again."""
    client, data = None, b""
    while b"\n" not in data or len(data.partition(b"\n")[2]) < int(data.split()[2]):
        more, extra, _, _ = connection.recvmsg(65536, socket.CMSG_SPACE(4))
        if not more:
            raise ConnectionError("no client came")
        data += more
        for level, kind, numbers in extra:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                client = socket.socket(fileno=array.array("i", numbers)[0])
    if not client:
        raise ConnectionError("no client came")
    # The server's own, which never waits.
    client.setblocking(True)
    return client, data.partition(b"\n")[2]


class Claim:
    """URLs that are claimed as long as it lives. `handoff`: clients' own connections are wanted, see
    `take_over`. `properties`: length=, age=, concurrency=, …"""

    def __init__(self, queue, prefixes, path=None, handoff=False, **properties):
        self.queue, self.prefixes, self.path, self.properties = queue, prefixes, path, properties
        self.options = ["--handoff"] if handoff else []
        self.session = self.listener = None
        if handed := os.environ.pop(f"RING3_CLAIM_{queue}", None):
            session, listener = map(int, handed.split())
            self.session, self.listener = Session(number=session), socket.socket(fileno=listener)
        else:
            self.open()

    def hand_over(self):
        """For the program that takes this one's place (os.execv), and makes the same claim: it goes
        on with this one, so that the URLs are nobody else's for a moment."""
        handed = [self.session.socket.fileno(), self.listener.fileno()]
        for number in handed:
            os.set_inheritable(number, True)
        os.environ[f"RING3_CLAIM_{self.queue}"] = "%d %d" % tuple(handed)

    def open(self):
        session = Session(self.path)
        if self.listener:
            # A server that was started anew goes on with the socket that its predecessor lent.
            with contextlib.suppress(Refused):
                session.ask("attach", self.queue, lend=[self.listener])
        if "watch" in session.capabilities:
            session.ask("watch")
        if self.properties:
            session.ask("queue", self.queue, *(f"--{k}={v}" for k, v in self.properties.items()))
        for start in range(0, len(self.prefixes), 100):
            words = self.prefixes[start : start + 100]
            session.ask("register", *words, f"--queue={self.queue}", *self.options)
        session.ask("attach", self.queue)
        self.session, self.listener = session, session.lent

    def events(self):
        """("attached", socket), ("demand", queue), ("recycle", queue) and ("lost", why), for ever.
        No other thread may ask the session meanwhile."""
        yield "attached", self.listener
        while True:
            try:
                while self.session.waiting:
                    yield self.session.waiting.pop(0)
                select.select([self.session.socket], [], [])
                self.session.read()
            except OSError as error:
                yield "lost", str(error)
                yield "attached", self.renew()

    def renew(self):
        """The new listening socket, as soon as there is a server that lends one."""
        for attempt in range(1 << 30):
            try:
                self.open()
                return self.listener
            except (OSError, Refused):
                time.sleep(min(2, 0.02 * 2 ** min(attempt, 7)) * random.uniform(0.5, 1))
