"""An HTTP/1.1 client that sends exactly the bytes it is given and reads one response precisely.

It follows RFC 9112 6.3 for the length of a body and fails on anything malformed, so that a gateway that frames its
answers wrongly does not pass unseen.
"""

import re
import socket
import time


class Response:
    """One response. `headers` is the list of (lower-case name, value) in order; `framing` is how the body's end was known."""

    def __init__(self, version, status, reason, headers, raw_head):
        self.version, self.status, self.reason = version, status, reason
        self.headers, self.raw_head = headers, raw_head
        self.body, self.trailers, self.framing = b"", [], "none"
        self.interim = []

    def header(self, name, default=None):
        values = self.all(name)
        return values[0] if values else default

    def all(self, name):
        return [value for key, value in self.headers if key == name.lower()]

    def text(self):
        return self.body.decode("utf-8", "replace")

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:200]!r}>"


class Incomplete(AssertionError):
    """The connection ended or went silent before the response was complete."""


class Client:
    """One connection. Every read has the timeout given at the start."""

    def __init__(self, port, address="127.0.0.1", timeout=10.0, receive_buffer=None):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect((address, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Closes with a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def send_slowly(self, data, step=1):
        for at in range(0, len(data), step):
            self.socket.sendall(data[at:at + step])

    def end_sending(self):
        self.socket.shutdown(socket.SHUT_WR)

    # ---------------------------------------------------------------- reading

    def _more(self):
        try:
            part = self.socket.recv(65536)
        except socket.timeout:
            raise Incomplete(f"nothing came; so far {self.data[:300]!r}") from None
        except ConnectionError as error:
            raise Incomplete(f"{error}; so far {self.data[:300]!r}") from None
        if not part:
            raise Incomplete(f"closed; so far {self.data[:300]!r}")
        self.data += part

    def read_exactly(self, count):
        while len(self.data) < count:
            self._more()
        out, self.data = self.data[:count], self.data[count:]
        return out

    def read_line(self):
        while b"\r\n" not in self.data:
            self._more()
        line, _, self.data = self.data.partition(b"\r\n")
        if b"\n" in line or b"\r" in line:
            raise AssertionError(f"a bare CR or LF in {line!r}")
        return line

    def read_to_end(self):
        parts = [self.data]
        self.data = b""
        while True:
            try:
                part = self.socket.recv(65536)
            except socket.timeout:
                raise Incomplete(f"the connection stays open after {b''.join(parts)[:200]!r}") from None
            if not part:
                return b"".join(parts)
            parts.append(part)

    def read_head(self):
        line = self.read_line()
        match = re.fullmatch(rb"(HTTP/1\.[01]) (\d\d\d)(?: (.*))?", line)
        if not match:
            raise AssertionError(f"no status line: {line!r}")
        lines, headers = [line], []
        while True:
            line = self.read_line()
            if not line:
                break
            lines.append(line)
            headers.append(self._field(line))
        return Response(match.group(1).decode(), int(match.group(2)), (match.group(3) or b"").decode(), headers,
                        b"\r\n".join(lines))

    @staticmethod
    def _field(line):
        match = re.fullmatch(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*", line)
        if not match:
            raise AssertionError(f"malformed field line {line!r}")
        return match.group(1).decode().lower(), match.group(2).decode("latin-1")

    def read_chunked(self):
        """(data, trailers)"""
        parts = []
        while True:
            line = self.read_line()
            match = re.fullmatch(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;.*)?", line)
            if not match:
                raise AssertionError(f"malformed chunk line {line!r}")
            size = int(match.group(1), 16)
            if size == 0:
                break
            parts.append(self.read_exactly(size))
            if self.read_exactly(2) != b"\r\n":
                raise AssertionError("no CRLF after a chunk")
        trailers = []
        while True:
            line = self.read_line()
            if not line:
                return b"".join(parts), trailers
            trailers.append(self._field(line))

    def read_response(self, method="GET"):
        """The next final response; interim ones (1xx) are kept in its `interim`."""
        interim = []
        while True:
            response = self.read_head()
            if response.status >= 200 or response.status == 101:
                break
            interim.append(response)
        response.interim = interim
        lengths, codings = response.all("content-length"), response.all("transfer-encoding")
        if lengths and codings:
            raise AssertionError(f"both framings: {response.headers}")
        if len(set(lengths)) > 1 or any(not re.fullmatch(r"\d+", v) for v in lengths):
            raise AssertionError(f"bad content-length: {lengths}")
        if method == "HEAD" or response.status in (101, 204, 304):
            if codings and response.status != 304 and method != "HEAD":
                raise AssertionError(f"transfer-encoding with {response.status}")
            return response
        if codings:
            if codings != ["chunked"]:
                raise AssertionError(f"transfer-encoding {codings}")
            response.framing = "chunked"
            response.body, response.trailers = self.read_chunked()
        elif lengths:
            response.framing = "length"
            response.body = self.read_exactly(int(lengths[0]))
        else:
            response.framing = "close"
            response.body = self.read_to_end()
        return response

    def closed(self, timeout=5.0):
        """True when the other side ends the connection within `timeout` without another byte."""
        if self.data:
            return False
        deadline = time.monotonic() + timeout
        old = self.socket.gettimeout()
        try:
            while time.monotonic() < deadline:
                self.socket.settimeout(max(0.001, deadline - time.monotonic()))
                try:
                    part = self.socket.recv(65536)
                except ConnectionError:
                    return True
                except socket.timeout:
                    return False
                if not part:
                    return True
                self.data += part
                return False
            return False
        finally:
            self.socket.settimeout(old)

    def silent(self, seconds=0.2):
        """True when nothing comes and the connection stays open for that long."""
        if self.data:
            return False
        old = self.socket.gettimeout()
        self.socket.settimeout(seconds)
        try:
            part = self.socket.recv(65536)
            self.data += part
            return False
        except socket.timeout:
            return True
        except ConnectionError:
            return False
        finally:
            self.socket.settimeout(old)


def request_bytes(method="GET", path="/", host="api.test", headers=(), body=None, version="HTTP/1.1"):
    """A well-formed request; `headers` is a list of (name, value), a body gets its Content-Length."""
    lines = [f"{method} {path} {version}", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b"")


def fetch(port, method="GET", path="/", host="api.test", headers=(), body=None, address="127.0.0.1", timeout=10.0):
    """One request on a connection of its own."""
    with Client(port, address, timeout) as client:
        client.send(request_bytes(method, path, host, [*headers, ("Connection", "close")], body))
        return client.read_response(method)
