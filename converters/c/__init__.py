"""An integer network as C99: one header, one source, and a program that checks their integers.

The neurons' arithmetic is printed from their programs by the table of
:mod:`ltc2hw.converters.c.arithmetic`; ``docs/c-export.md`` says what is written and how to use it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection

import numpy.typing as npt

from ltc2hw.converters.c.check import print_check
from ltc2hw.converters.c.plan import make_plan
from ltc2hw.converters.c.source import print_sources
from ltc2hw.converters.c.text import OWN_NAMES
from ltc2hw.converters.conversion import Change, Conversion
from ltc2hw.converters.exported import meet_features, random_samples
from ltc2hw.errors import InvalidValueError
from ltc2hw.files.atomic import require_output_folder, write_files
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.samples import check_samples
from ltc2hw.numbers.scalars import require_type, shown


def write(
    network: FixedNetwork,
    folder: str | os.PathLike[str],
    *,
    prefix: str = "net",
    samples: npt.ArrayLike | None = None,
    allow: Collection[str] = (),
) -> tuple[Change, ...]:
    """Write ``PREFIX.h``, ``PREFIX.c`` and ``main.c``; the first two need ``<stdint.h>`` alone.

    ``prefix`` begins every name that other files see. ``samples`` (T, B, N_in), float, are what
    ``main.c`` checks; None takes random ones. Returns the changes that were made: there are none.

    Raises:
        InvalidValueError: for a prefix that is no name in C, a folder that is not empty, or
            integers beyond 64 bits.
        ShapeError: for samples that do not fit the network.
        OSError: if the parent folder does not exist or cannot be written.
    """
    require_type("network to write as C", network, FixedNetwork)
    require_type("prefix", prefix, str)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,30}", prefix) or prefix in OWN_NAMES:
        raise InvalidValueError(
            "prefix", shown(prefix), "a letter, then up to 30 letters, digits, underscores",
            "C has words of its own, and main.c is the test program",
        )  # fmt: skip
    conversion = Conversion("c-out", allow)
    meet_features(network, conversion)
    require_output_folder(folder)
    given = random_samples(network) if samples is None else samples
    x = check_samples(given, network.input.size, network.input.graded)
    plan = make_plan(network, prefix)
    texts = print_sources(plan)
    files = {
        f"{prefix}.h": texts.header,
        f"{prefix}.c": texts.source,
        "main.c": print_check(plan, x),
    }
    write_files(folder, {name: text.encode("ascii") for name, text in files.items()})
    return tuple(conversion.changes)
