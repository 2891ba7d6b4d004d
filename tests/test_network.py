"""Graphs check themselves at construction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ltc2hw.errors import InvalidValueError, ShapeError, UnknownNameError
from ltc2hw.graph import evaluation_order
from ltc2hw.network import LIF, LTC, Gate, Input, Network, Projection, Readout
from tests.random_networks import dense, random_fixed_network, random_network, real


def small(**changes: Any) -> Network:
    """Two inputs to one LIF neuron, with fields replaced."""
    network = Network(
        populations=(Input("input", 2), LIF("out", 1, real(0.5), real(0.1), real(1.0), real(0.0))),
        projections=(Projection("input", "spikes", "out", "current", dense([[0.5, 1.0]])),),
        output="out",
    )
    return replace(network, **changes)


def test_dense_gates_are_computed_after_the_population_s_own_current() -> None:
    """Delay 0 from current to tau_mem of one population is no cycle."""
    network = random_network(np.random.default_rng(0), gate="dense")
    order = evaluation_order(network.populations, network.projections)
    assert order.index(("hidden0", "current")) < order.index(("hidden0", "update"))
    assert order.index(("input", "update")) < order.index(("hidden0", "current"))
    assert order.index(("hidden0", "update")) < order.index(("readout", "current"))


def test_a_cycle_without_delay_is_named() -> None:
    """Spikes cannot reach their own neuron within the step."""
    loop = Projection("out", "spikes", "out", "current", dense([[1.0]]))
    with pytest.raises(InvalidValueError, match=r"cycle .* out\.current"):
        small(projections=(*small().projections, loop))
    assert small(projections=(*small().projections, replace(loop, delay=1)))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"output": "nowhere"}, UnknownNameError, "output population is 'nowhere'"),
        ({"output": "input"}, UnknownNameError, "output population is 'input'"),
        ({"populations": (Input("input", 2),)}, UnknownNameError, "output population"),
        (
            {"populations": (LIF("out", 1, real(0.5), real(0.1), real(1.0), real(0.0)),)},
            InvalidValueError,
            "number of inputs is 0",
        ),
        (
            {"projections": (Projection("x", "spikes", "out", "current", dense([[1.0]])),)},
            UnknownNameError,
            "end of projection x.spikes->out.current is 'x'",
        ),
        (
            {"projections": (Projection("input", "spikes", "out", "tau_mem", dense([[1.0, 1]])),)},
            UnknownNameError,
            "port of projection",
        ),
        (
            {"projections": (Projection("input", "value", "out", "current", dense([[1.0, 1]])),)},
            UnknownNameError,
            "variable of projection",
        ),
        (
            {"projections": (Projection("input", "spikes", "out", "current", dense([[1.0]])),)},
            ShapeError,
            r"\(targets, sources\) = \(1, 2\)",
        ),
        (
            {"projections": small().projections * 2},
            InvalidValueError,
            "given twice",
        ),
        (
            {"populations": (*small().populations, Input("out", 1))},
            InvalidValueError,
            "population names",
        ),
    ],
)
def test_what_makes_no_network_is_refused_by_name(
    change: dict[str, Any], error: type[Exception], message: str
) -> None:
    """One wrong part, one typed error that names it."""
    with pytest.raises(error, match=message):
        small(**change)


def test_numbers_of_populations_are_checked() -> None:
    """Shape, NaN, decay range, name, size."""
    with pytest.raises(ShapeError, match="shape of hidden threshold"):
        LTC("hidden", 3, np.zeros(2), real(1.8), real(0.0), Gate(), Gate())
    with pytest.raises(InvalidValueError, match=r"hidden tau_mem bias\[0\] is nan"):
        LTC("hidden", 3, real(0.1), real(1.8), real(0.0), Gate(np.nan), Gate())
    with pytest.raises(InvalidValueError, match=r"membrane_decay is 1\.5"):
        LIF("out", 1, real(0.5), real(1.5), real(1.0), real(0.0))
    with pytest.raises(InvalidValueError, match="name"):
        Readout("two words", 1, real(0.0), Gate())
    with pytest.raises(InvalidValueError, match="size of out"):
        Readout("out", 0, real(0.0), Gate())
    with pytest.raises(UnknownNameError, match="nonlinearity"):
        Gate(nonlinearity="tanh")  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="delay"):
        Projection("a", "spikes", "b", "current", dense([[1.0]]), delay=-1)


def test_graphs_are_equal_by_content() -> None:
    """Same seed, same graph; one changed number, another graph."""
    first = random_network(np.random.default_rng(3))
    assert first == random_network(np.random.default_rng(3))
    assert first != random_network(np.random.default_rng(4))
    fixed = random_fixed_network(np.random.default_rng(3))
    assert fixed == random_fixed_network(np.random.default_rng(3))
    assert fixed != replace(fixed, target="ideal")
