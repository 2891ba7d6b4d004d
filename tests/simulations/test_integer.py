"""The integer engine against the bit specification, written again with Python's own integers.

The scalar model below follows ``docs/numerics.md`` neuron by neuron with unbounded integers and
plain branches; it shares nothing with the engine but the graph.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ltc2hw
from ltc2hw.converters.populations import FixedGate
from ltc2hw.errors import InvalidValueError, ShapeError, UnknownNameError
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.structure import evaluation_order
from ltc2hw.numbers.words import FloatArray
from tests.random_networks import random_fixed_network, random_network, random_samples
from tests.views import kind, view


def rsz(x: int, n: int) -> int:
    """Shift toward zero."""
    return x >> n if x >= 0 else -((-x) >> n)


class Scalar:
    """One sample, one neuron at a time."""

    def __init__(self, network: FixedNetwork) -> None:
        self.network = network
        self.past: dict[tuple[str, str], list[list[int]]] = defaultdict(list)
        self.registers = {
            p.name: {register: [0] * p.size for register in p.registers}
            for p in network.populations
        }
        self.saturations: dict[tuple[str, str], int] = defaultdict(int)

    def saturate(self, where: tuple[str, str], value: int, low: int, high: int) -> int:
        """Clip and count."""
        clipped = min(max(value, low), high)
        self.saturations[where] += clipped != value
        return clipped

    def port(self, name: str, port: str, neuron: int) -> int:
        """Sum of everything that lands on one neuron's port now."""
        total = 0
        for p in self.network.projections:
            if (p.target, p.port) != (name, port):
                continue
            past = self.past[p.source, p.variable]
            index = len(past) - 1 - p.delay if p.delay == 0 else self.step - p.delay
            if index < 0:
                continue
            row = p.weights.to_array()[neuron].tolist()
            total += sum(w * m for w, m in zip(row, past[index], strict=True)) << p.exponent
        return total

    def gate(self, gate: FixedGate, where: tuple[str, str], n: int, state: int, i: int) -> int:
        """Argument, saturation, non-linearity."""
        g = self.port(*where, n) + int(gate.bias[n])
        g += rsz(int(gate.from_state.values[n]) * state, gate.from_state.shift)
        g += rsz(int(gate.from_current.values[n]) * i, gate.from_current.shift)
        g = self.saturate(where, g, -(2**23), 2**23 - 1)
        one, f, out = 1 << gate.output_fraction, gate.fraction, gate.output_fraction
        if gate.function == "plan":
            a = abs(g)
            if 8 * a < 8 << f:
                y = (a >> (2 + f - out)) + one // 2
            elif 8 * a < 19 << f:
                y = (a >> (3 + f - out)) + 5 * one // 8
            elif 8 * a < 40 << f:
                y = (a >> (5 + f - out)) + 27 * one // 32
            else:
                y = one
            return y if g >= 0 else one - y
        table = gate.table.tolist()
        cells = len(table) - (gate.function == "interpolated")
        top = (16 << f) - 1
        offset = min(max(g + (8 << f), 0), top)
        cell = offset * cells // (16 << f)
        if gate.function == "table":
            return int(table[cell])
        rest = offset * cells - cell * (16 << f)
        return int(table[cell] + (table[cell + 1] - table[cell]) * rest // (16 << f))

    def run(self, x: FloatArray) -> dict[tuple[str, str], list[list[int]]]:
        """Samples (T, N_in) to every recordable variable, (T, N)."""
        trace: dict[tuple[str, str], list[list[int]]] = defaultdict(list)
        for self.step, sample in enumerate(x):
            now: dict[str, dict[str, list[int]]] = defaultdict(dict)
            for name, stage in evaluation_order(self.network.populations, self.network.projections):
                p: Any = self.network.population(name)
                self.stage(p, stage, now[name], sample)
                for variable in p.variables:
                    if variable in now[name] and len(self.past[name, variable]) == self.step:
                        self.past[name, variable].append(self.send(p, variable, now[name]))
            for name, values in now.items():
                for variable, numbers in values.items():
                    trace[name, variable].append(numbers)
                    if variable in self.registers[name]:
                        self.registers[name][variable] = numbers
        return trace

    def send(self, p: Any, variable: str, values: dict[str, list[int]]) -> list[int]:
        """Messages: graded variables shifted and clipped."""
        for message in getattr(p, "messages", ()):
            sent = any(
                (c.source, c.variable) == (p.name, variable) for c in self.network.projections
            )
            if message.variable == variable and sent:
                half = 1 << (message.word.bits - 1)
                where = (p.name, f"message {variable}")
                return [
                    self.saturate(where, rsz(v, message.shift), -half, half - 1)
                    for v in values[variable]
                ]
        return values[variable]

    def stage(self, p: Any, stage: str, now: dict[str, list[int]], sample: FloatArray) -> None:
        """One stage of one population."""
        neurons, old, name_of_kind = range(p.size), self.registers[p.name], kind(p)
        p = view(p)
        if name_of_kind == "input":
            if stage == "late":
                low, high = p.word.minimum, p.word.maximum
                (name,) = p.variables
                now[name] = [
                    self.saturate((p.name, name), round(float(v) * 2**p.fraction), low, high)
                    for v in sample
                ]
        elif name_of_kind == "lif":
            self.lif(p, stage, now)
        elif stage == "early":
            now["current"] = [
                self.saturate(
                    (p.name, "current"),
                    self.port(p.name, "current", n) + int(p.bias_current[n]),
                    -(2**23),
                    2**23 - 1,
                )
                for n in neurons
            ]
        else:
            u, i = old["membrane"], now["current"]
            where = (p.name, "tau_mem")
            tau = [self.gate(p.tau_mem, where, n, u[n], i[n]) for n in neurons]
            moved = [u[n] + rsz(tau[n] * (i[n] - u[n]), 12) for n in neurons]
            now["tau_mem"], now["membrane"] = tau, moved
            if name_of_kind == "ltc":
                self.spike(p, now, moved)
            else:
                assert name_of_kind == "readout"

    def spike(self, p: Any, now: dict[str, list[int]], moved: list[int]) -> None:
        """Adaptation, threshold, spike, reset."""
        old, neurons = self.registers[p.name], range(p.size)
        i, eta = now["current"], old["adaptation"]
        where = (p.name, "tau_adp")
        rho = [self.gate(p.tau_adp, where, n, eta[n], i[n]) for n in neurons]
        unit = 2 ** (p.adaptation_fraction - 12)
        new = [
            rsz(rho[n] * eta[n], 12) + old["spikes"][n] * (4096 - rho[n]) * unit for n in neurons
        ]
        strength = p.adaptation_strength
        theta = [
            self.saturate(
                (p.name, "threshold"),
                int(p.threshold[n]) + rsz(int(strength.values[n]) * new[n], strength.shift),
                -(2**23),
                2**23 - 1,
            )
            for n in neurons
        ]
        spikes = [int(moved[n] > theta[n]) for n in neurons]
        now["tau_adp"], now["adaptation"], now["threshold"] = rho, new, theta
        now["spikes"] = spikes
        now["membrane"] = [0 if spikes[n] else moved[n] for n in neurons]

    def lif(self, p: Any, stage: str, now: dict[str, list[int]]) -> None:
        """Lava's LIF: decay, align, wrap once; decay, add, saturate, compare, reset."""
        old, neurons = self.registers[p.name], range(p.size)
        if stage == "early":
            currents = []
            for n in neurons:
                u = rsz(old["current"][n] * (4096 - int(p.current_decay[n])), 12)
                u += self.port(p.name, "current", n) * 64
                wrapped = u - 2**24 if u > 2**23 else u
                wrapped = wrapped + 2**24 if wrapped <= -(2**23) else wrapped
                self.saturations[p.name, "current"] += wrapped != u
                currents.append(wrapped)
            now["current"] = currents
            return
        membranes, spikes = [], []
        for n in neurons:
            v = rsz(old["membrane"][n] * (4096 - int(p.membrane_decay[n])), 12)
            v += now["current"][n] + int(p.bias_mantissa[n]) * 2**p.bias_exponent
            v = self.saturate((p.name, "membrane"), v, -(2**23 - 1), 2**23 - 1)
            spikes.append(int(v > int(p.threshold[n]) * 64))
            membranes.append(0 if spikes[-1] else v)
        now["membrane"], now["spikes"] = membranes, spikes


@given(st.integers(0, 2**32))
@settings(max_examples=40)
def test_every_integer_equals_the_scalar_specification(seed: int) -> None:
    """Random networks of any model, gate, delay, word; every variable, step and saturation."""
    rng = np.random.default_rng(seed)
    network = random_fixed_network(rng, largest=7)
    x = random_samples(rng, network, steps=6, batch=2)
    trace = ltc2hw.simulate(network, x, engine="integer", record="all")
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for sample in range(2):
        scalar = Scalar(network)
        expected = scalar.run(x[:, sample])
        for key, values in trace.recorded().items():
            assert values[:, sample].tolist() == expected[key], key
        for key, number in scalar.saturations.items():
            counts[key] += number
    found = {(n, v): k for n, values in trace.saturations.items() for v, k in values.items()}
    assert found == {key: number for key, number in counts.items() if number}


@given(st.integers(0, 2**32), st.integers(1, 9))
@settings(max_examples=20)
def test_a_run_cut_in_two_continues_where_it_stopped(seed: int, cut: int) -> None:
    """State in, state out: the second half equals the uncut run's."""
    rng = np.random.default_rng(seed)
    network = random_fixed_network(rng, largest=10)
    x = random_samples(rng, network, steps=10, batch=2)
    whole = ltc2hw.simulate(network, x, engine="integer", record="all")
    first = ltc2hw.simulate(network, x[:cut], engine="integer", record="all")
    second = ltc2hw.simulate(network, x[cut:], engine="integer", record="all", state=first.state)
    for key, values in whole.recorded().items():
        joined = np.concatenate([first.recorded()[key], second.recorded()[key]])
        assert np.array_equal(joined, values), key


def test_recorded_types_and_shapes() -> None:
    """uint8 spikes, int32 states, only what was asked for."""
    rng = np.random.default_rng(1)
    network = ltc2hw.quantize(random_network(rng), "loihi2", rng.uniform(-1, 1, (4, 3, 5)))
    trace = ltc2hw.simulate(network, rng.uniform(-1, 1, (4, 3, 5)), engine="integer")
    assert trace.spikes["hidden0"].shape == (4, 3, 12)
    assert trace.spikes["hidden0"].dtype == np.uint8
    assert set(trace.states["hidden0"]) == {"membrane"}
    assert trace.states["hidden0"]["membrane"].dtype == np.int32
    assert np.array_equal(trace.outputs, trace.states["readout"]["membrane"])


def test_bad_samples_and_names_are_refused() -> None:
    """Wrong shape, NaN, non-binary spikes, unknown variable, engine or state."""
    rng = np.random.default_rng(2)
    network = ltc2hw.quantize(random_network(rng, graded=False), "loihi2", np.ones((4, 3, 5)))
    x = np.ones((4, 3, 5))
    with pytest.raises(ShapeError, match=r"samples is \(4, 3\)"):
        ltc2hw.simulate(network, x[:, :, 0], engine="integer")
    with pytest.raises(InvalidValueError, match=r"spiking input is 0\.5"):
        ltc2hw.simulate(network, x / 2, engine="integer")
    with pytest.raises(InvalidValueError, match=r"samples\[0, 0, 0\] is nan"):
        ltc2hw.simulate(network, x * np.nan, engine="integer")
    with pytest.raises(UnknownNameError, match="variable to record is 'voltage'"):
        ltc2hw.simulate(network, x, engine="integer", record=("voltage",))
    with pytest.raises(UnknownNameError, match="engine is 'loihi'"):
        ltc2hw.simulate(network, x, engine="loihi")
    with pytest.raises(InvalidValueError, match="one that runs a FixedNetwork"):
        ltc2hw.simulate(network, x, engine="float64")
    state = ltc2hw.simulate(network, x, engine="integer").state
    with pytest.raises(ShapeError, match=r"state hidden0\.membrane"):
        ltc2hw.simulate(network, x[:, :2], engine="integer", state=state)
