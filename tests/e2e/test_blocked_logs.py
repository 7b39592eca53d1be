"""Logs that nobody reads: no request, no worker and no signal waits for them."""

import fcntl
import os
import signal
import threading

from harness import configs
from harness.case import Case
from harness.gateway import Gateway
from harness.waiting import until

F_SETPIPE_SZ = 1031


class FullPipe:
    """A pipe that holds one page, and that page is full."""

    def __init__(self):
        self.reader, self.writer = os.pipe()
        fcntl.fcntl(self.writer, F_SETPIPE_SZ, 4096)
        os.set_blocking(self.writer, False)
        try:
            while True:
                os.write(self.writer, b"x" * 1023 + b"\n")
        except BlockingIOError:
            pass
        os.set_blocking(self.writer, True)

    def stop(self):
        for end in (self.reader, self.writer):
            if end is not None:
                os.close(end)

    def read_all(self):
        """Everything until the program that writes is gone."""
        os.close(self.writer)
        self.writer = None
        with open(self.reader, "rb", closefd=False) as file:
            return file.read().decode(errors="replace")


class Blocked(Case):
    def gateway(self, stream, **keywords):
        pipe = self.use(FullPipe())
        return pipe, self.use(Gateway(configs.dynamic(policy=False), streams={stream: pipe.writer}, **keywords))

    def ask(self, gateway, requests):
        """So many refused destinations, each of which would be a line."""
        with gateway.client() as client:
            for i in range(requests):
                client.send(f"GET /{i} HTTP/1.1\r\nHost: 127.0.{i // 250}.{i % 250 + 1}\r\n\r\n")
                self.assert_status(client.read_response(), 403)

    def test_standard_error_that_nobody_reads_holds_up_neither_requests_nor_signals(self):
        _, gateway = self.gateway("stderr", workers=2)
        threads = [threading.Thread(target=self.ask, args=(gateway, 500)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
            self.assertFalse(thread.is_alive())
        self.assertGreater(gateway.metric(r"^sluice_log_lines_held_back_total"), 300)
        gateway.write("bad.yaml", "kind: Nothing\n" * 3)       # the control thread has things to say, too
        gateway.write("late.yaml", configs.virtual_service(
            "- matchers: [{prefix: /}]\n  directResponseAction: {status: 203}", domains="[late.test]", name="late"))
        until(lambda: gateway.fetch(host="late.test").status == 203, "both files to be read")
        gateway.process.popen.send_signal(signal.SIGTERM)
        self.assertEqual(gateway.process.popen.wait(15), 0)

    def test_lines_that_were_held_up_come_once_somebody_reads(self):
        pipe, gateway = self.gateway("stderr")
        self.ask(gateway, 100)
        gateway.process.popen.send_signal(signal.SIGTERM)
        said = []
        reader = threading.Thread(target=lambda: said.append(pipe.read_all()))
        reader.start()
        self.assertEqual(gateway.process.popen.wait(15), 0)
        reader.join(15)
        lines = said[0].splitlines()
        self.assertLess(sum("a destination is refused destination=" in line for line in lines), 60)
        self.assertRegex(said[0], r"warn egress more lines like this were held back like=\"a destination is refused\" lines=\d+")
        self.assertRegex(lines[-1], "info main stopped")

    def test_an_access_log_that_nobody_reads_holds_up_nothing(self):
        _, gateway = self.gateway("stdout", workers=2)
        self.ask(gateway, 500)
        gateway.process.popen.send_signal(signal.SIGTERM)
        self.assertEqual(gateway.process.popen.wait(15), 0)

    def test_a_flood_of_refusals_is_a_few_lines(self):
        gateway = self.use(Gateway(configs.dynamic(policy=False), arguments=["--log-format", "json"]))
        self.ask(gateway, 1000)
        gateway.says('"message":"more lines like this were held back","like":"a destination is refused"')
        self.assertLess(len(gateway.process.stderr()), 100_000)
