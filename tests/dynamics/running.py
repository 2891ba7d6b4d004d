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
from ltc2hw.dynamics.ranges import largest_values
from ltc2hw.dynamics.real import evaluate_real
from ltc2hw.words import FloatArray, IntArray

GATE = GateFormat("plan", 12)
"""Integer form of every gate of these runs."""

WIDTHS = Widths()
"""Words of these runs: 24 bits of state, 16 of factors."""


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
    def functions(self) -> dict[str, str]:
        return dict.fromkeys(self.model.gates, "plan")


def run_real(neurons: Neurons, ports: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Every result (T, B, N) by name of what arrives, (T, B, N) by port."""
    model, shape = neurons.model, next(iter(ports.values())).shape
    states = {name: np.zeros(shape[1:]) for name in model.states}
    recorded = []
    for t in range(shape[0]):
        now = {name: arriving[t] for name, arriving in ports.items()}
        values = evaluate_real(
            model.program, neurons.constants, now, states,
            neurons.functions,  # type: ignore[arg-type]
        )  # fmt: skip
        recorded.append(values)
        states = {name: values[name] for name in states}
    return {name: np.stack([step[name] for step in recorded]) for name in model.results}


def ranges_of(neurons: Neurons, ports: Mapping[str, FloatArray]) -> dict[str, float]:
    return largest_values(
        neurons.model, neurons.constants, ports, neurons.functions  # type: ignore[arg-type]
    )  # fmt: skip


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
