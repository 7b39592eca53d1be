"""A sample of the differential run against nginx and HAProxy, and what its verdicts rest on. `make soak` plays all of it."""

import asyncio

from differential import mutations, sample, verdict
from differential.peers import PEERS, program
from differential.recorder import Message, Recorder
from harness.case import Case, rows

CASES, SEED = 300, 1


class Sample(Case):
    def test_sluice_reads_mutated_requests_as_its_peers_do_or_refuses_them(self):
        sample.play(self, CASES, SEED)


class Peers(Case):
    @rows({name: name for name in PEERS})
    def is_compared_with(self, name):
        if not program(name):
            self.skipTest(f"{name} is not installed: sluice was not compared with it")


def message(method="GET", target="/case-1-", host="a.test", body=b"", flaws=()):
    return Message(method, target, [("Host", host)], body, list(flaws), True)


def outcome(*messages, mark=True, closed=False, statuses=(200,), saw=None):
    return verdict.Outcome(list(messages), mark, closed, list(statuses), [f"{m.method}_{m.target}" for m in messages] if saw is None else saw)


REFUSED = outcome(mark=False, closed=True, statuses=(400,))
WAITS = outcome(mark=False, statuses=())
PLAIN = outcome(message())
SPLIT = outcome(message(), message(target="/hidden-case-1-"))
SWALLOWS = outcome(message(body=b"GET /mark"), mark=False, closed=True)


class Verdicts(Case):
    @rows({
        "all forward": ("same", PLAIN, PLAIN, PLAIN), "all refuse": ("same", REFUSED, REFUSED, REFUSED),
        "it alone forwards": ("lenient", PLAIN, REFUSED, REFUSED), "it alone forwards and others wait": ("lenient", PLAIN, WAITS, REFUSED),
        "it alone refuses": ("stricter", REFUSED, PLAIN, PLAIN), "it forwards with one": ("between", PLAIN, REFUSED, PLAIN),
        "it refuses with one": ("between", REFUSED, REFUSED, PLAIN),
        "it sees two": ("boundary", SPLIT, PLAIN, PLAIN), "it sees one of two": ("boundary", PLAIN, SPLIT, SPLIT),
        "it sees two and one peer refuses": ("boundary", SPLIT, REFUSED, PLAIN), "it sees another body": ("boundary", SWALLOWS, PLAIN, PLAIN),
        "a peer sees another body": ("boundary", PLAIN, PLAIN, SWALLOWS), "it waits for more": ("boundary", WAITS, PLAIN, PLAIN),
        "it waits behind the message": ("boundary", outcome(message(), mark=False), PLAIN, PLAIN),
        "it closes sooner": ("same", outcome(message(), mark=False, closed=True), PLAIN, PLAIN),
        "another target": ("target", outcome(message(target="/x")), PLAIN, PLAIN), "another method": ("boundary", outcome(message("POST")), PLAIN, PLAIN),
        "another host": ("host", outcome(message(host="b")), PLAIN, PLAIN), "the host of one": ("same", outcome(message(host="b")), PLAIN, outcome(message(host="b"))),
        "the same path in other words": ("same", PLAIN, outcome(message(target="http://a.test/x/../case-1-")), outcome(message(target="/./case-1-#x"))),
        "flaws": ("ambiguous", outcome(message(flaws=["framing"])), PLAIN, PLAIN), "another's answer": ("desync", outcome(message(), saw=["GET_/mark-case-1-"]), PLAIN, PLAIN),
    })
    def judge(self, expected, ours, *peers):
        self.assertEqual(verdict.judge(ours, peers), expected)

    @rows({
        "both framings": ("Content-Length: 3\r\nTransfer-Encoding: chunked", "framing"), "two lengths": ("Content-Length: 0\r\nContent-Length: 0", "framing"),
        "a sign": ("Content-Length: +0", "content-length"), "another coding": ("Transfer-Encoding: xchunked", "transfer-encoding"),
        "a bare lf": ("x: a\nContent-Length: 3", "value of x"), "a space before the colon": ("Content-Length : 3", "field name"),
        "two hosts": ("Host: b", "host"), "a fold": ("x: a\r\n b", "field name"),
    })
    def destination_notes(self, lines, flaw):
        seen = self.sent(f"GET /case-7- HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n".encode())
        self.assertTrue(any(flaw in entry for entry in seen[0].flaws), seen[0].flaws)

    def test_the_destination_finds_nothing_in_well_formed_requests_and_keeps_them_apart(self):
        seen = self.sent(b"POST /case-7- HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx: y\r\n\r\n" + mutations.mark("case-7-"))
        self.assertEqual([(m.method, m.target, m.body, m.flaws, m.complete) for m in seen],
                         [("POST", "/case-7-", b"abc", [], True), ("GET", "/mark-case-7-", b"", [], True)])

    @staticmethod
    def sent(data):
        async def exchange():
            recorder = Recorder()
            reader, writer = await asyncio.open_connection("127.0.0.1", await recorder.start())
            writer.write(data)
            writer.write_eof()
            await reader.read()
            writer.close()
            recorder.stop()
            return recorder.take("case-7-")
        return asyncio.run(exchange())

    def test_a_case_is_the_same_each_time_and_says_which_it_is(self):
        for number in range(200):
            case = mutations.mutated(SEED, number)
            self.assertEqual(case, mutations.mutated(SEED, number))
            self.assertIn(case.word.encode(), case.data)
