"""A destination: an HTTP/1.1 server on raw sockets that says what it was asked, or does the wrong thing on demand.

By default every request is answered with its own head and body as JSON. `on(path, function)` sets another behaviour for
a path: the function gets the connection and the request and sends what it likes; it returns CLOSE to end the connection.
"""

import json
import socket
import threading

from harness.tls import server_context

CLOSE = "close"


class Request:
    def __init__(self, method, target, version, headers, raw_head):
        self.method, self.target, self.version, self.headers, self.raw_head = method, target, version, headers, raw_head
        self.body, self.trailers, self.chunked, self.connection = b"", [], False, 0

    def header(self, name, default=None):
        values = self.all(name)
        return values[0] if values else default

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def path(self):
        return self.target.partition("?")[0]

    def as_json(self):
        return {"method": self.method, "target": self.target, "version": self.version, "headers": self.headers,
                "body": self.body.decode("latin-1"), "trailers": self.trailers, "chunked": self.chunked}


class Gone(Exception):
    """The peer ended the connection."""


class Connection:
    """One accepted connection, for behaviours that send raw bytes."""

    def __init__(self, sock, number):
        self.socket, self.number, self.data = sock, number, b""

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def answer(self, status=200, body=b"", headers=(), reason="OK"):
        """A response with a Content-Length."""
        body = body if isinstance(body, bytes) else body.encode()
        lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers), f"Content-Length: {len(body)}"]
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body)

    def answer_chunked(self, parts, headers=(), trailers=(), status=200):
        lines = [f"HTTP/1.1 {status} OK", *(f"{name}: {value}" for name, value in headers), "Transfer-Encoding: chunked"]
        self.send("\r\n".join(lines) + "\r\n\r\n")
        for part in parts:
            self.send(b"%x\r\n%s\r\n" % (len(part), part))
        self.send("0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in trailers) + "\r\n")

    def more(self):
        part = self.socket.recv(65536)
        if not part:
            raise Gone
        self.data += part

    def read_exactly(self, count):
        while len(self.data) < count:
            self.more()
        out, self.data = self.data[:count], self.data[count:]
        return out

    def read_line(self):
        while b"\r\n" not in self.data:
            self.more()
        line, _, self.data = self.data.partition(b"\r\n")
        return line

    def read_head(self):
        while b"\r\n\r\n" not in self.data:
            self.more()
        head, _, self.data = self.data.partition(b"\r\n\r\n")
        first, *fields = head.decode("latin-1").split("\r\n")
        method, target, version = first.split(" ")
        headers = [(name, value.strip()) for name, _, value in (field.partition(":") for field in fields)]
        return Request(method, target, version, headers, head)

    def read_body(self, request):
        if (request.header("transfer-encoding") or "").lower() == "chunked":
            request.chunked = True
            parts = []
            while True:
                size = int(self.read_line().partition(b";")[0], 16)
                if size == 0:
                    break
                parts.append(self.read_exactly(size))
                if self.read_exactly(2) != b"\r\n":
                    raise AssertionError("a chunk without its CRLF reached the destination")
            request.body = b"".join(parts)
            while True:
                line = self.read_line().decode("latin-1")
                if not line:
                    break
                name, _, value = line.partition(":")
                request.trailers.append((name, value.strip()))
        elif request.header("content-length"):
            request.body = self.read_exactly(int(request.header("content-length")))


class Backend:
    """Serves until stop(). `requests` and `accepted` grow as things arrive; safe to read from the test's thread."""

    def __init__(self, address="127.0.0.1", port=0, default=None):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = socket.socket(family, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.reserved = None
        if port == 0 and address != "127.0.0.1":  # else it may be that of a port of the gateway's own, which it refuses to go to
            self.reserved = socket.socket()
            self.reserved.bind(("127.0.0.1", 0))
            port = self.reserved.getsockname()[1]
        self.listener.bind((address, port))
        self.listener.listen(512)
        self.address, self.port = address, self.listener.getsockname()[1]
        self.requests, self.accepted, self.failures = [], 0, []
        self.behaviours, self.before_body = {}, {}
        self.default = default or echo
        self.lock = threading.Lock()
        self.open = set()
        self.stopping = False
        threading.Thread(target=self._accept, daemon=True).start()

    def on(self, path, behaviour):
        """behaviour(connection, request) answers requests for `path`, after their body was read."""
        self.behaviours[path] = behaviour

    def on_head(self, path, behaviour):
        """As on(), but the body is still unread: the behaviour may call connection.read_body(request)."""
        self.before_body[path] = behaviour

    def answers(self, path, raw, close=False):
        """Sends `raw` for `path`, whatever it is."""
        def behaviour(connection, _):
            connection.send(raw)
            return CLOSE if close else None
        self.on(path, behaviour)

    def seen(self, path):
        with self.lock:
            return [r for r in self.requests if r.path() == path]

    def clear(self):
        with self.lock:
            self.requests.clear()

    def close_connections(self):
        with self.lock:
            for sock in list(self.open):
                _shut(sock)

    def stop(self):
        self.stopping = True
        _shut(self.listener)
        self.listener.close()
        if self.reserved:
            self.reserved.close()
        self.close_connections()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.accepted += 1
                number = self.accepted
                self.open.add(sock)
            threading.Thread(target=self._serve, args=(sock, number), daemon=True).start()

    def established(self, sock):
        """The connection to speak HTTP on, once it is there: for those that protect it first."""
        return sock

    def _serve(self, sock, number):
        raw, connection = sock, None
        try:
            sock = self.established(raw)
            connection = Connection(sock, number)
            while True:
                request = connection.read_head()
                request.connection = number
                early = self.before_body.get(request.path())
                if not early:
                    connection.read_body(request)
                with self.lock:
                    self.requests.append(request)
                behaviour = early or self.behaviours.get(request.path(), self.default)
                if behaviour(connection, request) == CLOSE:
                    return
        except (Gone, OSError):
            pass
        except Exception as error:  # what the gateway sent was no HTTP: the test looks at this
            if not self.stopping:
                self.failures.append(f"{type(error).__name__}: {error}; read {connection.data[:300]!r}")
        finally:
            with self.lock:
                self.open.discard(raw)
            _shut(sock)
            sock.close()


class TlsBackend(Backend):
    """A destination behind TLS; a connection whose handshake fails ends."""

    def __init__(self, pair, trust=None, **keywords):
        self.context = server_context(pair, trust)
        self.names = []
        self.context.sni_callback = lambda _, name, __: self.names.append(name)
        super().__init__(**keywords)

    def established(self, sock):
        return self.context.wrap_socket(sock, server_side=True)


def _shut(sock):
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def echo(connection, request):
    """The request as JSON; a HEAD gets the head of that."""
    body = json.dumps(request.as_json()).encode()
    if request.method == "HEAD":
        connection.send(f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n")
    else:
        connection.answer(200, body, [("Content-Type", "application/json")])
    return None


def echo_of(response):
    """The request that an echoing destination saw, from the gateway's response: a dict with a `header(name)` helper."""
    seen = json.loads(response.body)
    headers = [(name.lower(), value) for name, value in seen["headers"]]
    seen["names"] = [name for name, _ in headers]
    seen["header"] = lambda name: next((value for key, value in headers if key == name), None)
    seen["all"] = lambda name: [value for key, value in headers if key == name]
    return seen
