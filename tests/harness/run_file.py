#!/usr/bin/env python3
"""Runs the unittest cases of one file and writes what became of each as JSON: `run_file.py FILE REPORT`."""

import importlib.util
import json
import pathlib
import sys
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Recorder(unittest.TextTestResult):
    """Every case once, with its reason where it was skipped; a failing fixture counts as a case of its own."""

    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        self.cases = {}
        self.began = {}

    def note(self, test, result, reason=""):
        name = test.id().replace(f"{pathlib.Path(sys.argv[1]).stem}.", "", 1)    # the class and the method
        if self.cases.get(name, {}).get("result") not in ("failed",):
            self.cases[name] = {"name": name, "result": result, "reason": reason}

    def startTest(self, test):
        self.began[test] = time.monotonic()
        super().startTest(test)

    def stopTest(self, test):
        took = time.monotonic() - self.began.pop(test)
        if took > 5:
            self.stream.writeln(f"   took {took:.1f} s")
        super().stopTest(test)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.note(test, "passed")

    def addError(self, test, err):
        super().addError(test, err)
        self.note(test, "failed")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.note(test, "failed")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.note(test, "skipped", reason)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.note(test, "failed")


def main():
    file, report = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    sys.path[:0] = [str(ROOT / "tests"), str(file.parent)]
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    suite = unittest.defaultTestLoader.loadTestsFromModule(module)
    runner = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, resultclass=Recorder)
    result = runner.run(suite)
    report.write_text(json.dumps(list(result.cases.values())))
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
