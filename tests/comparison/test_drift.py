"""Where and when integers leave float: by hand, by another way, by planted errors."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

import ltc2hw
from ltc2hw.comparison import drifting
from ltc2hw.comparison.compare import CompareOptions, compare
from ltc2hw.comparison.drift import Drift, PopulationDrift
from ltc2hw.comparison.drift_texts import drift_rows, finding, findings
from ltc2hw.comparison.drifting import measure_drift
from ltc2hw.comparison.markdown import to_markdown
from ltc2hw.comparison.units import Units
from ltc2hw.dynamics.models import MODELS, find_model
from ltc2hw.dynamics.roles import charging
from ltc2hw.errors import InvalidValueError, ShapeError, UnknownNameError
from ltc2hw.graph.fixed import (
    FixedInput,
    FixedNetwork,
    FixedProjection,
    message_fraction,
    message_word,
)
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import FixedNeurons, Neurons
from ltc2hw.graph.state import zero_state
from ltc2hw.graph.trace import ALL
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.limits import LIMITS
from ltc2hw.simulations.forced import forced
from tests.convolution.test_networks import events, gated_network
from tests.dynamics.running import random_case
from tests.random_networks import (
    GATE_KINDS,
    random_fixed_network,
    random_network,
    random_samples,
)

STEPS, SAMPLES = 40, 6


def wire(
    source: str, target: str, weight: Any, delay: int = 0, variable: str = "spikes"
) -> Projection:
    """A projection onto currents."""
    return Projection(source, variable, target, "current", Dense(weight), delay)


def two_neurons(weights: tuple[float, float, float]) -> Network:
    """x to a, a to itself a step later, a to b two steps later; no leak."""
    first, own, second = weights
    return Network(
        (
            Input("x", 1, graded=True),
            Neurons("a", 1, "if_subtract", {"threshold": 1.0}),
            Neurons("b", 1, "if_subtract", {"threshold": 1.0}),
        ),
        (
            wire("x", "a", [[first]], variable="value"),
            wire("a", "a", [[own]], 1),
            wire("a", "b", [[second]], 2),
        ),
        "b",
    )


@dataclass(frozen=True)
class Plain:
    """Integrate-and-fire with a weight to itself, in a plain loop; numbers are units of its own."""

    weight: Any
    own: Any
    threshold: Any
    unit: float = 1.0

    def run(
        self, heard: list[Any], before: Run | None = None, *, spikes: list[int] | None = None
    ) -> Run:
        """Membranes and spikes; each step starts from the last one, or from one of ``before``.

        ``spikes``: its own, as it hears them instead of those that it sends.
        """
        membrane, spike = 0, 0
        found: Run = ([], [])
        for t, message in enumerate(heard):
            if before is not None and t:
                membrane, spike = round(before[0][t - 1] / self.unit), before[1][t - 1]
            elif before is not None:
                membrane, spike = 0, 0
            if spikes is not None:
                spike = spikes[t - 1] if t else 0
            membrane = membrane + self.weight * message + self.own * spike
            spike = int(membrane > self.threshold)
            membrane = membrane - self.threshold * spike
            found[0].append(membrane)
            found[1].append(spike)
        return found

    def real(self, run: Run) -> Run:
        """Membranes in real units."""
        return [membrane * self.unit for membrane in run[0]], run[1]


Run = tuple[list[Any], list[Any]]
RUNS = ("made", "kept", "own", "free")


def plain_of(fixed: FixedNetwork, name: str, heard: int, own: int | None) -> Plain:
    """The integers of a population of one neuron, by the indices of its projections."""

    def weight(index: int) -> int:
        projection = fixed.projections[index]
        return int(projection.weights.values[0]) << projection.exponent

    neurons = neurons_of(fixed, name)
    fraction = neurons.fractions["membrane"]
    assert neurons.formats.ports["current"] == fraction
    threshold = int(neurons.constants["threshold"][0])
    threshold <<= fraction - neurons.formats.constants["threshold"]
    return Plain(weight(heard), 0 if own is None else weight(own), threshold, 2.0**-fraction)


def neurons_of(fixed: FixedNetwork, name: str) -> FixedNeurons:
    """A population that is no input."""
    found = fixed.population(name)
    assert isinstance(found, FixedNeurons)
    return found


def later(spikes: list[int], delay: int) -> list[int]:
    """Spikes as they are heard after a delay."""
    return [*[0] * delay, *spikes][: len(spikes)]


def test_two_neurons_by_hand() -> None:
    network = two_neurons((0.7071, 0.1234, 0.4321))
    x = np.random.default_rng(0).integers(0, 17, (STEPS, SAMPLES, 1)) / 16
    fixed = ltc2hw.quantize(network, "loihi2", x, ltc2hw.QuantizeOptions(weight_bits=3))
    drift = measure_drift(network, fixed, x)
    floats = {"a": Plain(0.7071, 0.1234, 1.0), "b": Plain(0.4321, 0.0, 1.0)}
    integers = {"a": plain_of(fixed, "a", 0, 1), "b": plain_of(fixed, "b", 2, None)}
    errors: dict[tuple[str, str], list[list[list[float]]]] = {}
    reals: dict[str, list[list[float]]] = {"a": [], "b": []}
    for sample in range(SAMPLES):
        entering = [float(value) for value in x[:, sample, 0]]
        encoded = [round(value * 2**fixed.input.fraction) for value in entering]
        real_a = floats["a"].run(entering)
        real_b = floats["b"].run(later(real_a[1], 2))
        free_a = integers["a"].run(encoded)
        runs = {
            ("a", "free"): (real_a, free_a),
            ("a", "own"): (real_a, free_a),
            ("a", "kept"): (real_a, integers["a"].run(encoded, spikes=real_a[1])),
            ("a", "made"): (real_a, integers["a"].run(encoded, real_a)),
            ("b", "free"): (real_b, integers["b"].run(later(free_a[1], 2))),
            ("b", "own"): (real_b, integers["b"].run(later(real_a[1], 2))),
            ("b", "kept"): (real_b, integers["b"].run(later(real_a[1], 2), spikes=real_b[1])),
            ("b", "made"): (real_b, integers["b"].run(later(real_a[1], 2), real_b)),
        }
        for (name, run), (real, integer) in runs.items():
            pairs = zip(integers[name].real(integer), real, strict=True)
            errors.setdefault((name, run), []).append(
                [[i - r for i, r in zip(found, wanted, strict=True)] for found, wanted in pairs]
            )
        reals["a"].append(real_a[0])
        reals["b"].append(real_b[0])
    told = {key: np.array(values) for key, values in errors.items()}  # (sample, kind, step)
    for name in ("a", "b"):
        found = drift.population(name)
        membrane, _ = found.states
        assert (membrane.variable, found.size, found.factor) == ("membrane", 1, 1.0)
        assert found.spikes is not None
        made, kept, own, free = (told[name, run] for run in RUNS)
        for index, origins in enumerate((membrane.origins, found.spikes.origins)):
            m, k, o, e = (errors[:, index] for errors in (made, kept, own, free))
            wanted = [np.mean(e * part) for part in (m, k - m, o - k, e - o)]
            assert (
                origins.made,
                origins.kept,
                origins.returned,
                origins.inherited,
            ) == pytest.approx(tuple(wanted), rel=1e-9, abs=1e-15)
            assert origins.total == pytest.approx(np.mean(e**2))
        scale = np.sqrt(np.mean(np.array(reals[name]) ** 2))
        assert membrane.scale == pytest.approx(scale)
        assert membrane.error == pytest.approx(np.sqrt(np.mean(free[:, 0] ** 2)) / scale)
        for run in ("made", "own", "free"):
            course = np.sqrt(np.mean(told[name, run][:, 0] ** 2, axis=0)) / scale
            np.testing.assert_allclose(getattr(membrane, run), course, rtol=1e-9, atol=1e-15)
            flips = getattr(found.spikes, run)
            np.testing.assert_allclose(flips.missed, np.mean(told[name, run][:, 1] < 0, axis=0))
            np.testing.assert_allclose(flips.added, np.mean(told[name, run][:, 1] > 0, axis=0))
        parted = [np.flatnonzero(sample) for sample in free[:, 1]]
        steps = [int(places[0]) for places in parted if places.size]
        assert found.spikes.first_step == tuple(steps.count(t) for t in range(STEPS))
        assert found.spikes.never == SAMPLES - len(steps)
    # Where all were alike nothing would be told apart.
    b = drift.population("b")
    assert b.spikes is not None
    assert len({b.spikes.free, b.spikes.own, b.spikes.made}) == 3
    origins = drift.population("a").states[0].origins
    assert origins.inherited == 0 != origins.returned
    assert drift.population("b").states[0].origins.returned == 0


def delayed_by_one(fixed: FixedNetwork) -> FixedNetwork:
    """The same network in which everything sent is heard a step later than it was."""
    return replace(
        fixed, projections=tuple(replace(p, delay=p.delay + 1) for p in fixed.projections)
    )


@pytest.mark.parametrize("gate", GATE_KINDS)
def test_single_steps_are_those_of_the_engine_from_such_a_state(gate: Any) -> None:
    """Past messages of a network with longer delays stand for what is heard in the step itself."""
    rng = np.random.default_rng(7)
    network = random_network(rng, gate=gate, hidden=(8, 6))
    x = random_samples(rng, network, 7, 4) / 2
    fixed = ltc2hw.quantize(network, "loihi2", x, ltc2hw.QuantizeOptions(weight_bits=4))
    real = ltc2hw.simulate(network, x, "float64", ALL)
    slow = delayed_by_one(fixed)
    recorded = real.recorded()
    own_now = {(p.source, p.target) for p in fixed.projections if p.delay == 0} & {
        (p.name, p.name) for p in fixed.populations
    }
    units = Units.of(network, fixed)
    heard, before = units.messages(recorded), units.registers(recorded)
    found = forced(fixed, heard, ("membrane", "spikes"), before, past=True)
    for t in range(len(x)):
        state: dict[str, dict[str, Any]] = {
            name: dict(registers) for name, registers in zero_state(slow, 4, np.int64).items()
        }
        for population in fixed.populations:
            name = population.name
            for register, array in state[name].items():
                _, _, variable = register.partition("sent:")
                for past in range(len(array)) if variable else ():
                    if t >= past:
                        word = message_word(population, variable)
                        scaled = recorded[name, variable][t - past] * 2.0 ** message_fraction(
                            population, variable
                        )
                        array[past] = np.clip(np.rint(scaled), word.minimum, word.maximum)
                if not variable and t:
                    assert isinstance(population, FixedNeurons)
                    scaled = recorded[name, register][t - 1] * 2.0 ** population.fractions[register]
                    state[name][register] = np.rint(scaled).astype(np.int64)
        one = ltc2hw.simulate(slow, x[t : t + 1], "integer", ALL, state)
        for name in ("hidden0", "hidden1", "readout"):
            # A population that hears its own current within the step hears the integers' there.
            if (name, name) not in own_now:
                np.testing.assert_array_equal(
                    one.states[name]["membrane"][0], found.states[name]["membrane"][t]
                )
                if name != "readout":
                    np.testing.assert_array_equal(one.spikes[name][0], found.spikes[name][t])
    assert any((name, name) not in own_now for name in ("hidden0", "hidden1", "readout"))


@pytest.mark.parametrize("seed", range(12))
def test_what_an_integer_run_sent_and_kept_gives_the_same_run(seed: int) -> None:
    """Given what it would have worked out itself, every step is the one of the engine."""
    rng = np.random.default_rng(seed)
    fixed = random_fixed_network(rng, largest=12)
    x = random_samples(rng, fixed, 9, 3)
    run = ltc2hw.simulate(fixed, x, "integer", ALL)
    recorded = run.recorded()
    sent = {(p.source, p.variable) for p in fixed.projections}
    heard = {}
    for name, variable in {*sent, (fixed.input.name, fixed.input.variables[0])}:
        values, population = recorded[name, variable].astype(np.int64), fixed.population(name)
        for message in () if isinstance(population, FixedInput) else population.messages:
            if message.variable == variable:
                cut = np.sign(values) * (np.abs(values) >> message.shift)
                values = np.clip(cut, message.word.minimum, message.word.maximum)
        heard[name, variable] = values
    before = {
        p.name: {
            register: np.concatenate(
                [np.zeros_like(recorded[p.name, register][:1]), recorded[p.name, register][:-1]]
            ).astype(np.int64)
            for register in p.registers
        }
        for p in fixed.populations
    }
    names = tuple({name for _, name in recorded})
    for start, past in ((None, False), (None, True), (before, True), (before, False)):
        again = forced(fixed, heard, names, start, past=past)
        for key, values in recorded.items():
            np.testing.assert_array_equal(again.recorded()[key], values, f"{key} {past}")
        np.testing.assert_array_equal(again.outputs, run.outputs)
        assert {**again.saturations, fixed.input.name: {}} == {
            **run.saturations, fixed.input.name: {},
        }  # fmt: skip


def test_own_state_with_floats_messages_is_that_of_the_population_alone() -> None:
    """A population that hears one other alone is a network whose input is that other."""
    rng = np.random.default_rng(3)
    network = random_network(rng, hidden=(8, 6))
    x = random_samples(rng, network, 9, 4) / 2
    fixed = ltc2hw.quantize(network, "loihi2", x, ltc2hw.QuantizeOptions(weight_bits=4))
    real = ltc2hw.simulate(network, x, "float64", ALL)
    heard = Units.of(network, fixed).messages(real.recorded())
    found = forced(fixed, heard, ("membrane", "spikes"))
    for name, source in (("hidden1", "hidden0"), ("readout", "hidden1")):
        spikes = fixed.population(source)
        stand_in = FixedInput(source, spikes.size, False, message_word(spikes, "spikes"), 0)
        landing = tuple(p for p in fixed.projections if p.target == name)
        assert {p.source for p in landing} <= {source, name}
        alone = FixedNetwork((stand_in, fixed.population(name)), landing, name, fixed.target)
        run = ltc2hw.simulate(alone, real.spikes[source].astype(float), "integer", ALL)
        np.testing.assert_array_equal(run.states[name]["membrane"], found.states[name]["membrane"])


def on_a_grid(hidden: int = 3) -> tuple[Network, FixedNetwork, FloatArray]:
    """A chain of integrate-and-fire populations whose numbers integers hold exactly."""
    rng = np.random.default_rng(2)
    populations: list[Any] = [Input("x", 5)]
    projections = []
    for index in range(hidden):
        name, before = f"h{index}", populations[-1]
        populations.append(Neurons(name, 6, "if_subtract", {"threshold": 1.0}))
        weights = rng.integers(-3, 8, (6, before.size)) / 8
        projections.append(wire(before.name, name, weights, index))
        projections.append(wire(name, name, rng.integers(-4, 4, (6, 6)) / 8, 1))
    network = Network(tuple(populations), tuple(projections), populations[-1].name)
    x = (rng.random((20, 7, 5)) < 0.4).astype(float)
    return network, ltc2hw.quantize(network, "ideal", x), x


def planted(fixed: FixedNetwork, source: str, target: str, by: int) -> FixedNetwork:
    """The network with one weight of a projection moved by so many mantissas."""

    def changed(projection: FixedProjection) -> FixedProjection:
        if (projection.source, projection.target) != (source, target):
            return projection
        values = projection.weights.values.copy()
        values.flat[0] += by
        return replace(projection, weights=projection.weights.with_values(values))

    return replace(fixed, projections=tuple(map(changed, fixed.projections)))


def far(fixed: FixedNetwork) -> int:
    """A quarter of what weights can span, downwards."""
    return -(1 << (fixed.projections[0].bits - 2))


def test_numbers_on_the_grid_have_no_error_at_all() -> None:
    network, fixed, x = on_a_grid()
    drift = measure_drift(network, fixed, x)
    assert all(population.exact for population in drift.populations)
    for population in drift.populations:
        assert population.spikes is not None
        assert sum(population.spikes.first_step) == 0
        assert population.spikes.never == drift.samples == 7
        assert population.spikes.origins.shares == (0.0,) * 4
        for state in population.states:
            assert {*state.free, *state.own, *state.made} == {0.0}
            assert state.error == state.standing == 0.0
            assert state.scale > 0
    assert findings(drift) == (
        "On the first 7 samples no spike differs.",
        *(f"h{index}: every number is that of the float run." for index in range(3)),
    )
    assert {row[2:8] for row in drift_rows(drift)} == {(*["0 %"] * 5, "never")}


@pytest.mark.parametrize("layer", range(3))
def test_a_wrong_weight_is_found_in_its_layer(layer: int) -> None:
    network, fixed, x = on_a_grid()
    source = f"h{layer - 1}" if layer else "x"
    drift = measure_drift(network, planted(fixed, source, f"h{layer}", far(fixed)), x)
    for index, population in enumerate(drift.populations):
        assert population.spikes is not None
        parts_of_all = [*(state.origins for state in population.states), population.spikes.origins]
        if index < layer:
            assert population.exact
        elif index == layer:
            assert [origins.inherited for origins in parts_of_all] == [0.0] * len(parts_of_all)
            assert population.states[0].origins.made > 0
            assert population.spikes.origins.total > 0
            assert any(population.states[0].made)
        else:
            assert {(origins.made, origins.kept, origins.returned) for origins in parts_of_all} == {
                (0.0,) * 3
            }
            assert population.spikes.origins.inherited > 0
            assert not any(population.states[0].made)
            assert population.spikes.made.differing == (0.0,) * len(x)
    first = drift.populations[layer].spikes
    assert first is not None
    assert f"spikes first differ at step {first.first}, in h{layer}" in findings(drift)[0]


def test_a_leak_that_is_lost_stands_still() -> None:
    """A membrane that decays by less than an integer a step stays where it is, in integers."""
    network = Network(
        (
            Input("x", 1),
            Neurons("out", 2, "if_subtract", {"threshold": 100.0, "membrane_decay": [0.01, 0.5]}),
        ),
        (wire("x", "out", [[1.0], [1.0]]),),
        "out",
    )
    x = np.zeros((300, 1, 1))
    x[0] = 1.0
    exact = ltc2hw.quantize(network, "loihi2", np.ones((3, 1, 1)))
    out = neurons_of(exact, "out")
    slow = out.with_constants({**out.constants, "membrane_decay": np.array([0, 16384])})
    fixed = replace(exact, populations=(exact.input, slow))
    assert out.constants["membrane_decay"].tolist() == [328, 16384]
    membrane = measure_drift(network, fixed, x).population("out").states[0]
    assert membrane.variable == "membrane"
    unit = 2.0 ** -out.fractions["membrane"]
    fallen = [1.0 - 0.99**t > unit and t > 1 for t in range(300)]
    assert membrane.standing == sum(fallen) / 600 > 0.1
    assert membrane.stuck == 1
    assert measure_drift(network, exact, x).population("out").states[0].stuck == 0


def test_neurons_that_spike_in_one_run_alone() -> None:
    network, fixed, x = on_a_grid(1)
    neurons = neurons_of(fixed, "h0")
    real = ltc2hw.simulate(network, x).spikes["h0"]
    thresholds = neurons.constants["threshold"].copy()
    loud = int(np.argmax(real.sum(axis=(0, 1))))
    thresholds[loud] = 1 << 20
    changed = replace(
        fixed, populations=(fixed.input, neurons.with_constants({"threshold": thresholds}))
    )
    drift = measure_drift(network, changed, x)
    integer = ltc2hw.simulate(changed, x, "integer").spikes["h0"]
    spikes = drift.population("h0").spikes
    assert spikes is not None
    ever = real.any(axis=(0, 1)), integer.any(axis=(0, 1))
    assert spikes.silenced == np.sum(ever[0] & ~ever[1]) >= 1
    assert spikes.awakened == np.sum(ever[1] & ~ever[0])
    assert f"{spikes.silenced} neuron" in finding(drift.population("h0"))
    assert "in float alone" in finding(drift.population("h0"))


@pytest.fixture(scope="module")
def images() -> tuple[Network, FixedNetwork, FloatArray]:
    network, x = gated_network(), events()
    options = ltc2hw.QuantizeOptions(weight_bits=4)
    return network, ltc2hw.quantize(network, "loihi2", x, options), x


def numbers(drift: Drift) -> list[float]:
    """Everything measured, in one list."""
    found: list[float] = []

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            value = value.values()
        if isinstance(value, (int, float)):
            found.append(float(value))
        elif value is not None and not isinstance(value, str):
            for part in value:
                collect(part)

    collect(drift.to_dict())
    return found


def test_samples_in_parts_give_the_same(
    images: tuple[Network, FixedNetwork, FloatArray], monkeypatch: pytest.MonkeyPatch
) -> None:
    network, fixed, x = images
    whole = measure_drift(network, fixed, x)
    assert not whole.population("two").exact
    monkeypatch.setattr(drifting, "MEMORY", 1)
    told: list[tuple[str, int, int]] = []
    parts = measure_drift(network, fixed, x, progress=lambda *step: told.append(step))
    np.testing.assert_allclose(numbers(parts), numbers(whole), rtol=1e-9, atol=1e-14)
    assert told == [("drift", done, 15) for done in range(16)]
    first = measure_drift(network, fixed, x, samples=2)
    assert first == measure_drift(network, fixed, x[:, :2])
    assert (first.samples, whole.samples) == (2, 3)


def test_free_errors_of_convolutions_are_those_of_traces(
    images: tuple[Network, FixedNetwork, FloatArray],
) -> None:
    network, fixed, x = images
    drift = measure_drift(network, fixed, x)
    real = ltc2hw.simulate(network, x, "float64", ALL)
    integer = ltc2hw.simulate(fixed, x, "integer", ALL)
    for population in drift.populations:
        for state in population.states:
            wanted = real.states[population.name][state.variable]
            error = integer.real(population.name, state.variable) - wanted
            scale = np.sqrt(np.mean(wanted**2))
            np.testing.assert_allclose(
                state.free, np.sqrt(np.mean(error**2, axis=(1, 2))) / scale, rtol=1e-9
            )
            assert state.origins.total == pytest.approx(np.mean(error**2))
            held = integer.states[population.name][state.variable]
            used = max(int(np.abs(held).max()).bit_length(), 1)
            assert state.bits_used in (used, used + 1)
            assert state.bits >= state.bits_used
    names = {p.name: [state.variable for state in p.states] for p in drift.populations}
    assert names == {
        "one": ["membrane", "adaptation"], "two": ["membrane", "adaptation"], "out": ["membrane"],
    }  # fmt: skip
    assert drift.population("out").spikes is None


def test_samples_that_end_count_to_their_end() -> None:
    network, fixed, x = on_a_grid(2)
    wrong = planted(fixed, "x", "h0", -3)
    lengths = np.array([20, 3, 11, 1, 20, 8, 15])
    filled = np.where(np.arange(20)[:, None, None] < lengths[:, None], x, np.nan)
    drift = measure_drift(network, wrong, filled, lengths)
    alone = [measure_drift(network, wrong, x[:end, b : b + 1]) for b, end in enumerate(lengths)]
    for index, population in enumerate(drift.populations):
        for place, state in enumerate(population.states):
            others = [single.populations[index].states[place].origins for single in alone]
            for part in ("made", "kept", "returned", "inherited"):
                parts = [getattr(origins, part) for origins in others]
                wanted = np.dot(parts, lengths) / lengths.sum()
                assert getattr(state.origins, part) == pytest.approx(wanted, abs=1e-15)
        spikes = [single.populations[index].spikes for single in alone]
        assert population.spikes is not None
        assert population.spikes.never == sum(s.never for s in spikes if s is not None)
        for t in range(20):
            there = [s for s, end in zip(spikes, lengths, strict=True) if end > t]
            missed = [s.free.missed[t] for s in there if s is not None]
            assert population.spikes.free.missed[t] == pytest.approx(np.mean(missed))
            parted = [s.first_step[t] for s in there if s is not None]
            assert population.spikes.first_step[t] == sum(parted)


def test_units_of_a_foreign_network_are_taken_out() -> None:
    """Thresholds and weights that are 64 times larger are no error; larger thresholds alone are."""
    network, _, x = on_a_grid(2)
    loud = replace(
        network,
        populations=(
            network.input,
            *(Neurons(f"h{i}", 6, "if_subtract", {"threshold": 64.0}) for i in range(2)),
        ),
        projections=tuple(
            replace(p, weights=p.weights.with_values(64 * p.weights.values))
            for p in network.projections
        ),
    )
    foreign = ltc2hw.quantize(loud, "ideal", x)
    drift = measure_drift(network, foreign, x)
    assert [(p.factor, p.exact) for p in drift.populations] == [(64.0, True), (64.0, True)]
    weights = zip(network.projections, loud.projections, strict=True)
    quiet = replace(loud, projections=tuple(replace(b, weights=a.weights) for a, b in weights))
    drift = measure_drift(network, ltc2hw.quantize(quiet, "ideal", x), x)
    assert [(p.factor, p.exact) for p in drift.populations] == [(1.0, False), (1.0, False)]
    wrong = planted(foreign, "h0", "h1", -5)
    sentence = finding(measure_drift(network, wrong, x).population("h1"))
    assert "its unit is 64 times the float network's" in sentence


def test_a_sentence_says_what_was_found() -> None:
    drift = measure_drift(*_wrong_in_the_middle())
    population: PopulationDrift = drift.population("h2")
    assert population.spikes is not None
    sentence = finding(population)
    assert sentence.startswith("h2: ")
    assert f"from step {population.spikes.first} on, 0 % by a single step" in sentence
    assert "100 % is inherited with messages of others" in sentence
    with pytest.raises(UnknownNameError, match="population"):
        drift.population("h3")


def _wrong_in_the_middle() -> tuple[Network, FixedNetwork, FloatArray]:
    network, fixed, x = on_a_grid()
    return network, planted(fixed, "h0", "h1", far(fixed)), x


def test_what_does_not_fit_is_refused() -> None:
    network, fixed, x = on_a_grid()
    with pytest.raises(InvalidValueError, match="samples of the drift"):
        measure_drift(network, fixed, x, samples=0)
    with pytest.raises(ShapeError, match="shape of samples"):
        measure_drift(network, fixed, x[0])
    with pytest.raises(ShapeError, match="shape of samples"):
        measure_drift(network, fixed, x[0], [1])
    with pytest.raises(InvalidValueError, match="part"):
        measure_drift(on_a_grid(2)[0], fixed, x)


def test_a_report_holds_the_drift_of_its_first_samples(
    images: tuple[Network, FixedNetwork, FloatArray],
) -> None:
    network, fixed, x = images
    labels = np.array([0, 1, 2])
    report = compare(network, fixed, x, labels, ("integer",))
    drift = measure_drift(network, fixed, x)
    assert report.drift == drift
    assert report.to_dict()["drift"] == json.loads(json.dumps(drift.to_dict()))
    text = to_markdown(report)
    for sentence in findings(drift):
        assert f"- {sentence}\n" in text
    assert "## Where and when, on the first 3 samples\n" in text
    assert [row[0] for row in drift_rows(drift)] == ["one"] * 3 + ["two"] * 3 + ["out"]
    assert drift.errors["two"] == drift.population("two").states[0].free
    assert list(drift.differing) == ["one", "two"]
    fewer = CompareOptions(samples={"integer": 2})
    assert compare(network, fixed, x, labels, ("integer",), options=fewer).drift == measure_drift(
        network, fixed, x, samples=2
    )
    without = compare(network, fixed, x, labels, ("integer",), options=CompareOptions(causes=False))
    assert without.drift is without.to_dict()["drift"] is None
    assert "Where and when" not in to_markdown(without)


@pytest.mark.parametrize("name", tuple(MODELS))
def test_neurons_of_every_model(name: str) -> None:
    rng = np.random.default_rng(1)
    constants, arriving = random_case(name, rng)
    size, model = arriving.shape[2], find_model(name)
    weights = rng.normal(0, 0.02, (size, size))
    ports = [Projection("x", "value", "n", port, Dense(np.eye(size))) for port in model.ports]
    own = Projection("n", model.sends[0], "n", model.ports[-1], Dense(weights), 1)
    neurons = Neurons("n", size, model, constants)
    network = Network((Input("x", size, True), neurons), (*ports, own), "n")
    x = arriving[:20]
    options = ltc2hw.QuantizeOptions(allow=tuple(LIMITS))
    fixed = ltc2hw.quantize(network, "loihi2", x, options)
    drift = measure_drift(network, fixed, x).population("n")
    real = ltc2hw.simulate(network, x, "float64", ALL).recorded()
    integer = ltc2hw.simulate(fixed, x, "integer", ALL)
    assert drift.states[0].variable == (charging(model) or model.output)
    told = {state.variable for state in drift.states} | {"spikes"} & set(model.results)
    assert told >= set(model.states)
    for state in drift.states:
        error = integer.real("n", state.variable) - real["n", state.variable]
        assert state.origins.total == pytest.approx(np.mean(error**2), rel=1e-9)
        assert state.origins.inherited == 0
        np.testing.assert_allclose(
            state.own, state.free, rtol=1e-12, atol=0, err_msg="it hears nobody but the input"
        )
        assert state.made[0] == state.free[0]
    if drift.spikes is not None:
        differs = integer.spikes["n"] != real["n", "spikes"]
        np.testing.assert_allclose(drift.spikes.free.differing, differs.mean(axis=(1, 2)))
