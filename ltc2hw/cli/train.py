"""``ltc2hw train TASK``: train a network and keep it as a float graph."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ltc2hw.cli.common import (
    add_json,
    check_fit,
    check_output,
    load_float,
    origin,
    task_of,
    trained_classes,
    write_json,
)
from ltc2hw.cli.console import Console
from ltc2hw.cli.data import in_short
from ltc2hw.cli.data_options import TASK_HELP, add_data_options, said_data
from ltc2hw.cli.recipe_options import (
    add_recipe_options,
    changed_recipe,
    counted,
    described,
    image_layers,
    reasons,
    require_named,
)
from ltc2hw.cli.verb import Verb
from ltc2hw.comparison.tables import score_text
from ltc2hw.errors import InvalidValueError, MissingExtraError
from ltc2hw.files.bundle import save
from ltc2hw.graph.network import Network
from ltc2hw.quantization.history import Source
from ltc2hw.quantization.scaling import QuantizeOptions
from ltc2hw.tasks import LazySplit, Task
from ltc2hw.tasks.renumbering import in_order
from ltc2hw.tasks.summary import summarise
from ltc2hw.tuning.commands import Names, quantize_command

if TYPE_CHECKING:
    from ltc2hw.training import EpochRecord, Recipe, TrainingOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb; what is not given is the task's own recipe."""
    parser.add_argument("task", metavar="TASK", help=TASK_HELP)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="float network")
    parser.add_argument(
        "--start", type=Path, metavar="NETWORK", help="a float network to train further"
    )
    add_recipe_options(parser)
    parser.add_argument(
        "--checkpoint", type=Path, metavar="FILE", help="save each epoch here, resume from here"
    )
    add_data_options(parser)
    add_json(parser)


def run(arguments: argparse.Namespace, console: Console) -> bool:
    """Train, save, and tell the scores."""
    check_output(arguments.out, arguments.json, arguments.checkpoint)
    check_output(json=arguments.save_recipe)
    start = None if arguments.start is None else load_float(arguments.start)
    require_torch()
    from ltc2hw.training.recipes import chosen_for, gentle

    # Refused before a data set is read, which takes its time.
    image_layers(arguments.conv)
    task = task_of(arguments)
    chosen = chosen_for(task)
    own = chosen.recipe
    if start is not None and arguments.round == "all":
        own = gentle(own)
    recipe = changed_recipe(own, arguments)
    if arguments.save_recipe is not None:
        require_named(recipe)
    if start is not None:
        task = further(start, task)
        require_start(arguments.start, start, task)
    from ltc2hw.training.recipe_file import save_recipe
    from ltc2hw.training.trainer import Trainer

    # Refuses what cannot be trained before anything is printed.
    Trainer(task, recipe, start=start)
    if task.checksum is not None and not isinstance(task.train, LazySplit):
        # How data of one's own were read, which nobody may have looked at; data sets are known.
        summary = summarise(task)
        for line in (in_short(summary), *(f"warning: {each}" for each in summary.warnings)):
            console.line(line)
    told = () if start is not None else reasons(chosen, recipe, task)
    for line in (*described(recipe, start), *told):
        console.line(line)
    network, measured = train_network(task, recipe, console, arguments.checkpoint, start)
    save(network, arguments.out)
    if arguments.save_recipe is not None:
        save_recipe(recipe, arguments.save_recipe)
    write_json(arguments.json, measured)
    metric = task.decision.metric
    scores = ", ".join(
        f"{split} {score_text(metric, measured[metric][split])}"
        for split in ("train", "validation", "test")
    )
    is_rounded = recipe.training.rounding == "all"
    console.line(f"{metric}{' of the integers' if is_rounded else ''}: {scores}")
    console.line(f"float network: {arguments.out}")
    if is_rounded:
        told_integers(recipe.training, arguments, measured, console)
    return True


def told_integers(
    how: TrainingOptions, arguments: argparse.Namespace, measured: dict[str, Any], console: Console
) -> None:
    """Say how the integers that were judged are made, and whether a chip holds them."""
    source = Source("task", arguments.task, said_data(arguments), how.calibration)
    names = Names(str(arguments.out), how.target, arguments.task, "FILE", calibrated=source)
    options = QuantizeOptions(
        weight_bits=how.weight_bits, bits=how.bits, fine_states=how.fine_states
    )
    console.line(f"its integers: {quantize_command(names, options)}")
    chosen = [record for record in measured["history"] if record["epoch"] == measured["epoch"]]
    for record in chosen:
        if record["refused"]:
            broken = counted(record["refused"], "rule or limit")
            console.line(f"warning: they break {broken} of {how.target}, which quantize names")


def further(network: Network, task: Task) -> Task:
    """A task in the order of a network's own classes, or as it is where it has others.

    Those that it is trained further for then take the place of its own.
    """
    known = trained_classes(network)
    return in_order(task, known) if task.classes and set(task.classes) <= set(known) else task


def require_start(path: Path, network: Network, task: Task) -> None:
    """Raise unless a network can be trained on a task.

    Raises:
        InvalidValueError: naming the side that differs.
    """
    check_fit(network, task)
    if task.graded and not network.input.graded:
        limit = f"graded values for task {task.name}"
        remedy = "import it with graded_input=True"
        raise InvalidValueError(f"input of {path}", "spikes", limit, remedy)


def require_torch() -> None:
    """Raise unless torch is installed.

    Raises:
        MissingExtraError: naming the extra.
    """
    if find_spec("torch") is None:
        raise MissingExtraError("torch", "training")


def train_network(
    task: Task,
    recipe: Recipe,
    console: Console,
    checkpoint: Path | None = None,
    start: Network | None = None,
) -> tuple[Network, dict[str, Any]]:
    """Train by a recipe, perhaps further; the float network, and what was measured."""
    from ltc2hw.converters.torch import from_module
    from ltc2hw.training import train
    from ltc2hw.training.memory import keep_freed_memory

    keep_freed_memory()
    metric = task.decision.metric

    def progress(record: EpochRecord) -> None:
        note = f"loss {record.loss:.4f}, validation {score_text(metric, record.validation)}"
        console.progress("epoch", record.epoch + 1, recipe.training.epochs, note)

    result = train(task, recipe, start=start, progress=progress, checkpoint=checkpoint)
    options = recipe.to_dict()
    new = {
        "neuron": str(getattr(recipe.model.neuron, "name", recipe.model.neuron)),
        "gate": recipe.model.gate,
    }
    if start is not None:
        # What is trained further was not made by the recipe.
        new = {}
        del options["model"]
    if recipe.training.rounding == "all":
        new["rounding"] = f"all of {recipe.training.target}"
    measured = {
        "task": task.name,
        metric: {name: result.metrics[name] for name in ("train", "validation", "test")},
        "epoch": result.metrics["epoch"],
        "history": [vars(record) for record in result.history],
        **options,
    }
    descent = recipe.training.descent
    provenance = {
        "task": task.name,
        "method": recipe.training.method,
        **({} if descent == "instantaneous" else {"descent": descent}),
        **new,
        "seed": str(recipe.training.seed),
        "epochs": str(recipe.training.epochs),
        f"test {metric}": f"{result.metrics['test']:.6g}",
        **origin(task),
    }
    return from_module(result.module, provenance), measured


TRAIN = Verb("train a network by FPTT (or BPTT, e-prop, OSTL, HYPR)", add_arguments, run)
