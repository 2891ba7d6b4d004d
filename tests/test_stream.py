"""``ltc2hw.stream``: a stream cut anywhere is one long run, in every engine, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import ltc2hw
from ltc2hw.errors import InvalidValueError, ShapeError, UnknownNameError
from ltc2hw.numbers.words import FloatArray
from tests.random_networks import random_network

CUTS = (1, 5, 1, 2, 8)
BATCH, INPUTS = 3, 5


def networks() -> tuple[Any, Any, FloatArray]:
    rng = np.random.default_rng(4)
    network = random_network(rng, nonlinearity="plan")
    x = rng.uniform(0, 1, (sum(CUTS), BATCH, INPUTS))
    return network, ltc2hw.quantize(network, "loihi2", x), x


def pieces(x: FloatArray) -> Iterator[FloatArray]:
    yield from np.split(x, np.cumsum(CUTS)[:-1])


@pytest.mark.parametrize("engine", ["float64", "integer", "fast", "torch"])
def test_chunks_are_one_long_run(engine: str) -> None:
    if engine == "torch":
        pytest.importorskip("torch", reason="the torch extra is not installed")
    network, fixed, x = networks()
    chosen = network if engine == "float64" else fixed
    whole = ltc2hw.simulate(chosen, x, engine, "all")
    traces = list(ltc2hw.stream(chosen, pieces(x), engine, "all"))
    assert [len(trace.outputs) for trace in traces] == list(CUTS)
    assert np.array_equal(np.concatenate([t.outputs for t in traces]), whole.outputs)
    for key, recorded in whole.recorded().items():
        assert np.array_equal(np.concatenate([t.recorded()[key] for t in traces]), recorded)
    for name, registers in whole.state.items():
        for register, values in registers.items():
            assert np.array_equal(traces[-1].state[name][register], values)


def test_a_stream_is_read_as_it_is_asked_for_and_goes_on_from_a_state() -> None:
    network, fixed, x = networks()
    given = 0

    def endless() -> Iterator[FloatArray]:
        nonlocal given
        while True:
            given += 1
            yield x[:1]

    running = ltc2hw.stream(fixed, endless())
    assert given == 0
    first, second = next(running), next(running)
    assert given == 2
    assert not first.states["hidden0"]
    on = next(iter(ltc2hw.stream(fixed, [x[:1]], state=first.state)))
    assert np.array_equal(on.outputs, second.outputs)
    assert list(ltc2hw.stream(network, [])) == []


@pytest.mark.parametrize("chunks", [np.zeros((2, 1, INPUTS)), "rows", None, 3, {"a": 1}])
def test_what_gives_no_chunks_is_refused_at_once(chunks: Any) -> None:
    with pytest.raises(InvalidValueError, match="expected an iterable of arrays"):
        ltc2hw.stream(networks()[0], chunks)


def test_wrong_arguments_are_refused_at_once() -> None:
    network, fixed, x = networks()
    with pytest.raises(UnknownNameError, match="engine is 'quick'"):
        ltc2hw.stream(network, [x], "quick")
    with pytest.raises(InvalidValueError, match="quantize the network first"):
        ltc2hw.stream(network, [x], "fast")
    with pytest.raises(UnknownNameError, match="variable to record"):
        ltc2hw.stream(fixed, [x], record="nothing")
    with pytest.raises(InvalidValueError, match="network is"):
        ltc2hw.stream("model.h5", [x])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("chunk", "error", "message"),
    [
        (np.zeros((0, BATCH, INPUTS)), ShapeError, "chunk 1: shape of samples"),
        (np.zeros((2, BATCH)), ShapeError, "chunk 1: shape of samples"),
        (np.zeros((2, BATCH, INPUTS + 1)), ShapeError, "chunk 1: shape of samples"),
        (np.full((2, BATCH, INPUTS), np.nan), InvalidValueError, "chunk 1: samples"),
        ("text", InvalidValueError, "chunk 1: samples"),
        (np.zeros((2, BATCH - 1, INPUTS)), ShapeError, "batch of chunk 1 is 2; expected 3"),
    ],
)
def test_a_wrong_chunk_is_named(chunk: Any, error: type[Exception], message: str) -> None:
    network, _, x = networks()
    running = ltc2hw.stream(network, [x, chunk])
    next(running)
    with pytest.raises(error, match=message):
        next(running)
