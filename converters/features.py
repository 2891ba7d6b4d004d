"""Which format keeps which feature: one table that the converters obey and the docs are made of.

A row is a feature, a column a format in one direction. A cell says that the feature is kept
exactly, kept after a change that the user must allow by name, or refused, and what then to do.
A column that a row does not mention has no such feature. ``docs/formats.md`` is generated from
this table, and a test tries every cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Literal

Column = Literal[
    "norse-in", "norse-out", "nir-in", "nir-out", "netx-in", "netx-out", "sfptt-in", "lava-out"
]

COLUMNS: Mapping[Column, str] = {
    "norse-in": "Norse import",
    "norse-out": "Norse export",
    "nir-in": "NIR import",
    "nir-out": "NIR export",
    "netx-in": "lava-dl import",
    "netx-out": "netx export",
    "sfptt-in": "sFPTT import",
    "lava-out": "Lava export",
}
"""What each column is called in errors and documents."""


class Status(str, Enum):
    """What happens to a feature."""

    EXACT = "exact"
    CHANGED = "exact after an allowed change"
    REFUSED = "refused"


@dataclass(frozen=True)
class Cell:
    """Fate of a feature: ``text`` is how it is kept, what the change does, or the remedy."""

    status: Status
    text: str = ""
    change: str = ""


def exact(text: str = "") -> Cell:
    """Kept; the text says how, where that is worth knowing."""
    return Cell(Status.EXACT, text)


def changed(change: str, text: str) -> Cell:
    """Kept once the user allows the named change; the text says what it does."""
    return Cell(Status.CHANGED, text, change)


def refused(remedy: str) -> Cell:
    """Not kept; the text says what to do instead."""
    return Cell(Status.REFUSED, remedy)


Row = Mapping[Column, Cell]


def row(title: str, cells: Row) -> tuple[str, Row]:
    """A feature's title and its cells."""
    return title, cells


ROWS: Mapping[str, tuple[str, Row]] = {
    "spiking-input": row(
        "spiking input",
        {"norse-out": exact(), "norse-in": exact(), "netx-in": exact(), "netx-out": exact()},
    ),
    "graded-input": row(
        "graded input",
        {
            "norse-out": exact(),
            "norse-in": exact("`graded_input=True`"),
            "netx-in": exact("`input_word` names its word, as netx's `input_message_bits`"),
            "netx-out": exact("pass `input_message_bits` to `netx.hdf5.Network`"),
        },
    ),
    "lif": row(
        "LIF with a synaptic current",
        {
            "norse-out": exact(),
            "norse-in": exact(),
            "netx-in": exact("CUBA"),
            "netx-out": exact("CUBA"),
        },
    ),
    "lif-box": row(
        "LIF without a synaptic current",
        {"norse-out": exact(), "norse-in": exact("LIF whose current decays at once")},
    ),
    "if": row(
        "integrate-and-fire without leak",
        {"norse-out": exact(), "norse-in": exact("LIF whose membrane decay is 0")},
    ),
    "alif": row(
        "adaptive threshold (ALIF, LSNN, ASRNN)",
        {
            "norse-out": exact(
                "LTC neurons with static gates one step behind what reaches them, as in Norse"
            ),
            "norse-in": exact("static LTC neurons behind a synapse of their own"),
            "netx-in": refused("netx's own loader fails on ALIF; train CUBA blocks"),
        },
    ),
    "ltc": row(
        "LTC neurons, any gate",
        {
            "norse-out": refused("Norse has no such neuron; export to nir or lava"),
            "netx-out": refused("netx holds CUBA neurons alone; export to lava"),
        },
    ),
    "readout": row(
        "leaky integrator readout",
        {
            "norse-out": exact("LI whose current decays at once"),
            "norse-in": exact("LIBoxCell"),
            "netx-out": refused("netx answers spikes alone; export to lava, or read LIF spikes"),
        },
    ),
    "li-current": row(
        "leaky integrator with a synaptic current", {"norse-in": exact("two readouts in a row")}
    ),
    "integrator": row(
        "integrators that never leak, without spikes",
        {
            "norse-out": refused("Norse divides by the decay; use gates strictly between 0 and 1"),
            "norse-in": refused("give it a leak"),
        },
    ),
    "gated-readout": row(
        "leaky integrator with gates that move",
        {"norse-out": refused("Norse has no such neuron; export to nir or lava")},
    ),
    "no-leak-with-current": row(
        "synaptic current into a membrane without leak",
        {
            "norse-out": refused(
                "Norse scales the current by the leak; use a membrane decay above 0"
            )
        },
    ),
    "if-recurrent": row(
        "recurrent integrate-and-fire",
        {"norse-out": refused("Norse has none; use a membrane decay above 0")},
    ),
    "own-constants": row(
        "a resting potential, or an adaptive threshold, of its own per neuron",
        {
            "norse-out": refused(
                "Norse's initial state takes one number for all neurons; use equal ones"
            )
        },
    ),
    "voltage-output": row(
        "output that is a voltage (slayer's Affine)",
        {"netx-in": refused("its threshold needs 18 bits, Loihi has 17; end with a Dense block")},
    ),
    "sigma-delta": row(
        "sigma-delta neurons",
        {"netx-in": refused("there is no such population; train CUBA blocks")},
    ),
    "resonate-and-fire": row(
        "resonate-and-fire neurons, complex weights",
        {"netx-in": refused("there is no such population; train CUBA blocks")},
    ),
    "membrane-bias": row(
        "bias on the membrane",
        {"netx-in": exact(), "netx-out": exact()},
    ),
    "bias-behind-skew": row(
        "bias or negative threshold behind a hop without delay",
        {
            "netx-out": refused(
                "lava-dl's layers start one after another, and the bias would act in between;"
                " use delay 1 between layers"
            )
        },
    ),
    "initial-membrane": row(
        "neurons that start elsewhere than at their reset potential",
        {
            "norse-out": changed(
                "initial-membrane", "the membrane starts where its bias holds it, not at 0"
            ),
            "norse-in": changed(
                "initial-membrane",
                "the membrane starts at the reset potential (0 for LI), not at rest",
            ),
        },
    ),
    "soft-reset": row(
        "reset by subtraction",
        {"norse-in": refused("membranes are set to a value here; train with reset_value")},
    ),
    "step-too-long": row(
        "a decay of more than everything per step",
        {"norse-in": refused("dt exceeds a time constant; use a smaller dt")},
    ),
    "recurrence": row(
        "recurrence within a population",
        {
            "norse-out": exact("with delay 1 (adaptive neurons without synapse: 2)"),
            "norse-in": exact(),
            "netx-in": exact(),
            "netx-out": exact("with delay 1"),
        },
    ),
    "topology": row(
        "branches, skips, feedback through several populations",
        {
            "norse-out": refused(
                "a SequentialState is a chain that ends in the output; export to nir"
            ),
            "norse-in": refused(
                "RecurrentSequential adds whole answers to its input; use recurrent layers"
            ),
            "netx-in": refused("netx's own loader has no concat; use a chain of Dense blocks"),
            "netx-out": refused("a netx file is a chain that ends in the output; export to lava"),
        },
    ),
    "delay": row(
        "delays",
        {
            "norse-out": refused("Norse has no delays; export to nir"),
            "netx-in": exact(),
            "netx-out": exact(),
        },
    ),
    "delay-with-bias": row(
        "delays of neurons with a bias",
        {
            "netx-in": refused("slayer delays the answer, netx the input; drop one of the two"),
            "netx-out": refused("slayer delays the answer, netx the input; drop one of the two"),
        },
    ),
    "delay-recurrent": row(
        "delays of recurrent layers",
        {
            "netx-in": refused("netx gives the recurrent synapses the input's delays; drop them"),
            "netx-out": refused(
                "netx has one step of recurrent delay and no other; export to lava"
            ),
        },
    ),
    "delay-long": row(
        "delays beyond 62 steps",
        {
            "netx-in": refused("netx cuts them off, slayer does not; shorten them"),
            "netx-out": refused("netx cuts them off; shorten them or insert a relay population"),
        },
    ),
    "two-delays": row(
        "two delays between the same two neurons",
        {"netx-out": refused("netx has one delay per synapse; insert a relay population")},
    ),
    "weight-range": row(
        "weights or biases outside netx's words",
        {
            "netx-in": refused("netx would clip them to even numbers in [-256, 254]; clip them"),
            "netx-out": changed(
                "rescale",
                "states, weights, thresholds and biases are shifted right until weights are even"
                " numbers in [-256, 254] and biases multiples of 64",
            ),
        },
    ),
    "inhibitory-limit": row(
        "weight -256 in a matrix without positive weights",
        {
            "netx-in": refused("Lava would clip it to -255; use -254"),
            "netx-out": refused("Lava would clip it to -255; use -254"),
        },
    ),
    "zero-weights": row(
        "a population whose weights are all zero",
        {"netx-out": refused("netx's own loader fails on it; leave the population out")},
    ),
    "no-current-decay": row(
        "current that never decays",
        {"netx-in": refused("Lava's current decays by at least 1/4096; train with decay > 0")},
    ),
    "graded-spikes": row(
        "spikes with a payload",
        {"netx-in": refused("netx itself drops the payload; train with graded_spike=False")},
    ),
    "refractory": row(
        "refractory period",
        {
            "norse-in": refused("there is no such population; use LIF without refractory period"),
            "netx-in": refused("Lava's LIF has none; train with a refractory delay of 1"),
        },
    ),
    "norm-scale": row(
        "normalization that scales the current (slayer's WgtScaleBatchNorm)",
        {"netx-in": refused("netx ignores what slayer computes; train with MeanOnlyBatchNorm")},
    ),
    "input-neuron": row(
        "neurons in the input layer",
        {
            "netx-in": refused(
                "slayer drives their current, netx their bias; encode samples outside the network"
            )
        },
    ),
    "linear": row(
        "linear layers, with bias",
        {
            "norse-in": exact(
                "a bias before a synaptic current is sent by a neuron that fires at every step"
            )
        },
    ),
    "convolution": row(
        "convolution",
        {"norse-in": exact("sparse weights"), "netx-in": refused("train with Dense blocks")},
    ),
    "flatten": row("flattening", {"norse-in": exact()}),
    "sum-pooling": row(
        "average and sum pooling",
        {
            "norse-in": exact("sparse weights"),
            "netx-in": refused("netx's own loader has none; train with Dense blocks"),
        },
    ),
    "max-pooling": row(
        "maximum pooling",
        {"norse-in": refused("a maximum is not linear; train with average or sum pooling")},
    ),
    "batch-norm": row(
        "batch normalization after training", {"norse-in": exact("folded into the weights")}
    ),
    "padding": row(
        "padding other than with zeros, rounding up, other divisors",
        {"norse-in": refused("pad with explicit numbers of zeros")},
    ),
    "training-mode": row(
        "dropout or batch normalization in training",
        {"norse-in": refused("call module.eval(), and put batch normalization into Lift")},
    ),
    "other-words": row(
        "LIF words other than Lava's (24-bit state, 12-bit decays, alignment 6)",
        {"netx-out": refused("quantize for loihi1 or loihi2")},
    ),
    "other-node": row(
        "any other layer, neuron or entry",
        {
            "norse-in": refused(
                "use LIF, LIFBox, IAF, LSNN, LI, Linear, Conv2d, pooling, Flatten, BatchNorm"
            ),
            "netx-in": refused("use Dense and Recurrent blocks of CUBA neurons"),
        },
    ),
}
"""Title and cells of every feature."""

FEATURES: Mapping[str, str] = {name: title for name, (title, _) in ROWS.items()}

TABLE: Mapping[str, Row] = {name: cells for name, (_, cells) in ROWS.items()}


def changes_of(column: Column) -> tuple[str, ...]:
    """Names of the changes that the user may allow in a column.

    >>> changes_of("netx-out")
    ("rescale",)
    """
    names = {cells[column].change for cells in TABLE.values() if column in cells}
    return tuple(sorted(names - {""}))
