"""``python -m tests.fuzz``: damaged files of every format; exit status 1 if there is a finding."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from tests.fuzz.formats import FORMATS
from tests.fuzz.hunt import hunt, table


def main() -> int:
    """Hunt and tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--files", type=int, default=1000, metavar="N", help="of all formats")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="processes")
    parser.add_argument("--format", action="append", choices=tuple(FORMATS), help="may be repeated")
    parser.add_argument("--out", type=Path, default=Path("build/fuzz"), metavar="FOLDER")
    given = parser.parse_args()

    def progress(done: int, total: int) -> None:
        if done % 1000 == 0 or done == total:
            sys.stderr.write(f"{done}/{total}\n")

    formats = tuple(given.format or FORMATS)
    tally = hunt(
        given.files, given.seed, given.out, jobs=given.jobs, formats=formats, progress=progress
    )
    sys.stdout.write(table(tally) + "\n")
    kinds = Counter((finding.format, finding.error) for finding in tally.findings)
    for (name, error), count in kinds.most_common():
        example = next(f for f in tally.findings if (f.format, f.error) == (name, error))
        sys.stdout.write(
            f"{count} x {name}: {error}: {example.message} (seed {example.seed},"
            f" edits {list(example.keep)})\n"
        )
    return 1 if tally.findings else 0


if __name__ == "__main__":
    sys.exit(main())
