"""What steers the gates of LTC neurons and readouts, as forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from torch import Tensor

from ltc2hw.dynamics.model import Model
from ltc2hw.errors import UnknownNameError
from ltc2hw.neurons.form import Form, Graded

GateKind = Literal["event", "dense", "static"]
"""What steers a gate: spikes and own state; the whole layer's analog state (the paper); nothing."""

GATES: tuple[GateKind, ...] = ("event", "dense", "static")


def check_gate(name: str, gate: str) -> None:
    """Raise UnknownNameError unless ``gate`` is one of :data:`GATES`."""
    if gate not in GATES:
        raise UnknownNameError(name, gate, GATES)


def gated_form(
    model: Model,
    inputs: int,
    size: int,
    gate: GateKind,
    gates: Mapping[str, str],
    fixed: tuple[str, ...],
    nonlinearity: str,
    surrogate: str = "multi_gaussian",
) -> Form:
    """A model of gates, each a port with the state beside it, steered by one of the kinds.

    Learned are the biases; with event gates the own terms, too, state before current.
    """
    terms = tuple(f"{port}.from_{term}" for port in gates for term in ("state", "current"))
    graded = tuple(
        Graded(variable, port) for port, state in gates.items() for variable in (state, "current")
    )
    return Form(
        model,
        inputs,
        size,
        ports=("current", *gates) if gate == "event" else ("current",),
        learned=(
            "bias_current",
            *(f"{port}.bias" for port in gates),
            *(terms if gate == "event" else ()),
        ),
        fixed=fixed,
        graded=graded if gate == "dense" else (),
        nonlinearity=nonlinearity,
        surrogate=surrogate,
    )


def rows_and_matrices(
    bias: Tensor, terms: tuple[Tensor | None, ...]
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Biases and gate terms, (N,) each with event gates, (N, N) with dense ones, as a form's."""
    present = tuple(term for term in terms if term is not None)
    vectors = tuple(term for term in present if term.dim() == 1)
    return (bias, *vectors), tuple(term for term in present if term.dim() != 1)
