"""``ltc2hw stream``: a network runs on rows of numbers as they come, one step each."""

from __future__ import annotations

import argparse
import errno
import math
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO

import numpy as np

from ltc2hw.cli.common import load_network
from ltc2hw.cli.console import Console
from ltc2hw.cli.verb import Verb
from ltc2hw.comparison.excerpt import real_outputs
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.graph.trace import Trace
from ltc2hw.numbers.scalars import shown
from ltc2hw.numbers.words import FloatArray
from ltc2hw.stream import stream

ENGINES = ("fast", "integer", "torch", "float64")

LONGEST_LINE = 1 << 24
"""Bytes of a line: a file without lines is no stream of rows."""

COMMENT = "#"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("network", type=Path, metavar="NETWORK", help="integer or float network")
    parser.add_argument(
        "rows", nargs="?", default="-", metavar="FILE",
        help="a row of numbers per step, apart by spaces, commas or semicolons; standard input if"
        " absent or -",
    )  # fmt: skip
    parser.add_argument(
        "--engine", choices=ENGINES, help="fast by default, float64 for a float network"
    )
    parser.add_argument("--header", action="store_true", help="the first line is no row")
    parser.add_argument("--raw", action="store_true", help="integers as the chip has them")
    parser.add_argument(
        "--decide", action="store_true", help="number of the largest output, the first of equals"
    )


def run(arguments: argparse.Namespace, console: Console) -> bool:
    """Print a line for every row, before the next is read."""
    network = load_network(arguments.network)
    if arguments.raw and isinstance(network, Network):
        raise InvalidValueError(
            "--raw", "given for a float network", "an integer network", "run ltc2hw quantize first"
        )
    clipped = False
    with opened(arguments.rows) as file:
        samples = rows(file, network, header=arguments.header)
        for number, trace in enumerate(stream(network, samples, arguments.engine), 1):
            console.line(line_of(network, trace, raw=arguments.raw, decide=arguments.decide))
            if console.problem is not None:
                break
            if not clipped and any(trace.saturations[network.input.name].values()):
                clipped = True
                warnings.warn(f"row {number} does not fit the input's word: clipped", stacklevel=2)
    return True


def opened(name: str) -> AbstractContextManager[IO[bytes]]:
    """Standard input, which stays open, or a file; pipes and devices are files, too.

    Raises:
        OSError: if it cannot be read.
    """
    if name != "-":
        return open(name, "rb")
    if sys.stdin is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), "standard input")
    return nullcontext(sys.stdin.buffer)


def rows(
    file: IO[bytes], network: Network | FixedNetwork, *, header: bool = False
) -> Iterator[FloatArray]:
    """Every row of a file as a sample (1, 1, N_in); empty lines and comments are none.

    Raises:
        InvalidValueError: naming the first line that is no row of the network's inputs.
    """
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE:
            raise InvalidValueError(f"line {number}", "endless", f"below {LONGEST_LINE} bytes")
        if header and number == 1:
            continue
        text = text_of(line, number).strip()
        if text and not text.startswith(COMMENT):
            yield row_of(text, number, network)[None, None]


def text_of(line: bytes, number: int) -> str:
    """A line as text; a mark of its encoding, which spreadsheets write, is none of it.

    Raises:
        InvalidValueError: if it is no text.
    """
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        remedy = "give rows of numbers as text"
        raise InvalidValueError(f"line {number}", "no text", "text in UTF-8", remedy) from error


def row_of(text: str, number: int, network: Network | FixedNetwork) -> FloatArray:
    """The numbers (N_in,) of a line.

    Raises:
        InvalidValueError: naming the line, unless it holds one finite number per input, 0 or 1
            where the network takes spikes.
    """
    separator = next((mark for mark in ";," if mark in text), None)
    fields = [field.strip() for field in text.split(separator)]
    wanted = f"{network.input.size} numbers, one per input"
    if len(fields) != network.input.size:
        raise InvalidValueError(f"line {number}", f"a row of {len(fields)}", wanted)
    values = [number_of(field) for field in fields]
    wrong = next((i for i, value in enumerate(values) if not math.isfinite(value)), None)
    if wrong is not None:
        remedy = "--header leaves the first line out" if number == 1 else ""
        where = f"line {number}, column {wrong + 1}"
        raise InvalidValueError(where, shown(fields[wrong]), "a finite number", remedy)
    if not network.input.graded:
        wrong = next((i for i, value in enumerate(values) if value not in (0.0, 1.0)), None)
        if wrong is not None:
            where = f"line {number}, column {wrong + 1}"
            raise InvalidValueError(where, fields[wrong], "0 or 1, as the network takes spikes")
    return np.array(values)


def number_of(field: str) -> float:
    """A number as it is written elsewhere than in Python; NaN for anything else.

    >>> number_of("1e-3"), number_of("1_000"), number_of("")
    (0.001, nan, nan)
    """
    try:
        return math.nan if "_" in field else float(field)
    except ValueError:
        return math.nan


def line_of(network: Network | FixedNetwork, trace: Trace, *, raw: bool, decide: bool) -> str:
    """What is printed of a step: all outputs, apart by commas, or the number of the largest."""
    outputs = trace.outputs[0, 0]
    if decide:
        return str(int(outputs.argmax()))
    if raw or isinstance(network, Network):
        return ",".join(shortest(value) for value in outputs.tolist())
    return ",".join(shortest(value) for value in real_outputs(network, trace)[0, 0].tolist())


def shortest(value: float) -> str:
    """The shortest text that reads as the same number.

    >>> shortest(0.1), shortest(2.0), shortest(-3)
    ('0.1', '2', '-3')
    """
    return repr(value).removesuffix(".0")


STREAM = Verb("run a network on rows of numbers as they come", add_arguments, run, True)
