"""Sends each mutated request to sluice and its peers, raw, with a plain request behind it, and judges what became of it.

    python3 tests/differential/run.py [COUNT [SEED [NUMBER]]]     # NUMBER: that case alone, in full
"""

import asyncio
import collections
import dataclasses
import pathlib
import re
import sys
import threading
import time

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from differential import mutations, verdict
from differential.peers import PEERS, Peer, program
from differential.recorder import Recorder
from harness import configs
from harness.gateway import Gateway

AT_ONCE = 48
QUIET = 0.5              # a proxy that says nothing for so long waits for more
QUIET_AGAIN = 3.0        # and so long when a failure is looked at a second time, alone
ANSWER = re.compile(rb"HTTP/1\.[01] (\d\d\d)[^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n")
SAW = re.compile(rb"(?i)^x-saw: ?(.*?)\r\n", re.M)
ALLOWED = pathlib.Path(__file__).with_name("allowed.yaml")


class Exchange(asyncio.Protocol):
    """One connection: the bytes of a case and its mark go out; `done` is set when it is clear what became of them."""

    def __init__(self, data, word, quiet):
        self.data, self.mark, self.quiet = data, f"x-saw: GET_/mark-{word}".encode(), quiet
        self.loop = asyncio.get_running_loop()
        self.done = self.loop.create_future()
        self.got, self.closed, self.timer = b"", False, None

    def connection_made(self, transport):
        self.transport = transport
        transport.write(self.data)
        self.wait()

    def wait(self):
        if self.timer:
            self.timer.cancel()
        self.timer = self.loop.call_later(self.quiet, self.end)

    def data_received(self, data):
        self.got += data
        if self.mark in self.got.replace(b"X-Saw", b"x-saw") and self.got.endswith(b"\r\n\r\n"):
            self.end()
        else:
            self.wait()

    def connection_lost(self, _):
        self.closed = True
        self.end()

    def end(self):
        self.timer.cancel()
        if not self.done.done():
            self.done.set_result(None)
        self.transport.abort()


@dataclasses.dataclass
class Finding:
    case: mutations.Mutated
    verdict: str
    outcomes: dict       # name of the proxy -> Outcome

    def __str__(self):
        lines = [f"case {self.case.number} ({', '.join(self.case.names)}): {self.verdict}", f"    {self.case.data[:600]!r}"]
        return "\n".join([*lines, *(f"    {name}: {outcome}" for name, outcome in self.outcomes.items())])


async def play(port, recorder, case, quiet):
    recorder.take(case.word)        # what came too late when it was played before
    _, exchange = await asyncio.get_running_loop().create_connection(lambda: Exchange(case.data + mutations.mark(case.word), case.word, quiet),
                                                                     "127.0.0.1", port)
    closed = (await exchange.done, exchange.closed)[1]
    answers = ANSWER.findall(exchange.got)
    saw = [match.group(1).decode("latin-1") for _, head in answers if (match := SAW.search(head))]
    seen = [m for m in recorder.take(case.word) if m.complete or m.flaws]
    marks = [m for m in seen if m.target == f"/mark-{case.word}" and m.host() == "mark.test" and not m.body]
    messages = [m for m in seen if m not in marks]
    in_mark = bool(marks) and saw[-1:] == [f"GET_/mark-{case.word}"]
    return verdict.Outcome(messages, in_mark, closed and not in_mark, [int(status) for status, _ in answers], saw[:-1] if in_mark else saw)


class Allowed:
    """Differences that are on purpose, with their reasons and how often each was needed."""

    def __init__(self, path=ALLOWED):
        self.entries = yaml.safe_load(path.read_text()) or []
        self.used = collections.Counter()

    def reason(self, finding):
        for entry in self.entries:
            if finding.verdict == entry["verdict"] and re.search(entry["bytes"].encode("latin-1"), finding.case.data, re.S):
                self.used[entry["why"]] += 1
                return entry["why"]
        return None


class Run:
    """Starts everything, plays cases and stops everything. `peers`: those of the names that are installed."""

    def __init__(self, peers=PEERS):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.names = [name for name in peers if program(name)]
        self.recorders = {name: Recorder() for name in ("sluice", *self.names)}
        destinations = {name: self.wait(recorder.start()) for name, recorder in self.recorders.items()}
        self.gateway = Gateway(configs.to_backend(), values={"backend": destinations["sluice"]}, access_log="off")
        self.parts = [Peer(name, destinations[name]) for name in self.names]
        for peer in self.parts:
            peer.wait_ready()
        self.ports = {"sluice": self.gateway.port, **{peer.name: peer.port for peer in self.parts}}

    def wait(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    def stop(self):
        for peer in self.parts:
            peer.stop()
        self.gateway.stop()
        for recorder in self.recorders.values():
            self.loop.call_soon_threadsafe(recorder.stop)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    def evidence(self):
        return "\n".join(part.evidence() for part in (self.gateway, *self.parts))

    async def one(self, case, quiet):
        outcomes = await asyncio.gather(*(play(port, self.recorders[name], case, quiet) for name, port in self.ports.items()))
        outcomes = dict(zip(self.ports, outcomes))
        word = verdict.judge(outcomes["sluice"], [outcomes[name] for name in self.names])
        return Finding(case, word, outcomes)

    async def several(self, cases):
        findings, left = [], iter(cases)

        async def player():
            for case in left:
                findings.append(await self.one(case, QUIET))
        await asyncio.gather(*(player() for _ in range(AT_ONCE)))
        # A busy machine looks like a proxy that waits: what failed is asked again, alone and with patience.
        for at, finding in enumerate(findings):
            if finding.verdict in verdict.FAILURES:
                findings[at] = await self.one(finding.case, QUIET_AGAIN)
        return findings

    def play(self, count, seed):
        return self.wait(self.several(mutations.mutated(seed, number) for number in range(count)))


def summary(findings, allowed):
    """(failures, text): what failed and is not allowed, and the counts of everything."""
    verdicts, kinds, strict = collections.Counter(), collections.Counter(), collections.Counter()
    failures = []
    for finding in findings:
        verdicts[finding.verdict] += 1
        kinds.update(f"{name} {outcome.kind}" for name, outcome in finding.outcomes.items())
        if finding.verdict == "stricter":
            strict[finding.case.names[-1]] += 1
        if finding.verdict in verdict.FAILURES and not allowed.reason(finding):
            failures.append(finding)
    lines = [f"{len(findings)} cases: " + ", ".join(f"{count} {word}" for word, count in verdicts.most_common()),
             ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items())),
             "stricter than all peers: " + ", ".join(f"{name} {count}" for name, count in strict.most_common()),
             *(f"allowed {allowed.used[entry['why']]} times: {entry['why']}" for entry in allowed.entries)]
    return failures, "\n".join(lines)


def main():
    count, seed, number = (int(value) for value in [*sys.argv[1:], *["1000", "1", "-1"][len(sys.argv) - 1:]])
    run = Run()
    try:
        began = time.monotonic()
        if number >= 0:
            print(run.wait(run.one(mutations.mutated(seed, number), QUIET_AGAIN)))
            return 0
        failures, text = summary(run.play(count, seed), Allowed())
        print(text, f"{time.monotonic() - began:.1f} s", *failures, sep="\n")
        return 1 if failures else 0
    finally:
        run.stop()


if __name__ == "__main__":
    sys.exit(main())
