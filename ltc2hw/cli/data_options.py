"""Options of every verb that takes data: what the files do not say themselves."""

from __future__ import annotations

import argparse
from typing import Any

from ltc2hw.cli.counts import positive
from ltc2hw.data import DataOptions
from ltc2hw.data.events.binning import Binning
from ltc2hw.data.options import KINDS, LAYOUTS, TEST_FRACTION, VALIDATION_FRACTION
from ltc2hw.quantization.history import DATA_OPTIONS

TASK_HELP = (
    "digits-rows, add-T, a data set by name such as mnist-rows, a file or folder of data, or "
    "module:function"
)

OWN_FILES = ("test", "validation", "calibration", "task")
"""Arguments that name files which are read, or what is no file at all."""

LABELS = {"per-sequence": False, "every-step": True}
INPUT = {"graded": True, "spikes": False}


def size(text: str) -> tuple[int, int]:
    """Type of ``--sensor``: width and height.

    >>> size("34x34")
    (34, 34)
    """
    width, cross, height = text.casefold().partition("x")
    if not cross:
        raise ValueError
    return positive(width), positive(height)


size.__name__ = "size like 34x34"


def class_counts(text: str) -> int | tuple[int, ...]:
    """Type of ``--classes``: a number, or one for each of several labels.

    >>> class_counts("9"), class_counts("9,4")
    (9, (9, 4))
    """
    numbers = tuple(positive(number) for number in text.split(","))
    return numbers if len(numbers) > 1 else numbers[0]


class_counts.__name__ = "number of classes, or numbers like 9,4"


def add_data_root(parser: argparse._ActionsContainer) -> None:
    """The option ``--data-root``."""
    parser.add_argument(
        "--data-root",
        metavar="DIR",
        help="folder of data sets that have a name (default: LTC2HW_DATA of the environment)",
    )


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """The options of data that are files of one's own."""
    group = parser.add_argument_group("data", "what data of your own do not say themselves")
    add_data_root(group)
    group.add_argument("--layout", choices=LAYOUTS, help="order of the samples' axes")
    group.add_argument("--kind", choices=KINDS, help="what labels are")
    group.add_argument("--labels", choices=tuple(LABELS), help="one each, or one at every step")
    group.add_argument("--input", choices=tuple(INPUT), help="what samples are")
    group.add_argument(
        "--classes",
        type=class_counts,
        metavar="N[,N]",
        help="where the training samples do not show all",
    )
    group.add_argument(
        "--several-labels",
        action="store_true",
        help="a row of labels per sample, each for a question of its own",
    )
    for name, share in (("test", TEST_FRACTION), ("validation", VALIDATION_FRACTION)):
        group.add_argument(f"--{name}", metavar="FILE", help=f"{name} samples")
        group.add_argument(
            f"--{name}-fraction",
            type=float,
            metavar="X",
            help=f"set apart where there are none (default: {share})",
        )
    group.add_argument(
        "--decision-steps",
        type=positive,
        metavar="N",
        help="last steps that decide (default: 1; all for spikes)",
    )
    group.add_argument(
        "--binning", metavar="LIST", help="of events, e.g. window_us=5000,downsample=2"
    )
    group.add_argument("--sensor", type=size, metavar="WxH", help="of events")


def data_options(arguments: argparse.Namespace) -> DataOptions:
    """What the arguments say of data.

    Raises:
        InvalidValueError, UnknownNameError: for a value without meaning.
    """
    said: dict[str, Any] = {
        name: getattr(arguments, name)
        for name in (
            *("layout", "kind", "classes", "test", "validation", "test_fraction"),
            *("validation_fraction", "decision_steps", "sensor"),
        )
        if getattr(arguments, name) is not None
    }
    if arguments.data_root is not None:
        said["root"] = arguments.data_root
    if arguments.several_labels:
        said["several_labels"] = True
    if arguments.labels is not None:
        said["every_step"] = LABELS[arguments.labels]
    if arguments.input is not None:
        said["graded"] = INPUT[arguments.input]
    if arguments.binning is not None:
        said["binning"] = Binning.from_text(arguments.binning)
    return DataOptions(**said)


def said_data(arguments: argparse.Namespace) -> dict[str, str]:
    """Options of data as they were typed, by name, empty for a switch.

    >>> said_data(argparse.Namespace(layout="batch-first", sensor=(34, 32), several_labels=True))
    {'layout': 'batch-first', 'several-labels': '', 'sensor': '34x32'}
    """
    found = {}
    for name in DATA_OPTIONS:
        value = getattr(arguments, name.replace("-", "_"), None)
        if value is not None and value is not False:
            found[name] = _as_typed(name, value)
    return found


def _as_typed(name: str, value: object) -> str:
    if value is True:
        return ""
    if isinstance(value, tuple):
        return ("x" if name == "sensor" else ",").join(map(str, value))
    return str(value)
