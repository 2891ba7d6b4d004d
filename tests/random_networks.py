"""Random networks that nobody tuned, for comparing engines, converters and files.

Everything is drawn from one NumPy generator, so a seed names a network. Integer networks keep the
rules of ``loihi2`` (checked), and otherwise go to the ends of every word.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from ltc2hw.converters.populations import (
    LIF,
    LTC,
    Factor,
    FixedGate,
    FixedLIF,
    FixedLTC,
    FixedReadout,
    Gate,
    Readout,
)
from ltc2hw.graph.fixed import FixedInput, FixedNetwork, FixedPopulation, FixedProjection
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import FixedNeurons, Message
from ltc2hw.graph.structure import Port, Variable
from ltc2hw.graph.target import Target
from ltc2hw.numbers.nonlinearity import GateFunction, Nonlinearity, sigmoid_table
from ltc2hw.numbers.operators import Weights
from ltc2hw.numbers.weights import Dense, Sparse
from ltc2hw.numbers.words import FloatArray, IntArray, Word
from ltc2hw.quantization.rules import check_fixed, exponent_range, worst_arrivals
from ltc2hw.targets import load_target

GateKind = Literal["event", "dense", "static"]
Model = Literal["LTC", "LIF"]
GATE_KINDS: tuple[GateKind, ...] = get_args(GateKind)
STATE = Word(24)
Draft = tuple[str, Variable, str, Port, int]


def real(value: npt.ArrayLike) -> FloatArray:
    """A number as an array, for fields that repeat scalars."""
    return np.asarray(value, dtype=np.float64)


def dense(rows: npt.ArrayLike) -> Dense:
    """Weights from nested lists."""
    return Dense(np.asarray(rows, dtype=np.float64))


def random_samples(
    rng: np.random.Generator, network: Network | FixedNetwork, steps: int, batch: int
) -> FloatArray:
    """Samples (T, B, N_in) over the whole range of the input, now and then beyond it."""
    shape = (steps, batch, network.input.size)
    if not network.input.graded:
        return real(rng.random(shape) < rng.choice([0.05, 0.3, 0.9]))
    return real(rng.uniform(-1.5, 1.5, shape) * float(rng.choice([1.0, 4.0])))


def random_network(
    rng: np.random.Generator,
    *,
    gate: GateKind = "event",
    nonlinearity: Nonlinearity = "sigmoid",
    inputs: int = 5,
    hidden: tuple[int, ...] = (12,),
    outputs: int = 3,
    graded: bool = True,
    model: Model = "LTC",
) -> Network:
    """A float network of recurrent layers with weights that make it spike."""
    populations: list[Any] = [Input("input", inputs, graded)]
    drafts: list[Draft] = []
    previous: tuple[str, Variable] = ("input", "value" if graded else "spikes")
    for index, size in enumerate(hidden):
        name = f"hidden{index}"
        event = gate == "event" and model == "LTC"

        def make_gate(size: int = size, event: bool = event) -> Gate:
            own, current = rng.normal(0, 0.3, (2, size)) * event
            return Gate(rng.normal(0, 0.5, size), own, current, nonlinearity)

        if model == "LTC":
            bias = rng.normal(0, 0.1, size)
            populations.append(
                LTC(name, size, real(0.1), real(1.8), bias, make_gate(), make_gate())
            )
        else:
            decays = rng.uniform(0.05, 0.9, (2, size))
            bias = rng.normal(0, 0.05, size)
            populations.append(LIF(name, size, decays[0], decays[1], real(1.0), bias))
        drafts += [(*previous, name, "current", 0), (name, "spikes", name, "current", 1)]
        if model == "LTC":
            drafts += _gate_drafts(gate, previous, name)
        previous = (name, "spikes")
    populations.append(
        Readout(
            "readout", outputs, rng.normal(0, 0.1, outputs), Gate(-1.0, nonlinearity=nonlinearity)
        )
    )
    drafts.append((*previous, "readout", "current", 0))
    sizes = {p.name: p.size for p in populations}
    projections = []
    for source, variable, target, port, delay in drafts:
        fan_in = sizes[source]
        matrix = rng.normal(0, 1.0, (sizes[target], fan_in)) / np.sqrt(fan_in)
        projections.append(Projection(source, variable, target, port, Dense(matrix), delay))
    return Network(tuple(populations), tuple(projections), "readout", {"origin": "random"})


def _gate_drafts(gate: GateKind, previous: tuple[str, Variable], name: str) -> list[Draft]:
    drafts: list[Draft] = []
    states: tuple[tuple[Port, Variable], ...] = (("tau_mem", "membrane"), ("tau_adp", "adaptation"))
    for port, state in states:
        if gate == "event":
            drafts += [(*previous, name, port, 0), (name, "spikes", name, port, 1)]
        if gate == "dense":
            drafts += [(name, "current", name, port, 0), (name, state, name, port, 1)]
    return drafts


def random_fixed_network(
    rng: np.random.Generator,
    *,
    largest: int = 40,
    models: tuple[Model, ...] = ("LTC", "LIF"),
    gates: tuple[GateKind, ...] = GATE_KINDS,
    sparse: bool = True,
    extreme: bool = True,
    target: str = "loihi2",
    constants: Word = STATE,
) -> FixedNetwork:
    """An integer network of 1 to 3 layers with any gate, word, delay and width of weights.

    ``constants`` is the word of what is added to states.
    """
    chip = load_target(target)
    graded = bool(rng.integers(2))
    size = int(rng.integers(1, largest + 1))
    word = Word(chip.words.input, signed=bool(rng.integers(2))) if graded else Word(1, signed=False)
    fraction = int(rng.integers(0, word.bits)) if graded else 0
    populations: list[FixedPopulation] = [FixedInput("input", size, graded, word, fraction)]
    drafts: list[Draft] = []
    previous: tuple[str, Variable] = ("input", "value" if graded else "spikes")
    for index in range(int(rng.integers(1, 4))):
        name = f"hidden{index}"
        size = int(rng.integers(1, largest + 1))
        gate: GateKind = gates[int(rng.integers(len(gates)))]
        model: Model = models[int(rng.integers(len(models)))]
        if model == "LTC":
            populations.append(random_ltc(rng, name, size, extreme=extreme, constants=constants))
            drafts += _gate_drafts(gate, previous, name)
        else:
            populations.append(random_lif(rng, name, size, chip, extreme=extreme))
        drafts.append((*previous, name, "current", int(rng.integers(0, 3))))
        if rng.integers(2):
            drafts.append((name, "spikes", name, "current", int(rng.integers(1, 4))))
        if index and rng.integers(2):
            drafts.append((name, "spikes", "hidden0", "current", int(rng.integers(1, 4))))
        if index and rng.integers(2):
            drafts.append(("input", previous_input(graded), name, "current", 0))
        previous = (name, "spikes")
    output = previous[0]
    if rng.integers(4):
        size = int(rng.integers(1, 11))
        populations.append(
            random_readout(rng, "readout", size, extreme=extreme, constants=constants)
        )
        drafts.append((*previous, "readout", "current", 0))
        if rng.integers(2):
            drafts.append((*previous, "readout", "tau_mem", 0))
        output = "readout"
    unique = {(d[0], d[1], d[2], d[3]): d for d in drafts}
    sizes = {p.name: p.size for p in populations}
    projections = tuple(
        random_projection(rng, draft, (sizes[draft[2]], sizes[draft[0]]), chip, sparse=sparse)
        for draft in unique.values()
    )
    network = FixedNetwork(tuple(populations), projections, output, target, {"origin": "random"})
    network = shrink_to_accumulators(network, chip)
    check_fixed(network, chip)
    return network


def previous_input(graded: bool) -> Variable:
    """Variable that the input sends."""
    return "value" if graded else "spikes"


def random_vector(
    rng: np.random.Generator, size: int, word: Word, *, typical: float, extreme: bool
) -> IntArray:
    """Integers around zero; with ``extreme``, some at the very ends of the word."""
    values: IntArray = np.rint(rng.normal(0, typical, size)).astype(np.int64)
    if extreme:
        ends = rng.choice([word.minimum, word.maximum, 0, 1, -1], size)
        chosen = rng.random(size) < 0.15
        values[chosen] = ends[chosen]
    return np.clip(values, word.minimum, word.maximum)


def random_factor(rng: np.random.Generator, size: int, *, extreme: bool) -> Factor:
    """A multiplier over the 16-bit word, with any useful shift."""
    if rng.integers(3) == 0:
        return Factor(np.zeros(size, dtype=np.int64), 0)
    values = random_vector(rng, size, Word(16), typical=4000, extreme=extreme)
    return Factor(values, int(rng.integers(4, 20)))


def random_gate(
    rng: np.random.Generator, size: int, *, extreme: bool, constants: Word = STATE
) -> FixedGate:
    """A gate with any function of the specification."""
    function: GateFunction = ("plan", "table", "interpolated")[int(rng.integers(3))]
    fraction = int(rng.integers(10, 20))
    table: IntArray = np.zeros(0, dtype=np.int64)
    if function != "plan":
        table = sigmoid_table(
            int(rng.integers(2, 10)),
            12,
            interpolated=function == "interpolated",
            nonlinearity="sigmoid",
        )
    return FixedGate(
        bias=random_vector(rng, size, constants, typical=2.0**fraction, extreme=extreme),
        from_state=random_factor(rng, size, extreme=extreme),
        from_current=random_factor(rng, size, extreme=extreme),
        fraction=fraction,
        output_fraction=12,
        function=function,
        table=table,
    )


def random_messages(rng: np.random.Generator, variables: tuple[Variable, ...]) -> Any:
    """Message formats of 2 to 16 bits; shifts small enough that some messages saturate."""
    return tuple(
        Message(variable, Word(int(rng.integers(2, 17))), int(rng.integers(0, 12)))
        for variable in variables
    )


def random_ltc(
    rng: np.random.Generator, name: str, size: int, *, extreme: bool, constants: Word = STATE
) -> FixedNeurons:
    """LTC neurons with thresholds low enough to spike and high enough not to."""
    return FixedLTC(
        name=name,
        size=size,
        state=STATE,
        fraction=int(rng.integers(8, 18)),
        adaptation_fraction=int(rng.integers(12, 17)),
        threshold=random_vector(rng, size, constants, typical=3000, extreme=extreme),
        adaptation_strength=random_factor(rng, size, extreme=extreme),
        bias_current=random_vector(rng, size, constants, typical=2000, extreme=extreme),
        tau_mem=random_gate(rng, size, extreme=extreme, constants=constants),
        tau_adp=random_gate(rng, size, extreme=extreme, constants=constants),
        messages=random_messages(rng, ("current", "membrane", "adaptation")),
    )


def random_readout(
    rng: np.random.Generator, name: str, size: int, *, extreme: bool, constants: Word = STATE
) -> FixedNeurons:
    """Leaky integrators with any gate."""
    return FixedReadout(
        name=name,
        size=size,
        state=STATE,
        fraction=int(rng.integers(8, 18)),
        bias_current=random_vector(rng, size, constants, typical=2000, extreme=extreme),
        tau_mem=random_gate(rng, size, extreme=extreme, constants=constants),
    )


def random_lif(
    rng: np.random.Generator, name: str, size: int, chip: Target, *, extreme: bool
) -> FixedNeurons:
    """LIF neurons over the ranges that Lava documents."""
    lif = chip.lif
    full = 1 << lif.decay
    low, high = (1, full) if extreme else (200, full // 2)
    threshold = rng.integers(0, 1 << int(rng.integers(6, lif.threshold_mantissa + 1)), size)
    bias_limit = (1 << (lif.bias_mantissa - 1)) - 1
    return FixedLIF(
        name=name,
        size=size,
        state=STATE,
        fraction=12,
        decay_fraction=lif.decay,
        alignment=lif.alignment,
        current_decay=rng.integers(low, high + 1, size),
        membrane_decay=rng.integers(low - 1, high + 1, size),
        threshold=threshold,
        bias_mantissa=rng.integers(-bias_limit, bias_limit + 1, size) * int(rng.integers(2)),
        bias_exponent=int(rng.integers(0, 8)),
    )


def random_projection(
    rng: np.random.Generator,
    draft: Draft,
    shape: tuple[int, int],
    chip: Target,
    *,
    sparse: bool,
) -> FixedProjection:
    """Mantissas over the whole word, any width, any exponent of the chip."""
    source, variable, target, port, delay = draft
    bits = int(rng.integers(chip.words.weight_minimum, chip.words.weight_maximum + 1))
    word = Word(bits)
    matrix = rng.integers(word.minimum, word.maximum + 1, shape)
    weights: Weights = Dense(matrix)
    if sparse and rng.integers(3) == 0:
        weights = Sparse.from_array(matrix * (rng.random(shape) < 0.3))
    lowest, highest = exponent_range(bits, chip)
    exponent = int(rng.integers(lowest, highest + 1))
    return FixedProjection(
        source, variable, target, port, weights, bits, exponent, weight_fraction=6, delay=delay
    )


def shrink_to_accumulators(network: FixedNetwork, chip: Target) -> FixedNetwork:
    """Scale mantissas and exponents down until no message can overflow an accumulator."""
    limit = Word(chip.words.accumulator).maximum
    while True:
        worst = worst_arrivals(network)
        too_large = {key for key, value in worst.items() if value > limit}
        if not too_large:
            return network
        projections = tuple(
            _shrunk(p, chip) if (p.target, p.port) in too_large else p for p in network.projections
        )
        network = FixedNetwork(
            network.populations, projections, network.output, network.target, network.provenance
        )


def _shrunk(projection: FixedProjection, chip: Target) -> FixedProjection:
    lowest, _ = exponent_range(projection.bits, chip)
    exponent, values = projection.exponent - 1, projection.weights.values
    if exponent < lowest:
        exponent, values = lowest, (np.abs(values) // 2) * np.sign(values)
    return FixedProjection(
        projection.source,
        projection.variable,
        projection.target,
        projection.port,
        projection.weights.with_values(values),
        projection.bits,
        exponent,
        projection.weight_fraction,
        projection.delay,
    )
