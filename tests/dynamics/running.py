"""Neurons of one model, alone: run on reals, and on integers with formats chosen from that run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ltc2hw.dynamics.choosing import Widths, choose_formats, encode_constants
from ltc2hw.dynamics.formats import Formats, GateFormat
from ltc2hw.dynamics.integer import evaluate_integer
from ltc2hw.dynamics.lowering import lower, result_fractions
from ltc2hw.dynamics.model import Model
from ltc2hw.dynamics.models import find_model
from ltc2hw.dynamics.ranges import watched
from ltc2hw.dynamics.real import Reals, evaluate_real
from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.nonlinearity import Nonlinearity
from ltc2hw.numbers.words import FloatArray, IntArray

GATE = GateFormat("plan", 12)
"""Integer form of every gate of these runs."""

WIDTHS = Widths()
"""Words of these runs: 24 bits of state, 16 of factors."""


STEPS, SAMPLES, SIZE = 300, 4, 8
"""Shape of the random cases."""

Constants = Mapping[str, FloatArray]


def random_case(name: str, rng: np.random.Generator) -> tuple[Constants, FloatArray]:
    """Constants of every neuron, and what arrives (T, B, N), with which the model spikes."""

    def own(low: float, high: float) -> FloatArray:
        return rng.uniform(low, high, SIZE)

    def arriving(low: float, high: float) -> FloatArray:
        return rng.uniform(low, high, (STEPS, SAMPLES, SIZE))

    if name == "adlif":
        return {
            "membrane_decay": own(0.04, 0.2), "adaptation_decay": own(0.003, 0.03),
            "coupling": own(0, 30), "jump": own(0, 60), "threshold": own(0.5, 1.5),
            "bias": own(-0.2, 0.2),
        }, arriving(-2, 12)  # fmt: skip
    if name == "brf":
        return {
            "dt": own(0.005, 0.015), "omega": own(3, 40), "damping": own(0.1, 3),
            "refractory_kept": own(0.8, 0.95), "threshold": own(0.5, 1.5),
        }, arriving(-60, 90)  # fmt: skip
    if name == "izhikevich":
        return {
            "a": own(0.02, 0.1), "b": own(0.2, 0.25), "reset": own(0.05, 0.2),
            "jump": own(0.02, 0.08), "peak": own(0.9, 1.0), "bias": own(0, 0.02),
        }, arriving(-0.1, 0.35)  # fmt: skip
    if name == "alif":
        return {
            "current_decay": own(0.1, 0.4), "membrane_decay": own(0.02, 0.2),
            "adaptation_decay": own(0.001, 0.05), "jump": own(0.2, 1.8),
            "threshold": own(0.5, 1.5), "reset": own(-0.2, 0.2),
        }, arriving(-0.2, 0.9)  # fmt: skip
    if name in ("ltc", "readout"):
        gates = [gate for gate in ("tau_mem", "tau_adp") if gate in find_model(name).ports]
        terms = ("bias", "from_state", "from_current")
        drawn = {f"{gate}.{term}": own(-0.8, 0.8) for gate in gates for term in terms}
        drawn["bias_current"] = own(-0.1, 0.1)
        if name == "ltc":
            drawn |= {"threshold": own(0.3, 0.6), "adaptation_strength": own(0, 1.8)}
        return drawn, arriving(-0.6, 1.4)
    drawn = {
        "current_decay": own(0.3, 1), "membrane_decay": own(0, 0.3), "threshold": own(0.5, 1.5)
    }  # fmt: skip
    if name != "cuba":
        drawn["bias"] = own(-0.05, 0.05)
    return drawn, arriving(-0.3, 0.6)


@dataclass(frozen=True)
class Neurons:
    """Neurons of a model: constants (N,) by name, the defaults for those that are not given."""

    model: Model
    size: int
    given: Mapping[str, FloatArray] = field(default_factory=dict)

    @property
    def constants(self) -> dict[str, FloatArray]:
        defaults = {c.name: np.full(self.size, c.default) for c in self.model.constants}
        return {**defaults, **self.given}

    @property
    def functions(self) -> dict[str, Nonlinearity]:
        plan: Nonlinearity = "plan"
        return dict.fromkeys(self.model.gates, plan)


def run_real(neurons: Neurons, ports: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Every result (T, B, N) by name of what arrives, (T, B, N) by port."""
    model, shape = neurons.model, next(iter(ports.values())).shape
    states = {name: np.zeros(shape[1:]) for name in model.states}
    recorded = []
    for t in range(shape[0]):
        now = {name: arriving[t] for name, arriving in ports.items()}
        values = evaluate_real(model.program, neurons.constants, now, states, neurons.functions)
        recorded.append(values)
        states = {name: values[name] for name in states}
    return {name: np.stack([step[name] for step in recorded]) for name in model.results}


def largest_values(
    model: Model,
    constants: Reals,
    ports: Mapping[str, FloatArray],
    functions: Mapping[str, Nonlinearity],
) -> dict[str, float]:
    """Largest magnitude of every port, register and result of neurons that start at rest.

    ``constants`` (N,) by name; ``ports`` (T, B, N) by name: what arrives in each step;
    ``functions``: the non-linearity of every gate. NaN where a run leaves the real numbers.

    Raises:
        InvalidValueError: for ports that do not have the same steps, samples and neurons.
    """
    program, owners = watched(model.program)
    shapes = {arriving.shape for arriving in ports.values()}
    if len(shapes) != 1 or any(len(shape) != 3 for shape in shapes):
        raise InvalidValueError("shapes of what arrives", sorted(shapes), "one shape (T, B, N)")
    steps, *shape = shapes.pop()
    states = {name: np.zeros(shape) for name in program.states}
    largest = {name: float(np.max(np.abs(arriving))) for name, arriving in ports.items()}
    for t in range(steps):
        now = {name: arriving[t] for name, arriving in ports.items()}
        with np.errstate(over="ignore", invalid="ignore"):  # seen as infinite or NaN
            values = evaluate_real(program, constants, now, states, functions)
        states = {name: values[name] for name in states}
        for key, value in values.items():
            found = float(np.max(np.abs(value)))
            largest[owners[key]] = float(np.maximum(largest.get(owners[key], 0.0), found))
    return largest


def ranges_of(neurons: Neurons, ports: Mapping[str, FloatArray]) -> dict[str, float]:
    return largest_values(neurons.model, neurons.constants, ports, neurons.functions)


def chosen_formats(neurons: Neurons, ports: Mapping[str, FloatArray]) -> Formats:
    gates = dict.fromkeys(neurons.model.gates, GATE)
    ranges = ranges_of(neurons, ports)
    return choose_formats(neurons.model, ranges, WIDTHS, neurons.constants, gates)


def run_integer(
    neurons: Neurons,
    formats: Formats,
    ports: Mapping[str, FloatArray],
) -> tuple[dict[str, FloatArray], dict[str, int]]:
    """Every result (T, B, N) as the real number that its integer means, and the misfits by word."""
    model, shape = neurons.model, next(iter(ports.values())).shape
    program = lower(model.working, formats)
    constants, clipped = encode_constants(model, formats, WIDTHS, neurons.constants)
    assert not any(clipped.values())
    tables: dict[str, IntArray] = {name: np.zeros(0, dtype=np.int64) for name in model.gates}
    states: dict[str, IntArray] = {
        name: np.zeros(shape[1:], dtype=np.int64) for name in model.states
    }
    arrivals = {
        name: np.rint(np.ldexp(arriving, formats.ports[name])).astype(np.int64)
        for name, arriving in ports.items()
    }
    recorded = []
    misfits: dict[str, int] = {}
    for t in range(shape[0]):
        now = {name: arriving[t] for name, arriving in arrivals.items()}
        values, lost = evaluate_integer(program, constants, tables, now, states)
        recorded.append(values)
        states = {name: values[name] for name in states}
        misfits = {name: misfits.get(name, 0) + count for name, count in lost.items()}
    fractions = result_fractions(model.working, formats)
    return {
        name: np.ldexp(np.stack([step[name] for step in recorded]).astype(float), -fractions[name])
        for name in model.results
    }, misfits
