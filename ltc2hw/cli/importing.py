"""``ltc2hw import``: a network of another tool."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from ltc2hw.cli.common import check_output
from ltc2hw.cli.console import Console
from ltc2hw.cli.counts import image, positive
from ltc2hw.cli.foreign import (
    READERS,
    add_steps,
    foreign_format,
    holds_samples,
    read_foreign_network,
    steps_options,
)
from ltc2hw.cli.verb import Verb
from ltc2hw.cli.wording import on_command_line
from ltc2hw.errors import InvalidValueError
from ltc2hw.files.bundle import save
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.numbers.words import Word


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb; options that a format lacks are refused."""
    parser.add_argument("file", type=Path, metavar="FILE", help="NIR, netx, or sFPTT's state dict")
    parser.add_argument(
        "--from", dest="format", choices=tuple(READERS), help="by default, what the file looks like"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="NETWORK")
    add_steps(parser)
    parser.add_argument(
        "--input", choices=("spikes", "graded"), help="nir, sfptt: what samples are"
    )
    parser.add_argument(
        "--input-bits", type=positive, metavar="N", help="netx: samples are N-bit integers >= 0"
    )
    parser.add_argument(
        "--input-shape",
        type=image,
        metavar="CxHxW",
        help="netx: channels, height and width of samples, where a convolution comes first",
    )
    parser.add_argument("--target", metavar="NAME", help="netx: loihi2 or loihi1")
    parser.add_argument("--input-size", type=positive, metavar="N", help="sfptt")
    parser.add_argument(
        "--batch-norm-step", type=int, metavar="T", help="sfptt: the step whose statistics hold"
    )
    parser.add_argument(
        "--allow", action="append", metavar="CHANGE", help="a change that may be made; repeatable"
    )


def run(arguments: argparse.Namespace, console: Console) -> bool:
    """Import and save."""
    check_output(arguments.out)
    if arguments.format is None and holds_samples(arguments.file):
        remedy = "ltc2hw data looks at data; they need no import"
        raise InvalidValueError(
            str(arguments.file), "a file of data", "a network of another tool", remedy
        )
    chosen = arguments.format or foreign_format(arguments.file)
    if chosen is None:
        limit = f"one of {', '.join(READERS)}"
        raise InvalidValueError(f"format of {arguments.file}", "unknown", limit, "say --from")
    options = {
        "input_word": arguments.input_bits and Word(arguments.input_bits, signed=False),
        "input_shape": arguments.input_shape,
        "target": arguments.target,
        "input_size": arguments.input_size,
        "batch_norm_step": arguments.batch_norm_step,
        "allow": arguments.allow,
    }
    given = {name: value for name, value in options.items() if value is not None}
    given |= steps_options(arguments)
    network = read_foreign_network(arguments.file, chosen, given)
    save(network, arguments.out)
    if "changes" in network.provenance:
        console.line(f"changed: {network.provenance['changes']}")
    if arguments.reset is None and "reset" in network.provenance:
        console.line(f"reset: {on_command_line(network.provenance['reset'])}")
    kind = "integer" if isinstance(network, FixedNetwork) else "float"
    names = ", ".join(
        f"{population.name} ({population.size})" for population in network.populations
    )
    console.line(f"{chosen}: {names}")
    console.line(f"{kind} network: {arguments.out}")
    for line in following(network, arguments.out):
        console.line(line)
    return True


def following(network: Network | FixedNetwork, path: Path) -> tuple[str, ...]:
    """What can be done next with a network of another tool, as commands.

    >>> from ltc2hw.graph.network import Input
    >>> from ltc2hw.graph.neurons import Neurons
    >>> network = Network((Input("input", 1), Neurons("out", 1, "lif")), (), "out")
    >>> following(network, Path("model.h5"))[0]
    'next: ltc2hw quantize model.h5 --target loihi2 --task DATA --out fixed.h5'
    """
    name = shlex.quote(str(path))
    if isinstance(network, FixedNetwork):
        return (f"next: ltc2hw simulate {name} --task DATA",)
    return (
        f"next: ltc2hw quantize {name} --target loihi2 --task DATA --out fixed.h5",
        f"  or: ltc2hw train DATA --start {name} --out trained.h5",
    )


IMPORT = Verb("read a network of another tool", add_arguments, run)
