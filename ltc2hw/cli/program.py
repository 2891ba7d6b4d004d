"""Arguments, dispatch, and what happens to errors: one line on stderr and an exit status."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import NoReturn

from ltc2hw.cli.compare import COMPARE
from ltc2hw.cli.console import Console
from ltc2hw.cli.demo import DEMO
from ltc2hw.cli.export import EXPORT
from ltc2hw.cli.importing import IMPORT
from ltc2hw.cli.learn import LEARN
from ltc2hw.cli.quantize import QUANTIZE
from ltc2hw.cli.simulate import SIMULATE
from ltc2hw.cli.targets import TARGETS
from ltc2hw.cli.train import TRAIN
from ltc2hw.cli.verb import Verb
from ltc2hw.cli.wording import spoken
from ltc2hw.errors import Ltc2hwError

VERBS: Mapping[str, Verb] = {
    "demo": DEMO,
    "train": TRAIN,
    "quantize": QUANTIZE,
    "simulate": SIMULATE,
    "compare": COMPARE,
    "import": IMPORT,
    "export": EXPORT,
    "learn": LEARN,
    "targets": TARGETS,
}
"""Everything that ``ltc2hw`` can be told to do."""

DONE, BOUND_MISSED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, like all others."""

    def error(self, message: str) -> NoReturn:
        """End with status 2 and one line that points to the help."""
        self.exit(BAD_INPUT, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status.

    0: done. 1: a stated bound was missed. 2: bad input, one line on stderr. 130: interrupted.

    >>> main(["targets", "--quiet"])
    0
    """
    parsed = make_parser().parse_args(arguments)
    try:
        met = VERBS[parsed.verb].run(parsed, Console(quiet=parsed.quiet))
    except BrokenPipeError:
        # Whoever read our output has stopped; the interpreter must not try to flush it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except (Ltc2hwError, OSError) as error:
        sys.stderr.write(f"ltc2hw {parsed.verb}: error: {describe(error)}\n")
        return BAD_INPUT
    except KeyboardInterrupt:
        sys.stderr.write(f"ltc2hw {parsed.verb}: interrupted\n")
        return INTERRUPTED
    return DONE if met else BOUND_MISSED


def make_parser() -> Parser:
    """The parser of all verbs."""
    parser = Parser(
        prog="ltc2hw",
        description="Spiking networks trained by FPTT, quantized and run bit for bit on Loihi"
        " targets.",
    )
    parser.add_argument("--version", action="version", version=f"ltc2hw {version('ltc2hw')}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, verb in VERBS.items():
        own = verbs.add_parser(name, help=verb.summary, description=verb.summary)
        verb.add_arguments(own)
        own.add_argument("--quiet", action="store_true", help="print nothing but errors")
    return parser


def describe(error: Exception) -> str:
    """An error on one line, with flags; system errors as ``file: what is wrong``.

    >>> describe(FileNotFoundError(2, "No such file or directory", "model.h5"))
    'model.h5: No such file or directory'
    """
    if isinstance(error, OSError) and error.filename is not None:
        # Of two names, the second is the one that was asked for: the destination.
        return f"{error.filename2 or error.filename}: {error.strerror}"
    return " ".join(spoken(error).split())
