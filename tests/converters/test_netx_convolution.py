"""Convolutions to and from netx files: kernels stay kernels, and no bit changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ltc2hw
from ltc2hw.cli import main
from ltc2hw.converters import netx
from ltc2hw.converters.lava.runner import run_job
from ltc2hw.converters.netx_network import rescaled
from ltc2hw.converters.netx_record import GROUP
from ltc2hw.errors import (
    DamagedFileError,
    InvalidValueError,
    ShapeError,
    TooLargeError,
    UnsupportedError,
)
from ltc2hw.graph.expansion import without_kernels
from ltc2hw.graph.fixed import FixedInput, FixedNetwork, FixedProjection
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.numbers.convolution import Conv, Shape
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import Word
from tests.converters.test_netx import (
    ROOT,
    SPIKES,
    random_lif,
    reset,
    spikes_of,
    write_as_slayer,
)
from tests.convolution.random_conv_networks import random_conv

# lava-dl is frozen and uses what torch has since renamed.
pytestmark = pytest.mark.filterwarnings("ignore:torch.nn.utils.weight_norm is deprecated")


def even_conv(rng: np.random.Generator, image: Shape) -> Conv:
    """A random kernel with the same padding on both sides."""
    conv = random_conv(rng, image, strides=3)
    padding = [[max(pair)] * 2 for pair in conv.padding]
    kernel = rng.integers(-128, 128, conv.kernel.shape)
    return Conv(kernel, image, conv.stride, padding, conv.dilation, conv.groups)


def neurons(rng: np.random.Generator, name: str, shape: Shape, *, bias: bool) -> FixedNeurons:
    """LIF neurons whose constants differ from channel to channel."""
    places = int(np.prod(shape[1:]))
    few = random_lif(rng, name, shape[0], bias=bias, graded=False)
    many = random_lif(rng, name, shape[0] * places, bias=bias, graded=False)
    constants = {key: np.repeat(values, places) for key, values in few.constants.items()}
    return replace(many.with_constants(constants), shape=shape)


def chain(
    rng: np.random.Generator,
    *,
    dimensions: int = 2,
    depth: int = 2,
    graded: bool = False,
    bias: bool = False,
    forward: int = 1,
    dense: bool = True,
) -> FixedNetwork:
    """An image through convolutions, and a dense layer at the end."""
    image: Shape = (int(rng.integers(1, 4)), *map(int, rng.integers(5, 9, dimensions)))
    word = Word(6, signed=False) if graded else SPIKES
    populations: list[Any] = [FixedInput("input", int(np.prod(image)), graded, word, 0, image)]
    projections = []
    variable: Any = "value" if graded else "spikes"
    for index in range(depth):
        conv = even_conv(rng, image)
        image, name = conv.targets, f"conv{index}"
        populations.append(neurons(rng, name, image, bias=bias))
        projections.append(
            FixedProjection(
                populations[-2].name, variable, name, "current", conv, 8, 1, 5,
                delay=forward if index else 0,
            )
        )  # fmt: skip
        variable = "spikes"
    if dense:
        populations.append(random_lif(rng, "out", 4, bias=bias, graded=False))
        matrix = rng.integers(-128, 128, (4, int(np.prod(image))))
        last = populations[-2].name
        projections.append(
            FixedProjection(last, variable, "out", "current", Dense(matrix), 8, 1, 5, forward)
        )
    return FixedNetwork(
        tuple(populations), tuple(projections), populations[-1].name, "loihi2", {"origin": "test"}
    )


@settings(max_examples=40)
@given(
    seed=st.integers(0, 1 << 30),
    dimensions=st.integers(1, 2),
    depth=st.integers(1, 3),
    graded=st.booleans(),
    bias=st.booleans(),
    dense=st.booleans(),
)
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    dimensions: int,
    depth: int,
    graded: bool,
    bias: bool,
    dense: bool,
) -> None:
    rng = np.random.default_rng(seed)
    network = chain(rng, dimensions=dimensions, depth=depth, graded=graded, bias=bias, dense=dense)
    path = tmp_path_factory.mktemp("netx") / "net.h5"
    assert netx.write(network, path) == ()
    assert netx.read(path) == network
    with h5py.File(path) as file:
        stored = sum(layer["weight"].size for layer in file["layer"].values() if "weight" in layer)
    assert stored == sum(p.weights.values.size for p in network.projections)


def test_a_file_without_our_record_holds_the_same_convolutions(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    network = chain(rng, depth=3)
    path = tmp_path / "net.h5"
    netx.write(network, path)
    with h5py.File(path, "r+") as file:
        del file["ltc2hw"]
    found = netx.read(path)
    for ours, read in zip(network.projections, found.projections, strict=True):
        assert read.weights == ours.weights
    assert [p.shape for p in found.populations] == [p.shape for p in network.populations]
    x = (rng.random((12, 1, network.input.size)) < 0.4).astype(float)
    expected = ltc2hw.simulate(network, x, "integer").outputs
    assert expected.any()
    assert np.array_equal(ltc2hw.simulate(found, x, "integer").outputs, expected)


# lava-dl's slayer and netx


def slayer_blocks(rng: np.random.Generator, *, bias: bool) -> tuple[list[Any], list[Any], Any]:
    """Blocks Conv, Conv, Flatten, Dense; what each answers (T, B, N); the samples (T, B, N)."""
    torch = pytest.importorskip("torch")
    slayer = pytest.importorskip("lava.lib.dl.slayer", reason="the lava-dl extra is missing")
    torch.manual_seed(int(rng.integers(1 << 30)))
    cuba = slayer.block.cuba

    def given() -> dict[str, Any]:
        return {
            "threshold": 0.6, "current_decay": 0.4, "voltage_decay": 0.1,
            "persistent_state": False,
            **({"norm": slayer.neuron.norm.MeanOnlyBatchNorm} if bias else {}),
        }  # fmt: skip

    blocks = [
        cuba.Conv(given(), 2, 6, (3, 2), stride=(2, 1), padding=(1, 2), weight_scale=4),
        cuba.Conv(given(), 6, 4, 3, dilation=(1, 2), groups=2, padding=1, weight_scale=4),
        cuba.Flatten(),
        cuba.Dense(given(), 4 * 4 * 8, 5, weight_scale=4),
    ]
    x = (torch.rand(3, 2, 8, 7, 40) < 0.4).float()
    with torch.no_grad():
        answer = x
        for block in blocks:
            answer = block(answer)
            block.eval()
            if hasattr(block, "neuron"):
                if bias:
                    block.neuron.norm.running_mean = 0.1 * torch.randn_like(
                        block.neuron.norm.running_mean
                    )
                reset(block)
        answers, answer = [], x
        for block in blocks:
            answer = block(answer)
            answers.append(answer)
    flat = [a.flatten(1, -2).numpy().transpose(2, 0, 1) for a in (*answers, x)]
    return blocks, [flat[0], flat[1], flat[3]], flat[-1]


@pytest.mark.parametrize("bias", [False, True])
def test_slayer_blocks_and_ours_have_the_same_bits(bias: bool, tmp_path: Path) -> None:
    blocks, answers, x = slayer_blocks(np.random.default_rng(3), bias=bias)
    with pytest.raises(UnsupportedError, match="layer 0 of samples of unknown size"):
        netx.from_module(blocks)
    network = netx.from_module(blocks, input_shape=(2, 8, 7))
    assert [type(p.weights) for p in network.projections] == [Conv, Conv, Dense]
    trace = ltc2hw.simulate(network, x, engine="integer")
    for index, answer in enumerate(answers):
        assert answer.any()
        assert np.array_equal(trace.spikes[f"layer{index}"][:-1], answer[1:])
    write_as_slayer(blocks, tmp_path / "net.h5")
    read = netx.read(tmp_path / "net.h5", input_shape=(2, 8, 7))
    assert replace(read, provenance={}) == replace(network, provenance={})


def test_netx_in_lava_runs_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("lava.lib.dl.netx", reason="the lava-dl extra is missing")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    rng = np.random.default_rng(7)
    networks = {
        "image": chain(rng, bias=True),
        "row": chain(rng, dimensions=1, graded=True, dense=False),
        "unrolled": uneven(rng),
    }
    steps, expected = 16, {}
    for name, network in networks.items():
        graded = network.input.graded
        x = rng.integers(0, 40 if graded else 2, (steps, network.input.size))
        assert len(netx.write(network, tmp_path / f"{name}.h5", allow={"unroll"})) == (
            name == "unrolled"
        )
        np.savez(tmp_path / f"{name}.npz", x=x, bits=8 * graded)
        # Lava's first connection takes a step of its own.
        first = np.concatenate([np.zeros_like(x[:1]), x])
        expected[name] = spikes_of(network, first)[:steps]
        assert expected[name].any()
    run_job("tests.converters.lava_jobs.netx:run", tmp_path)
    for name, spikes in expected.items():
        assert np.array_equal(np.load(tmp_path / f"{name}.npy"), spikes), name


# What netx has no layer for


def uneven(rng: np.random.Generator) -> FixedNetwork:
    """A convolution with one row of zeros more before than after."""
    network = chain(rng, depth=1)
    first = network.projections[0]
    assert isinstance(first.weights, Conv)
    image = first.weights.sources
    conv = Conv(rng.integers(-128, 128, (3, image[0], 2, 2)), image, 1, ((1, 0), (0, 0)))
    populations = (network.input, neurons(rng, "conv0", conv.targets, bias=False))
    return replace(
        network, populations=populations, projections=(replace(first, weights=conv),),
        output="conv0",
    )  # fmt: skip


def variations() -> dict[str, FixedNetwork]:
    """Networks with a convolution that netx's layer does not hold."""
    rng = np.random.default_rng(5)
    network = chain(rng, dense=False)
    first, second = network.projections
    assert isinstance(second.weights, Conv)
    image = second.weights.targets
    own = Conv(rng.integers(-9, 9, (image[0], 1, 1, 1)), image, groups=image[0])
    back = FixedProjection("conv1", "spikes", "conv1", "current", own, 8, 1, 5, delay=1)
    *others, last = network.populations
    assert isinstance(last, FixedNeurons)
    uneven_thresholds = np.arange(last.size) + 90
    dense = Dense(rng.integers(-99, 99, (first.weights.shape[0], first.weights.shape[1])))
    wide = Conv(rng.integers(-9, 9, (1, 1, 1, 129)), (1, 1, 130))
    return {
        "uneven": uneven(rng),
        "behind a row": replace(network, projections=(replace(first, weights=dense), second)),
        "wide": FixedNetwork(
            (
                FixedInput("input", 130, False, SPIKES, 0, wide.sources),
                neurons(rng, "conv0", wide.targets, bias=False),
            ),
            (replace(first, weights=wide),),
            "conv0",
            "loihi2",
        ),
        "delay": replace(network, projections=(first, replace(second, delay=3))),
        "recurrent": replace(network, projections=(first, second, back)),
        "within a channel": replace(
            network, populations=(*others, last.with_constants({"threshold": uneven_thresholds}))
        ),
    }


REASONS = {
    "uneven": "with uneven padding",
    "delay": "with a delay",
    "recurrent": "with another projection beside it",
    "within a channel": "with threshold that differs within a channel",
    "behind a row": "with a layer before it that is no image",
    "wide": "with a size of 129, more than 127",
}


@pytest.mark.parametrize("name", list(REASONS))
def test_what_no_layer_holds_is_written_out_where_allowed(name: str, tmp_path: Path) -> None:
    network, path = variations()[name], tmp_path / "net.h5"
    with pytest.raises(UnsupportedError, match=rf"conv.* {REASONS[name]}.*allow=\{{'unroll'\}}"):
        netx.write(network, path)
    assert not path.exists()
    changes = netx.write(network, path, allow={"unroll"})
    assert {change.name for change in changes} == {"unroll"}
    found = netx.read(path)
    assert [p.shape for p in found.populations] == [p.shape for p in network.populations]
    assert without_kernels(found) == without_kernels(network)


def test_what_is_too_large_to_write_out_is_named(tmp_path: Path) -> None:
    image = (2, 80, 80)
    kernel = np.ones((2, 2, 3, 3), dtype=np.int64)
    conv = Conv(kernel, image, 1, ((1, 1), (2, 0)))
    network = uneven(np.random.default_rng(1))
    large = replace(
        network,
        populations=(
            FixedInput("input", 12800, False, SPIKES, 0, image),
            neurons(np.random.default_rng(1), "conv0", conv.targets, bias=False),
        ),
        projections=(replace(network.projections[0], weights=conv),),
    )
    with pytest.raises(TooLargeError, match=r"written out input\.spikes->conv0\.current"):
        netx.write(large, tmp_path / "net.h5", allow={"unroll"})


def test_finer_kernels_are_written_after_the_allowed_change(tmp_path: Path) -> None:
    network = chain(np.random.default_rng(8))
    fine = replace(network, projections=tuple(replace(p, exponent=3) for p in network.projections))
    changes = netx.write(fine, tmp_path / "net.h5", allow={"rescale"})
    assert [change.name for change in changes] == ["rescale"]
    assert netx.read(tmp_path / "net.h5") == rescaled(fine)


@pytest.mark.parametrize(
    ("entry", "value", "problem"),
    [
        ("layer/1/weight", np.zeros((3, 2)), "weight has shape"),
        ("layer/1/weight", np.zeros((0, 2, 3, 3)), "weight has shape"),
        ("layer/1/stride", np.array([0, 1]), "stride is below 1"),
        ("layer/1/stride", np.array([1, 1, 1]), "stride has 3 numbers"),
        ("layer/1/padding", np.array([-1, 1]), "padding is below 0"),
        ("layer/1/dilation", np.array([1000, 1000]), "layer 1: shape of a kernel"),
        ("layer/1/groups", np.array(7), "layer 1: input channels of a kernel"),
        ("layer/1/shape", np.array([1, 1, 1]), "layer 1 is not of shape"),
        ("layer/1/neuron/iDecay", np.array([9] * 50), "50 numbers for"),
        ("layer/0/shape", np.array([0, 4, 4]), "shape is below 1"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, entry: str, value: Any, problem: str) -> None:
    path = tmp_path / "net.h5"
    netx.write(chain(np.random.default_rng(6)), path)
    with h5py.File(path, "r+") as file:
        del file[entry]
        file[entry] = value
    with pytest.raises(DamagedFileError, match=problem):
        netx.read(path)


def test_rows_and_images_follow_each_other_as_in_netx(tmp_path: Path) -> None:
    path = tmp_path / "net.h5"
    netx.write(chain(np.random.default_rng(6)), path)
    with h5py.File(path, "r+") as file:
        file.copy("layer/2", "layer/5")
    with pytest.raises(DamagedFileError, match="layer 5 has no image before it"):
        netx.read(path)
    with h5py.File(path, "r+") as file:
        del file["layer/5"], file["layer/3"]
        file.move("layer/4", "layer/3")
    with pytest.raises(DamagedFileError, match="no flatten layer stands before layer 3"):
        netx.read(path)
    with pytest.raises(ShapeError, match=r"\(channels, height, width\)"):
        netx.read(path, input_shape=(3, 4))


def test_the_shape_of_samples_is_said_where_no_layer_says_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "net.h5", tmp_path / "out.h5"
    conv = Conv(np.ones((2, 1, 3, 3), dtype=int), (1, 6, 7), 2)
    rng = np.random.default_rng(8)
    image = FixedInput("input", 42, False, SPIKES, 0, (1, 6, 7))
    network = FixedNetwork(
        (image, neurons(rng, "conv0", conv.targets, bias=False)),
        (FixedProjection("input", "spikes", "conv0", "current", conv, 8, 1, 5),),
        "conv0",
        "loihi2",
    )
    netx.write(network, path)
    assert netx.read(path, input_shape=(1, 6, 7)).projections == network.projections
    with pytest.raises(ShapeError, match=r"input_shape is \(1, 7, 6\).*\(1, 6, 7\), as layer 0"):
        netx.read(path, input_shape=(1, 7, 6))
    with h5py.File(path, "r+") as file:
        del file[GROUP], file["layer/0"]
        file.move("layer/1", "layer/0")
    command = ["import", str(path), "--out", str(out)]
    assert main(command) == 2
    assert "or pass --input-shape" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main([*command, "--input-shape", "1x6"])
    assert "shape like 2x34x34" in capsys.readouterr().err
    assert main([*command, "--input-shape", "1x6x7"]) == 0
    read = ltc2hw.load(out)
    assert isinstance(read, FixedNetwork)
    assert read.input.shape == (1, 6, 7)
    assert read.projections[0].weights == conv
    with pytest.raises(DamagedFileError, match=r"layer 0 is not of shape.*\(1, 9, 9\)"):
        netx.read(path, input_shape=(1, 9, 9))


def test_a_shape_that_no_layer_needs_is_refused(tmp_path: Path) -> None:
    network = chain(np.random.default_rng(9), depth=0)
    netx.write(network, tmp_path / "net.h5")
    shape = network.input.shape
    with pytest.raises(InvalidValueError, match="none, as no convolution comes first"):
        netx.read(tmp_path / "net.h5", input_shape=shape)
    with pytest.raises(ShapeError, match=r"\(channels, height, width\)"):
        netx.read(tmp_path / "net.h5", input_shape=5)  # type: ignore[arg-type]
