"""What is measured, a line each: name, figure, what is wanted."""

import time


class Table:
    def __init__(self):
        self.missed = []  # figures that fall short
        self.wrong = []   # what must never be
        self.began = time.monotonic()

    def info(self, line, figure):
        self._print(line, figure, "", "")

    def figure(self, line, figure, wanted, met):
        """Held against a wish; a machine that is busy may miss it."""
        self._print(line, figure, wanted, "ok" if met else "MISS")
        if not met:
            self.missed.append(line)

    def must(self, line, figure, wanted, met):
        """What holds on every machine, however slow."""
        self._print(line, figure, wanted, "ok" if met else "WRONG")
        if not met:
            self.wrong.append(f"{line}: {figure}, not {wanted}")

    def _print(self, line, figure, wanted, verdict):
        print(f"{line:<44} {figure:>22}  {wanted:<14} {verdict}", flush=True)

    def end(self):
        print(f"-- {time.monotonic() - self.began:.0f} s; {len(self.missed)} fall short, "
              f"{len(self.wrong)} wrong", flush=True)
        for one in self.wrong:
            print("wrong: " + one)
        return 1 if self.wrong else 0
