"""``python -m experiments.convolution``: convolutional LTC networks, as float and as int8.

``nmnist`` trains on recordings of an event camera, ``fashion`` on images that stay, both by FPTT
with an update at every step::

    python -m experiments.convolution nmnist --seed 0 --out DIR
    python -m experiments.convolution fashion --seed 0 --out DIR

A run that was stopped goes on by the same command, a finished one is read back. Validation samples,
taken from those for training, choose the epoch; the test samples are looked at once, by the network
of that epoch. The files lie below ``--data-root`` or the environment's LTC2HW_DATA.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from experiments.cells import Cell, run_cell
from experiments.commands import changed_recipe, telling
from ltc2hw.data import DataOptions
from ltc2hw.data.events.binning import Binning
from ltc2hw.errors import Ltc2hwError
from ltc2hw.graph.neurons import Neurons
from ltc2hw.neurons import GATES, GraphNetwork
from ltc2hw.tasks import Task, load_task
from ltc2hw.training.memory import keep_freed_memory
from ltc2hw.training.model import build_network
from ltc2hw.training.recipes import recipe_for

BUILD = Path("build/experiments/convolution")

BINS, STEPS = 15, 5
"""Steps of a recording, all of the same length, and of an image."""

ABOUT: Mapping[str, str] = {
    "nmnist": f"N-MNIST, the events of a recording counted in {BINS} steps",
    "fashion": f"Fashion-MNIST, the image in each of {STEPS} steps",
}

CHANGES = ("epochs", "learning_rate", "batch_size", "weight_bits", "shift")
"""Fields of a recipe's training that options change."""


class ConvCell(Cell):
    """A cell whose name also tells networks of other layers apart."""

    @property
    def name(self) -> str:
        """A file name that no other cell has."""
        model, training = self.recipe.model, self.recipe.training
        layers = "-".join((*model.conv, *map(str, model.hidden)))
        bits = f"-w{training.weight_bits}" if training.weight_bits else ""
        return (
            f"{self.task}-{self.network}-{layers}-k{training.updates}-b{training.batch_size}"
            f"-lr{training.learning_rate:g}-e{training.epochs}{bits}-seed{training.seed}"
        )


def task_of(options: argparse.Namespace) -> Task:
    """The data of a command."""
    if options.what == "nmnist":
        return load_task("nmnist", DataOptions(root=options.data_root, binning=Binning(bins=BINS)))
    return load_task(f"fashion-image-{STEPS}", DataOptions(root=options.data_root))


def run(options: argparse.Namespace) -> Mapping[str, Any]:
    """Train and deploy one network."""
    task = task_of(options)
    recipe = changed_recipe(options, recipe_for(task), CHANGES)
    options.out.mkdir(parents=True, exist_ok=True)
    show = telling(recipe.training.epochs)
    return run_cell(ConvCell(task.name, options.gates, recipe), options.out, show, task)


def line(options: argparse.Namespace, found: Mapping[str, Any]) -> str:
    """What a run found, in words."""
    neurons, synapses, parameters = sizes(options)
    per_neuron = found["spikes_per_step"] / neurons
    return (
        f"{found['name']}: {parameters:,} parameters, {neurons:,} neurons, {synapses:,} synapses; "
        f"float {100 * found['float']:.2f} %, int8 {100 * found['integer']:.2f} %, "
        f"{found['spikes_per_step']:.0f} spikes per step ({per_neuron:.3f} per neuron), "
        f"{found['seconds'] / 60:.1f} min of training, "
        f"{1e3 * found['fast_seconds']:.2f} ms per sample in fast"
    )


def sizes(options: argparse.Namespace) -> tuple[int, int, int]:
    """Spiking neurons, synapses of the expansion, and parameters of a command's network."""
    task = task_of(options)
    recipe = changed_recipe(options, recipe_for(task), CHANGES)
    module = build_network(task, recipe.model, torch.Generator().manual_seed(0))
    assert isinstance(module, GraphNetwork)
    network = module.template
    own = [p for p in network.populations if isinstance(p, Neurons) and p.name != network.output]
    return (
        sum(math.prod(population.shape) for population in own),
        sum(projection.weights.synapses for projection in network.projections),
        sum(parameter.numel() for parameter in module.parameters()),
    )


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m experiments.convolution", description=__doc__)
    commands = made.add_subparsers(dest="what", required=True)
    for what, about in ABOUT.items():
        one = commands.add_parser(what, help=about)
        one.add_argument("--gates", choices=GATES, default="event")
        one.add_argument("--seed", type=int, default=0)
        one.add_argument("--out", type=Path, default=BUILD, help="folder of what was measured")
        one.add_argument("--data-root", help="folder of data sets; else LTC2HW_DATA's")
        one.add_argument("--recipe", type=Path, help="TOML that changes the task's recipe")
        one.add_argument("--epochs", type=int)
        one.add_argument("--rate", type=float, dest="learning_rate")
        one.add_argument("--batch-size", type=int)
        one.add_argument("--weight-bits", type=int)
        one.add_argument("--shift", type=int, help="augmentation, in places")
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command."""
    own = parser()
    options = own.parse_args(arguments)
    torch.set_num_threads(1)
    keep_freed_memory()
    try:
        print(line(options, run(options)))
    except Ltc2hwError as error:
        own.exit(2, f"{own.prog}: error: {error}\n")
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on from here")


if __name__ == "__main__":
    main()
