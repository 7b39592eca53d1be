"""What a proxy made of a case, and what it means that sluice made something else of it than its peers."""

import dataclasses
import re

ACCEPTED, REFUSED, WAITS = "accepted", "refused", "waits"
FAILURES = ("lenient", "boundary", "target", "host", "ambiguous", "desync")


@dataclasses.dataclass
class Outcome:
    """`messages`: what the destination got of it whole, without the mark; `mark`: the plain request behind it was answered as itself."""
    messages: list
    mark: bool
    closed: bool
    statuses: list       # of all answers, interim ones too
    saw: list            # what the destination said that each of its answers is for

    @property
    def kind(self):
        if self.messages:
            return ACCEPTED
        return REFUSED if self.closed or self.statuses else WAITS

    def __str__(self):
        seen = ", ".join(f"{m.method} {m.target} host={m.host()} body={bytes(m.body[:60])!r}" + (f" FLAWS {m.flaws}" if m.flaws else "") for m in self.messages)
        return f"{self.kind} {self.statuses}{' closed' if self.closed else ''}{' then in step' if self.mark else ''} [{seen}]"


def ends(outcome):
    """Method and body of each message: where it ended."""
    return [(m.method, bytes(m.body)) for m in outcome.messages]


def same_ends(one, other):
    """Whether two proxies that both took the bytes for a request agree where it ends. Who closes sooner says less, not something else."""
    first, second = ends(one), ends(other)
    shorter = min(len(first), len(second))
    if first[:shorter] != second[:shorter]:
        return False
    if len(first) > shorter and other.mark or len(second) > shorter and one.mark:
        return False        # what is a request to one was part of the other's, which went on behind it
    # One answers what follows while the other waits for more of the message, or took it for a part of it.
    for more, less in ((one, other), (other, one)):
        if (more.mark or len(ends(more)) > shorter) and not less.mark and len(ends(less)) == shorter and not less.closed:
            return False
    return True


def host_of(message):
    """The host that the destination is asked for, as a name: the absolute form goes before Host (RFC 9112 3.2.2)."""
    absolute = re.match(r"(?i)https?://(?:[^/?#@]*@)?([^/?#]*)", message.target)
    host = (absolute.group(1) if absolute else next(iter(message.all("x-peer-host")), message.host())).lower()
    return re.sub(r":\d*$", "", host).rstrip(".")


def path_of(message):
    """The target without what proxies may write otherwise: absolute form, fragment, dots, escapes of plain characters."""
    target = re.sub(r"(?i)^https?://[^/?#]*", "", message.target)
    path, mark, query = target.partition("#")[0].partition("?")
    path = re.sub(r"%([0-9A-Fa-f]{2})", lambda m: chr(int(m.group(1), 16)), path).replace("\\", "/")
    out = []
    for part in re.split(r"/+", path):
        if part == "..":
            out = out[:-1] or out
        elif part != ".":
            out.append(part)
    return "/".join(out).strip("/") + mark + query


def in_step(outcome):
    """Every answer that came from the destination is for the message that it was sent for, in their order."""
    sent = [re.sub(r"[^!-~]", "?", f"{m.method[:50]}_{m.target[:200]}") for m in outcome.messages]
    return outcome.saw[:len(sent)] == sent[:len(outcome.saw)]


def judge(ours, peers):
    """One word: "same", "stricter" (than all peers), "between", or one of FAILURES."""
    if any(message.flaws for message in ours.messages):
        return "ambiguous"
    if not in_step(ours):
        return "desync"
    took = [peer for peer in peers if peer.kind == ACCEPTED]
    if ours.kind != ACCEPTED:
        if ours.kind == WAITS and took and all(peer.mark for peer in took):
            return "boundary"        # it takes what follows for a part of the message
        return "stricter" if len(took) == len(peers) else "between" if took else "same"
    if not took:
        return "lenient"
    if not all(same_ends(ours, peer) for peer in took):
        return "boundary"
    for name, of in (("host", host_of), ("target", path_of)):
        if all(of(ours.messages[0]) != of(peer.messages[0]) for peer in took):
            return name
    return "same" if len(took) == len(peers) else "between"
