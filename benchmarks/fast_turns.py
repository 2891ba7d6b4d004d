"""The fast engine's turns beside Lava, in a process of its own.

For every line of process numbers on standard input, these processes are stopped, the network runs
for some 50 ms, they go on, and the mean seconds of a run are printed. Lava's processes and threads
poll even between runs, and would take the cores (and Python's lock) from the other candidate.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import active_children
from types import TracebackType

from benchmarks.measure import seconds_of
from benchmarks.networks import Workload, recurrent_lif, recurrent_ltc
from ltc2hw.simulations import fast

HIDDEN = 128
STEPS = 1000

WORKLOADS: dict[str, Callable[[int, int, int], Workload]] = {
    "lif": recurrent_lif,
    "ltc": recurrent_ltc,
}


class FastTurns:
    """Starts the process for a workload; :meth:`seconds` gives it a turn."""

    def __init__(self, workload: str) -> None:
        command = [sys.executable, "-m", "benchmarks.fast_turns", workload]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> FastTurns:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.communicate()

    def seconds(self) -> float:
        """Seconds of a run while this process and its children stand still."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        others = [os.getpid(), *(child.pid for child in active_children())]
        print(*others, file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())


def main() -> None:
    """Answer every line of numbers with seconds."""
    work = WORKLOADS[sys.argv[1]](HIDDEN, STEPS, 1)

    def simulate() -> None:
        fast.simulate(work.network, work.x, (), threads=1)

    for line in sys.stdin:
        others = [int(number) for number in line.split()]
        for number in others:
            os.kill(number, signal.SIGSTOP)
        try:
            seconds = seconds_of(simulate, 0.05)
        finally:
            for number in others:
                os.kill(number, signal.SIGCONT)
        print(seconds, flush=True)


if __name__ == "__main__":
    main()
