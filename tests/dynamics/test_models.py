"""Each model against its paper's equations, written here once more, or against the tool itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ltc2hw.dynamics.derived import derive
from ltc2hw.dynamics.formats import Formats, Held
from ltc2hw.dynamics.models import MODELS, find_model
from ltc2hw.errors import InvalidValueError, UnknownNameError
from ltc2hw.numbers.words import FloatArray, Word
from tests.dynamics.running import (
    SAMPLES,
    SIZE,
    STEPS,
    Constants,
    Neurons,
    random_case,
    run_integer,
    run_real,
)

CLOSE = 1e-12

Results = dict[str, FloatArray]


Step = Callable[[Results, FloatArray], Results]


def rolled(step: Step, start: Results, x: FloatArray) -> Results:
    """Run a step from the start; every result (T, B, N)."""
    state, recorded = start, []
    for arriving in x:
        state = step(state, arriving)
        recorded.append(state)
    return {name: np.stack([values[name] for values in recorded]) for name in recorded[0]}


def adlif_paper(c: Constants) -> Step:
    """arXiv 2408.07517: α, β, and a, b times ρ."""
    alpha, beta = 1 - c["membrane_decay"], 1 - c["adaptation_decay"]

    def step(s: Results, current: FloatArray) -> Results:
        u = alpha * s["membrane"] + (1 - alpha) * (current + c["bias"] - s["adaptation"])
        z = (u > c["threshold"]).astype(float)
        u = u * (1 - z)
        w = beta * s["adaptation"] + (1 - beta) * (c["coupling"] * u + c["jump"] * z)
        return {"membrane": u, "adaptation": w, "spikes": z}

    return step


def brf_paper(c: Constants) -> Step:
    """arXiv 2402.14603, as complex numbers."""
    dt, omega = c["dt"], c["omega"]
    p = (-1 + np.sqrt(1 - (dt * omega) ** 2)) / dt

    def step(s: Results, current: FloatArray) -> Results:
        b = p - c["damping"] - s["refractory"]
        z = s["membrane"] + 1j * s["imaginary"]
        z = z + dt * ((b + 1j * omega) * z + current)
        fired = (z.real - c["threshold"] - s["refractory"] > 0).astype(float)
        q = c["refractory_kept"] * s["refractory"] + fired
        return {"membrane": z.real, "imaginary": z.imag, "refractory": q, "spikes": fired}

    return step


def izhikevich_paper(c: Constants) -> Step:
    """The listing of the paper in mV, its spikes looked for at the end of a step."""
    a, b = c["a"], c["b"]
    reset, jump = 100 * c["reset"] - 70, 100 * c["jump"]

    def step(s: Results, arriving: FloatArray) -> Results:
        v, u = 100 * s["membrane"] - 70, 100 * s["recovery"] - 14
        current = 100 * (arriving + c["bias"])
        v = v + 0.5 * (0.04 * v**2 + 5 * v + 140 - u + current)
        v = v + 0.5 * (0.04 * v**2 + 5 * v + 140 - u + current)
        u = u + a * (b * v - u)
        fired = v > 100 * c["peak"] - 70
        v, u = np.where(fired, reset, v), np.where(fired, u + jump, u)
        return {
            "membrane": (v + 70) / 100, "recovery": (u + 14) / 100, "spikes": fired.astype(float)
        }  # fmt: skip

    return step


def leaky(c: Constants, *, delayed: bool) -> Step:
    """Reset by subtraction, at once or a step later."""

    def step(s: Results, arriving: FloatArray) -> Results:
        i = (1 - c["current_decay"]) * s["current"] + arriving
        v = (1 - c["membrane_decay"]) * s["membrane"] + i + c["bias"]
        v = v - c["threshold"] * s["spikes"] if delayed else v
        z = (v > c["threshold"]).astype(float)
        v = v if delayed else v - c["threshold"] * z
        return {"current": i, "membrane": v, "spikes": z}

    return step


@pytest.mark.parametrize(
    ("name", "paper"),
    [
        ("adlif", adlif_paper),
        ("brf", brf_paper),
        ("izhikevich", izhikevich_paper),
        ("if_subtract", lambda c: leaky(c, delayed=False)),
        ("if_subtract_delayed", lambda c: leaky(c, delayed=True)),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_a_model_is_its_papers_equations(
    name: str, paper: Callable[[Constants], Step], seed: int
) -> None:
    constants, x = random_case(name, np.random.default_rng(seed))
    model, step = find_model(name), paper(constants)
    found = run_real(Neurons(model, SIZE, constants), {"current": x})
    assert 0.005 < found["spikes"].mean() < 0.6
    still: Results = {state: np.zeros(x.shape[1:]) for state in model.states}
    past = still
    for t, arriving in enumerate(x):
        expected = step(past, arriving)
        for result, values in expected.items():
            # Digits of the last step's largest value, which for Izhikevich is in mV.
            scale = 100 if name == "izhikevich" else max(1.0, float(np.abs(values).max()))
            assert np.abs(found[result][t] - values).max() < CLOSE * scale, result
        past = {state: found[state][t] for state in model.states}
    if name != "izhikevich":  # where the last digits of a run grow with every spike
        for result, values in rolled(step, still, x).items():
            scale = max(1.0, float(np.abs(values).max()))
            assert np.abs(found[result] - values).max() < CLOSE * scale, result


def test_alif_is_norses_lsnn_cell() -> None:
    torch = pytest.importorskip("torch")
    norse = pytest.importorskip("norse.torch", reason="the norse extra is not installed")
    from norse.torch.functional.lsnn import LSNNFeedForwardState, LSNNParameters

    rng, dt = np.random.default_rng(5), 1e-3
    inverse = {name: rng.uniform(20, 300, SIZE) for name in ("syn", "mem", "adapt")}
    v_leak = rng.uniform(-0.3, 0.3, SIZE)
    v_th = v_leak + rng.uniform(0.4, 1.2, SIZE)
    v_reset = v_leak + rng.uniform(-0.2, 0.2, SIZE)
    beta = rng.uniform(0.2, 1.8, SIZE)
    x = rng.uniform(-0.2, 0.9, (STEPS, SAMPLES, SIZE))
    cell = norse.LSNNCell(
        LSNNParameters(
            *(torch.tensor(inverse[name]) for name in ("syn", "mem", "adapt")),
            *(torch.tensor(value) for value in (v_leak, v_th, v_reset, beta)),
        ),
        dt=dt,
    )
    still = np.ones((SAMPLES, 1))
    state = LSNNFeedForwardState(
        *(torch.tensor(still * value) for value in (v_leak, 0 * v_leak, v_th))
    )
    neurons = Neurons(
        find_model("alif"),
        SIZE,
        {
            "current_decay": dt * inverse["syn"],
            "membrane_decay": dt * inverse["mem"],
            "adaptation_decay": dt * inverse["adapt"],
            # What the current moves is counted from v_leak, as are threshold and reset.
            "threshold": v_th - v_leak,
            "reset": v_reset - v_leak,
            "jump": beta,
        },
    )
    found = run_real(neurons, {"current": x})
    assert 0.01 < found["spikes"].mean() < 0.3
    with torch.no_grad():
        for t, sample in enumerate(x):
            spikes, state = cell(torch.tensor(sample), state)
            assert np.array_equal(found["spikes"][t], spikes.numpy())
            assert np.abs(found["membrane"][t] - (state.v.numpy() - v_leak)).max() < CLOSE
            assert np.abs(found["adaptation"][t] - (state.b.numpy() - v_th)).max() < CLOSE
            assert np.abs(found["current"][t] - state.i.numpy()).max() < CLOSE


@pytest.mark.parametrize("kind", ["Leaky", "Synaptic"])
@pytest.mark.parametrize("delayed", [True, False])
def test_subtracting_neurons_are_snntorchs(kind: str, delayed: bool) -> None:
    snntorch = pytest.importorskip("snntorch", reason="the nir-tools extra is not installed")
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(6)
    beta, threshold = rng.uniform(0.5, 1.0, SIZE), rng.uniform(0.8, 1.5, SIZE)
    alpha = rng.uniform(0.1, 0.5, SIZE) if kind == "Synaptic" else np.zeros(SIZE)
    # Without delay, no membrane may be above its threshold even after a spike: see the model.
    x = rng.uniform(-0.2, 0.9 if delayed else 0.5, (STEPS, SAMPLES, SIZE))
    options = {"beta": torch.tensor(beta), "threshold": torch.tensor(threshold)}
    if kind == "Synaptic":
        options["alpha"] = torch.tensor(alpha)
    layer = getattr(snntorch, kind)(**options, reset_mechanism="subtract", reset_delay=delayed)
    constants = {"current_decay": 1 - alpha, "membrane_decay": 1 - beta, "threshold": threshold}
    model = find_model("if_subtract_delayed" if delayed else "if_subtract")
    found = run_real(Neurons(model, SIZE, constants), {"current": x})
    assert 0.01 < found["spikes"].mean() < 0.5
    shape = (SAMPLES, SIZE)
    state = [torch.zeros(shape, dtype=torch.float64) for _ in range(1 + (kind == "Synaptic"))]
    with torch.no_grad():
        for t, sample in enumerate(x):
            spikes, *state = layer(torch.tensor(sample), *state)
            assert np.array_equal(found["spikes"][t], spikes.numpy())
            assert np.abs(found["membrane"][t] - state[-1].numpy()).max() < CLOSE


@pytest.mark.parametrize("leak", [True, False])
def test_subtracting_neurons_are_sinabs(leak: bool) -> None:
    layers = pytest.importorskip("sinabs.layers", reason="sinabs is not installed")
    torch = pytest.importorskip("torch")
    from sinabs.activation import MembraneSubtract, SingleSpike

    rng = np.random.default_rng(7)
    x = rng.uniform(-0.2, 0.4, (STEPS, SAMPLES, SIZE))
    threshold = 0.875  # sinabs has spikes of float32, and what it takes from the membrane too
    rules: dict[str, Any] = {"spike_fn": SingleSpike, "reset_fn": MembraneSubtract()}
    tau = rng.uniform(5, 50, SIZE).astype(np.float32).astype(float)  # which sinabs keeps so
    kept = np.exp(-1 / tau) if leak else np.ones(SIZE)
    layer: Any = layers.IAF(spike_threshold=torch.tensor(threshold, dtype=torch.float64), **rules)
    if leak:
        layer = layers.LIF(
            tau_mem=torch.tensor(tau), norm_input=False,
            spike_threshold=torch.tensor(threshold, dtype=torch.float64), **rules,
        )  # fmt: skip
    with torch.no_grad():
        expected = layer.double()(torch.tensor(x).transpose(0, 1)).transpose(0, 1).numpy()
    constants = {"membrane_decay": 1 - kept, "threshold": np.full(SIZE, threshold)}
    found = run_real(Neurons(find_model("if_subtract"), SIZE, constants), {"current": x})
    assert 0.02 < expected.mean() < 0.5
    assert np.array_equal(found["spikes"], expected)
    assert np.abs(found["membrane"][-1] - layer.v_mem.detach().numpy()).max() < CLOSE


@pytest.mark.parametrize("name", ["cuba", "lif"])
def test_cuba_is_slayers_integer_for_integer(name: str) -> None:
    """Lava's LIF too, as long as nothing leaves its words."""
    slayer = pytest.importorskip("lava.lib.dl.slayer", reason="the lava-dl extra is missing")
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(8)
    fired = 0
    decays = rng.integers([200, 30], [2000, 800], (6, 2))
    for current_decay, membrane_decay in (*decays, (0, 4096), (4096, 0)):
        mantissa = int(rng.integers(64, 256))
        neuron = slayer.neuron.cuba.Neuron(
            threshold=mantissa / 64,
            current_decay=float(current_decay) / 4096,
            voltage_decay=float(membrane_decay) / 4096,
        )
        # Sums of three 8-bit weights, which are even in Lava-DL; multiples of 1/64.
        weights = 2 * rng.integers(-24, 30, (STEPS, SAMPLES, SIZE)) / 64
        x = weights * (rng.random(weights.shape) < 0.3)
        with torch.no_grad():
            arriving = torch.tensor(np.moveaxis(x, 0, -1), dtype=torch.float32)
            current, voltage = neuron.dynamics(arriving)
            spikes = np.moveaxis(neuron.spike(voltage).numpy(), -1, 0)
        constants = {
            "current_decay": np.full(SIZE, current_decay / 4096),
            "membrane_decay": np.full(SIZE, membrane_decay / 4096),
            "threshold": np.full(SIZE, mantissa / 64),
        }
        word = Word(24)
        held = {"current": Held.within(word, 12), "membrane": Held.within(word, 12)}
        fractions = {"current_decay": 12, "membrane_decay": 12, "threshold": 6, "bias": 12}
        formats = Formats(held, {"current": 6}, fractions)
        neurons = Neurons(find_model(name), SIZE, constants)
        found, misfits = run_integer(neurons, formats, {"current": x})
        assert misfits == {"current": 0, "membrane": 0}
        assert np.array_equal(found["current"], np.moveaxis(current.numpy(), -1, 0))
        assert np.array_equal(found["spikes"], spikes)
        reset = np.where(spikes > 0, 0.0, np.moveaxis(voltage.numpy(), -1, 0))
        assert np.array_equal(found["membrane"], reset)
        assert np.any(found["current"] < 0)
        fired += int(spikes.sum())
    assert fired > 2000


def test_models_are_found_by_name() -> None:
    for name in MODELS:
        model = find_model(name)
        assert model.name == name
        assert model.source
        assert all(constant.meaning for constant in model.constants)
        assert all(c.low <= c.default <= c.high for c in model.constants)
    with pytest.raises(UnknownNameError, match="'alf'; expected one of ltc, lif, cuba"):
        find_model("alf")
    with pytest.raises(InvalidValueError, match="model"):
        find_model(3)  # type: ignore[arg-type]


def test_constants_that_derive_no_number_are_refused() -> None:
    """An oscillation faster than its step: ω dt above 1."""
    neurons = Neurons(find_model("brf"), 2, {"omega": np.array([10.0, 101.0])})
    with pytest.raises(InvalidValueError, match="derives of its constants dt, omega, damping"):
        derive(neurons.model.program, neurons.constants)
    fine = derive(neurons.model.program, {**neurons.constants, "omega": np.array([10.0, 100.0])})
    assert np.allclose(fine["derived0"], [0.1, 1.0])
