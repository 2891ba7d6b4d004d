"""State dicts of the FPTT authors' models against their equations, written out in NumPy."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ltc2hw
from ltc2hw.converters import checkpoint, sfptt
from ltc2hw.converters.checkpoint import load_arrays
from ltc2hw.converters.populations import LTC
from ltc2hw.errors import (
    DamagedFileError,
    InvalidValueError,
    Ltc2hwError,
    ShapeError,
    UnsupportedError,
)
from ltc2hw.graph.trace import State

Rng = np.random.Generator
StateDict = dict[str, Any]

INPUTS, HIDDEN, OUTPUTS, STEPS, BATCH = 2, 9, 4, 50, 3

ALLOWED = frozenset({"initial-state"})


def linear(rng: Rng, name: str, outputs: int, inputs: int) -> StateDict:
    return {
        f"{name}.weight": rng.normal(0, 2.0 / np.sqrt(inputs), (outputs, inputs)),
        f"{name}.bias": rng.normal(0, 0.3, outputs),
    }


def norm(rng: Rng, name: str, size: int, steps: int | None = 6, *, own: bool = False) -> StateDict:
    """Batch normalization with statistics for ``steps`` steps, equal unless each has its own."""
    entries: StateDict = {
        f"{name}.weight": rng.normal(1, 0.2, size),
        f"{name}.bias": rng.normal(0, 0.1, size),
    }
    mean, variance = rng.normal(0, 0.2, size), rng.uniform(0.5, 1.5, size)
    if steps is None:
        entries.update({f"{name}.running_mean": mean, f"{name}.running_var": variance})
        return {**entries, f"{name}.num_batches_tracked": np.array(12)}
    for t in range(steps):
        entries[f"{name}.running_mean_{t}"] = mean + own * rng.normal(0, 0.1, size)
        entries[f"{name}.running_var_{t}"] = variance
    return entries


def mnist(rng: Rng, **options: Any) -> StateDict:
    """One layer, recurrence and normalizations of its own (fptt_mnist)."""
    return {
        **linear(rng, "layer1_x", HIDDEN, INPUTS),
        **linear(rng, "layer1_r", HIDDEN, HIDDEN),
        **linear(rng, "layer1_tauM", HIDDEN, 2 * HIDDEN),
        **linear(rng, "layer1_tauAdp", HIDDEN, 2 * HIDDEN),
        **linear(rng, "layer3_x", OUTPUTS, HIDDEN),
        **linear(rng, "layer3_tauM", OUTPUTS, 2 * OUTPUTS),
        **{f"act{k}.alpha": np.array(0.7 + 0.2 * k) for k in (1, 2, 3)},
        **norm(rng, "bn1a", HIDDEN, **options),
        **norm(rng, "bn1b", HIDDEN, **options),
        **norm(rng, "bn2", OUTPUTS, **options),
    }


def two_layers(rng: Rng) -> StateDict:
    """The second layer's recurrence comes from the first (fptt_mnist, l2)."""
    entries = mnist(rng, steps=None)
    for k in (1, 2, 3):
        del entries[f"act{k}.alpha"]
    return {
        **entries,
        **linear(rng, "layer2_x", HIDDEN, HIDDEN),
        **linear(rng, "layer2_r", HIDDEN, HIDDEN),
        **linear(rng, "layer2_tauM", HIDDEN, 2 * HIDDEN),
        **linear(rng, "layer2_tauAdp", HIDDEN, 2 * HIDDEN),
        **{f"act{k}.alpha": np.array(1.1) for k in ("1m", "1a", "2m", "2a", "3")},
        **norm(rng, "bn2a", HIDDEN),
        **norm(rng, "bn2b", HIDDEN),
    }


def add_task(rng: Rng) -> StateDict:
    """Input and own spikes in one layer, a linear readout of membranes (fptt_AddTask)."""
    return {
        **linear(rng, "layer1_x", HIDDEN, INPUTS + HIDDEN),
        **linear(rng, "layer1_tauM", HIDDEN, 2 * HIDDEN),
        **linear(rng, "layer1_tauAdp", HIDDEN, 2 * HIDDEN),
        **linear(rng, "lin", OUTPUTS, HIDDEN),
    }


def adaptive(rng: Rng) -> StateDict:
    """The adaptive ASRNN neuron: gates are vectors."""
    return {
        **linear(rng, "layer1_x", HIDDEN, INPUTS + HIDDEN),
        "tau_m": rng.normal(0, 1, HIDDEN),
        "tau_adp": rng.normal(2, 1, HIDDEN),
        **linear(rng, "layer3_x", OUTPUTS, HIDDEN),
        "tau_m_o": rng.normal(0, 1, OUTPUTS),
    }


def sigmoid(x: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-x))


class Authors:
    """The authors' forward pass, from the paper's equations and the names of the entries."""

    def __init__(self, entries: StateDict, state: State, step: int = 0) -> None:
        self.w = entries
        self.step = step
        # fptt_AddTask has a constant threshold.
        self.base, self.strength = (0.5, 0.0) if "lin.weight" in entries else (0.1, 1.8)
        self.state = {name: dict(registers) for name, registers in state.items()}
        self.spikes = {name: np.zeros_like(r["membrane"]) for name, r in state.items() if r}

    def linear(self, name: str, x: Any, bn: str = "") -> Any:
        y = x @ self.w[f"{name}.weight"].T + self.w[f"{name}.bias"]
        if f"{bn}.weight" not in self.w:
            return y
        suffix = "" if f"{bn}.running_mean" in self.w else f"_{self.step}"
        mean, var = (self.w[f"{bn}.running_{kind}{suffix}"] for kind in ("mean", "var"))
        return (y - mean) / np.sqrt(var + 1e-5) * self.w[f"{bn}.weight"] + self.w[f"{bn}.bias"]

    def gate(self, name: str, vector: str, slope: str, current: Any, state: Any) -> Any:
        if vector in self.w:
            return sigmoid(self.w[vector])
        alpha = self.w.get(f"{slope}.alpha", 1.0)
        return sigmoid(alpha * self.linear(name, np.concatenate([current, state], axis=-1)))

    def neurons(self, name: str, current: Any, slopes: tuple[str, str]) -> Any:
        state = self.state[name]
        tau = self.gate(f"{name}_tauM", "tau_m", slopes[0], current, state["membrane"])
        rho = self.gate(f"{name}_tauAdp", "tau_adp", slopes[1], current, state["adaptation"])
        state["adaptation"] = rho * state["adaptation"] + (1 - rho) * self.spikes[name]
        membrane = state["membrane"] + tau * (current - state["membrane"])
        fired = (membrane > self.base + self.strength * state["adaptation"]).astype(float)
        state["membrane"] = membrane * (1 - fired)
        return fired

    def forward(self, x: Any) -> Any:
        two, outputs = "layer2_x.weight" in self.w, []
        slopes = ("act1m", "act1a") if two else ("act1", "act2")
        for sample in x:
            before = self.spikes["layer1"]
            if "layer1_r.weight" in self.w:
                current = self.linear("layer1_x", sample, "bn1a")
                current = current + self.linear("layer1_r", before, "bn1b")
            else:
                current = self.linear("layer1_x", np.concatenate([sample, before], axis=-1))
            fired = self.spikes["layer1"] = self.neurons("layer1", current, slopes)
            if two:
                current = self.linear("layer2_x", fired, "bn2a")
                current = current + self.linear("layer2_r", before, "bn2b")
                fired = self.spikes["layer2"] = self.neurons("layer2", current, ("act2m", "act2a"))
            outputs.append(self.readout(fired))
        return np.stack(outputs)

    def readout(self, fired: Any) -> Any:
        if "lin.weight" in self.w:
            return self.linear("lin", self.state["layer1"]["membrane"])
        current = self.linear("layer3_x", fired, "bn2")
        before = self.state["readout"]["membrane"]
        tau = self.gate("layer3_tauM", "tau_m_o", "act3", current, before)
        self.state["readout"]["membrane"] = (1 - tau) * before + tau * current
        return self.state["readout"]["membrane"]


@pytest.mark.parametrize("make", [mnist, two_layers, add_task, adaptive], ids=lambda m: m.__name__)
def test_the_network_answers_as_the_authors_model(make: Any) -> None:
    for seed in range(3):
        rng = np.random.default_rng(seed)
        entries = make(rng)
        network = sfptt.from_state_dict(entries, allow=ALLOWED)
        state = sfptt.initial_state(network, BATCH, rng)
        x = rng.uniform(-1, 1, (STEPS, BATCH, INPUTS))
        expected = Authors(entries, state).forward(x)
        trace = ltc2hw.simulate(network, x, state=state)
        assert trace.spikes["layer1"].any()
        assert np.abs(trace.outputs - expected).max() < 1e-9


def test_prefixes_of_modules_do_not_matter() -> None:
    entries = mnist(np.random.default_rng(4))
    plain = sfptt.from_state_dict(entries, allow=ALLOWED)
    for prefix in ("network.", "module.network.", "module."):
        named = {f"{prefix}{name}": value for name, value in entries.items()}
        assert sfptt.from_state_dict(named, allow=ALLOWED) == plain


def test_random_states_need_leave_and_are_listed() -> None:
    entries = mnist(np.random.default_rng(5))
    with pytest.raises(UnsupportedError, match=r"layer1.*allow=\{'initial-state'\}"):
        sfptt.from_state_dict(entries)
    network = sfptt.from_state_dict(entries, allow=ALLOWED)
    assert network.provenance["changes"].startswith("initial-state: layer1: ")
    # The Add task's model starts at zero, as ours do.
    assert "changes" not in sfptt.from_state_dict(add_task(np.random.default_rng(6))).provenance


def test_statistics_of_every_step_are_recognised() -> None:
    rng = np.random.default_rng(7)
    entries = mnist(rng, own=True)
    with pytest.raises(UnsupportedError, match=r"'bn1a'.*allow=\{'batch-norm-step'\}"):
        sfptt.from_state_dict(entries, allow=ALLOWED)
    allow = {*ALLOWED, "batch-norm-step"}
    with pytest.raises(InvalidValueError, match="batch_norm_step is None; expected 0 to 5"):
        sfptt.from_state_dict(entries, allow=allow)
    network = sfptt.from_state_dict(entries, allow=allow, batch_norm_step=3)
    assert "batch-norm-step: entries 'bn2'" in network.provenance["changes"]
    state = sfptt.initial_state(network, BATCH, rng)
    x = rng.uniform(-1, 1, (STEPS, BATCH, INPUTS))
    expected = Authors(entries, state, step=3).forward(x)
    assert np.abs(ltc2hw.simulate(network, x, state=state).outputs - expected).max() < 1e-9


def test_the_second_recurrence_can_be_put_right() -> None:
    entries = two_layers(np.random.default_rng(8))

    def sources(**options: Any) -> set[tuple[str, int]]:
        network = sfptt.from_state_dict(entries, allow=ALLOWED, **options)
        into = [p for p in network.projections if (p.target, p.port) == ("layer2", "current")]
        return {(p.source, p.delay) for p in into}

    assert sources() == {("layer1", 0), ("layer1", 1)}
    assert sources(second_recurrence="layer2") == {("layer1", 0), ("layer2", 1)}


def test_constants_that_the_code_does_not_store_are_arguments() -> None:
    entries = add_task(np.random.default_rng(9))
    network = sfptt.from_state_dict(entries, threshold=0.3, adaptation_strength=0.2)
    layer = network.population("layer1")
    assert isinstance(layer, LTC)
    assert np.all(layer.threshold == 0.3)
    assert np.all(layer.adaptation_strength == 0.2)
    usual = {add_task: "threshold 0.5, adaptation strength 0.0"}
    for make in (mnist, two_layers, add_task, adaptive):
        entries = make(np.random.default_rng(9))
        noted = sfptt.from_state_dict(entries, allow=ALLOWED).provenance["constants"]
        assert noted == usual.get(make, "threshold 0.1, adaptation strength 1.8")


def test_a_cell_without_readout_answers_spikes() -> None:
    entries = {k: v for k, v in add_task(np.random.default_rng(10)).items() if "lin" not in k}
    network = sfptt.from_state_dict(entries, allow=ALLOWED, input_size=INPUTS + HIDDEN)
    assert network.output == "layer1"
    assert network.input.size == INPUTS + HIDDEN
    with pytest.raises(InvalidValueError, match="from layer1_x"):
        sfptt.from_state_dict(entries, allow=ALLOWED, input_size=5)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"conv1.weight": np.zeros((2, 1, 3, 3))}, "'conv1.weight': convolution"),
        ({"surprise": np.zeros(3)}, "'surprise': a layer, node, neuron or entry that is not known"),
        ({"act1.alpha": np.array(0.0)}, "'act1.alpha': gates without sigmoid"),
        ({"layer1_tauM.weight": np.zeros((HIDDEN, 3))}, "shape of layer1_tauM.weight"),
        ({"layer1_x.weight": {}}, "entry layer1_x.weight is dict"),
        ({"layer1_x.weight": np.full((HIDDEN, INPUTS), np.nan)}, "NaN or infinite"),
        ({"layer3_x.weight": np.array("text")}, "expected numbers"),
        ({"bn1a.running_mean_3": np.zeros(2)}, "shape of bn1a.running_mean_3"),
    ],
)
def test_wrong_entries_are_named(change: StateDict, problem: str) -> None:
    entries = {**mnist(np.random.default_rng(11)), **change}
    with pytest.raises(Ltc2hwError, match=problem):
        sfptt.from_state_dict(entries, allow=ALLOWED)


def test_a_missing_entry_is_named() -> None:
    entries = mnist(np.random.default_rng(12))
    del entries["layer1_tauAdp.bias"]
    with pytest.raises(InvalidValueError, match=r"layer1_tauAdp\.bias is missing"):
        sfptt.from_state_dict(entries, allow=ALLOWED)
    with pytest.raises(ShapeError):
        sfptt.from_state_dict(
            {**mnist(np.random.default_rng(12)), "layer1_r.weight": np.zeros((HIDDEN, 3))},
            allow=ALLOWED,
        )


# Files


def test_numpy_and_torch_files_are_read(tmp_path: Path) -> None:
    entries = mnist(np.random.default_rng(13))
    network = sfptt.from_state_dict(entries, allow=ALLOWED)
    np.savez(tmp_path / "model.npz", **entries)
    assert sfptt.read(tmp_path / "model.npz", allow=ALLOWED) == network
    torch = pytest.importorskip("torch")
    tensors = {f"network.{name}": torch.tensor(value) for name, value in entries.items()}
    torch.save(tensors, tmp_path / "bare.pth")
    torch.save({"state_dict": tensors, "best_acc1": 0.97}, tmp_path / "model.pth.tar")
    for name in ("bare.pth", "model.pth.tar"):
        assert sfptt.read(tmp_path / name, allow=ALLOWED) == network


class Hostile:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_no_code_of_a_file_is_run(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    mark = tmp_path / "executed"
    torch.save({"state_dict": Hostile(mark)}, tmp_path / "model.pth")
    np.savez(tmp_path / "model.npz", layer=np.array([Hostile(mark)], dtype=object))
    for name in ("model.pth", "model.npz"):
        with pytest.raises(DamagedFileError):
            load_arrays(tmp_path / name)
    assert not mark.exists()


def test_other_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    (tmp_path / "text.pth").write_text("no checkpoint")
    (tmp_path / "text.npz").write_text("no checkpoint")
    np.save(tmp_path / "single.npy", np.zeros(3))
    (tmp_path / "single.npy").rename(tmp_path / "single.npz")
    torch.save([torch.zeros(2)], tmp_path / "list.pth")
    torch.save({"epoch": 3}, tmp_path / "number.pth")
    whole = tmp_path / "whole.npz"
    np.savez(whole, a=np.zeros(1000))
    (tmp_path / "cut.npz").write_bytes(whole.read_bytes()[:500])
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(f"{number}.npy", b"\0" * (1 << 20))
    monkeypatch.setattr(checkpoint, "MAXIMUM_BYTES", 2 << 20)
    for name in ("text.pth", "text.npz", "single.npz", "list.pth", "number.pth", "cut.npz"):
        with pytest.raises(DamagedFileError):
            load_arrays(tmp_path / name)
    with pytest.raises(DamagedFileError, match="unfolds to"):
        load_arrays(tmp_path / "bomb.npz")
    with pytest.raises(FileNotFoundError):
        load_arrays(tmp_path / "none.npz")
