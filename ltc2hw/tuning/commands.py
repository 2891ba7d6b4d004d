"""Commands that do by hand what a remedy does."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from ltc2hw.quantization.scaling import QuantizeOptions


@dataclass(frozen=True)
class Names:
    """What files, target and task are called in a command."""

    model: str = "model.h5"
    target: str = "loihi2"
    task: str = "TASK"
    out: str = "fixed.h5"
    out_float: str = "float.h5"


def quantize_command(names: Names, options: QuantizeOptions, samples: int | None = None) -> str:
    """The command that quantizes with these options.

    >>> print(quantize_command(Names(), QuantizeOptions(weight_bits=4, scale={"input": -1})))
    ltc2hw quantize model.h5 --target loihi2 --task TASK --weight-bits 4 --scale input=-1 \
--out fixed.h5
    """
    words = ["quantize", names.model, "--target", names.target, "--task", names.task]
    words += flags(options)
    words += [] if samples is None else ["--samples", str(samples)]
    return spelled(*words, "--out", names.out)


def tune_command(names: Names, options: QuantizeOptions, remedy: str) -> str:
    """The command that tries one remedy alone, also one that changes the float network."""
    words = ["tune", names.model, "--target", names.target, "--task", names.task]
    words += [*flags(options), "--only", remedy]
    return spelled(*words, "--out", names.out)


def train_command(names: Names, options: QuantizeOptions) -> str:
    """The command that trains the network further, through its rounding."""
    words = ["train", names.task, "--start", names.model]
    words += [] if options.weight_bits is None else ["--weight-bits", str(options.weight_bits)]
    return spelled(*words, "--out", "trained.h5")


def flags(options: QuantizeOptions) -> Iterator[str]:
    """Options of quantization as they are typed."""
    if options.weight_bits is not None:
        yield from ("--weight-bits", str(options.weight_bits))
    if options.fine_states:
        yield "--fine-states"
    for name, bits in {**(options.projection_bits or {}), **options.bits}.items():
        yield from ("--bits", f"{name}={bits}")
    for name, by in options.scale.items():
        yield from ("--scale", f"{name}={by:+d}")
    if options.rounding != "nearest":
        yield from ("--rounding", options.rounding)
    for limit in options.allow:
        yield from ("--allow", limit)


def spelled(*words: str) -> str:
    """Words as a shell takes them.

    >>> spelled("quantize", "my net.h5")
    "ltc2hw quantize 'my net.h5'"
    """
    return " ".join(("ltc2hw", *map(shlex.quote, words)))
