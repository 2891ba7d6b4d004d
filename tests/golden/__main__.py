"""``python -m tests.golden``: all cases in full against their checksums; exit 1 if any differs."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator

from ltc2hw.errors import LavaError, Ltc2hwError, UnsupportedError
from tests.golden import fixed, learning, real
from tests.golden.sums import Record, Sums, differing

ENGINES = ("fast", "integer", "torch", "lava")
KINDS = ("fixed", "learning", "float", "training")

Judged = tuple[int, int, list[str]]
"""Numbers compared, those in variables that differ, and the variables."""

Results = Iterator[tuple[str, Judged | str]]
"""Cases by name; a text says why one was not run."""


def judged(record: Record, sums: Sums) -> Judged:
    """Compare a record with the checksums of a case."""
    wrong = differing(record.sums(), sums)
    lost = sum(record.sizes[name] for name in wrong)
    return record.integers, max(lost, len(wrong)), wrong


def integer_networks(engine: str, part: str) -> Results:
    """Every integer network, or why an engine does not run it."""
    for case in fixed.cases():
        try:
            count, lost, wrong = judged(case.run(engine, part), case.sums[part])
        except (LavaError, UnsupportedError) as error:
            # The specification and the compiled engine run everything; others say what they lack.
            if not lacks(engine, error):
                raise
            yield case.name, str(error)
            continue
        if engine == "lava" and wrong == ["saturations"]:
            # Lava counts the samples that it is given alone.
            lost, wrong = 0, []
        yield case.name, (count, lost, wrong)


def lacks(engine: str, error: Ltc2hwError) -> bool:
    """Whether an error says that the engine cannot express a network; Lava's comes from a job."""
    if engine in ("integer", "fast"):
        return False
    return isinstance(error, UnsupportedError) or "UnsupportedError" in str(error)


def on_chip(engine: str, part: str) -> Results:
    """Every stream that an engine learns, and what is left of it from its committed state."""
    for case in learning.cases():
        if engine not in case.engines:
            yield case.name, f"not learned by {engine}"
            continue
        for piece in (part, "state") if case.resume else (part,):
            name = case.name if piece == part else f"{case.name} from its state"
            yield name, judged(case.run(engine, piece), case.sums[piece])


def float_networks() -> Results:
    """Float networks, simulated and learned."""
    for case in real.cases():
        for found, wanted, allowed in (
            (case.run(), case.numbers, real.RELATIVE),
            (case.learn(), case.learned, real.LEARNED),
        ):
            yield case.name, reals(found, wanted, allowed)


def trained_networks() -> Results:
    """Short trainings."""
    from tests.golden import training

    for case in training.cases():
        yield case.name, reals(case.run(), case.expected(), training.TRAINED)


def reals(found: real.Numbers, wanted: real.Numbers, allowed: float) -> Judged:
    """Compare real numbers."""
    wrong = real.distant(found, wanted, allowed)
    count = sum(map(len, wanted.values()))
    return count, sum(max(1, len(wanted.get(name, ()))) for name in wrong), wrong


def tell(kind: str, unit: str, results: Results, only: str) -> int:
    """Print what differs and the total of a kind; returns how many numbers may differ."""
    compared = lost = 0
    begin = time.perf_counter()
    for name, result in results:
        if only not in name:
            continue
        if isinstance(result, str):
            sys.stdout.write(f"{kind} {name}: not run: {result}\n")
            continue
        compared, lost = compared + result[0], lost + result[1]
        for variable in result[2]:
            sys.stdout.write(f"{kind} {name}: {variable} differs\n")
    seconds = time.perf_counter() - begin
    few = "" if lost == 0 else "up to "
    sys.stdout.write(f"{kind}: {few}{lost:,} of {compared:,} {unit} differ ({seconds:.0f} s)\n")
    sys.stdout.flush()
    return lost


def main() -> int:
    """Compare what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden", description=__doc__)
    parser.add_argument("--engine", choices=ENGINES, default="fast", help="of integer networks")
    parser.add_argument("--kind", action="append", choices=KINDS, help="may be repeated")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases with this in their name")
    parser.add_argument("--prefix", action="store_true", help="the short part of every case")
    given = parser.parse_args()
    part = "prefix" if given.prefix else "whole"
    # Learning and floats have engines of their own, and torch and Lava none that learns.
    kinds = given.kind or (KINDS if given.engine in ("fast", "integer") else ("fixed",))
    work: dict[str, tuple[str, Callable[[], Results]]] = {
        "fixed": ("integers", lambda: integer_networks(given.engine, part)),
        "learning": ("integers", lambda: on_chip(given.engine, part)),
        "float": ("numbers", float_networks),
        "training": ("numbers", trained_networks),
    }
    lost = [tell(kind, work[kind][0], work[kind][1](), given.only) for kind in kinds]
    return 1 if any(lost) else 0


if __name__ == "__main__":
    sys.exit(main())
