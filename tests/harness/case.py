"""unittest, with rows that count as tests of their own and parts that stop by themselves."""

import re
import sys
import unittest


def rows(table):
    """Decorates a method that takes the values of one row: each row of the table (name -> values) becomes a test."""
    def mark(method):
        method.rows = table
        return method
    return mark


class Case(unittest.TestCase):
    """`self.use(part)` and `cls.share(part)` stop a part when the test, or the class, is over."""

    maxDiff = 4000
    parts = []

    def __init_subclass__(cls, **keywords):
        super().__init_subclass__(**keywords)
        cls.parts = []
        for name, method in list(vars(cls).items()):
            for row, values in getattr(method, "rows", {}).items():
                values = values if isinstance(values, tuple) else (values,)
                test = "test_" + re.sub(r"\W+", "_", f"{name}_{row}")
                assert not hasattr(cls, test), f"two rows are called {test}"
                setattr(cls, test, lambda self, method=method, values=values: method(self, *values))

    @classmethod
    def share(cls, part):
        cls.parts.append(part)
        cls.addClassCleanup(part.stop)
        return part

    def use(self, part):
        self.addCleanup(part.stop)
        self.own_parts.append(part)
        return part

    def run(self, result=None):
        self.own_parts = []
        return super().run(result)

    def doCleanups(self):
        """Before the parts stop: what they said, when the test failed."""
        outcome = getattr(self, "_outcome", None)
        if outcome is not None and not outcome.success:
            for part in [*self.own_parts, *self.parts]:
                if hasattr(part, "evidence"):
                    print(part.evidence(), file=sys.stdout, flush=True)
        return super().doCleanups()

    def assert_status(self, response, status):
        self.assertEqual(response.status, status, f"{response}")
