"""Arguments, dispatch, and what happens to errors: one line on stderr and an exit status."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from types import ModuleType
from typing import NoReturn

from ltc2hw.cli import compare, demo, export, quantize, simulate, targets, train
from ltc2hw.cli.console import Console
from ltc2hw.errors import Ltc2hwError

VERBS: Mapping[str, ModuleType] = {
    "demo": demo,
    "train": train,
    "quantize": quantize,
    "simulate": simulate,
    "compare": compare,
    "export": export,
    "targets": targets,
}
"""Each module has ``SUMMARY``, ``add_arguments(parser)`` and ``run(arguments, console)``."""

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
    for name, module in VERBS.items():
        verb = verbs.add_parser(name, help=module.SUMMARY, description=module.SUMMARY)
        module.add_arguments(verb)
        verb.add_argument("--quiet", action="store_true", help="print nothing but errors")
    return parser


def describe(error: Exception) -> str:
    """An error on one line; system errors as ``file: what is wrong``.

    >>> describe(FileNotFoundError(2, "No such file or directory", "model.h5"))
    'model.h5: No such file or directory'
    """
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())
