"""Arguments, dispatch, and what happens to errors: one line on stderr and an exit status."""

from __future__ import annotations

import argparse
import errno
import os
import sys
import traceback
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import version
from typing import NoReturn, TextIO

from ltc2hw.cli.check import CHECK
from ltc2hw.cli.common import check_paths
from ltc2hw.cli.compare import COMPARE
from ltc2hw.cli.compiling import telling_of_compilation
from ltc2hw.cli.console import Console, complain, emit
from ltc2hw.cli.data import DATA
from ltc2hw.cli.demo import DEMO
from ltc2hw.cli.export import EXPORT
from ltc2hw.cli.importing import IMPORT
from ltc2hw.cli.learn import LEARN
from ltc2hw.cli.quantize import QUANTIZE
from ltc2hw.cli.show import SHOW
from ltc2hw.cli.simulate import SIMULATE
from ltc2hw.cli.stopping import Stop, stopping
from ltc2hw.cli.stream import STREAM
from ltc2hw.cli.targets import TARGETS
from ltc2hw.cli.train import TRAIN
from ltc2hw.cli.tune import TUNE
from ltc2hw.cli.verb import Verb
from ltc2hw.cli.wording import spoken
from ltc2hw.errors import Ltc2hwError

VERBS: Mapping[str, Verb] = {
    "demo": DEMO,
    "data": DATA,
    "train": TRAIN,
    "check": CHECK,
    "quantize": QUANTIZE,
    "simulate": SIMULATE,
    "stream": STREAM,
    "compare": COMPARE,
    "tune": TUNE,
    "import": IMPORT,
    "export": EXPORT,
    "learn": LEARN,
    "show": SHOW,
    "targets": TARGETS,
}
"""Everything that ``ltc2hw`` can be told to do."""

DONE, BOUND_MISSED, BAD_INPUT, OUR_FAULT = 0, 1, 2, 3

STANDARD_OUTPUT = "standard output"


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, like all others."""

    def error(self, message: str) -> NoReturn:
        """End with status 2 and one line that points to the help."""
        complain(f"{self.prog}: error: {message} (see {self.prog} --help)")
        self.exit(BAD_INPUT)

    def _print_message(self, message: str, file: object = None) -> None:
        """Print the help, which fails where it cannot be printed, unless its reader has left."""
        try:
            emit(sys.stdout, message)
        except BrokenPipeError:
            pass
        except OSError as error:
            complain(f"{self.prog}: error: {STANDARD_OUTPUT}: {error.strerror}")
            self.exit(BAD_INPUT)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status.

    0: done. 1: a stated bound was missed. 2: bad input, one line on stderr. 3: a fault of ltc2hw,
    told in one line (with ``python -X dev``: raised). 130: interrupted.

    >>> main(["targets", "--quiet"])
    0
    """
    keep_standard_streams()
    command = "ltc2hw"
    with stopping(last=arguments is None) as stop:
        try:
            parsed = parse(arguments)
            command = f"ltc2hw {parsed.verb}"
            return perform(parsed, command)
        except KeyboardInterrupt:
            complain(f"{command}: {stop.words}")
            return stop.status
        except Exception as error:  # noqa: BLE001  the last resort: never a status that says "bound missed"
            return told(command, error, stop)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What the arguments say.

    Raises:
        SystemExit: after one line, for wrong ones, and after the help.
    """
    parser = make_parser()
    parsed, rest = parser.parse_known_args(arguments)
    if len(rest) == 1 and not rest[0].startswith("-") and getattr(parsed, "rows", "") == "-":
        # Before Python 3.12, argparse overlooks the file of stream behind an option.
        parsed.rows, rest = rest[0], []
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return parsed


def perform(parsed: argparse.Namespace, command: str) -> int:
    """Run a verb; the exit status says what became of its result.

    Raises:
        Ltc2hwError, OSError: for bad input.
    """
    verb, console = VERBS[parsed.verb], Console(quiet=parsed.quiet)
    compiling = telling_of_compilation(console, command, aside=verb.prints_result)
    with warnings.catch_warnings(), compiling:
        warnings.showwarning = partial(warn, command)
        check_paths(parsed)
        try:
            met = verb.run(parsed, console)
        finally:
            console.end_bar()
    problem = console.problem
    if problem is not None and not isinstance(problem, BrokenPipeError):
        # Nobody waits for the output of a stream that was closed from the start.
        if verb.prints_result or problem.errno != errno.EBADF:
            grade = "error" if verb.prints_result else "warning"
            complain(f"{command}: {grade}: {STANDARD_OUTPUT}: {problem.strerror}")
        if verb.prints_result:
            return BAD_INPUT
    return DONE if met else BOUND_MISSED


def told(command: str, error: Exception, stop: Stop) -> int:
    """Tell of an error in one line; returns the exit status.

    Raises:
        Exception: the error itself, if it is ours and Python runs in its development mode.
    """
    if stop.number is not None:
        # Libraries turn an interrupt that meets them at a bad time into errors of their own.
        complain(f"{command}: {stop.words}")
        return stop.status
    if isinstance(error, (Ltc2hwError, OSError)):
        complain(f"{command}: error: {describe(error)}")
        return BAD_INPUT
    if isinstance(error, MemoryError):
        complain(f"{command}: error: not enough memory {describe(error)}".rstrip())
        return BAD_INPUT
    if sys.flags.dev_mode:
        raise error
    place = traceback.extract_tb(error.__traceback__)[-1]
    complain(
        f"{command}: fault of ltc2hw: {type(error).__name__}: {describe(error)}, in"
        f" {place.name}, line {place.lineno} of {place.filename}; please report it"
    )
    return OUR_FAULT


def warn(
    command: str,
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Tell of a warning in one line."""
    complain(f"{command}: warning: {' '.join(str(message).split())}")


def keep_standard_streams() -> None:
    """Lead descriptors 0 to 2 nowhere if they are closed, so that no file is opened as one."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


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
