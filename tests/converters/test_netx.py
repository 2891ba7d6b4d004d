"""lava-dl in and out: the integers of slayer's neurons and of netx in Lava, with ==."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import ltc2hw
from ltc2hw.converters import netx
from ltc2hw.converters.lava.runner import run_job
from ltc2hw.converters.netx_network import rescaled
from ltc2hw.converters.populations import FixedLIF, is_model
from ltc2hw.dynamics.models.lif import lif
from ltc2hw.errors import (
    DamagedFileError,
    HardwareRuleError,
    InvalidValueError,
    UnknownNameError,
    UnsupportedError,
)
from ltc2hw.graph.fixed import FixedInput, FixedNetwork, FixedProjection
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.numbers.operators import Weights
from ltc2hw.numbers.weights import Dense, Sparse
from ltc2hw.numbers.words import IntArray, Word
from tests.converters.extremes import extreme_integers
from tests.random_networks import random_fixed_network

# lava-dl is frozen and uses what torch has since renamed.
pytestmark = pytest.mark.filterwarnings("ignore:torch.nn.utils.weight_norm is deprecated")

ROOT = Path(__file__).parents[2]
SPIKES = Word(1, signed=False)


def random_chain(
    rng: np.random.Generator,
    *,
    graded: bool = False,
    recurrent: bool = False,
    delays: tuple[int, ...] = (0,),
    bias: bool = False,
    forward: int = 0,
    sizes: tuple[int, ...] = (12, 9, 7),
) -> FixedNetwork:
    """A chain of LIF populations that spike, over netx's whole range of weights and decays.

    ``delays`` are added to ``forward``, the delay between populations.
    """
    word = Word(6, signed=False) if graded else SPIKES
    populations: list[Any] = [FixedInput("input", sizes[0], graded, word, 0)]
    projections: list[FixedProjection] = []
    variable: Any = "value" if graded else "spikes"
    for index, size in enumerate(sizes[1:]):
        source, name = populations[-1], f"hidden{index}"
        populations.append(random_lif(rng, name, size, bias=bias, graded=graded and index == 0))
        chosen = rng.choice(delays, (size, source.size))
        for delay in sorted(set(chosen.ravel().tolist())):
            weights = random_weights(rng, chosen == delay)
            projections.append(
                FixedProjection(
                    source.name, variable, name, "current", weights, 8, 1, 5,
                    delay=delay + (forward if index else 0),
                )
            )  # fmt: skip
        if recurrent:
            bits = int(rng.integers(3, 9))
            own = Dense(rng.integers(-(1 << (bits - 1)), 1 << (bits - 1), (size, size)))
            projections.append(
                FixedProjection(name, "spikes", name, "current", own, bits, 9 - bits, 5, delay=1)
            )
        variable = "spikes"
    return FixedNetwork(
        tuple(populations), tuple(projections), populations[-1].name, "loihi2", {"origin": "test"}
    )


def random_lif(
    rng: np.random.Generator, name: str, size: int, *, bias: bool, graded: bool
) -> FixedNeurons:
    shared = bool(rng.integers(2))
    decays = rng.integers(200, 4097, (2, 1 if shared else size))
    return FixedLIF(
        name=name,
        size=size,
        state=Word(24),
        fraction=12,
        decay_fraction=12,
        alignment=6,
        current_decay=np.broadcast_to(decays[0], size),
        membrane_decay=np.broadcast_to(decays[1], size),
        threshold=rng.integers(50, 400, size) * (20 if graded else 1),
        bias_mantissa=rng.integers(-30, 90, size) * int(bias),
        bias_exponent=6,
    )


def random_weights(rng: np.random.Generator, where: Any) -> Weights:
    mantissas: IntArray = np.where(where, rng.integers(-128, 128, where.shape), 0)
    return Sparse.from_array(mantissas) if rng.integers(2) else Dense(mantissas)


def spikes_of(network: FixedNetwork, x: Any) -> Any:
    """Output spikes (T, N) of one sample (T, N_in)."""
    return ltc2hw.simulate(network, x[:, None], engine="integer").outputs[:, 0]


# lava-dl's slayer


def slayer_blocks(rng: np.random.Generator, kind: str) -> tuple[Any, list[Any], Any]:
    """A network written with slayer, what each block answers (T, B, N), and the samples."""
    torch = pytest.importorskip("torch")
    slayer = pytest.importorskip("lava.lib.dl.slayer", reason="the lava-dl extra is missing")
    torch.manual_seed(int(rng.integers(1 << 30)))
    cuba = slayer.block.cuba
    options: dict[str, Any] = {
        "threshold": float(rng.uniform(0.4, 1.2)),
        "current_decay": float(rng.uniform(0.05, 0.9)),
        "voltage_decay": float(rng.uniform(0.01, 0.5)),
        "shared_param": kind != "own-decays",
    }
    if kind == "bias":
        options["norm"] = slayer.neuron.norm.MeanOnlyBatchNorm
    delay = kind == "delays"
    middle = cuba.Recurrent if kind == "recurrent" else cuba.Dense
    shift = kind != "no-shift"

    def given() -> dict[str, Any]:
        # slayer's Recurrent writes into the options that it is given.
        return dict(options, persistent_state=False)

    blocks = [
        cuba.Dense(
            given(), 8, 14, weight_scale=4, weight_norm=True, delay=delay, delay_shift=shift
        ),
        middle(given(), 14, 11, weight_scale=4, delay_shift=shift),
        cuba.Dense(given(), 11, 5, weight_scale=4, delay=delay, delay_shift=shift),
    ]
    if kind == "input-block":
        blocks.insert(0, cuba.Input(delay_shift=False))
    scale = 6 if kind == "graded" else 2
    x = torch.randint(0, scale, (3, 8, 50)).float() * (torch.rand(3, 8, 50) < 0.4)
    with torch.no_grad():
        answer = x
        for block in blocks:
            answer = block(answer)
            if getattr(block, "delay", None) is not None:
                block.delay.delay.data *= 9
            if kind == "bias":
                block.neuron.norm.running_mean = torch.randn(block.neuron.shape[0]) * 0.1
            block.eval()
            reset(block)
        answers, answer = [], x
        for block in blocks:
            answer = block(answer)
            answers.append(answer.numpy().transpose(2, 0, 1))
    return blocks, answers, x.numpy().transpose(2, 0, 1)


def reset(block: Any) -> None:
    block.delay_buffer = None
    if getattr(block, "neuron", None) is not None:
        block.neuron.current_state.zero_()
        block.neuron.voltage_state.zero_()


@pytest.mark.parametrize(
    "kind",
    ["dense", "recurrent", "delays", "own-decays", "bias", "graded", "no-shift", "input-block"],
)
def test_slayer_blocks_and_ours_have_the_same_bits(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng([1, len(kind)])
    fired: dict[int, int] = {}
    for trial in range(2):
        blocks, answers, x = slayer_blocks(rng, kind)
        word = Word(8, signed=False) if kind == "graded" else None
        network = netx.from_module(blocks, input_word=word)
        trace = ltc2hw.simulate(network, x, engine="integer")
        layers = answers[1:] if kind == "input-block" else answers
        late = 0 if kind == "no-shift" else 1
        for index, answer in enumerate(layers):
            spikes = trace.spikes[f"layer{index}"]
            fired[index] = fired.get(index, 0) + int(answer.sum())
            assert np.array_equal(spikes[: len(spikes) - late], answer[late:])
        assert not any(trace.saturations.values())
        if kind in ("dense", "recurrent", "delays", "own-decays", "bias", "graded"):
            path = tmp_path / f"{trial}.h5"
            write_as_slayer(blocks, path)
            assert replace(netx.read(path, input_word=word), provenance={}) == replace(
                network, provenance={}
            )
    assert all(fired.values())


def write_as_slayer(blocks: Any, path: Path) -> None:
    with h5py.File(path, "w") as file:
        for index, block in enumerate(blocks):
            block.export_hdf5(file.create_group(f"layer/{index}"))


def test_a_module_that_saw_no_sample_is_named() -> None:
    slayer = pytest.importorskip("lava.lib.dl.slayer", reason="the lava-dl extra is missing")
    options = {"threshold": 1.0, "current_decay": 0.5, "voltage_decay": 0.5}
    with pytest.raises(InvalidValueError, match="run one sample through the module first"):
        netx.from_module([slayer.block.cuba.Dense(options, 3, 2)])
    with pytest.raises(InvalidValueError, match="a slayer block"):
        netx.from_module([object()])  # type: ignore[list-item]


# lava-dl's netx in Lava


def test_netx_in_lava_runs_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("lava.lib.dl.netx", reason="the lava-dl extra is missing")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    rng = np.random.default_rng(2)
    networks = {
        "deep": random_chain(rng, sizes=(10, 9, 8, 7), forward=1),
        "recurrent": random_chain(rng, recurrent=True),
        "delays": random_chain(rng, delays=(0, 2, 5)),
        "bias": random_chain(rng, bias=True, recurrent=True, forward=1),
        "graded": random_chain(rng, graded=True),
        "rescaled": rescaled(finer_chain(rng)),
    }
    steps, expected = 30, {}
    for name, network in networks.items():
        graded = network.input.graded
        x = rng.integers(0, 40 if graded else 2, (steps, network.input.size))
        x = x * (rng.random(x.shape) < 0.5)
        assert netx.write(network, tmp_path / f"{name}.h5") == ()
        np.savez(tmp_path / f"{name}.npz", x=x, bits=8 * graded)
        # Lava's first Dense takes a step of its own; layers without delay one more each.
        first = np.concatenate([np.zeros_like(x[:1]), x])
        late = sum(p.delay == 0 and p.source != network.input.name for p in network.projections)
        expected[name] = np.pad(spikes_of(network, first), ((late, 0), (0, 0)))[:steps]
        assert expected[name].any()
    run_job("tests.converters.lava_jobs.netx:run", tmp_path)
    for name, spikes in expected.items():
        assert np.array_equal(np.load(tmp_path / f"{name}.npy"), spikes), name


def finer_chain(rng: np.random.Generator) -> FixedNetwork:
    """A chain whose weights are much finer than netx's."""
    network = random_chain(rng)
    return replace(
        network,
        projections=tuple(replace(p, exponent=5, weight_fraction=9) for p in network.projections),
        populations=tuple(
            p.with_constants({"threshold": p.constants["threshold"] * 16 + 3})
            if isinstance(p, FixedNeurons)
            else p
            for p in network.populations
        ),
    )


# Files of our own


@settings(max_examples=15)
@given(
    seed=st.integers(0, 1 << 30),
    graded=st.booleans(),
    recurrent=st.booleans(),
    delays=st.sampled_from([(0,), (0, 3), (1, 2, 61)]),
    forward=st.integers(0, 1),
    depth=st.integers(1, 3),
)
@example(seed=98853, graded=False, recurrent=True, delays=(0,), forward=0, depth=1)
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    graded: bool,
    recurrent: bool,
    delays: tuple[int, ...],
    forward: int,
    depth: int,
) -> None:
    rng = np.random.default_rng(seed)
    sizes = tuple(int(size) for size in rng.integers(2, 9, depth + 1))
    network = random_chain(
        rng,
        graded=graded,
        recurrent=recurrent and delays == (0,),
        delays=delays,
        forward=forward,
        bias=delays == (0,) and forward == 1,
        sizes=sizes,
    )
    # Lava clips the lowest weight where no weight is positive, so that such networks are refused.
    for projection in network.projections:
        values = projection.weights.values
        assume(values.max(initial=0) > 0 or values.min(initial=0) > Word(projection.bits).minimum)
    path = tmp_path_factory.mktemp("netx") / "net.h5"
    assert netx.write(network, path) == ()
    assert netx.read(path) == network


@settings(max_examples=15)
@given(seed=st.integers(0, 1 << 30), recurrent=st.booleans(), forward=st.integers(0, 1))
def test_extreme_integers_come_back_or_are_refused_at_once(
    tmp_path_factory: pytest.TempPathFactory, seed: int, recurrent: bool, forward: int
) -> None:
    rng = np.random.default_rng(seed)
    chain = random_chain(rng, recurrent=recurrent, forward=forward, sizes=(4, 3, 2))
    network = extreme_integers(rng, chain)
    path = tmp_path_factory.mktemp("netx") / "net.h5"
    try:
        netx.write(network, path)
    except UnsupportedError:
        assert not path.exists()
    else:
        assert netx.read(path) == network


def test_finer_networks_are_written_after_the_allowed_change(tmp_path: Path) -> None:
    network = finer_chain(np.random.default_rng(3))
    path = tmp_path / "net.h5"
    with pytest.raises(UnsupportedError, match=r"allow=\{'rescale'\}"):
        netx.write(network, path)
    assert not path.exists()
    changes = netx.write(network, path, allow={"rescale"})
    assert [change.name for change in changes] == ["rescale"]
    assert netx.read(path) == rescaled(network)
    assert rescaled(rescaled(network)) == rescaled(network)
    with pytest.raises(UnknownNameError, match="expected one of rescale"):
        netx.write(network, path, allow={"drop-everything"})


def test_rescaling_keeps_the_real_numbers() -> None:
    network = finer_chain(np.random.default_rng(4))
    coarse = rescaled(network)
    for fine, less in zip(network.projections, coarse.projections, strict=True):
        real = fine.weights.to_array() / 2.0**fine.weight_fraction
        rounded = less.weights.to_array() / 2.0**less.weight_fraction
        assert np.abs(real - rounded).max() <= 0.5 / 2.0**less.weight_fraction
    for first, second in zip(network.populations[1:], coarse.populations[1:], strict=True):
        assert is_model(first, lif)
        assert is_model(second, lif)
        exact, cut = (
            p.constants["threshold"] / 2.0 ** p.formats.constants["threshold"]
            for p in (first, second)
        )
        unit = 1 / 2.0 ** second.formats.constants["threshold"]
        assert np.all((exact - cut >= 0) & (exact - cut < unit))


def test_random_graphs_are_written_or_refused_by_name(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    outcomes = set()
    for _ in range(40):
        network = random_fixed_network(rng, models=("LIF",), largest=6)
        path = tmp_path / "net.h5"
        try:
            netx.write(network, path, allow={"rescale"})
        except UnsupportedError as error:
            outcomes.add((error.feature, error.remedy))
        else:
            assert netx.read(path).provenance == network.provenance
            outcomes.add(("written", "nothing to do"))
    assert all(all(outcome) for outcome in outcomes)
    assert len(outcomes) > 3


# Files that are wrong


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "net.h5"
    netx.write(random_chain(np.random.default_rng(6)), path)
    return path


@pytest.mark.parametrize(
    ("entry", "value", "problem"),
    [
        ("layer/1/weight", np.full((2, 2), 0.5, np.float32), "are not integers"),
        ("layer/1/weight", np.zeros((0, 4)), "has shape"),
        ("layer/1/weight", np.full((9, 12), 1e30), "beyond 32 bits"),
        ("layer/1/weight", np.array(["a"], "S1"), "no numbers"),
        ("layer/1/neuron/iDecay", np.array(5000), "outside 0 to 4096"),
        ("layer/1/neuron/vDecay", np.array([1, 2]), "2 numbers for 9 neurons"),
        ("layer/1/delay", np.array(-1), "negative delay"),
        ("layer/1/type", np.array(3), "no text type"),
        ("layer/1/shape", np.array([0]), "0 neurons"),
        ("layer/1/shape", np.array([1 << 30, 1 << 30, 1 << 30]), "has shape"),
        ("ltc2hw/schema_version", np.array(99), "schema version 99"),
        ("ltc2hw/schema_version", np.array([1]), "schema version is no integer"),
        ("ltc2hw/schema_version", np.array(1.5), "schema version is no integer"),
        ("ltc2hw/record", "no JSON", "not what this version writes"),
        ("ltc2hw/record", "[]", "not what this version writes"),
    ],
)
def test_a_wrong_entry_is_named(written: Path, entry: str, value: Any, problem: str) -> None:
    with h5py.File(written, "r+") as file:
        if entry in file:
            del file[entry]
        file[entry] = value
    with pytest.raises(DamagedFileError, match=problem):
        netx.read(written)


def test_a_record_of_other_layers_is_refused(written: Path) -> None:
    with h5py.File(written, "r+") as file:
        file["layer/1/weight"][0, 0] = 2 - file["layer/1/weight"][0, 0]
    netx.read(written)
    with h5py.File(written, "r+") as file:
        record = json.loads(file["ltc2hw/record"][()])
        record["links"][0]["exponent"] = 4
        del file["ltc2hw/record"]
        file["ltc2hw/record"] = json.dumps(record)
    with pytest.raises((DamagedFileError, HardwareRuleError)):
        netx.read(written)
    with h5py.File(written, "r+") as file:
        del file["ltc2hw"]
    assert netx.read(written).input.name == "input"


def test_a_file_that_is_not_netx_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file["numbers"] = np.arange(3)
    with pytest.raises(DamagedFileError, match="no layers"):
        netx.read(path)
    with pytest.raises(InvalidValueError, match="a power of two"):
        netx.fraction_of(48)


def with_neuron_entries(path: Path, **entries: float | bytes) -> Path:
    """A file as slayer 1 and lava-dl's examples have it: neurons of type LOIHI with more entries.

    netx's own reader (lava-dl 0.6.0, ``get_neuron_params``) takes iDecay, vDecay and vThMant alone.
    """
    with h5py.File(path, "r+") as file:
        del file["ltc2hw"]
        for name, value in entries.items():
            place = f"layer/1/neuron/{name}"
            if place in file:
                del file[place]
            file[place] = value
    return path


def test_training_entries_of_loihi_neurons_change_nothing(written: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain.net"
    shutil.copy(written, plain)
    more = with_neuron_entries(
        written, type=b"LOIHI", scaleRho=1.0, tauRho=0.5, theta=80.0, wgtExp=0.0
    )
    with_neuron_entries(plain)
    loihi, cuba = netx.read(more), netx.read(plain)
    assert loihi.populations == cuba.populations
    assert loihi.projections == cuba.projections


def test_a_weight_exponent_is_refused_by_name(written: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"layer 1 neuron entry wgtExp, which is not 0"):
        netx.read(with_neuron_entries(written, type=b"LOIHI", wgtExp=2.0))


def test_the_clock_of_a_bias_is_named() -> None:
    chain = random_chain(np.random.default_rng(0))
    one = np.ones(1, dtype=np.int64)
    clock = FixedLIF("constant", 1, Word(24), 6, 12, 6, 4096 * one, 4096 * one, 0 * one, one, 6)
    link = replace(
        chain.projections[0], source="constant", weights=Dense(np.ones((9, 1), dtype=np.int64))
    )
    biased = replace(
        chain,
        populations=(*chain.populations, clock),
        projections=(*chain.projections, link),
    )
    with pytest.raises(
        UnsupportedError,
        match=r"'constant'.*a neuron that receives nothing, as one that sends a bias",
    ):
        netx.write(biased, "never.net")


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [
        ("links", "exponent", -1),
        ("links", "exponent", 10**30),
        ("layers", "bias_exponent", -1),
        ("layers", "bias_exponent", 10**30),
        ("layers", "fraction", 10**30),
        ("links", "delay", 10**12),
    ],
)
def test_numbers_of_a_record_are_checked(written: Path, place: str, name: str, value: int) -> None:
    with h5py.File(written, "r+") as file:
        record = json.loads(file["ltc2hw/record"][()])
        record[place][0][name] = value
        del file["ltc2hw/record"]
        file["ltc2hw/record"] = json.dumps(record)
    with pytest.raises(DamagedFileError, match=f"{name} is {value}"):
        netx.read(written)
