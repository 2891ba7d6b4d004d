"""What quantization made of every number, as an object that travels in a network's provenance."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar, get_args, get_type_hints

KEY = "quantization"
"""Entry of the provenance that holds the report, as JSON."""

ROWS = 48
"""Rows of each list that are kept, the worst ones: a file's provenance is bounded."""


@dataclass(frozen=True)
class TensorChange:
    """One array that was rounded: weights of a projection, or a constant of a population.

    ``clipped``: values beyond their word; ``zeroed``: values other than 0 that became 0.
    ``error`` is ``Σ|got - asked| / Σ|asked|`` over the array, ``worst_error`` the largest of the
    same over one neuron's values, and ``worst`` that neuron.
    """

    name: str
    size: int
    clipped: int
    zeroed: int
    error: float
    worst_error: float
    worst: int


@dataclass(frozen=True)
class DecayChange:
    """Leak per step of one population: what the neuron that changed most asked for, and got.

    For LIF neurons the decays; for gates their leak at rest (no input, current and state 0), which
    is τ for ``tau_mem`` and ``1 - ρ`` for ``tau_adp``. ``lost`` neurons asked for a leak and got
    none, ``gained`` ones got more than twice what they asked for, which may be nothing.
    """

    name: str
    asked: float
    got: float
    neuron: int
    lost: int
    gained: int

    @property
    def error(self) -> float:
        """``|got - asked| / asked``; infinite where no leak was asked for and some was got."""
        return relative(self.got, self.asked)


@dataclass(frozen=True)
class StateBand:
    """Values of one state that do not decay as they should, against the range that is used.

    Within ``band`` (real units; None means at any value) the state of neuron ``neuron`` either
    ``stays`` as it is (membranes of LTC neurons and readouts: distance to the current) or ``falls``
    by a whole unit per step (states of LIF neurons, adaptation). ``in_use`` is the largest
    magnitude in the calibration run, or what can occur at worst if ``calibrated`` is false;
    ``register`` the largest that the word holds.
    """

    name: str
    effect: str
    band: float | None
    neuron: int
    in_use: float
    register: float
    calibrated: bool


@dataclass(frozen=True)
class MessageStep:
    """A graded variable that is sent: its smallest step against the range of its neurons.

    ``silent`` neurons had values other than 0 in calibration, all of them too small to be told from
    0; ``neuron`` is the quietest that had any, ``in_use`` the largest magnitude of all.
    """

    name: str
    unit: float
    in_use: float
    silent: int
    neuron: int


@dataclass(frozen=True)
class QuantizationReport:
    """Tensors, decays, states and messages of a network; at most :data:`ROWS` of each, the worst.

    ``left_out`` counts the rows that were not kept; ``clipped`` and ``zeroed`` count over all
    tensors; ``steps`` is the length of the calibration samples, None without; ``allowed`` lists the
    limits that were exceeded and allowed.
    """

    tensors: tuple[TensorChange, ...]
    decays: tuple[DecayChange, ...]
    states: tuple[StateBand, ...]
    messages: tuple[MessageStep, ...]
    clipped: int
    zeroed: int
    left_out: int
    steps: int | None
    allowed: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON types; equal reports give equal dictionaries."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    def to_text(self) -> str:
        """The dictionary as JSON on one line."""
        return json.dumps(self.to_dict(), separators=(",", ":"), sort_keys=True, allow_nan=False)


def relative(got: float, asked: float) -> float:
    """``|got - asked| / |asked|``; 0 where both are equal, infinite where only ``asked`` is 0."""
    if got == asked:
        return 0.0
    return abs(got - asked) / abs(asked) if asked else math.inf


def bounded(
    tensors: Sequence[TensorChange],
    decays: Sequence[DecayChange],
    states: Sequence[StateBand],
    messages: Sequence[MessageStep],
    steps: int | None,
    allowed: Sequence[str],
) -> QuantizationReport:
    """A report of the worst rows; where all fit they keep their order."""
    kept = (
        _worst(tensors, [tensor.worst_error for tensor in tensors]),
        _worst(decays, [decay.error for decay in decays]),
        _worst(states, [math.inf if s.band is None else s.band / (s.in_use or 1) for s in states]),
        _worst(messages, [message.silent for message in messages]),
    )
    everything = len(tensors) + len(decays) + len(states) + len(messages)
    return QuantizationReport(
        *kept,
        clipped=sum(tensor.clipped for tensor in tensors),
        zeroed=sum(tensor.zeroed for tensor in tensors),
        left_out=everything - sum(map(len, kept)),
        steps=steps,
        allowed=tuple(allowed),
    )


Row = TypeVar("Row", TensorChange, DecayChange, StateBand, MessageStep)


def _worst(rows: Sequence[Row], measures: Sequence[float]) -> tuple[Row, ...]:
    if len(rows) <= ROWS:
        return tuple(rows)
    order = sorted(range(len(rows)), key=lambda index: -measures[index])
    return tuple(rows[index] for index in order[:ROWS])


def read_report(provenance: Mapping[str, str]) -> QuantizationReport | None:
    """The report that a provenance holds; None if there is none, or none of this form."""
    try:
        content = json.loads(provenance[KEY])
        lists = {
            name: tuple(_row(kind, row) for row in content.pop(name))
            for name, kind in (
                ("tensors", TensorChange),
                ("decays", DecayChange),
                ("states", StateBand),
                ("messages", MessageStep),
            )
        }
        allowed = tuple(_checked(str, name) for name in content.pop("allowed"))
        steps = _checked(int | None, content.pop("steps"))
        counts = {name: _checked(int, content.pop(name)) for name in COUNTS}
        if content or any(len(rows) > ROWS for rows in lists.values()):
            return None
        return QuantizationReport(**lists, **counts, steps=steps, allowed=allowed)  # type: ignore[arg-type]
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return None


COUNTS = ("clipped", "zeroed", "left_out")


def _row(kind: type[Any], content: Any) -> Any:
    hints = get_type_hints(kind)
    if set(content) != {field.name for field in fields(kind)}:
        raise ValueError
    return kind(**{name: _checked(hints[name], value) for name, value in content.items()})


def _checked(kind: Any, value: Any) -> Any:
    """The value, if it is of exactly that kind; a whole number is a real one, too."""
    kinds = get_args(kind) or (kind,)
    if type(value) not in kinds and not (type(value) is int and float in kinds):
        raise TypeError
    return value
