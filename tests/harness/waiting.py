"""Waiting for something to become true, instead of sleeping."""

import socket
import time

PAUSE = 0.01


def until(condition, what, timeout=15.0):
    """The first true value of `condition()`; fails with `what` after `timeout` seconds.

    An OSError or AssertionError of the condition counts as "not yet" and is told at the end.
    """
    deadline = time.monotonic() + timeout
    last = None
    while True:
        try:
            value = condition()
            if value:
                return value
        except (OSError, AssertionError) as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s for {what}" + (f": {last}" if last else ""))
        time.sleep(PAUSE)


def stays(condition, what, seconds):
    """Fails as soon as `condition()` is no longer true, within `seconds`. For what must not happen."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not condition():
            raise AssertionError(f"{what} did not last {seconds:g} s")
        time.sleep(PAUSE)


def free_port(address="127.0.0.1", also_udp=False):
    """A TCP port of `address` that nobody had a moment ago."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for _ in range(50):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((address, 0))
            port = probe.getsockname()[1]
            if not also_udp:
                return port
            with socket.socket(family, socket.SOCK_DGRAM) as datagrams:
                try:
                    datagrams.bind((address, port))
                    return port
                except OSError:
                    continue
    raise OSError(f"no free port on {address}")


def free_ports(count, address="127.0.0.1"):
    """Different free ports."""
    probes = []
    try:
        for _ in range(count):
            probe = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
            probes.append(probe)
            probe.bind((address, 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
