"""Every file format that is read: how a small whole file is made, and what a reader must survive.

A file that is accepted is used, too: integer networks must give the same bits in two engines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

import ltc2hw
from ltc2hw.converters import netx, nir, sfptt
from ltc2hw.errors import Ltc2hwError
from ltc2hw.files.bundle import load, load_trace, save, save_trace
from ltc2hw.files.learning_file import load_learning, save_learning
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.graph.trace import ALL, Trace
from ltc2hw.learning.learn import learn
from ltc2hw.learning.rule import FPTTRule
from ltc2hw.numbers.convolution import Conv, sum_pool
from ltc2hw.numbers.weights import Dense
from ltc2hw.quantization.scaling import QuantizeOptions
from tests.random_networks import random_fixed_network, random_network, random_samples

Rng = np.random.Generator
Container = Literal["own", "hdf5", "zip"]
"""How a file is built: our HDF5 with a checksum, somebody's HDF5, a zip archive of arrays."""

STEPS, BATCH = 4, 2


@dataclass(frozen=True)
class Format:
    """A kind of file: writes a whole one, and reads and uses any."""

    container: Container
    make: Callable[[Rng, Path], None]
    use: Callable[[Path], None]
    suffix: str = ".h5"


class DifferentBitsError(AssertionError):
    """Two engines answered differently for a network that was accepted."""


def use_network(network: Network | FixedNetwork) -> None:
    """Run a network; an integer one in two engines, whose every recorded integer must agree.

    Raises:
        DifferentBitsError: where it does not.
    """
    rng = np.random.default_rng(0)
    x = random_samples(rng, network, STEPS, BATCH)
    if isinstance(network, Network):
        ltc2hw.simulate(network, x)
        return
    first, second = (run_or_refuse(network, x, engine) for engine in ("integer", "fast"))
    if isinstance(first, str) or isinstance(second, str):
        if type(first) is not type(second):
            refusal = first if isinstance(first, str) else second
            raise DifferentBitsError(f"one engine of two refused: {refusal}")
        return
    recorded = second.recorded()
    for key, array in first.recorded().items():
        if not np.array_equal(array, recorded[key]):
            raise DifferentBitsError(f"{key} differs between integer and fast")
    if not np.array_equal(first.outputs, second.outputs):
        raise DifferentBitsError("outputs differ between integer and fast")
    if positive(first.saturations) != positive(second.saturations):
        raise DifferentBitsError("saturations differ between integer and fast")


def run_or_refuse(network: FixedNetwork, x: Any, engine: str) -> Trace | str:
    """The trace of an engine, or its typed refusal."""
    try:
        return ltc2hw.simulate(network, x, engine=engine, record=ALL)
    except Ltc2hwError as error:
        return str(error)


def positive(counts: Mapping[str, Mapping[str, int]]) -> dict[tuple[str, str], int]:
    """Counts that are not zero."""
    return {(p, v): n for p, values in counts.items() for v, n in values.items() if n}


def make_float(rng: Rng, path: Path) -> None:
    """A float network with event gates."""
    save(random_network(rng, hidden=(4,), inputs=3, outputs=2), path)


def make_fixed(rng: Rng, path: Path) -> None:
    """An integer network of any kind."""
    save(random_fixed_network(rng, largest=6), path)


def make_convolutions(rng: Rng, path: Path) -> None:
    """A float or integer network of shared kernels, in one dimension or two."""
    image, hidden = pick_images(rng)
    kernel = rng.normal(size=(hidden[0], image[0], *(2 for _ in image[1:])))
    populations = (
        Input("input", int(np.prod(image)), shape=image),
        Neurons("hidden", int(np.prod(hidden)), "ltc", {"threshold": 0.2}, shape=hidden),
        Neurons("out", 2, "readout"),
    )
    last = Dense(rng.normal(size=(2, populations[1].size)))
    projections = (
        Projection("input", "spikes", "hidden", "current", Conv(kernel, image, 2, 1)),
        Projection("hidden", "spikes", "hidden", "tau_mem", sum_pool(hidden, 1), 1),
        Projection("hidden", "spikes", "out", "current", last),
    )
    network = Network(populations, projections, "out")
    save(network if rng.integers(2) else ltc2hw.quantize(network), path)


def pick_images(rng: Rng) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shapes of what sends and what hears."""
    return ((2, 5), (3, 3)) if rng.integers(2) else ((2, 4, 5), (3, 3, 3))


def make_trace(rng: Rng, path: Path) -> None:
    """A trace of an integer network."""
    network = random_fixed_network(rng, largest=5)
    x = random_samples(rng, network, STEPS, BATCH)
    save_trace(ltc2hw.simulate(network, x, engine="integer", record=ALL), path)


def use_trace(path: Path) -> None:
    """Look at everything that was recorded."""
    for array in load_trace(path).recorded().values():
        np.count_nonzero(array)


def make_nir_lif(rng: Rng, path: Path) -> None:
    """Nodes of NIR's own, the form that other tools write."""
    nir.write(random_network(rng, model="LIF", hidden=(4,), inputs=3, outputs=2), path)


def make_nir_ltc(rng: Rng, path: Path) -> None:
    """Our extension nodes."""
    nir.write(random_network(rng, gate="dense", hidden=(3,), inputs=3, outputs=2), path)


def make_nir_model(rng: Rng, path: Path) -> None:
    """Neurons of a model that NIR has no node for, which holds the model itself."""
    neurons = Neurons("hidden", 3, "alif", {"jump": rng.uniform(0.1, 1.0, 3)})
    into = Projection("input", "spikes", "hidden", "current", Dense(rng.normal(0, 1, (3, 4))))
    nir.write(Network((Input("input", 4), neurons), (into,), "hidden"), path)


def make_nir_image(rng: Rng, path: Path) -> None:
    """Convolution, pooling, delay: layers without neurons."""
    import nir as tool

    two = np.array([2, 2])
    graph = tool.NIRGraph.from_list(
        tool.Input(np.array([2, 8, 8])),
        tool.Conv2d(None, rng.normal(size=(3, 2, 3, 3)), (2, 2), (1, 1), (1, 1), 1, np.zeros(3)),
        tool.AvgPool2d(two, two, np.array([0, 0])),
        tool.Flatten({"input": np.array([3, 2, 2])}, 0),
        tool.Delay(np.full(12, 2e-3)),
        tool.Scale(np.ones(12)),
        tool.Threshold(np.full(12, 0.1)),
    )
    tool.write(path, graph)


def make_netx(rng: Rng, path: Path) -> None:
    """A chain of CUBA layers."""
    from tests.converters.test_netx import random_chain

    chain = random_chain(rng, recurrent=True, bias=True, forward=1, sizes=(6, 5, 4))
    netx.write(chain, path)


def make_pth(rng: Rng, path: Path) -> None:
    """A state dict of the FPTT authors, as torch saves it."""
    import torch

    from tests.converters.test_sfptt import mnist

    torch.save({name: torch.as_tensor(value) for name, value in mnist(rng).items()}, path)


def make_npz(rng: Rng, path: Path) -> None:
    """The same as arrays of NumPy."""
    from tests.converters.test_sfptt import mnist

    with path.open("wb") as file:
        arrays: dict[str, Any] = mnist(rng)
        np.savez(file, **arrays)


def tiny_training() -> tuple[Any, Any]:
    """A task and a recipe of one short epoch."""
    from ltc2hw.tasks import Split, Task
    from ltc2hw.training import ModelOptions, Recipe, TrainingOptions

    rng = np.random.default_rng(1)

    def split(samples: int) -> Split:
        return Split(rng.random((4, samples, 3)), rng.integers(0, 2, samples))

    task = Task(
        name="fuzz", kind="classification", steps=4, inputs=3, outputs=2,
        train=split(8), validation=split(4), test=split(4),
    )  # fmt: skip
    recipe = Recipe(ModelOptions(hidden=(3,)), TrainingOptions(updates=2, epochs=2, batch_size=8))
    return task, recipe


def make_checkpoint(rng: Rng, path: Path) -> None:
    """A training run after its first epoch."""
    from ltc2hw.training.checkpoint import save_checkpoint
    from ltc2hw.training.trainer import Trainer

    trainer = Trainer(*tiny_training())
    trainer.run_epoch()
    save_checkpoint(trainer.checkpoint(), path)


def use_checkpoint(path: Path) -> None:
    """Go on from a checkpoint for its last epoch."""
    from ltc2hw.training import train

    task, recipe = tiny_training()
    train(task, recipe, checkpoint=path)


def tiny_learner() -> tuple[FixedNetwork, Any, Any]:
    """A network with room to learn, samples and labels."""
    rng = np.random.default_rng(2)
    network = random_network(rng, inputs=3, hidden=(3,), outputs=2, nonlinearity="plan")
    x = rng.uniform(0, 1, (STEPS, BATCH, 3))
    fixed = ltc2hw.quantize(network, "loihi2", x, QuantizeOptions(weight_reach=2.0))
    return fixed, x, rng.integers(0, 2, BATCH)


def make_learning(rng: Rng, path: Path) -> None:
    """A state of learning after two samples."""
    save_learning(learn(*tiny_learner(), engine="integer").learning, path)


def use_learning(path: Path) -> None:
    """Go on learning, in two engines."""
    state = load_learning(path)
    first, second = (
        learn(*tiny_learner(), engine=engine, learning=state) for engine in ("integer", "fast")
    )
    if first.network != second.network or not np.array_equal(first.outputs, second.outputs):
        raise DifferentBitsError("learning differs between integer and fast")


def tiny_eligibility() -> tuple[Network, Any, Any, FPTTRule]:
    """A float network, samples, targets, and a rule that keeps all that a rule can keep."""
    rng = np.random.default_rng(3)
    network = random_network(rng, inputs=3, hidden=(3,), outputs=1, nonlinearity="plan")
    rule = FPTTRule(error="linear", descent="filtered", feedback="adaptive")
    return network, rng.uniform(0, 1, (STEPS, BATCH, 3)), rng.normal(size=(BATCH, 1)), rule


def make_eligibility(rng: Rng, path: Path) -> None:
    """A state of learning in real numbers, with eligibility and feedback weights."""
    save_learning(learn(*tiny_eligibility()).learning, path)


def use_eligibility(path: Path) -> None:
    """Go on learning with what is eligible."""
    learn(*tiny_eligibility(), learning=load_learning(path), reset=False)


def use_nir(path: Path) -> None:
    """Import, however the file states its step."""
    try:
        network = nir.read(path)
    except Ltc2hwError as error:
        if "dt" not in str(error):
            raise
        network = nir.read(path, dt=1e-3)
    use_network(network)


ALLOWED = frozenset({"initial-state"})

FORMATS: Mapping[str, Format] = {
    "network": Format("own", make_float, lambda path: use_network(load(path))),
    "integer network": Format("own", make_fixed, lambda path: use_network(load(path))),
    "convolutions": Format("own", make_convolutions, lambda path: use_network(load(path))),
    "trace": Format("own", make_trace, use_trace),
    "NIR (LIF)": Format("hdf5", make_nir_lif, use_nir, ".nir"),
    "NIR (LTC)": Format("hdf5", make_nir_ltc, use_nir, ".nir"),
    "NIR (model)": Format("hdf5", make_nir_model, use_nir, ".nir"),
    "NIR (image)": Format("hdf5", make_nir_image, use_nir, ".nir"),
    "netx": Format("hdf5", make_netx, lambda path: use_network(netx.read(path))),
    "state dict (.pth)": Format(
        "zip", make_pth, lambda path: use_network(sfptt.read(path, allow=ALLOWED)), ".pth"
    ),
    "state dict (.npz)": Format(
        "zip", make_npz, lambda path: use_network(sfptt.read(path, allow=ALLOWED)), ".npz"
    ),
    "state of learning": Format("own", make_learning, use_learning),
    "state of learning (eligibility)": Format("own", make_eligibility, use_eligibility),
    "training checkpoint": Format("zip", make_checkpoint, use_checkpoint, ".npz"),
}
"""Every kind of file, by the name that the table of results shows."""
