"""Options of verbs that quantize: widths and scales by name, limits that may be exceeded."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from typing import TypeVar, get_args

from ltc2hw.cli.common import add_limits
from ltc2hw.cli.counts import positive
from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.words import TERNARY, Width
from ltc2hw.quantization.scaling import QuantizeOptions, WeightRounding

Value = TypeVar("Value")


def width(text: str) -> Width:
    """Type of widths: bits, or ``ternary``.

    >>> width("4"), width("ternary")
    (4, 'ternary')
    """
    return TERNARY if text == TERNARY else positive(text)


width.__name__ = "width (bits from 1 on, or ternary)"


def named_width(text: str) -> tuple[str, Width]:
    """``NAME=N``: a width by name. Names have arrows and dots, so the last ``=`` parts them.

    >>> named_width("hidden.spikes->readout.current=ternary")
    ('hidden.spikes->readout.current', 'ternary')
    """
    return _named(text, width, f"NAME=N, N a number of bits or {TERNARY}")


def named_move(text: str) -> tuple[str, int]:
    """``NAME=+N`` or ``NAME=-N``: bits by which a fraction is moved.

    >>> named_move("message:hidden.membrane=+1")
    ('message:hidden.membrane', 1)
    """
    return _named(text, int, "NAME=+N or NAME=-N")


def _named(text: str, read: Callable[[str], Value], expected: str) -> tuple[str, Value]:
    """A name and what is read of the text behind the last ``=``."""
    name, sign, value = text.rpartition("=")
    try:
        found = read(value)
    except ValueError:
        sign = ""
    if not sign or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not {expected} ({QUOTE})")
    return name, found


QUOTE = "quote names with an arrow, which a shell takes for a file"


def add_bits(parser: argparse.ArgumentParser, text: str) -> None:
    """The option of widths by name; ``text`` is its help."""
    parser.add_argument(
        "--bits", type=named_width, action="append", default=[], metavar="NAME=N", help=text
    )


def add_widths(parser: argparse.ArgumentParser) -> None:
    """The options of every verb that quantizes: widths and scales by name, rounding, limits."""
    add_bits(
        parser,
        "width of one part, repeatable: a projection 'a.spikes->b.current' (N may be"
        " ternary), message:a.membrane, input, state:a.membrane, table:a.tau_mem",
    )
    parser.add_argument(
        "--scale",
        type=named_move,
        action="append",
        default=[],
        metavar="NAME=+N",
        help="steps of one part finer (+) or coarser (-) by N bits than chosen, repeatable:"
        " a projection, message:, input or state: as for --bits",
    )
    parser.add_argument(
        "--rounding",
        choices=get_args(WeightRounding),
        default="nearest",
        help="of weights: each to nearest, or so that what arrives in calibration changes least,"
        " which matters at few bits (default: %(default)s)",
    )
    add_limits(parser)


def add_quantization(parser: argparse.ArgumentParser) -> None:
    """All options of quantization that a verb has."""
    parser.add_argument("--weight-bits", type=width, metavar="N", help="of all weights; or ternary")
    add_fine_states(parser)
    add_widths(parser)


def add_fine_states(parser: argparse.ArgumentParser, before: str = "") -> None:
    """The option of states with all bits of their words; ``before`` says of what."""
    parser.add_argument(
        "--fine-states",
        action="store_true",
        default=None,
        help=f"{before}give membranes all bits that their word has left, so that slow leaks are"
        " kept",
    )


def options_of(arguments: argparse.Namespace) -> QuantizeOptions:
    """What the arguments of :func:`add_widths` or :func:`add_quantization` ask for.

    Raises:
        InvalidValueError: for a name that is given twice.
    """
    return QuantizeOptions(
        weight_bits=getattr(arguments, "weight_bits", None),
        allow=arguments.allow,
        fine_states=bool(getattr(arguments, "fine_states", False)),
        bits=once("--bits", arguments.bits),
        scale=once("--scale", arguments.scale),
        rounding=arguments.rounding,
    )


def once(option: str, pairs: Iterable[tuple[str, Value]]) -> dict[str, Value]:
    """Values by name.

    Raises:
        InvalidValueError: for a name that is given twice.

    >>> once("--scale", [("input", 1)])
    {'input': 1}
    """
    found: dict[str, Value] = {}
    for name, value in pairs:
        if name in found:
            raise InvalidValueError(f"{option} {name}", "given twice", "each name once")
        found[name] = value
    return found
