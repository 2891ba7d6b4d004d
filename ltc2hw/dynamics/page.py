"""The generated parts of ``docs/numerics.md`` and ``docs/lava.md``: models, formats, costs.

A test holds the pages against these parts; ``scripts/write_numerics.py`` renews them. The integer
programs are shown for one choice of formats, in words of ``loihi2``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ltc2hw.dynamics.choosing import Widths, choose_formats
from ltc2hw.dynamics.cost import Operations, operations
from ltc2hw.dynamics.expression import Constant
from ltc2hw.dynamics.formats import Formats, GateFormat, Held
from ltc2hw.dynamics.lowering import lower
from ltc2hw.dynamics.model import Model
from ltc2hw.dynamics.models import MODELS, find_model
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.printing import equations, number
from ltc2hw.numbers.words import Word

STATE = Word(24)
PLAN = GateFormat("plan", 12)
INTERPOLATED = GateFormat("interpolated", 12, 6)

FORMATS: Mapping[str, Formats] = {
    "ltc": Formats(
        held={
            "current": Held.within(STATE, 12),
            "membrane": Held(12),
            "tau_mem": Held.within(STATE, 13),
            "tau_adp": Held.within(STATE, 14),
            "adaptation": Held(16),
            "threshold": Held.within(STATE, 12),
            "spikes": Held(0),
        },
        ports={"current": 12, "tau_mem": 13, "tau_adp": 14},
        constants={
            "bias_current": 12,
            "tau_mem.bias": 13,
            "tau_mem.from_state": 14,
            "tau_mem.from_current": 15,
            "tau_adp.bias": 14,
            "tau_adp.from_state": 10,
            "tau_adp.from_current": 11,
            "threshold": 12,
            "adaptation_strength": 13,
        },
        gates={"tau_mem": INTERPOLATED, "tau_adp": PLAN},
    ),
    "readout": Formats(
        held={
            "current": Held.within(STATE, 12),
            "membrane": Held(12),
            "tau_mem": Held.within(STATE, 13),
        },
        ports={"current": 12, "tau_mem": 13},
        constants={
            "bias_current": 12,
            "tau_mem.bias": 13,
            "tau_mem.from_state": 14,
            "tau_mem.from_current": 15,
        },
        gates={"tau_mem": INTERPOLATED},
    ),
    "lif": Formats(
        held={
            "current": Held.wrapping_once(24, 32, 12),
            "membrane": Held.between(STATE.maximum, 12),
        },
        ports={"current": 6},
        constants={"current_decay": 12, "membrane_decay": 12, "threshold": 6, "bias": 7},
    ),
}
"""Formats that show all shifts of a model; those of the others are chosen for LARGEST."""

LARGEST = 4.0
"""What every value of a model is taken to reach."""

TYPICAL = 0.5
"""What constants are taken to be whose default is 0."""


def example(name: str) -> tuple[Model, Formats]:
    """A model and the formats in which the page shows it."""
    model = find_model(name)
    if name in FORMATS:
        return model, FORMATS[name]
    constants = {
        constant.name: np.array([constant.default or TYPICAL]) for constant in model.constants
    }
    names = (*model.program.names(Operation.REGISTER), *model.states, *model.ports)
    gates = dict.fromkeys(model.gates, INTERPOLATED)
    return model, choose_formats(model, dict.fromkeys(names, LARGEST), Widths(), constants, gates)


def numerics() -> dict[str, str]:
    """Generated parts of ``docs/numerics.md`` by name: the models."""
    return {f"model {name}": section(*example(name)) for name in MODELS}


def lava() -> dict[str, str]:
    """Generated parts of ``docs/lava.md`` by name: the table of operations."""
    return {"operations": costs()}


def section(model: Model, formats: Formats) -> str:
    """A model: source, constants, equations, and the integer program for the formats."""
    return "\n".join(
        [
            f"Source: {model.source}. Sends {_listed(model.sends)}; read as output: "
            f"`{model.output}`; registers: {_listed(model.states)}.\n",
            *_table(("constant", "meaning", "default", "range"), map(_constant, model.constants)),
            "\nOn reals:\n",
            f"```\n{equations(model.program)}\n```\n",
            "On integers, with these fractional bits:\n",
            *_fractions(formats),
            "",
            f"```\n{equations(lower(model.working, formats))}\n```\n",
        ]
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(header: Sequence[str], rows: Iterator[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(header) + " |"
    yield "|---" * len(header) + "|"
    yield from ("| " + " | ".join(row) + " |" for row in rows)


def _constant(constant: Constant) -> tuple[str, str, str, str]:
    ends = ["" if math.isinf(end) else number(end) for end in (constant.low, constant.high)]
    between = f"{ends[0] or '-∞'} .. {ends[1] or '∞'}" if any(ends) else "any"
    return f"`{constant.name}`", constant.meaning, number(constant.default), between


def _fractions(formats: Formats) -> Iterator[str]:
    """Fractional bits of everything that has a format."""
    kinds = {
        "values": {name: held.fraction for name, held in formats.held.items()},
        "ports": formats.ports,
        "constants": formats.constants,
        "gates": {name: gate.output_fraction for name, gate in formats.gates.items()},
    }
    for kind, fractions in kinds.items():
        if fractions:
            yield f"- {kind}: " + ", ".join(f"`{name}` {bits}" for name, bits in fractions.items())


def costs() -> str:
    """Operations per neuron and step of the models, for the functions that their gates can have."""
    header = ("neuron", "products", "shifts", "additions", "choices", "table reads", "registers",
              "accumulators")  # fmt: skip
    return "\n".join(_table(header, _cost_rows())) + "\n"


def _cost_rows() -> Iterator[Sequence[str]]:
    for name in MODELS:
        model, formats = example(name)
        forms = {", `plan`": PLAN, ", `interpolated`": INTERPOLATED} if model.gates else {"": PLAN}
        for told, form in forms.items():
            program = lower(model.working, replace(formats, gates=dict.fromkeys(model.gates, form)))
            yield (
                f"`{name}`{told}", *_numbers(operations(program)),
                str(len(model.states)), str(len(model.ports)),
            )  # fmt: skip


def _numbers(cost: Operations) -> Sequence[str]:
    counted = (cost.products, cost.shifts, cost.additions, cost.choices, cost.reads)
    return tuple(map(str, counted))
