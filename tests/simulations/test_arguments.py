"""What callers give to simulate: every engine refuses the same things by the same typed errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ltc2hw
from ltc2hw.errors import InvalidValueError, Ltc2hwError, ShapeError, UnknownNameError
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from tests.random_networks import random_network, random_samples

ENGINES = ("float64", "integer", "fast", "torch")


@pytest.fixture(scope="module")
def pair() -> tuple[Network, FixedNetwork, Any]:
    """A float network with delays, the same in integers, and samples."""
    rng = np.random.default_rng(3)
    network = random_network(rng)
    x = random_samples(rng, network, 6, 2)
    return network, ltc2hw.quantize(network, "loihi2", x), x


def run(pair: Any, engine: str, x: Any = None, **options: Any) -> Any:
    """Simulate with an engine the network of its kind."""
    if engine == "torch":
        pytest.importorskip("torch")
    network = pair[0] if engine == "float64" else pair[1]
    return ltc2hw.simulate(network, pair[2] if x is None else x, engine, **options)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "x",
    [
        "text", [["text"]], [[[1.0, 2.0], [3.0]]], {"x": 1}, [[[{}]]], [[[None] * 5]], object(), 3j,
        np.full((6, 2, 5), "1"), np.zeros((6, 2, 5), dtype="datetime64[s]"), [], 7, [[[10**400]]],
        np.full((6, 2, 5), np.nan), np.full((6, 2, 5), np.inf), np.full((6, 2, 5), 1j),
    ],
    ids=range(16),
)  # fmt: skip
def test_samples_that_are_none(pair: Any, engine: str, x: Any) -> None:
    with pytest.raises((InvalidValueError, ShapeError), match="sample"):
        run(pair, engine, x)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("record", [None, 3, {"spikes": 1}, [None], [["spikes"]], b"spikes"])
def test_records_that_are_no_names(pair: Any, engine: str, record: Any) -> None:
    with pytest.raises(InvalidValueError, match="record"):
        run(pair, engine, record=record)


@pytest.mark.parametrize("engine", ENGINES)
def test_records_may_be_any_sequence_of_names(pair: Any, engine: str) -> None:
    expected = run(pair, engine, record=("spikes", "current"))
    assert run(pair, engine, record=(name for name in ["spikes", "current"])) == expected
    assert run(pair, engine, record=("spikes",)) != expected


@pytest.mark.parametrize("threads", [1.5, "2", True, 0, -1, 10**8, np.nan, [1]])
def test_threads_that_are_no_number_of_them(pair: Any, threads: Any) -> None:
    with pytest.raises(InvalidValueError, match="number of threads"):
        run(pair, "fast", threads=threads)


def test_other_arguments_of_wrong_types(pair: Any) -> None:
    network, _, x = pair
    wrong: list[dict[str, Any]] = [
        {"network": None}, {"network": "net.h5"}, {"engine": 3}, {"engine": ["fast"]},
        {"progress": 3},
    ]  # fmt: skip
    for change in wrong:
        with pytest.raises(InvalidValueError, match=next(iter(change))):
            ltc2hw.simulate(**{"network": network, "x": x, **change})


def changed_states(state: Any, real: bool) -> dict[str, tuple[Any, type[Ltc2hwError]]]:
    """States that are none of this network, with the error that each of them is."""

    def change(array: Any) -> Any:
        hidden = {**state["hidden0"], "membrane": array}
        return {**state, "hidden0": hidden}

    membrane = np.asarray(state["hidden0"]["membrane"])
    nan = np.full(membrane.shape, np.nan)
    states: dict[str, tuple[Any, type[Ltc2hwError]]] = {
        "no mapping": (3, InvalidValueError),
        "a list": ([state], InvalidValueError),
        "no registers": ({**state, "hidden0": 3}, InvalidValueError),
        "texts": (change(np.full(membrane.shape, "1")), InvalidValueError),
        "ragged": (change([[1, 2], [3]]), InvalidValueError),
        "nan": (change(nan), InvalidValueError),
        "missing": ({**state, "hidden0": {}}, ShapeError),
        "another batch": (change(membrane[:1]), ShapeError),
        "extra population": ({**state, "other": {}}, UnknownNameError),
        "extra register": (
            {**state, "hidden0": {**state["hidden0"], "extra": membrane}},
            UnknownNameError,
        ),
    }
    if not real:
        states["reals"] = (change(membrane.astype(np.float64)), InvalidValueError)
        states["beyond the word"] = (change(membrane + (1 << 40)), InvalidValueError)
        spikes = {**state["hidden0"], "spikes": np.full(membrane.shape, 2)}
        states["two spikes"] = ({**state, "hidden0": spikes}, InvalidValueError)
    return states


@pytest.mark.parametrize("engine", ENGINES)
def test_states_that_are_none_of_this_network(pair: Any, engine: str) -> None:
    state = run(pair, engine).state
    for name, (wrong, error) in changed_states(state, engine == "float64").items():
        with pytest.raises(error, match="state") as caught:
            run(pair, engine, state=wrong)
        assert len(str(caught.value).splitlines()) == 1, name


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_states_of_other_integers_go_on_the_same(pair: Any, engine: str) -> None:
    """Nothing is computed in the type of what was given."""
    state = run(pair, engine).state
    small = {
        name: {register: values.astype(np.int32).tolist() for register, values in kept.items()}
        for name, kept in state.items()
    }
    assert run(pair, engine, state=small, record="all") == run(
        pair, engine, state=state, record="all"
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_traces_compare_by_all_of_their_numbers(pair: Any, engine: str) -> None:
    first, second = run(pair, engine, record="all"), run(pair, engine, record="all")
    assert first == second
    assert first != 3
    second.outputs.flat[-1] += 1
    assert first != second
    other = run(pair, engine, record="all")
    name = next(iter(other.states))
    variable = next(iter(other.states[name]))
    other.states[name][variable].flat[0] += 1
    assert first != other
