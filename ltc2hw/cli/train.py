"""``ltc2hw train TASK``: train a network and keep it as a float graph."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ltc2hw.cli.common import (
    add_json,
    check_output,
    named_number,
    natural,
    task_of,
    write_json,
)
from ltc2hw.cli.console import Console
from ltc2hw.cli.counts import positive
from ltc2hw.cli.data_options import TASK_HELP, add_data_options
from ltc2hw.cli.verb import Verb
from ltc2hw.comparison.tables import score_text
from ltc2hw.dynamics import MODELS
from ltc2hw.errors import MissingExtraError
from ltc2hw.files.bundle import save
from ltc2hw.graph.network import Network
from ltc2hw.tasks import Task

if TYPE_CHECKING:
    from ltc2hw.training import EpochRecord, Recipe


LTC = next(iter(MODELS))
"""The model that recipes are made for."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb; what is not given is the task's own recipe."""
    parser.add_argument("task", metavar="TASK", help=TASK_HELP)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="float network")
    parser.add_argument("--method", choices=("fptt", "bptt"), default="fptt")
    parser.add_argument(
        "--neuron", choices=tuple(MODELS), default=LTC, help="model of the hidden neurons"
    )
    parser.add_argument(
        "--constant",
        type=named_number,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="where a constant of another neuron than ltc starts, e.g. threshold=0.3",
    )
    parser.add_argument(
        "--gate", choices=("event", "dense", "static"), help="of ltc neurons (default: event)"
    )
    parser.add_argument("--hidden", type=positive, metavar="N", help="neurons of the hidden layer")
    parser.add_argument("--epochs", type=positive, metavar="N")
    parser.add_argument(
        "--weight-bits", type=positive, metavar="N", help="train through weights of N bits"
    )
    parser.add_argument("--seed", type=natural, default=0, metavar="N")
    parser.add_argument(
        "--threads", type=positive, default=1, metavar="N", help="share each batch (default: 1)"
    )
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu", help="where to learn (default: cpu)"
    )
    parser.add_argument(
        "--checkpoint", type=Path, metavar="FILE", help="save each epoch here, resume from here"
    )
    add_data_options(parser)
    add_json(parser)


def run(arguments: argparse.Namespace, console: Console) -> bool:
    """Train, save, and tell the scores."""
    check_output(arguments.out, arguments.json, arguments.checkpoint)
    task = task_of(arguments)
    require_torch()
    recipe = chosen_recipe(task, arguments)
    network, measured = train_network(task, recipe, console, arguments.checkpoint)
    save(network, arguments.out)
    write_json(arguments.json, measured)
    metric = task.decision.metric
    scores = ", ".join(
        f"{split} {score_text(metric, measured[metric][split])}"
        for split in ("train", "validation", "test")
    )
    console.line(f"{metric}: {scores}")
    console.line(f"float network: {arguments.out}")
    return True


def require_torch() -> None:
    """Raise unless torch is installed.

    Raises:
        MissingExtraError: naming the extra.
    """
    if find_spec("torch") is None:
        raise MissingExtraError("torch", "training")


def chosen_recipe(task: Task, arguments: argparse.Namespace) -> Recipe:
    """The task's recipe with what the arguments change."""
    from ltc2hw.training.recipes import recipe_for

    constants = dict(arguments.constant)
    recipe = recipe_for(task).with_model(neuron=arguments.neuron, constants=constants)
    if arguments.gate is not None:
        recipe = recipe.with_model(gate=arguments.gate)
    recipe = recipe.with_training(
        method=arguments.method,
        seed=arguments.seed,
        threads=arguments.threads,
        device=arguments.device,
    )
    if arguments.hidden is not None:
        recipe = recipe.with_model(hidden=(arguments.hidden,))
    if arguments.epochs is not None:
        recipe = recipe.with_training(epochs=arguments.epochs)
    if arguments.weight_bits is not None:
        recipe = recipe.with_training(weight_bits=arguments.weight_bits)
    return recipe


def train_network(
    task: Task, recipe: Recipe, console: Console, checkpoint: Path | None = None
) -> tuple[Network, dict[str, Any]]:
    """Train by a recipe; the float network, and what was measured as plain values."""
    from ltc2hw.converters.torch import from_module
    from ltc2hw.training import train

    metric = task.decision.metric

    def progress(record: EpochRecord) -> None:
        note = f"loss {record.loss:.4f}, validation {score_text(metric, record.validation)}"
        console.progress("epoch", record.epoch + 1, recipe.training.epochs, note)

    result = train(task, recipe, progress=progress, checkpoint=checkpoint)
    options = recipe.to_dict()
    measured = {
        "task": task.name,
        metric: {name: result.metrics[name] for name in ("train", "validation", "test")},
        "epoch": result.metrics["epoch"],
        "history": [vars(record) for record in result.history],
        **options,
    }
    provenance = {
        "task": task.name,
        "method": recipe.training.method,
        "neuron": str(getattr(recipe.model.neuron, "name", recipe.model.neuron)),
        "gate": recipe.model.gate,
        "seed": str(recipe.training.seed),
        "epochs": str(recipe.training.epochs),
        f"test {metric}": f"{result.metrics['test']:.6g}",
    }
    return from_module(result.module, provenance), measured


TRAIN = Verb("train a network by FPTT (or BPTT)", add_arguments, run)
