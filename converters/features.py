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
    "norse-in",
    "norse-out",
    "nir-in",
    "nir-out",
    "netx-in",
    "netx-out",
    "sfptt-in",
    "lava-out",
    "c-out",
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
    "c-out": "C export",
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


@dataclass(frozen=True)
class Feature:
    """A row: its name in errors and documents, and its cells."""

    title: str
    cells: Mapping[Column, Cell]


FEATURES: Mapping[str, Feature] = {
    # Inputs and outputs
    "spiking-input": Feature(
        "spiking input",
        {
            "norse-in": exact(),
            "norse-out": exact(),
            "nir-in": exact(),
            "nir-out": exact(),
            "netx-in": exact(),
            "netx-out": exact(),
            "sfptt-in": exact("`graded_input=False`"),
            "lava-out": exact(),
            "c-out": exact(),
        },
    ),
    "graded-input": Feature(
        "graded input",
        {
            "norse-in": exact("`graded_input=True`"),
            "norse-out": exact(),
            "nir-in": exact("`graded_input=True`"),
            "nir-out": exact("noted in the metadata"),
            "netx-in": exact("`input_word` names its word, as netx's `input_message_bits`"),
            "netx-out": exact("pass `input_message_bits` to `netx.hdf5.Network`"),
            "sfptt-in": exact(),
            "lava-out": exact(),
            "c-out": exact("encoded by the caller; the header says how"),
        },
    ),
    "several-ends": Feature(
        "several inputs or outputs, or none",
        {"nir-in": refused("join them into one input and one output node")},
    ),
    "input-neuron": Feature(
        "neurons in the input layer",
        {
            "netx-in": refused(
                "slayer drives their current, netx their bias; encode samples outside the network"
            )
        },
    ),
    "voltage-output": Feature(
        "output that is a voltage (slayer's Affine)",
        {"netx-in": refused("its threshold needs 18 bits, Loihi has 17; end with a Dense block")},
    ),
    # Neurons
    "lif": Feature(
        "LIF with a synaptic current",
        {
            "norse-in": exact(),
            "norse-out": exact(),
            "nir-in": exact("CubaLIF"),
            "nir-out": exact("CubaLIF"),
            "netx-in": exact("CUBA"),
            "netx-out": exact("CUBA"),
            "lava-out": exact("Lava's own LIF where it computes the same, else a process of ours"),
            "c-out": exact(),
        },
    ),
    "lif-box": Feature(
        "LIF without a synaptic current",
        {
            "norse-in": exact("a current that decays at once"),
            "norse-out": exact("a current that decays at once"),
            "nir-in": exact("LIF"),
            "nir-out": exact("LIF"),
        },
    ),
    "if": Feature(
        "integrate-and-fire without leak",
        {
            "norse-in": exact("membrane decay 0"),
            "norse-out": exact("IAF"),
            "nir-in": exact("IF"),
            "nir-out": exact("IF; a bias goes into an Affine node before it"),
        },
    ),
    "if-recurrent": Feature(
        "recurrent integrate-and-fire",
        {"norse-out": refused("Norse has none; use a membrane decay above 0")},
    ),
    "no-leak-with-current": Feature(
        "synaptic current into a membrane without leak",
        {
            "norse-out": refused("Norse scales the current by the leak; use a decay above 0"),
            "nir-out": refused("its time constant would be infinite; use a decay above 0"),
        },
    ),
    "no-current-decay": Feature(
        "current that never decays",
        {
            "nir-out": refused("its time constant would be infinite; use a decay above 0"),
            "netx-in": refused("Lava's current decays by at least 1/4096; train with decay > 0"),
        },
    ),
    "threshold": Feature(
        "thresholds without memory",
        {"nir-in": exact("LIF that forgets everything at every step")},
    ),
    "alif": Feature(
        "adaptive threshold (ALIF, LSNN, ASRNN)",
        {
            "norse-in": exact("the model `alif`, whose membranes count from the resting potential"),
            "norse-out": exact("`alif`, or LTC with static gates, one step late as Norse's LSNN"),
            "netx-in": refused("netx's own loader fails on ALIF; train CUBA blocks"),
            "sfptt-in": exact("`tau_m` and `tau_adp` are static gates"),
        },
    ),
    "ltc": Feature(
        "LTC neurons, any gate",
        {
            "norse-out": refused("Norse has no such neuron; export to nir or lava"),
            "nir-in": exact("extension node `ltc2hw.LTC`"),
            "nir-out": exact("extension node `ltc2hw.LTC`, which other readers reject"),
            "netx-out": refused("netx holds CUBA neurons alone; export to lava"),
            "sfptt-in": exact("dense gates"),
            "lava-out": exact("a process of ours"),
            "c-out": exact(),
        },
    ),
    "readout": Feature(
        "leaky integrator",
        {
            "norse-in": exact("LIBoxCell"),
            "norse-out": exact("LI whose current decays at once"),
            "nir-in": exact("LI"),
            "nir-out": exact("LI"),
            "netx-out": refused("netx answers spikes alone; export to lava, or read LIF spikes"),
            "sfptt-in": exact(),
            "lava-out": exact("a process of ours, static and gated"),
            "c-out": exact("static and gated"),
        },
    ),
    "li-current": Feature(
        "leaky integrator with a synaptic current",
        {
            "norse-in": exact("two readouts in a row"),
            "nir-in": exact("CubaLI: two readouts in a row"),
        },
    ),
    "gated-readout": Feature(
        "leaky integrator with a gate that moves",
        {
            "norse-out": refused("Norse has no such neuron; export to nir or lava"),
            "nir-in": exact("extension node `ltc2hw.GatedLI`"),
            "nir-out": exact("extension node `ltc2hw.GatedLI`, which other readers reject"),
            "sfptt-in": exact(),
        },
    ),
    "integrator": Feature(
        "integrators that never leak",
        {
            "norse-in": refused("there is no such readout; give it a leak"),
            "norse-out": refused("Norse divides by the decay; use gates strictly inside 0 to 1"),
            "nir-in": refused("there is no such readout; give it a leak"),
            "nir-out": refused("its time constant would be infinite; open its gate"),
        },
    ),
    "sigma-delta": Feature(
        "sigma-delta neurons",
        {"netx-in": refused("there is no such population; train CUBA blocks")},
    ),
    "resonate-and-fire": Feature(
        "resonate-and-fire neurons, complex weights",
        {"netx-in": refused("there is no such population; train CUBA blocks")},
    ),
    "graded-spikes": Feature(
        "spikes with a payload",
        {"netx-in": refused("netx itself drops the payload; train with graded_spike=False")},
    ),
    "refractory": Feature(
        "refractory period",
        {
            "norse-in": refused("there is no such population; use LIF"),
            "netx-in": refused("Lava's LIF has none; train with a refractory delay of 1"),
        },
    ),
    "soft-reset": Feature(
        "reset by subtraction",
        {
            "norse-in": refused("membranes are set to a value here; train with reset_value"),
            "nir-in": exact(
                'where `reset="subtract"` or `"subtract-delayed"` says so: the models `if_subtract`'
                " and `if_subtract_delayed`"
            ),
            "nir-out": exact(
                'as LIF, CubaLIF or IF with `nir_version="1.0.4"`, whose neurons have no'
                " `v_reset`; else as `ltc2hw.Neurons`"
            ),
        },
    ),
    "no-reset-potential": Feature(
        "a reset potential in files for nir below 1.0.6 (`nir_version`)",
        {
            "nir-out": changed(
                "no-reset-potential",
                "v_reset, which is 0, is left out; nir 1.0.4 takes that for a reset by subtraction",
            )
        },
    ),
    # Constants of neurons
    "membrane-bias": Feature(
        "bias on the membrane",
        {
            "norse-out": exact("without synaptic current, as the bias of a linear layer"),
            "nir-out": exact("`v_leak`; NIR does not say where membranes start, ours at reset"),
            "netx-in": exact(),
            "netx-out": exact(),
            "lava-out": exact(),
            "c-out": exact(),
        },
    ),
    "initial-membrane": Feature(
        "neurons that start elsewhere than at their reset potential",
        {
            "norse-in": changed(
                "initial-membrane",
                "membranes start at the reset potential (0 for LI), not at the leak's",
            ),
            "norse-out": changed(
                "initial-membrane", "membranes start where their bias holds them, not at 0"
            ),
        },
    ),
    "initial-state": Feature(
        "random initial membranes, adaptation that starts at 0.1",
        {
            "sfptt-in": changed(
                "initial-state",
                "states start at 0; continue from `initial_state` to start as the authors do",
            )
        },
    ),
    "own-constants": Feature(
        "a resting potential, or adaptive threshold, of its own per neuron",
        {"norse-out": refused("Norse's initial state takes one number for all; use equal ones")},
    ),
    "step-too-long": Feature(
        "a decay of more than everything per step",
        {
            "norse-in": refused("dt exceeds a time constant; use a smaller dt"),
            "nir-in": refused("dt exceeds a time constant; use a smaller dt, or exact decays"),
        },
    ),
    "infinite-tau": Feature(
        "a time constant that is infinite, and so is what divided by it scales the input",
        {
            "nir-in": changed(
                "infinite-tau", "the quotient is taken as 1 / dt: the neuron integrates and fires"
            )
        },
    ),
    "frozen": Feature(
        "a time constant that is infinite alone, so that nothing reaches the neuron",
        {"nir-in": refused("write an IF node, whose r is R / τ, or a finite time constant")},
    ),
    "infinite-threshold": Feature(
        "thresholds that are infinite",
        {"nir-in": refused("such neurons never spike; leave them out, or read LI or CubaLI")},
    ),
    "slow-decay": Feature(
        "time constants of more than 4096 steps",
        {
            "nir-in": changed(
                "slow-decay",
                "they are kept, but chips' decays have 12 bits; is dt in the file's unit of time?",
            )
        },
    ),
    "silent-neurons": Feature(
        "neurons whose weights cannot reach their threshold",
        {
            "nir-in": changed(
                "silent-neurons",
                "they are kept, and never spike; is dt in the file's unit of time?",
            )
        },
    ),
    "overflow": Feature(
        "constants that overflow when a tiny decay divides them",
        {
            "norse-out": refused("use decays well above 1e-300, or 0 where that is possible"),
            "nir-out": refused("use decays well above 1e-300, or 0 where that is possible"),
        },
    ),
    "bias-alone": Feature(
        "bias of integrate-and-fire neurons that nothing reaches",
        {"nir-out": refused("NIR keeps it in an Affine node; connect something, or give a leak")},
    ),
    "bias-behind-skew": Feature(
        "bias or negative threshold behind a hop without delay",
        {
            "netx-out": refused(
                "lava-dl's layers start one after another, and the bias would act in between;"
                " use delay 1 between layers"
            )
        },
    ),
    "integers": Feature(
        "integer networks",
        {"nir-out": changed("dequantize", "integers become the real numbers that they stand for")},
    ),
    "other-words": Feature(
        "words other than Lava's",
        {
            "netx-out": refused("quantize for loihi1 or loihi2"),
            "lava-out": refused("quantize for loihi1 or loihi2"),
        },
    ),
    # Connections
    "linear": Feature(
        "linear layers, with or without bias",
        {
            "norse-in": exact("a bias before a synaptic current comes from a clock neuron"),
            "nir-in": exact("a bias before a synaptic current comes from a clock neuron"),
            "sfptt-in": exact(),
        },
    ),
    "recurrence": Feature(
        "recurrence within a population",
        {
            "norse-in": exact(),
            "norse-out": exact("with delay 1 (static LTC neurons without synapse: 2)"),
            "nir-in": exact("a cycle takes one step"),
            "nir-out": exact(),
            "netx-in": exact(),
            "netx-out": exact("with delay 1"),
            "sfptt-in": exact(),
            "lava-out": exact(),
            "c-out": exact(),
        },
    ),
    "topology": Feature(
        "branches, skips, feedback through several populations",
        {
            "norse-in": refused("RecurrentSequential adds answers to inputs; use recurrent layers"),
            "norse-out": refused("SequentialState is a chain that ends in its output; use nir"),
            "nir-in": exact(),
            "nir-out": exact(),
            "netx-in": refused("netx's own loader has no concat; use a chain of Dense blocks"),
            "netx-out": refused("a netx file is a chain that ends in its output; export to lava"),
            "sfptt-in": exact("the second layer's recurrence comes from the first, as in the code"),
            "lava-out": exact("cycles of k hops within a step take k chip steps"),
            "c-out": exact(),
        },
    ),
    "clock-neuron": Feature(
        "a neuron that receives nothing, as one that sends a bias before a synaptic current",
        {
            "netx-out": refused(
                "a netx file is a chain, whose biases act on membranes; train without this bias,"
                " or export to lava"
            )
        },
    ),
    "loop-without-neuron": Feature(
        "cycles without a neuron",
        {"nir-in": refused("put a neuron into the cycle")},
    ),
    "duplicate-edges": Feature(
        "an edge that is given twice",
        {"nir-in": changed("duplicate-edges", "it counts once, as edges of a graph do")},
    ),
    "delay": Feature(
        "delays",
        {
            "norse-out": refused("Norse has no delays; export to nir"),
            "nir-in": exact("added to the step that a cycle takes"),
            "nir-out": exact("Delay"),
            "netx-in": exact(),
            "netx-out": exact(),
            "lava-out": exact("up to what 62 chip steps hold"),
            "c-out": exact("rings of messages in the state"),
        },
    ),
    "fractional-delay": Feature(
        "delays that are no whole number of steps",
        {"nir-in": changed("round-delay", "rounded to the nearest step")},
    ),
    "delay-with-bias": Feature(
        "delays of neurons with a bias",
        {
            "netx-in": refused("slayer delays the answer, netx the input; drop one of the two"),
            "netx-out": refused("slayer delays the answer, netx the input; drop one of the two"),
        },
    ),
    "delay-recurrent": Feature(
        "delays of recurrent layers",
        {
            "netx-in": refused("netx gives the recurrent synapses the input's delays; drop them"),
            "netx-out": refused("netx has one step of recurrent delay and no other; use lava"),
        },
    ),
    "delay-long": Feature(
        "delays beyond 62 steps",
        {
            "netx-in": refused("netx cuts them off, slayer does not; shorten them"),
            "netx-out": refused("netx cuts them off; shorten them or insert a relay population"),
            "lava-out": refused("Lava's connections delay by 62 chip steps; shorten them"),
        },
    ),
    "two-delays": Feature(
        "two delays between the same two neurons",
        {"netx-out": refused("netx has one delay per synapse; insert a relay population")},
    ),
    "weight-range": Feature(
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
    "inhibitory-limit": Feature(
        "weight -256 in a matrix without positive weights",
        {
            "netx-in": refused("Lava would clip it to -255; use -254"),
            "netx-out": refused("Lava would clip it to -255; use -254"),
        },
    ),
    "zero-weights": Feature(
        "a population whose weights are all zero",
        {"netx-out": refused("netx's own loader fails on it; leave the population out")},
    ),
    # Layers without state
    "convolution": Feature(
        "convolution in two dimensions",
        {
            "norse-in": exact("one kernel"),
            "norse-out": exact("`Conv2d` between rows of numbers; a recurrent one is a matrix"),
            "nir-in": exact("one kernel, with the pooling before and after it"),
            "nir-out": exact("Conv2d; where paddings differ, zeros lengthen the kernel"),
            "netx-in": exact("one kernel"),
            "netx-out": exact("a layer `conv`, and `flatten` before a dense one"),
            "lava-out": exact("Lava's own `Conv`"),
            "c-out": exact("the kernel, and loops that find the places"),
            "sfptt-in": refused("import the fully connected models"),
        },
    ),
    "convolution-1d": Feature(
        "convolution in one dimension",
        {
            "norse-in": exact("one kernel"),
            "norse-out": exact("`Conv1d` between rows of numbers; a recurrent one is a matrix"),
            "nir-in": exact("one kernel"),
            "nir-out": exact("Conv1d; where paddings differ, zeros lengthen the kernel"),
            "netx-out": exact("as images of height 1"),
            "lava-out": exact("Lava's own `Conv`, as images of height 1"),
            "c-out": exact("the kernel, and loops that find the places"),
        },
    ),
    "convolution-other": Feature(
        "convolution with a delay, recurrence, uneven padding, a second projection beside it or"
        " constants that differ within a channel",
        {
            "netx-in": refused("netx drops the delay of a Conv block; train without"),
            "netx-out": changed("unroll", "it is written out as a dense layer, weight by weight"),
        },
    ),
    "gate-convolution": Feature(
        "convolution to a gate, or of another variable than spikes",
        {
            "nir-in": exact("extension node `ltc2hw.Convolution`"),
            "nir-out": exact("extension node `ltc2hw.Convolution`, which other readers reject"),
        },
    ),
    "sum-pooling": Feature(
        "average and sum pooling",
        {
            "norse-in": exact("a kernel of equal weights, folded into a convolution beside it"),
            "nir-in": exact("a kernel of equal weights, folded into a convolution beside it"),
            "nir-out": exact(
                "SumPool2d, also before what it was folded into, or AvgPool2d; scaled alone, Conv2d"
            ),
            "netx-in": refused("netx's own loader has none; train with Dense blocks"),
        },
    ),
    "max-pooling": Feature(
        "maximum pooling",
        {
            "norse-in": refused(
                "a maximum is not linear; train with a stride, or with average or sum pooling"
            )
        },
    ),
    "padding": Feature(
        "padding with something else than zeros, `same` of a stride, other divisors",
        {
            "norse-in": refused("pad with zeros; leave ceil_mode and divisors alone"),
            "nir-in": refused(
                "give the numbers of zeros, or `same` with a stride of 1, or `valid`"
            ),
        },
    ),
    "flatten": Feature(
        "flattening",
        {"norse-in": exact(), "nir-in": exact()},
    ),
    "batch-norm": Feature(
        "batch normalization after training",
        {
            "norse-in": exact("folded into the weights"),
            "sfptt-in": exact("folded into the weights"),
        },
    ),
    "batch-norm-per-step": Feature(
        "batch normalization with statistics of its own at every step",
        {
            "sfptt-in": changed(
                "batch-norm-step", "the statistics of step `batch_norm_step` hold at every step"
            )
        },
    ),
    "norm-scale": Feature(
        "normalization that scales the current (slayer's WgtScaleBatchNorm)",
        {"netx-in": refused("netx ignores what slayer computes; train with MeanOnlyBatchNorm")},
    ),
    "training-mode": Feature(
        "dropout or batch normalization in training",
        {
            "norse-in": refused("call module.eval(), and put batch normalization into Lift"),
            "netx-in": refused("call module.eval()"),
        },
    ),
    "changed-module": Feature(
        "a module that computes something else than its type says (hooks, replaced methods, ...)",
        {
            "norse-in": refused("remove what was added to it; use torch's and Norse's own layers"),
            "netx-in": refused("remove what was added to it; use slayer's own blocks"),
        },
    ),
    "per-step": Feature(
        "cells that are called step by step",
        {"norse-in": exact("`SequentialState` of cells: samples (B, ...) at every call")},
    ),
    "mixed-time": Feature(
        "layers over time beside layers that take one step",
        {"norse-in": refused("put the latter into Lift, or use cells alone")},
    ),
    "lost-state": Feature(
        "states that reach the next layer, or nobody",
        {"norse-in": refused("use SequentialState; after Lift of a cell, Lift of a plain layer")},
    ),
    "gate-slope": Feature(
        "a slope of the gates' sigmoid",
        {"sfptt-in": exact("folded into the gates' weights")},
    ),
    "gate-identity": Feature(
        "gates without sigmoid (slope 0)",
        {"sfptt-in": refused("a gate outside 0 to 1 has no meaning here; train with a slope")},
    ),
    "other-model": Feature(
        "neurons of a model that the format does not have",
        {
            "norse-out": refused("use lif, alif, readout, or ltc with static gates"),
            "nir-in": exact("from `ltc2hw.Neurons`"),
            "nir-out": exact("`ltc2hw.Neurons`, which holds the model's program"),
            "netx-out": refused("netx holds CUBA neurons; use lif, or export to lava"),
            "lava-out": exact("a process that interprets the model's program"),
            "c-out": exact("printed from the model's program, as every other"),
        },
    ),
    "no-node": Feature(
        "something that is no node of NIR",
        {"nir-in": refused("the tool that made the graph does not know a module; replace that")},
    ),
    "other-node": Feature(
        "a layer, node, neuron or entry that is not known here",
        {
            "norse-in": refused(
                "use LIF, LIFBox, IAF, LSNN, LI, Linear, Conv2d, pooling, Flatten, BatchNorm"
            ),
            "nir-in": refused("use NIR's own nodes of release 1.0.8, or ours"),
            "netx-in": refused("use Dense and Recurrent blocks of CUBA neurons"),
            "sfptt-in": refused("name the entries as the authors' S-MNIST and Add task models do"),
        },
    ),
}


def cell_of(column: Column, feature: str) -> Cell | None:
    """The cell of a feature in a column, or None where the column has no such feature."""
    return FEATURES[feature].cells.get(column)


def changes_of(column: Column) -> tuple[str, ...]:
    """Names of the changes that the user may allow in a column.

    >>> changes_of("netx-out")
    ('rescale', 'unroll')
    """
    cells = [feature.cells[column] for feature in FEATURES.values() if column in feature.cells]
    return tuple(sorted({cell.change for cell in cells if cell.change}))
