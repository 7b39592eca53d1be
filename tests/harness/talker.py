"""A program that is told calls as lines of JSON on its stdin and says what came of each as a line on its stdout."""

import json
import select
import subprocess
import unittest

PYTHON = "/usr/bin/python3"    # the one that Debian's packages of modules are for


class Talker:
    """Runs until stop(). One call at a time: begin() it and end() it, or ask() for both at once."""

    def __init__(self, *argv, environment=None):
        self.popen = subprocess.Popen([str(a) for a in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)

    def begin(self, **call):
        self.popen.stdin.write(json.dumps(call).encode() + b"\n")
        self.popen.stdin.flush()

    def end(self, timeout=60):
        assert select.select([self.popen.stdout], [], [], timeout)[0], f"{self.popen.args} says nothing"
        line = self.popen.stdout.readline()
        assert line, f"{self.popen.args} ended with {self.popen.wait()}"
        return json.loads(line)

    def ask(self, **call):
        self.begin(**call)
        return self.end()

    def stop(self):
        self.popen.stdin.close()
        self.popen.wait(20)
        self.popen.stdout.close()


def need_python(*modules):
    """Skips, for where modules of Debian's Python are missing."""
    for module in modules:
        if subprocess.run([PYTHON, "-c", f"import {module}"], capture_output=True, check=False).returncode != 0:
            raise unittest.SkipTest(f"there is no {module} for {PYTHON}: tools/setup.sh test installs it")
