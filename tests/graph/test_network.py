"""Graphs check themselves at construction."""

from __future__ import annotations

import warnings
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest

from ltc2hw.converters.populations import LIF, LTC, Gate, Readout
from ltc2hw.errors import InvalidValueError, ShapeError, TooLargeError, UnknownNameError
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import FixedNeurons, Neurons
from ltc2hw.graph.structure import evaluation_order
from ltc2hw.numbers.scalars import shown
from ltc2hw.numbers.weights import Sparse
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
    assert order.index(("hidden0", "early")) < order.index(("hidden0", "late"))
    assert order.index(("input", "late")) < order.index(("hidden0", "early"))
    assert order.index(("hidden0", "late")) < order.index(("readout", "early"))


def test_a_cycle_without_delay_is_named() -> None:
    """Spikes cannot reach their own neuron within the step."""
    loop = Projection("out", "spikes", "out", "current", dense([[1.0]]))
    with pytest.raises(InvalidValueError, match=r"cycle .* out\.(early|late)"):
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
    with pytest.raises(InvalidValueError, match=r"hidden tau_mem.bias\[0\] is nan"):
        LTC("hidden", 3, real(0.1), real(1.8), real(0.0), Gate(np.nan), Gate())
    with pytest.raises(InvalidValueError, match=r"membrane_decay is 1\.5"):
        LIF("out", 1, real(0.5), real(1.5), real(1.0), real(0.0))
    with pytest.raises(InvalidValueError, match="name"):
        Readout("two words", 1, real(0.0), Gate())
    with pytest.raises(InvalidValueError, match="size of out"):
        Readout("out", 0, real(0.0), Gate())
    with pytest.raises(UnknownNameError, match="nonlinearity"):
        Neurons("out", 1, "readout", {}, {"tau_mem": "tanh"})  # type: ignore[dict-item]
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


NOT_NUMBERS: list[Any] = [
    float("nan"), float("inf"), "text", None, [[1.0], [2.0, 3.0]], {}, object(), 1j, 10**400,
    np.array(["a"]), np.array(1, dtype="datetime64[s]"),
]  # fmt: skip
NO_INTEGERS: list[Any] = [float("nan"), 1.5, "8", None, [8], True, 10**30, -(10**30), 1j]
FLOAT_PARTS: list[Any] = [
    Input("input", 2),
    LTC("hidden", 2, real(0.1), real(1.8), real(0.0), Gate(), Gate()),
    LIF("hidden", 2, real(0.5), real(0.1), real(1.0), real(0.0)),
    Readout("hidden", 2, real(0.0), Gate()),
    Projection("input", "spikes", "hidden", "current", dense([[0.5, 1.0], [2.0, 3.0]])),
    dense([[0.5, 1.0]]),
    Sparse.from_array(np.eye(2)),
]


def parts_of(seed: int) -> list[Any]:
    """A part of every class that an integer network has."""
    network = random_fixed_network(np.random.default_rng(seed), largest=3)
    found: dict[type, Any] = {}
    waiting: list[Any] = [network]
    while waiting:
        part = waiting.pop()
        found.setdefault(type(part), part)
        for field in fields(part):
            value = getattr(part, field.name)
            several = value if isinstance(value, tuple) else (value,)
            waiting.extend(v for v in several if is_dataclass(v))
    return list(found.values())


@pytest.mark.parametrize("wrong", [*NOT_NUMBERS, *NO_INTEGERS], ids=shown)
def test_constructors_refuse_what_is_no_number_by_typed_errors(wrong: Any) -> None:
    """Every field of every class of both graphs: accepted as it is, or refused on one line."""
    messages = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for part in [*FLOAT_PARTS, *parts_of(1), *parts_of(6)]:
            for field in fields(part):
                try:
                    replace(part, **{field.name: wrong})
                except InvalidValueError as error:
                    messages.append(str(error))
    assert len(messages) > 40
    assert not [m for m in messages if "\n" in m or len(m) > 400]


def test_large_reals_are_numbers() -> None:
    for number, kept in ((10**30, 1e30), (5e-324, 5e-324)):
        neurons = FLOAT_PARTS[1].with_constants({"threshold": number})
        assert neurons.constants["threshold"].tolist() == [kept, kept]


def test_integers_beyond_64_bits_do_not_wrap() -> None:
    neuron = next(p for p in parts_of(6) if isinstance(p, FixedNeurons))
    big = np.full(neuron.size, (1 << 64) - 1, dtype=np.uint64)
    with pytest.raises(InvalidValueError, match=r"below 2\^63"):
        neuron.with_constants({neuron.model.constants[0].name: big})


def test_sizes_are_refused_before_anything_is_allocated() -> None:
    loop = Projection("out", "spikes", "out", "current", dense([[1.0]]), 10**12)
    with pytest.raises(TooLargeError, match="past spikes of out"):
        small(projections=(*small().projections, loop))
    with pytest.raises(TooLargeError, match="size of hidden"):
        Neurons("hidden", 10**12, "ltc", {"threshold": 0.1})
    with pytest.raises(TooLargeError, match="size of input"):
        Input("input", 10**12)
