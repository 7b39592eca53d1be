"""A program that was started here, with its output in files."""

import ctypes
import os
import pathlib
import signal
import subprocess

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def _die_with_parent():
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """Runs from construction until stop(); never outlives the test that started it."""

    def __init__(self, argv, folder, name, environment=None, streams=None):
        """`streams`: "stdout" or "stderr" -> a descriptor instead of the file."""
        self.name = name
        self.argv = [str(a) for a in argv]
        self.stdout_path = pathlib.Path(folder, f"{name}.out")
        self.stderr_path = pathlib.Path(folder, f"{name}.err")
        with open(self.stdout_path, "ab") as out, open(self.stderr_path, "ab") as err:
            self.popen = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, **{"stdout": out, "stderr": err, **(streams or {})},
                                          env=dict(os.environ, **(environment or {})), preexec_fn=_die_with_parent)

    @property
    def pid(self):
        return self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def stdout(self):
        return self.stdout_path.read_text(errors="replace")

    def stderr(self):
        return self.stderr_path.read_text(errors="replace")

    def tail(self, lines=40):
        return "\n".join(self.stderr().splitlines()[-lines:])

    def kill(self):
        self.popen.kill()
        return self.popen.wait()

    def stop(self, signal_number=signal.SIGTERM, timeout=40):
        """Ends it and returns its exit code."""
        if self.alive():
            self.popen.send_signal(signal_number)
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {timeout} s of signal {signal_number}\n{self.tail()}") from None

    def memory_kib(self, key="Pss"):
        """Resident memory of the process, shared pages counted in part."""
        for line in pathlib.Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1])
        raise OSError("no memory figures")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))
