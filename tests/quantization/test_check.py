"""``check`` says what ``quantize`` does, part by part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ltc2hw
from ltc2hw.errors import HardwareRuleError, InvalidValueError, UnknownNameError
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.graph.structure import connection_name
from ltc2hw.graph.target import Target
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.check import Verdicts, check
from ltc2hw.quantization.dequantize import dequantize
from ltc2hw.quantization.limits import LIMITS
from ltc2hw.quantization.scaling import QuantizeOptions
from ltc2hw.targets import load_target
from tests.random_networks import (
    GATE_KINDS,
    GateKind,
    Model,
    random_fixed_network,
    random_network,
    random_samples,
)
from tests.zoo import zoo

MODELS: tuple[Model, ...] = ("LTC", "LIF")


def harmed(rng: np.random.Generator, network: Network) -> Network:
    """The network with now and then a delay, a weight or a threshold that no chip holds."""
    projections = list(network.projections)
    populations = list(network.populations)
    if rng.integers(3) == 0:
        chosen = int(rng.integers(len(projections)))
        projections[chosen] = replace(projections[chosen], delay=int(rng.integers(60, 70)))
    if rng.integers(3) == 0:
        chosen = int(rng.integers(len(projections)))
        old = projections[chosen]
        factors = 2.0 ** rng.integers(-18, 18, old.weights.shape[0]).astype(np.float64)
        rows = old.weights.rows
        weights = old.weights.with_values(old.weights.values * factors[rows])
        projections[chosen] = replace(old, weights=weights)
    if rng.integers(3) == 0:
        index = int(rng.integers(1, len(populations) - 1))
        neurons = populations[index]
        assert isinstance(neurons, Neurons)
        high = neurons.constants["threshold"] * 2.0 ** rng.integers(0, 30, neurons.size)
        populations[index] = neurons.with_constants({"threshold": high})
    return Network(tuple(populations), tuple(projections), network.output)


def broken_by(
    network: Network, target: str | Target, x: FloatArray | None, options: QuantizeOptions
) -> set[str] | None:
    """What ``quantize`` refuses, by name; None if it is no hardware rule that it raises."""
    try:
        ltc2hw.quantize(network, target, x, options)
    except HardwareRuleError as error:
        return {violation.who for violation in error.violations}
    except InvalidValueError:
        return None
    return set()


def unsupported(verdicts: Verdicts) -> set[str]:
    return {rule.who for part in verdicts.parts for rule in part.rules}


@given(
    st.integers(0, 2**32),
    st.sampled_from(GATE_KINDS),
    st.sampled_from(MODELS),
    st.sampled_from(["loihi2", "loihi1", "ideal"]),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_unsupported_is_what_quantize_refuses(
    seed: int, gate: GateKind, model: Model, target: str, graded: bool, calibrated: bool
) -> None:
    rng = np.random.default_rng(seed)
    network = random_network(
        rng,
        gate=gate,
        model=model,
        graded=graded,
        hidden=(5, 4),
        inputs=3,
        outputs=2,
    )
    network = harmed(rng, network)
    x = random_samples(rng, network, 6, 3) if calibrated else None
    bits = int(rng.integers(1, 10))
    options = QuantizeOptions(weight_bits=None if bits == 9 else bits)
    refused = broken_by(network, target, x, options)
    verdicts = check(network, target, x, options)
    assert verdicts.convertible == (refused == set())
    if refused is None:
        answers = {part.answer for part in verdicts.parts}
        wrong_numbers = {rule.rule for rule in verdicts.violations} == {"numbers"}
        assert "needs calibration" in answers or wrong_numbers
        assert "needs calibration" not in answers or not calibrated
    else:
        # Options are refused before the network is looked at; check tells of both at once.
        found = unsupported(verdicts)
        assert refused <= found
        if bits == 9:
            assert refused == found


@pytest.mark.parametrize("gate", GATE_KINDS)
def test_every_part_has_a_verdict_in_the_networks_order(gate: GateKind) -> None:
    rng = np.random.default_rng(1)
    network = random_network(rng, gate=gate)
    verdicts = check(network, "loihi2", random_samples(rng, network, 8, 4))
    names = [part.name for part in verdicts.parts if part.kind == "population"]
    assert names == [population.name for population in network.populations]
    links = [part.name for part in verdicts.parts if part.kind == "projection"]
    assert len(links) == len(set(links)) == len(network.projections)
    for name, projection in zip(links, network.projections, strict=True):
        assert name.startswith(connection_name(projection))


def grid_network(weights: FloatArray, threshold: float) -> Network:
    return Network(
        (
            Input("input", 2),
            Neurons("hidden", 2, "lif", {
                "current_decay": 0.25, "membrane_decay": 0.5, "threshold": threshold,
            }),
        ),
        (Projection("input", "spikes", "hidden", "current", Dense(weights)),),
        "hidden",
    )  # fmt: skip


SPIKES = np.ones((5, 1, 2))


def test_numbers_on_the_grid_are_exact() -> None:
    verdicts = check(grid_network(np.array([[0.5, -1.0], [0.25, 0.75]]), 1.0), "loihi2", SPIKES)
    assert {part.answer for part in verdicts.parts} == {"exact"}
    assert {part.error for part in verdicts.parts} == {0.0}


def test_a_number_off_the_grid_is_told_with_its_error() -> None:
    weights = np.array([[0.5, -1.0], [0.25, 1 / 3]])
    network = grid_network(weights, 1.0)
    (link,) = (p for p in check(network, "loihi2", SPIKES).parts if p.kind == "projection")
    fixed = ltc2hw.quantize(network, "loihi2", SPIKES)
    mantissas = fixed.projections[0].weights.values.reshape(2, 2)
    got = mantissas / 2.0 ** fixed.projections[0].weight_fraction
    error = np.abs(got - weights).sum(axis=1) / np.abs(weights).sum(axis=1)
    assert link.answer == "approximate"
    assert link.error == pytest.approx(error.max(), rel=1e-12)
    assert "neuron 1" in link.detail
    hidden = check(network, "loihi2", SPIKES).parts[1]
    assert hidden.answer == "exact"


@given(st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_exact_parts_come_back_bit_for_bit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = zoo(rng, ("lif", "cuba", "ltc"))
    x = random_samples(rng, network, 6, 3)
    options = QuantizeOptions(allow=tuple(LIMITS))
    real = dequantize(ltc2hw.quantize(network, "loihi2", x, options))
    verdicts = check(network, "loihi2", x, options)
    answers = {(part.kind, part.name): part.answer for part in verdicts.parts}
    for population in network.populations:
        if isinstance(population, Neurons):
            other = real.population(population.name)
            assert isinstance(other, Neurons)
            same = all(
                np.array_equal(values, other.constants[name])
                for name, values in population.worked_out().constants.items()
            )
            assert answers["population", population.name] == ("exact" if same else "approximate")
    for first, second in zip(network.projections, real.projections, strict=True):
        same = np.array_equal(first.weights.values, second.weights.values)
        name = connection_name(first) + (" after 1" if first.delay else "")
        assert answers["projection", name] == ("exact" if same else "approximate")


def test_what_needs_calibration_is_named() -> None:
    network = zoo(np.random.default_rng(0), ("lif", "ltc"))
    verdicts = check(network, "loihi2")
    needing = {part.name for part in verdicts.parts if part.answer == "needs calibration"}
    assert needing == {"input", "n_lif"}
    assert not verdicts.convertible
    with pytest.raises(InvalidValueError, match="calibration"):
        ltc2hw.quantize(network, "loihi2")


def test_graded_messages_need_calibration() -> None:
    network = random_network(np.random.default_rng(0), gate="dense", graded=False)
    needing = {
        part.name: part.detail
        for part in check(network, "loihi2").parts
        if part.answer == "needs calibration"
    }
    assert needing == {"hidden0": "the range of current, membrane, adaptation"}


def test_an_integer_network_is_exact_on_its_own_chip_and_judged_on_others() -> None:
    fixed = random_fixed_network(np.random.default_rng(4), models=("LTC",))
    own = check(fixed, "loihi2")
    assert own.convertible
    assert {part.answer for part in own.parts} == {"exact"}
    other = check(fixed, "loihi1")
    assert not other.convertible
    wrong = {part.name for part in other.parts if part.kind == "population" and part.rules}
    assert wrong == {p.name for p in fixed.populations if p.name != "input"}


def test_a_rule_on_the_whole_chip_is_told_of_the_network() -> None:
    link = Projection("input", "spikes", "out", "current", Dense(np.ones((6, 4))))
    network = Network((Input("input", 4), Neurons("out", 6, "readout")), (link,), "out")
    chip = load_target("loihi2")
    small = replace(chip, resources=replace(chip.resources, cores=1, neurons_per_core=5))
    verdicts = check(network, small)
    assert [part.answer for part in verdicts.parts] == ["exact", "exact", "exact", "unsupported"]
    whole = verdicts.parts[-1]
    assert (whole.kind, whole.rules[0].rule) == ("network", "chip-size")
    assert verdicts.utilization["neurons"] == (6, 5)
    assert broken_by(network, small, None, QuantizeOptions()) == {"neurons"}
    assert check(network, chip).convertible


def test_wrong_calls_are_refused() -> None:
    network = grid_network(np.ones((2, 2)), 1.0)
    with pytest.raises(UnknownNameError, match="loihi3"):
        check(network, "loihi3")
    with pytest.raises(InvalidValueError, match="0 or 1"):
        check(network, "loihi2", 0.5 * SPIKES)
    with pytest.raises(InvalidValueError, match="network"):
        check("net.h5", "loihi2")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="limit"):
        check(network, "loihi2", SPIKES, QuantizeOptions(allow=("everything",)))
