"""A DNS server whose every answer is chosen by the test, and which remembers every question.

Names are set with their addresses, TTL, delay or failure; `*.suffix` covers what has no entry of its own; anything else
is NXDOMAIN. UDP and TCP on the same port.
"""

import dataclasses
import ipaddress
import socket
import struct
import threading
import time

TYPES = {1: "A", 5: "CNAME", 28: "AAAA"}
RCODES = {"NOERROR": 0, "FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "REFUSED": 5}


@dataclasses.dataclass
class Answer:
    a: list = dataclasses.field(default_factory=list)
    aaaa: list = dataclasses.field(default_factory=list)
    cname: str = ""                # the addresses are then those of that name, in the same answer
    ttl: int = 60
    delay: float = 0.0             # seconds before answering
    drop: bool = False             # never answer
    rcode: str = "NOERROR"
    truncate: bool = False         # over UDP: say "ask again over TCP"
    soa_ttl: int = 60


@dataclasses.dataclass
class Query:
    at: float
    name: str
    type: str
    transport: str


class DnsServer:
    def __init__(self, address="127.0.0.1"):
        self.address = address
        for _ in range(50):
            self.tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.tcp.bind((address, 0))
            self.port = self.tcp.getsockname()[1]
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                self.udp.bind((address, self.port))
                break
            except OSError:
                self.tcp.close()
                self.udp.close()
        else:
            raise OSError("no port free for both UDP and TCP")
        self.tcp.listen(64)
        self.answers, self.log, self.lock = {}, [], threading.Lock()
        threading.Thread(target=self._serve_udp, daemon=True).start()
        threading.Thread(target=self._serve_tcp, daemon=True).start()

    @property
    def where(self):
        return f"{self.address}:{self.port}"

    def set(self, name, *a, **fields):
        """set("x.test", "127.0.0.1", ttl=5) or set("x.test", rcode="SERVFAIL")."""
        with self.lock:
            self.answers[name.lower()] = Answer(a=list(a), **fields)

    def queries(self, name=None, type=None):
        with self.lock:
            return [q for q in self.log if (name is None or q.name == name.lower()) and (type is None or q.type == type)]

    def clear(self):
        with self.lock:
            self.log.clear()

    def stop(self):
        for sock in (self.udp, self.tcp):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()

    # -------------------------------------------------------------- answering

    def _lookup(self, name):
        with self.lock:
            if name in self.answers:
                return self.answers[name]
            labels = name.split(".")
            for cut in range(1, len(labels)):
                wild = "*." + ".".join(labels[cut:])
                if wild in self.answers:
                    return self.answers[wild]
        return Answer(rcode="NXDOMAIN")

    def _reply(self, message, transport):
        """(reply or None, seconds to wait)"""
        if len(message) < 17:
            return None, 0
        labels, at = [], 12
        while message[at]:
            labels.append(message[at + 1:at + 1 + message[at]].decode("latin-1"))
            at += 1 + message[at]
        name, (kind, _) = ".".join(labels).lower(), struct.unpack("!HH", message[at + 1:at + 5])
        question = message[12:at + 5]
        with self.lock:
            self.log.append(Query(time.monotonic(), name, TYPES.get(kind, str(kind)), transport))
        answer = self._lookup(name)
        if answer.drop:
            return None, 0
        rcode = RCODES[answer.rcode]
        if answer.truncate and transport == "udp":
            return struct.pack("!2sHHHHH", message[:2], 0x8780, 1, 0, 0, 0) + question, answer.delay
        records, owner = b"", b"\xc0\x0c"
        count = 0
        source = answer
        if answer.cname and not rcode:
            records += owner + struct.pack("!HHIH", 5, 1, answer.ttl, len(_wire(answer.cname))) + _wire(answer.cname)
            owner, count = _wire(answer.cname), 1
            source = self._lookup(answer.cname.lower())
        if not rcode and source.rcode == "NOERROR":
            for text in {1: source.a, 28: source.aaaa}.get(kind, []):
                data = ipaddress.ip_address(text).packed
                records += owner + struct.pack("!HHIH", kind, 1, source.ttl, len(data)) + data
                count += 1
        authority = b""
        if rcode == 3 or (rcode == 0 and not records):
            soa = _wire("ns.test") + _wire("root.test") + struct.pack("!IIIII", 1, 3600, 600, 86400, answer.soa_ttl)
            authority = b"\0" + struct.pack("!HHIH", 6, 1, answer.soa_ttl, len(soa)) + soa
        head = struct.pack("!2sHHHHH", message[:2], 0x8580 | rcode, 1, count, 1 if authority else 0, 0)
        return head + question + records + authority, answer.delay

    def _serve_udp(self):
        while True:
            try:
                message, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            reply, delay = self._reply(message, "udp")
            if reply is None:
                continue
            if delay:
                threading.Timer(delay, self._send_udp, (reply, peer)).start()
            else:
                self._send_udp(reply, peer)

    def _send_udp(self, reply, peer):
        try:
            self.udp.sendto(reply, peer)
        except OSError:
            pass

    def _serve_tcp(self):
        while True:
            try:
                sock, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_stream, args=(sock,), daemon=True).start()

    def _serve_stream(self, sock):
        with sock, sock.makefile("rb") as stream:
            while True:
                head = stream.read(2)
                if len(head) < 2:
                    return
                reply, delay = self._reply(stream.read(struct.unpack("!H", head)[0]), "tcp")
                if reply is None:
                    return
                time.sleep(delay)      # the behaviour that was asked for
                try:
                    sock.sendall(struct.pack("!H", len(reply)) + reply)
                except OSError:
                    return


def _wire(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
