"""The destination of a differential run: it writes down every message, and what about it another server could read otherwise.

It answers at once, with no body and with `x-saw`: the request it took the answer to be for. All of it runs in the caller's event loop.
"""

import asyncio
import dataclasses
import re

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
WORD = re.compile(rb"case-\d+-")
HEAD_MAX = 1 << 20


@dataclasses.dataclass
class Message:
    method: str
    target: str
    fields: list
    body: bytes = b""
    flaws: list = dataclasses.field(default_factory=list)
    complete: bool = False

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name]

    def host(self):
        return next(iter(self.all("host")), "")


def flaws_of(first, message):
    """What a strict recipient (RFC 9112) would not let pass, in words. `first` is the request line."""
    flaws = []
    if not re.fullmatch(r"\S+ [\x21-\x7e\x80-\xff]+ HTTP/1\.[01]", first) or not TOKEN.fullmatch(message.method):
        flaws.append(f"request line {first[:100]!r}")
    for name, value in message.fields:
        if not TOKEN.fullmatch(name):
            flaws.append(f"field name {name[:100]!r}")
        if re.search(r"[\0-\x08\x0a-\x1f\x7f]", value):
            flaws.append(f"value of {name}: {value[:100]!r}")
    lengths, codings = message.all("content-length"), message.all("transfer-encoding")
    if len(lengths) > 1 or (lengths and codings):
        flaws.append(f"framing {lengths} {codings}")
    if any(not re.fullmatch(r"[0-9]+", value) for value in lengths):
        flaws.append(f"content-length {lengths}")
    if codings and codings != ["chunked"]:
        flaws.append(f"transfer-encoding {codings}")
    if len(message.all("host")) > 1 or (first.endswith("1.1") and not message.all("host")):
        flaws.append(f"host {message.all('host')}")
    return flaws


class Unreadable(Exception):
    pass


class Reader(asyncio.Protocol):
    """One connection of a proxy's."""

    def __init__(self, messages):
        self.messages = messages       # word -> list of Message, shared by the connections of one proxy
        self.data = b""
        self.message = None
        self.left = None               # bytes of the body or chunk that are still to come; None between chunks
        self.chunked = self.trailers = False

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.data += data
        try:
            while self.step():
                pass
        except Unreadable as error:
            message = self.message or Message("", "", [])
            message.flaws.append(f"{error}: {self.data[:100]!r}")
            if self.message is None:
                self.note(message, self.data)
            self.transport.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self.transport.close()

    def note(self, message, raw):
        word = WORD.search(raw)
        self.messages.setdefault(word.group() if word else b"", []).append(message)

    def step(self):
        """Takes one piece; False when more bytes are needed."""
        if self.message is None:
            return self.take_head()
        if self.trailers:
            return self.take_trailer()
        if self.left is None:
            return self.take_chunk_size()
        return self.take_data()

    def take_head(self):
        head, end, rest = self.data.partition(b"\r\n\r\n")
        if not end:
            if len(self.data) > HEAD_MAX:
                raise Unreadable("no end of the head")
            return False
        first, *lines = head.decode("latin-1").split("\r\n")
        fields = [(name, value.strip(" \t")) for name, _, value in (line.partition(":") for line in lines)]
        method, _, target = first.partition(" ")
        message = Message(method, target.rpartition(" ")[0], fields)
        message.flaws = flaws_of(first, message)
        self.note(message, self.data)      # with the body's beginning, should the head have lost the word
        self.message, self.data = message, rest
        codings, lengths = message.all("transfer-encoding"), message.all("content-length")
        self.chunked = bool(codings)
        if self.chunked:
            self.left = None
        elif lengths:
            if not re.fullmatch(r"0*[0-9]{1,18}", lengths[0]):
                raise Unreadable("no length")
            self.left = int(lengths[0].lstrip("0") or "0")
        else:
            self.left = 0
        return True

    def take_chunk_size(self):
        line, end, rest = self.data.partition(b"\r\n")
        if not end:
            return False
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,16}", line):
            self.message.flaws.append(f"chunk size {line[:100]!r}")
        match = re.match(rb"[0-9A-Fa-f]{1,16}", line)
        if not match:
            raise Unreadable("no chunk size")
        self.data, self.left = rest, int(match.group(), 16)
        self.trailers = self.left == 0
        return True

    def take_data(self):
        ending = 2 if self.chunked else 0
        part = self.data[:self.left]
        if len(part) == self.left and len(self.data) < self.left + ending:
            return False
        self.message.body += part
        self.data, self.left = self.data[len(part):], self.left - len(part)
        if self.left:
            return False
        if not self.chunked:
            return self.finish()
        if self.data[:2] != b"\r\n":
            raise Unreadable("no CRLF behind a chunk")
        self.data, self.left = self.data[2:], None
        return True

    def take_trailer(self):
        line, end, rest = self.data.partition(b"\r\n")
        if not end:
            return False
        self.data = rest
        if line:
            name, _, value = line.decode("latin-1").partition(":")
            if not TOKEN.fullmatch(name) or re.search(r"[\0-\x08\x0a-\x1f\x7f]", value):
                self.message.flaws.append(f"trailer {line[:100]!r}")
            return True
        return self.finish()

    def finish(self):
        message, self.message = self.message, None
        self.trailers = False
        message.complete = True
        saw = re.sub(r"[^!-~]", "?", f"{message.method[:50]}_{message.target[:200]}")
        self.transport.write(f"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nx-saw: {saw}\r\n\r\n".encode("latin-1"))
        return bool(self.data)


class Recorder:
    """Listens on a port of its own, one for each proxy."""

    def __init__(self):
        self.messages = {}
        self.server = None

    async def start(self):
        self.server = await asyncio.get_running_loop().create_server(lambda: Reader(self.messages), "127.0.0.1", 0, backlog=512)
        return self.server.sockets[0].getsockname()[1]

    def take(self, word):
        """The messages of one case, which are forgotten here."""
        return self.messages.pop(word.encode(), [])

    def stop(self):
        self.server.close()
