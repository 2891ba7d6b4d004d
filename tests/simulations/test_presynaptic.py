"""Eligibility as a trace of sources in Lava's learning engine: what it means, and for whom."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ltc2hw import FixedNetwork, FPTTRule, QuantizeOptions, quantize
from ltc2hw.converters.populations import LIF, LTC, Gate, Readout
from ltc2hw.errors import InvalidValueError, UnknownNameError, UnsupportedError
from ltc2hw.files.learning_file import load_learning, save_learning
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import FixedNeurons, Neurons
from ltc2hw.learning.rule import Parameter, parameter_name
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import FloatArray, IntArray
from ltc2hw.quantization.dequantize import dequantize
from ltc2hw.simulations.learning_engine import fast, integer
from ltc2hw.simulations.learning_engine.integer import EngineLearner
from ltc2hw.simulations.learning_engine.plan import TRACE, EngineOptions, engine_plan
from ltc2hw.simulations.plasticity.stream import enter

STEPS, SAMPLES, INPUTS, OUTPUTS = 6, 6, 4, 3
GATE, KEPT = -0.4, 0.6
"""PLAN opens a gate of this argument by 0.4: a membrane keeps 0.6, a trace of 2 steps 0.607."""

RULE = FPTTRule(2.0**-4, descent="eligibility", self_terms=False, surrogate="triangle")
TRACED = EngineOptions(eligibility="presynaptic")
MEMBRANE = "a pre-synaptic trace follows what reaches the membrane's current alone"


def neurons(model: str, name: str, size: int, gate: Any = GATE) -> Neurons:
    """Neurons that leak toward what arrives; ``gate``: argument of that of their membrane."""
    rng = np.random.default_rng(size)
    if model == "lif":
        return LIF(name, size, np.ones(size), np.full(size, 1 - KEPT), np.full(size, 0.3), 0.0)
    if model == "alif":
        return Neurons(name, size, "alif")
    steady = Gate(1.0, nonlinearity="plan")
    bias = rng.normal(0, 0.1, size)
    return LTC(name, size, 0.1, 1.8, bias, Gate(gate, nonlinearity="plan"), steady)


def still(model: str = "ltc", hidden: tuple[int, ...] = (6,), gate: Any = GATE) -> FixedNetwork:
    """Recurrent layers whose gates nothing steers, and a readout, on integers."""
    rng = np.random.default_rng(3)

    def weights(rows: int, columns: int) -> Dense:
        return Dense(rng.normal(0, 1, (rows, columns)) / np.sqrt(columns))

    populations: list[Any] = [Input("input", INPUTS, graded=True)]
    projections: list[Projection] = []
    sender, variable, columns = "input", "value", INPUTS
    for index, size in enumerate(hidden):
        name = f"hidden{index}"
        populations.append(neurons(model, name, size, gate))
        projections += [
            Projection(sender, variable, name, "current", weights(size, columns)),
            Projection(name, "spikes", name, "current", weights(size, size), delay=1),
        ]
        sender, variable, columns = name, "spikes", size
    populations.append(Readout("readout", OUTPUTS, 0.0, Gate(GATE, nonlinearity="plan")))
    final = Projection(sender, variable, "readout", "current", weights(OUTPUTS, columns))
    network = Network(tuple(populations), (*projections, final), "readout")
    return quantize(network, "loihi2", stream()[0], QuantizeOptions(weight_reach=2.0))


def stream() -> tuple[FloatArray, IntArray]:
    """Random samples and labels."""
    rng = np.random.default_rng(5)
    return rng.uniform(0, 1, (STEPS, SAMPLES, INPUTS)), rng.integers(0, OUTPUTS, SAMPLES)


LONG = {"epoch": 5, "arrival": 3, "form": "weights", "third_factor": "split", "seed": 2}
WIDE = {"form": "weights", "draws": "own", "extra_bits": 6, "factor_rounding": "nearest"}


@pytest.mark.parametrize("options", [{}, LONG, WIDE], ids=["as Lava", "long epochs", "wide"])
@pytest.mark.parametrize("model", ["ltc", "lif"])
def test_compiled_traces_are_the_readable_ones(
    model: str, options: dict[str, Any], tmp_path: Path
) -> None:
    network, (x, labels) = still(model, (6, 5)), stream()
    chosen = replace(TRACED, **options)
    first, second = (x[:, :4], labels[:4], RULE, chosen), (x[:, 4:], labels[4:], RULE, chosen)
    compiled, readable = (module.learn(network, *first) for module in (fast, integer))
    # What was learned so far goes through a file.
    save_learning(compiled.learning, tmp_path / "learning.h5")
    compiled = fast.learn(network, *second, load_learning(tmp_path / "learning.h5"))
    readable = integer.learn(network, *second, readable.learning)
    assert compiled.network == readable.network != network
    assert np.array_equal(compiled.outputs, readable.outputs)
    theirs, ours = compiled.learning, readable.learning
    assert theirs.memories.keys() == ours.memories.keys() == ours.eligibility.keys()
    for parameter, memory in ours.memories.items():
        for found, expected in zip(theirs.memories[parameter], memory, strict=True):
            assert np.array_equal(found, expected)
        trace = ours.eligibility[parameter][TRACE]
        assert np.array_equal(theirs.eligibility[parameter][TRACE], trace)
        assert trace.any()
    beyond = {p: {TRACE: own[TRACE] + 128} for p, own in ours.eligibility.items()}
    for module in (fast, integer):
        with pytest.raises(InvalidValueError, match="eligibility of input"):
            module.learn(network, *second, replace(ours, eligibility=beyond))


class Triangle(torch.autograd.Function):
    """A spike where d > 0, with the slope max(0, 1 - |d|)."""

    @staticmethod
    def forward(context: Any, d: torch.Tensor) -> torch.Tensor:
        context.save_for_backward(d)
        return (d > 0).to(d.dtype)

    @staticmethod
    def backward(context: Any, grad: torch.Tensor) -> torch.Tensor:
        (d,) = context.saved_tensors
        slope: torch.Tensor = grad * (1 - d.abs()).clamp(min=0)
        return slope


fires: Any = Triangle.apply


def gradients(network: Network, x: FloatArray, label: int) -> dict[str, FloatArray]:
    """Descents of a sample by autograd, with the cut ways detached, by a writing of its own.

    Cut are: what a spike does to its neuron later (reset, adaptation) and to others (recurrence),
    and the readout's memory of hidden neurons.
    """
    entering, own, final = (
        torch.tensor(p.weights.to_array(), dtype=torch.float64, requires_grad=True)
        for p in network.projections
    )
    hidden, readout = (
        {name: torch.tensor(array) for name, array in population.constants.items()}
        for population in network.populations[1:]
        if isinstance(population, Neurons)
    )
    bias, answer = (c["bias_current"].clone().requires_grad_() for c in (hidden, readout))
    u = eta = spikes = torch.zeros(len(bias), dtype=torch.float64)
    read = torch.zeros(len(answer), dtype=torch.float64)
    loss = torch.zeros((), dtype=torch.float64)
    rho = 0.75  # PLAN of 1
    for t, sample in enumerate(torch.tensor(x)):
        current = entering @ sample + own @ spikes.detach() + bias
        u = KEPT * u + (1 - KEPT) * current
        eta = (rho * eta + (1 - rho) * spikes).detach()
        threshold = hidden["threshold"] + hidden["adaptation_strength"] * eta
        spikes = fires(u - threshold)
        arrived = (1 - KEPT) * (final @ spikes.detach() + answer)
        through = (1 - KEPT) * (final.detach() @ spikes)
        # Values of both parts; hidden neurons are found through this step's alone.
        read = KEPT * read + arrived + through.detach()
        read = read - arrived.detach()
        said = read + through - through.detach()
        loss = loss - (t + 1) / len(x) * torch.log_softmax(said, 0)[label]
        # A reset that changes the membrane and no gradient.
        u = u - (u * spikes).detach()
    named = {"entering": entering, "own": own, "final": final, "bias": bias, "answer": answer}
    found = torch.autograd.grad(loss, list(named.values()))
    return {name: -grad.numpy().ravel() for name, grad in zip(named, found, strict=True)}


def test_a_trace_times_the_factor_is_the_gradient_with_reset_and_adaptation_cut() -> None:
    """Beside autograd, of a network that stands still; readout's weights are exact, nothing cut."""
    fixed, (x, labels) = still(), stream()
    plan = engine_plan(fixed, RULE, replace(TRACED, form="weights", extra_bits=12))
    learner, real = EngineLearner(plan), dequantize(plan.adapted(plan.start().memories))
    entered = enter(learner, x, labels, None, reset=True)
    found: dict[Parameter, list[FloatArray]] = {parameter: [] for parameter in plan.connections}
    wanted: dict[str, list[FloatArray]] = {}
    for s in range(SAMPLES):
        state = entered.start.rested(learner.rest())
        total: dict[Parameter, FloatArray] = dict.fromkeys(plan.connections, np.zeros(1))
        for t in range(STEPS):
            x_now, goal = entered.samples[t, s], entered.goals.at(t, s)
            update, after = learner.step(state, x_now, goal, t, STEPS)
            state = replace(after, memories=state.memories)
            for parameter, connection in plan.connections.items():
                bits = connection.scale.factor + 12 + (connection.scale.trace or 0)
                now = np.ldexp(np.asarray(update.descent[parameter], float), -bits)
                total[parameter] = total[parameter] + now
        for parameter, descent in total.items():
            found[parameter].append(descent)
        for name, descent in gradients(real, x[:, s], int(labels[s])).items():
            wanted.setdefault(name, []).append(descent)
    payload = KEPT * 2
    """Payloads decay once before they are met; the nearest power of two makes up for it."""
    names = {
        "input.value->hidden0.current": ("entering", payload),
        "hidden0.spikes->hidden0.current": ("own", 1.0),
        "hidden0.spikes->readout.current": ("final", 1.0),
        "hidden0.current.bias": ("bias", 1.0),
        "readout.current.bias": ("answer", 1.0),
    }
    assert {parameter_name(fixed, p) for p in found} == set(names)
    for parameter, descents in found.items():
        name, gain = names[parameter_name(fixed, parameter)]
        ours, theirs = np.concatenate(descents), np.concatenate(wanted[name])
        cosine = ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs)
        assert cosine > 0.99, name
        assert np.linalg.norm(ours) / np.linalg.norm(theirs) == pytest.approx(gain, rel=0.05), name


def with_constants(network: FixedNetwork, **constants: Any) -> FixedNetwork:
    """The network with some integers of its hidden neurons replaced."""
    hidden = network.population("hidden0")
    assert isinstance(hidden, FixedNeurons)
    changed = hidden.with_constants({n: np.full(hidden.size, v) for n, v in constants.items()})
    populations = tuple(changed if p is hidden else p for p in network.populations)
    return replace(network, populations=populations)


def test_what_a_trace_does_not_follow_is_refused_by_name() -> None:
    def refuse(match: str, network: FixedNetwork, rule: FPTTRule = RULE, **options: Any) -> None:
        x, labels = stream()
        for module in (fast, integer):
            with pytest.raises(UnsupportedError, match=match):
                module.learn(network, x, labels, rule, replace(TRACED, **options))

    steered = still()
    gate = replace(steered.projections[0], port="tau_mem")
    refuse(
        r"messages steer \(tau_mem\)", replace(steered, projections=(*steered.projections, gate))
    )
    following = with_constants(steered, **{"tau_mem.from_current": 3})
    refuse(r"gates that follow their neuron \(tau_mem.from_current\)", following)
    refuse(
        r"time constants of their own, which keep 0\.40\d* to 0\.59", still(gate=[GATE, 0.4] * 3)
    )
    refuse("neurons of the model alif", still("alif"))
    refuse("a current that lasts", with_constants(still("lif"), current_decay=1))
    refuse("keeps 0.368 in epochs of 1 .* longer epochs", still(gate=1.0))
    refuse("traces of 7 bits fade", still(gate=-5.0))
    refuse("every 2.2 updates", still(), replace(RULE, learning_rate=2.0**-8))
    refuse("at the port tau_mem", still(), replace(RULE, ports={"hidden0": ("tau_mem",)}))
    refuse("descent by eligibility: .*eligibility='presynaptic'", still(), eligibility="none")


def test_a_trace_needs_a_rule_with_eligibility() -> None:
    for descent in ("instantaneous", "filtered"):
        with pytest.raises(InvalidValueError, match=f"whose descent is {descent}"):
            engine_plan(still(), replace(RULE, descent=descent), TRACED)
    with pytest.raises(UnknownNameError, match="eligibility"):
        EngineOptions(eligibility="synaptic")  # type: ignore[arg-type]


def test_what_is_held_beside_traces_is_told() -> None:
    x, labels = stream()
    learned = fast.learn(still(), x, labels, RULE, TRACED)
    held = {name for name, why in learned.held.items() if why == MEMBRANE}
    assert held == {"hidden0.tau_mem.bias", "hidden0.tau_adp.bias", "readout.tau_mem.bias"}
    alone = replace(RULE, ports={"readout": ("current",)})
    # Neurons that do not learn may be of any model.
    network = still("alif")
    learned = fast.learn(network, x, labels, alone, TRACED)
    assert learned.network != network
    assert {p.population for p in learned.learning.memories} == {"readout"}


def test_payloads_that_a_trace_does_not_hold_are_counted() -> None:
    x, labels = stream()
    learned = integer.learn(still(gate=-0.8), np.ones_like(x), labels, RULE, TRACED)
    assert learned.saturations["input.value->hidden0.current"]["trace"] > 0
