"""What learns, what is held, and why: said for every kind of network, refused where it matters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ltc2hw import FixedNetwork, FPTTRule, Network, learn, quantize
from ltc2hw.converters.populations import LIF, LTC, Gate, Readout
from ltc2hw.errors import InvalidValueError, UnknownNameError, UnsupportedError
from ltc2hw.graph.network import Input, Projection
from ltc2hw.learning.scope import PARTIAL, scope_of
from ltc2hw.numbers.weights import Dense
from tests.random_networks import random_network

X = np.random.default_rng(0).uniform(0, 1, (3, 4, 5))
LABELS = np.array([0, 1, 2, 0])
READOUT = FPTTRule(ports={"readout": ("current", "tau_mem")})


def ltc(name: str, size: int) -> LTC:
    gate = Gate(np.full(size, 0.5), nonlinearity="plan")
    return LTC(name, size, np.zeros(size), np.ones(size), np.zeros(size), gate, gate)


def readout(name: str = "readout", size: int = 3) -> Readout:
    return Readout(name, size, np.zeros(size), Gate(np.zeros(size), nonlinearity="plan"))


def dense(source: int, target: int) -> Dense:
    return Dense(np.random.default_rng(source).normal(0, 1, (target, source)))


def membranes_read() -> Network:
    """The Add recipe's shape: a readout that reads membranes."""
    return Network(
        (Input("input", 5, graded=True), ltc("hidden", 4), readout()),
        (
            Projection("input", "value", "hidden", "current", dense(5, 4)),
            Projection("input", "value", "hidden", "tau_mem", dense(5, 4)),
            Projection("hidden", "membrane", "readout", "current", dense(4, 3)),
        ),
        "readout",
    )


def synapse_population() -> Network:
    """A leaky integrator as a graded synapse before the neurons, as imports from Norse have it."""
    return Network(
        (Input("input", 5, graded=True), readout("synapse", 4), ltc("hidden", 4), readout()),
        (
            Projection("input", "value", "synapse", "current", dense(5, 4)),
            Projection("synapse", "membrane", "hidden", "current", Dense(np.eye(4))),
            Projection("hidden", "spikes", "readout", "current", dense(4, 3)),
        ),
        "readout",
    )


def lif_layer() -> Network:
    return random_network(np.random.default_rng(0), model="LIF", hidden=(4,))


def late_readout() -> Network:
    network = random_network(np.random.default_rng(1))
    late = tuple(replace(p, delay=1) if p.target == "readout" else p for p in network.projections)
    return replace(network, projections=late)


CASES: dict[str, tuple[Any, str, str]] = {
    "membranes": (
        membranes_read,
        "input.value->hidden.current",
        "readout reads its membrane, and integers send errors back through spikes alone",
    ),
    "graded synapses": (
        synapse_population,
        "input.value->synapse.current",
        "no error enters synapse: it is a readout without spikes",
    ),
    "LIF": (lif_layer, "input.value->hidden0.current", "no factors of LIF neurons"),
    "delay": (late_readout, "input.value->hidden0.current", "has a delay"),
}


def fixed(make: Any) -> FixedNetwork:
    return quantize(make(), "loihi2", X)


@pytest.mark.parametrize("engine", ["integer", "fast"])
@pytest.mark.parametrize("case", CASES)
def test_weights_of_the_samples_out_of_reach_are_refused_with_their_reason(
    case: str, engine: str
) -> None:
    make, held, reason = CASES[case]
    with pytest.raises(UnsupportedError) as caught:
        learn(fixed(make), X, LABELS, engine=engine)
    assert held in str(caught.value)
    assert reason in str(caught.value)
    assert f"allow {PARTIAL}" in str(caught.value)


@pytest.mark.parametrize("case", CASES)
def test_what_is_allowed_or_named_learns_and_the_rest_is_told(case: str) -> None:
    make, held, reason = CASES[case]
    network = fixed(make)
    assert "quantization" in network.provenance
    allowed = learn(network, X, LABELS, engine="integer", allow=(PARTIAL,))
    named = learn(network, X, LABELS, READOUT, engine="integer")
    assert allowed.network.projections[0] == network.projections[0]
    for learned in (allowed, named):
        # What quantization made of the weights is not what they are now.
        assert "quantization" not in learned.network.provenance
        assert reason in learned.held[held]
        assert held in learned.network.provenance["held"]
        assert reason in learned.network.provenance["held"]
        learns = learned.network.provenance["learns"].split(", ")
        assert len(learns) == len(learned.learning.memories)
        assert not set(learns) & set(learned.held)


def test_every_number_that_could_change_is_named_once() -> None:
    """Learning and held names together: all weights, biases, other self terms, constants."""
    network = fixed(lambda: random_network(np.random.default_rng(0), gate="event"))
    for rule in (FPTTRule(), FPTTRule(biases=False, self_terms=False), READOUT):
        scope = scope_of(network, rule)
        for projection in network.projections:
            start = f"{projection.source}.{projection.variable}->{projection.target}"
            assert any(name.startswith(start) for name in (*scope.learns, *scope.held))
        assert len({*scope.learns, *scope.held}) == len(scope.learns) + len(scope.held)
        assert {"hidden0.threshold", "hidden0.adaptation_strength"} <= set(scope.held)
        for port in ("current", "tau_mem", "tau_adp"):
            assert (f"hidden0.{port}.bias" in scope.learns) == (rule == FPTTRule())
    assert (
        scope_of(network, READOUT).held["hidden0.current.bias"] == "not named in the rule's ports"
    )
    biases = scope_of(network, FPTTRule(biases=False, self_terms=False)).held
    assert biases["readout.current.bias"] == "the rule holds biases"
    assert biases["hidden0.tau_mem.from_state"] == "the rule holds self terms"


def test_an_event_network_holds_no_weights() -> None:
    scope = scope_of(fixed(lambda: random_network(np.random.default_rng(0))), FPTTRule())
    assert not scope.unreached
    assert not any("->" in name for name in scope.held)


def test_floats_send_errors_through_membranes_and_say_what_they_hold() -> None:
    learned = learn(membranes_read(), X, LABELS)
    assert "input.value->hidden.current" in learned.network.provenance["learns"]
    assert set(learned.held) == {"hidden.threshold", "hidden.adaptation_strength"}
    with pytest.raises(UnsupportedError, match="no factors of LIF neurons"):
        learn(lif_layer(), X, LABELS)


def test_a_dead_end_is_held_and_refuses_nothing() -> None:
    network = random_network(np.random.default_rng(0))
    side = LIF("side", 2, *(np.full(2, v) for v in (0.5, 0.5, 1.0, 0.0)))
    extra = Projection("input", "value", "side", "current", dense(5, 2))
    wider = replace(
        network,
        populations=(*network.populations, side),
        projections=(*network.projections, extra),
    )
    held = learn(wider, X, LABELS).held
    assert "input.value->side.current" in held


def test_provenance_goes_on_from_earlier_learning() -> None:
    network = fixed(lambda: random_network(np.random.default_rng(0)))
    first = learn(network, X, LABELS, READOUT, engine="integer").network
    hidden = FPTTRule(ports={"hidden0": ("current",)})
    second = learn(first, X, LABELS, hidden, engine="integer").network
    learns = second.provenance["learns"].split(", ")
    assert {"readout.current.bias", "hidden0.current.bias"} <= set(learns)
    assert "readout.current.bias" not in second.provenance["held"]
    assert "hidden0.tau_mem.bias" in second.provenance["held"]


@pytest.mark.parametrize("allow", [("everything",), "everything", (3,)])
def test_only_known_changes_can_be_allowed(allow: Any) -> None:
    with pytest.raises(UnknownNameError, match="change to allow"):
        learn(fixed(lif_layer), X, LABELS, engine="integer", allow=allow)


def test_a_port_named_twice_is_refused_and_the_order_of_names_draws_nothing_else() -> None:
    with pytest.raises(InvalidValueError, match="tau_mem 2 times"):
        FPTTRule(ports={"hidden0": ("tau_mem", "tau_mem")})
    network = fixed(lambda: random_network(np.random.default_rng(0)))
    ports: Any = {"hidden0": ("current", "tau_mem", "tau_adp"), "readout": ("current", "tau_mem")}
    turned: Any = {name: own[::-1] for name, own in reversed(ports.items())}
    runs = [
        learn(network, X, LABELS, FPTTRule(ports=named), engine="integer").network
        for named in (None, ports, turned)
    ]
    assert runs[0] == runs[1] == runs[2]
