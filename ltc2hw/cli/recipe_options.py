"""How a network is trained, as options of the command line: a recipe file, and single changes."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ltc2hw.cli.common import named_start, natural
from ltc2hw.cli.counts import positive
from ltc2hw.cli.widths import add_bits, add_fine_states, once, width
from ltc2hw.dynamics import MODELS, Model
from ltc2hw.errors import InvalidValueError, UnknownNameError
from ltc2hw.graph.network import Network
from ltc2hw.numbers.words import Width
from ltc2hw.quantization.calibration import TRAINING_SAMPLES
from ltc2hw.tasks import Task
from ltc2hw.tasks.functions import names_function, own_object

if TYPE_CHECKING:
    from ltc2hw.training import Recipe
    from ltc2hw.training.choosing import Chosen

METHODS = ("fptt", "bptt", "eprop", "ostl", "hypr")
DESCENTS = ("instantaneous", "eligibility", "filtered")
OPTIMIZERS = ("adam", "adamax", "sgd")
SCHEDULES = ("constant", "cosine")
LOSS_WEIGHTINGS = ("ramp", "second-half", "last", "uniform")
DEVICES = ("cpu", "cuda")
ROUNDINGS = ("weights", "all")
GATES = ("event", "dense", "static")

MODEL_FLAGS: Mapping[str, str] = {
    "neuron": "--neuron",
    "constant": "--constant",
    "fixed": "--fixed",
    "gate": "--gate",
    "hidden": "--hidden",
    "conv": "--conv",
    "dropout": "--dropout",
    "batch_norm": "--batch-norm",
}
"""Options that make another network."""

MODEL_FIELDS = ("fixed", "gate", "hidden", "conv", "dropout", "batch_norm")
"""Those that are fields of :class:`~ltc2hw.training.ModelOptions` by the same name."""

TRAINING_OPTIONS: Mapping[str, str] = {
    "method": "method",
    "descent": "descent",
    "piece": "piece",
    "updates": "updates",
    "rate": "learning_rate",
    "schedule": "schedule",
    "batch_size": "batch_size",
    "optimizer": "optimizer",
    "loss_weighting": "loss_weighting",
    "augment": "augment",
    "shift": "shift",
    "epochs": "epochs",
    "weight_bits": "weight_bits",
    "round": "rounding",
    "target": "target",
    "fine_states": "fine_states",
    "samples": "calibration",
    "seed": "seed",
    "threads": "threads",
    "device": "device",
}
"""Field of :class:`~ltc2hw.training.TrainingOptions` of each option."""


NO_LAYER = "none"


def add_recipe_options(parser: argparse.ArgumentParser) -> None:
    """Options of what is trained and how; what is not given is the recipe's."""
    parser.add_argument(
        "--recipe", type=Path, metavar="FILE", help="TOML that changes the task's own recipe"
    )
    parser.add_argument(
        "--save-recipe", type=Path, metavar="FILE", help="write the recipe as it is used here"
    )
    parser.add_argument("--method", choices=METHODS, help="how to learn (default: fptt)")
    parser.add_argument(
        "--descent",
        choices=DESCENTS,
        help="fptt with what each neuron carries of its own past across updates (eligibility), "
        "and what the readout remembers of it (filtered) (default: instantaneous)",
    )
    parser.add_argument(
        "--piece",
        type=positive,
        metavar="N",
        help="steps at a time of eprop, hypr, --descent (default: 32); gradients are the same",
    )
    parser.add_argument(
        "--neuron",
        metavar="MODEL",
        help=f"of the hidden layers: {', '.join(MODELS)}, or your own as module:name",
    )
    parser.add_argument(
        "--constant",
        type=named_start,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="where a constant of another neuron than ltc starts, e.g. threshold=0.3, or between "
        "which numbers, each neuron's drawn, e.g. omega=15..50",
    )
    parser.add_argument(
        "--fixed",
        action="append",
        default=[],
        metavar="NAME",
        help="a constant of another neuron than ltc that is not learned, repeatable, e.g. dt",
    )
    parser.add_argument("--gate", choices=GATES, help="of ltc neurons (default: event)")
    parser.add_argument(
        "--hidden",
        type=sizes,
        metavar="N[,N...]",
        help="neurons of the hidden layers, e.g. 128,64, above the convolutions, which stay; "
        "none leaves them out",
    )
    parser.add_argument(
        "--conv",
        action="append",
        default=[],
        metavar="LAYER",
        help="a layer over images, below the hidden ones and above the --conv before: channels, "
        "kernel, stride and padding such as 16k5s2p1, or averages such as pool2; none leaves "
        "out the recipe's own",
    )
    parser.add_argument(
        "--dropout", type=float, metavar="X", help="share of messages left out in training"
    )
    parser.add_argument(
        "--batch-norm",
        action="store_true",
        default=None,
        help="normalize what arrives in training, folded into weights afterwards",
    )
    parser.add_argument("--epochs", type=positive, metavar="N")
    parser.add_argument("--updates", type=positive, metavar="N", help="of fptt, per sequence")
    parser.add_argument("--rate", type=float, metavar="X", help="learning rate")
    parser.add_argument("--schedule", choices=SCHEDULES, help="of the learning rate")
    parser.add_argument("--batch-size", type=positive, metavar="N")
    parser.add_argument("--optimizer", choices=OPTIMIZERS)
    parser.add_argument(
        "--loss-weighting", choices=LOSS_WEIGHTINGS, help="how the loss of each step counts"
    )
    parser.add_argument(
        "--no-augment", dest="augment", action="store_false", default=None,
        help="train on the samples as they are",
    )  # fmt: skip
    parser.add_argument(
        "--shift", type=natural, metavar="N", help="move training images by up to N places"
    )
    _add_rounding(parser)
    parser.add_argument("--seed", type=natural, metavar="N")
    parser.add_argument(
        "--threads", type=positive, metavar="N", help="share each batch (default: 1)"
    )
    parser.add_argument("--device", choices=DEVICES, help="where to learn (default: cpu)")


def _add_rounding(parser: argparse.ArgumentParser) -> None:
    """Options of training through what a chip rounds."""
    parser.add_argument(
        "--weight-bits", type=width, metavar="N", help="train through weights of N bits; or ternary"
    )
    parser.add_argument(
        "--round",
        choices=ROUNDINGS,
        help="train through rounded weights alone, or through all that the target rounds:"
        " constants, gates, samples, messages and states, too",
    )
    parser.add_argument(
        "--target", metavar="NAME", help="of --round all (default: loihi2); see ltc2hw targets"
    )
    add_bits(parser, "width of one part of --round all, repeatable, as for ltc2hw quantize")
    add_fine_states(parser, "of --round all: ")
    parser.add_argument(
        "--samples",
        type=positive,
        metavar="N",
        help="--round all calibrates on the first N training samples after every epoch (default:"
        f" {TRAINING_SAMPLES}), as ltc2hw quantize --samples N does in the end",
    )


def sizes(text: str) -> tuple[int, ...]:
    """Type of an argument that lists layer sizes, or says that there are none.

    >>> sizes("128,64"), sizes("none")
    ((128, 64), ())
    """
    return () if text == NO_LAYER else tuple(map(positive, text.split(",")))


sizes.__name__ = "list of positive integers, such as 128,64 (convolutions: --conv),"


def changed_recipe(recipe: Recipe, arguments: argparse.Namespace) -> Recipe:
    """A task's own recipe, changed by the file, which is changed by the single options.

    Raises:
        InvalidValueError, UnknownNameError: for options that do not go together, or exist.
        DamagedFileError, OSError: for a file that cannot be read.
    """
    from ltc2hw.training.recipe_file import load_recipe

    if arguments.recipe is not None:
        recipe = load_recipe(arguments.recipe, recipe)
    recipe = recipe.with_model(**_model_changes(arguments))
    training = {
        field: getattr(arguments, option)
        for option, field in TRAINING_OPTIONS.items()
        if getattr(arguments, option) is not None
    }
    if arguments.bits:
        training["bits"] = once("--bits", arguments.bits)
    if arguments.batch_norm:
        # Rounded weights of a recipe do not go with it; those that are asked for are refused.
        training.setdefault("weight_bits", None)
    _require_rounding(training.get("rounding", recipe.training.rounding), arguments)
    recipe = recipe.with_training(**training)
    _require_used(recipe, arguments)
    return recipe


def _require_used(recipe: Recipe, arguments: argparse.Namespace) -> None:
    """Raise for options that would change nothing.

    Raises:
        InvalidValueError: naming the option, and what it belongs to.
    """
    if arguments.updates is not None and recipe.training.method != "fptt":
        limit = f"none, as {recipe.training.method} learns at the end of a sequence"
        raise InvalidValueError("--updates", arguments.updates, limit, "leave it out")
    if arguments.piece is not None:
        _require_pieces(recipe, arguments.piece)


def _require_rounding(rounding: str, arguments: argparse.Namespace) -> None:
    """Raise for options of training through all rounding without it.

    Raises:
        InvalidValueError: naming the option.
    """
    for option in ROUNDED_ALONE if rounding != "all" else ():
        value = getattr(arguments, option)
        if value not in (None, []):
            flag = f"--{option.replace('_', '-')}"
            limit = "none without --round all"
            raise InvalidValueError(flag, _as_typed(value), limit, "pass --round all")


ROUNDED_ALONE = ("target", "samples", "bits", "fine_states")
"""Options of training through all rounding."""


def _as_typed(value: object) -> str:
    """The value of an option, a switch or a list of widths.

    >>> _as_typed([("input", 4)]), _as_typed(True), _as_typed(7)
    ('input=4', 'given', '7')
    """
    if isinstance(value, list):
        return ", ".join(f"{name}={width}" for name, width in value)
    return "given" if value is True else str(value)


def _require_pieces(recipe: Recipe, piece: int) -> None:
    """Raise unless a recipe learns piece by piece.

    Raises:
        InvalidValueError: naming the method.
    """
    how = recipe.training
    if how.method == "ostl":
        remedy = "leave it out, or use --method hypr, which has the same gradient"
        raise InvalidValueError("--piece", piece, "none, as ostl takes step after step", remedy)
    if not how.by_eligibility:
        limit = f"none for {how.method} without --descent eligibility or filtered"
        raise InvalidValueError("--piece", piece, limit, "leave it out")


def _model_changes(arguments: argparse.Namespace) -> dict[str, Any]:
    given = {
        option: getattr(arguments, option)
        for option in MODEL_FLAGS
        if getattr(arguments, option) not in (None, [])
    }
    if arguments.start is not None and given:
        flags = ", ".join(MODEL_FLAGS[option] for option in given)
        limit = "no options of new networks beside --start"
        raise InvalidValueError("option", flags, limit, "leave them out")
    changes: dict[str, Any] = {name: given[name] for name in MODEL_FIELDS if name in given}
    if "conv" in given:
        changes["conv"] = image_layers(given["conv"])
    if "constant" in given:
        starts = once("--constant", ((name, own) for name, *own in given["constant"]))
        changes["constants"] = {name: middle for name, (middle, _) in starts.items()}
        changes["spreads"] = {name: reach for name, (_, reach) in starts.items() if reach}
    if "neuron" in given:
        changes["neuron"] = neuron_named(given["neuron"])
        # Constants of a recipe's neuron are not those of another one.
        for option, nothing in (("constants", {}), ("spreads", {}), ("fixed", ())):
            changes.setdefault(option, nothing)
    return changes


def image_layers(texts: Sequence[str]) -> tuple[str, ...]:
    """The layers over images that ``--conv`` names; none for the word alone that says so.

    Raises:
        InvalidValueError: for a text that is no layer.

    >>> image_layers(["16k5s2", "pool2"]), image_layers(["none"])
    (('16k5s2', 'pool2'), ())
    """
    from ltc2hw.training.image_layers import image_layer

    return () if list(texts) == [NO_LAYER] else tuple(str(image_layer(text)) for text in texts)


def neuron_named(text: str) -> str | Model:
    """A model of the package by name, or one of the user's own.

    Raises:
        UnknownNameError: if there is none of that name.
        InvalidValueError: if ``module:name`` is something else, or not there.
    """
    if text in MODELS:
        return text
    if not names_function(text):
        raise UnknownNameError("neuron", text, (*MODELS, "your own as module:name"))
    found = own_object(text)
    if not isinstance(found, Model):
        what = "not there" if found is None else f"a {type(found).__name__}"
        remedy = "decorate its function with @model()"
        raise InvalidValueError(f"neuron {text}", what, "a neuron model", remedy)
    return found


def reasons(chosen: Chosen, recipe: Recipe, task: Task) -> tuple[str, ...]:
    """What was chosen for a task and still holds in a recipe, and why, in a line each."""
    held = tuple(
        f"  {choice}"
        for choice in chosen.choices
        if choice.value in (getattr(recipe.model, choice.field, None), task.name)
        or choice.value == getattr(recipe.training, choice.field, None)
    )
    return (*held, *_of_images(chosen, recipe, task))


def _of_images(chosen: Chosen, recipe: Recipe, task: Task) -> tuple[str, ...]:
    """What ``--conv`` would do: to samples that are images, or to a recipe's own layers."""
    from ltc2hw.training.image_layers import fitting_layers

    own, used = chosen.recipe.model, recipe.model
    if own.conv and used.conv == own.conv and used.hidden != own.hidden:
        layers = ", ".join(used.conv)
        return (f"  conv = {layers}: the recipe's own, which --hidden keeps; --conv none does not",)
    layers = " ".join(f"--conv {layer}" for layer in fitting_layers(task.shape))
    made_for_it = any(choice.field == "recipe" for choice in chosen.choices)
    if used.conv or made_for_it or not layers:
        return ()
    size = " x ".join(map(str, task.shape))
    return (
        f"  conv = none: nothing is chosen here by the places of a {size} sample; "
        f"{layers} slides kernels over them",
    )


def described(recipe: Recipe, start: Network | None = None) -> tuple[str, str]:
    """What is trained, and how, in a line each."""
    model, how = recipe.model, recipe.training
    if start is None:
        layers = " + ".join((*model.conv, *map(str, model.hidden)))
        neuron = getattr(model.neuron, "name", model.neuron)
        gates = f" ({model.gate} gates)" if model.is_ltc else ""
        own = "recurrent" if model.recurrent and model.hidden else "feed-forward"
        drops = f", dropout {model.dropout:g}" if model.dropout else ""
        norms = ", batch norm" if model.batch_norm else ""
        what = (
            f"{layers} {neuron}{gates}, {own}{drops}{norms}; "
            f"{model.readout_gate} readout of {model.read_from}"
        )
    else:
        hidden = [p for p in start.populations if p.name != start.input.name]
        what = ", ".join(f"{population.name} ({population.size})" for population in hidden)
    updates = f", {counted(how.updates, 'update')} per sequence" if how.method == "fptt" else ""
    descent = "" if how.descent == "instantaneous" else f", descent {how.descent}"
    bits = "" if how.weight_bits is None else f", weights of {bits_text(how.weight_bits)}"
    if how.rounding == "all":
        bits += f", through all rounding of {how.target}"
    bits += ", fine states" if how.fine_states else ""
    bits += "".join(f", {name} {bits_text(width)}" for name, width in how.bits.items())
    return (
        f"network: {what}",
        f"recipe: {how.method}{updates}{descent}, {counted(how.epochs, 'epoch')}, "
        f"batches of {how.batch_size}, {how.optimizer} {how.learning_rate:g} ({how.schedule}), "
        f"loss {how.loss_weighting}"
        f"{bits}, seed {how.seed}",
    )


def bits_text(width: Width) -> str:
    """A width in words.

    >>> bits_text(4), bits_text("ternary")
    ('4 bits', 'ternary')
    """
    return f"{width} bits" if isinstance(width, int) else width


def counted(number: int, what: str) -> str:
    """A number and what it counts.

    >>> counted(1, "epoch"), counted(2, "epoch")
    ('1 epoch', '2 epochs')
    """
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def require_named(recipe: Recipe) -> None:
    """Raise unless a file can name all of a recipe, before any work is done.

    Raises:
        InvalidValueError: for a neuron model of one's own.
    """
    from ltc2hw.training.recipe_file import recipe_text

    recipe_text(recipe)
