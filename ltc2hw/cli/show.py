"""``ltc2hw show FILE``: what is in a file of ours, as tables."""

from __future__ import annotations

import argparse
import json
import zipfile
from pathlib import Path

import h5py

from ltc2hw.cli.common import add_json, check_output, write_json
from ltc2hw.cli.console import Console
from ltc2hw.cli.foreign import foreign_format
from ltc2hw.cli.verb import Verb
from ltc2hw.errors import DamagedFileError, InvalidValueError, MissingExtraError
from ltc2hw.files.archive import DAMAGE
from ltc2hw.files.bundle import load_any
from ltc2hw.files.learning_file import load_checkpoint
from ltc2hw.looking.learning import checkpoint_view
from ltc2hw.looking.reports import written_view
from ltc2hw.looking.training import checkpoint_view as training_view
from ltc2hw.looking.view import View
from ltc2hw.showing import view_of

KINDS = "a network, a trace, a checkpoint or a JSON record of ltc2hw"

JSON_KINDS = {
    "ladder": "report of a comparison",
    "parts": "verdicts of a check",
    "curve": "record of learning",
    "history": "record of training",
    "quantization": "record of quantization",
    "engine": "record of a simulation",
}
"""What a JSON file is, by an entry that it has."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="network, trace, checkpoint, or a verb's --json"
    )
    add_json(parser)


def run(arguments: argparse.Namespace, console: Console) -> bool:
    """Print everything but the single numbers."""
    check_output(json=arguments.json)
    view = view_file(arguments.file)
    write_json(arguments.json, view.to_dict())
    console.line(f"{arguments.file}: {view.title}")
    for table in view.tables:
        console.table(table)
    return True


def view_file(path: Path) -> View:
    """What a file holds.

    Raises:
        InvalidValueError: if it is of another tool, or of a kind that is not shown.
        DamagedFileError, OSError: if it cannot be read.
    """
    if h5py.is_hdf5(path):
        return hdf5_view(path)
    if zipfile.is_zipfile(path):
        return checkpoint_of_training(path)
    return json_view(path)


def hdf5_view(path: Path) -> View:
    """A network, a trace or a state of learning."""
    try:
        view: View = view_of(load_any(path))
        return view
    except DamagedFileError as error:
        try:
            return checkpoint_view(load_checkpoint(path))
        except DamagedFileError:
            refuse_foreign(path)
            raise error from None


def refuse_foreign(path: Path) -> None:
    """Raise if another tool wrote a file.

    Raises:
        InvalidValueError: naming the format.
    """
    found = foreign_format(path)
    if found is not None:
        raise InvalidValueError(
            str(path), f"a file like those of {found}", KINDS, "read it with ltc2hw import first"
        )


def checkpoint_of_training(path: Path) -> View:
    """A checkpoint of training, which alone of our files is a zip archive.

    Raises:
        MissingExtraError: without torch, for which checkpoints are.
        InvalidValueError: for any other archive.
        DamagedFileError: for one that cannot be read.
    """
    if not holds_checkpoint(path):
        remedy = "ltc2hw import reads networks of other tools, ltc2hw data looks at samples"
        raise InvalidValueError(str(path), "an archive of another kind", KINDS, remedy)
    try:
        from ltc2hw.training.checkpoint import load_checkpoint as load_training
    except ImportError as error:
        raise MissingExtraError("torch", "reading checkpoints of training") from error
    saved = load_training(path)
    return training_view(saved.plan, saved.history, saved.arrays)


def holds_checkpoint(path: Path) -> bool:
    """Whether an archive has the description that every checkpoint of training has."""
    try:
        with zipfile.ZipFile(path) as archive:
            return DESCRIPTION in archive.namelist()
    except DAMAGE:
        return False


DESCRIPTION = "meta.npy"
"""Member of an archive that says what was trained."""


def json_view(path: Path) -> View:
    """What a verb wrote with ``--json``.

    Raises:
        DamagedFileError: for what is no JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(path, f"it is not {KINDS}") from error
    if not isinstance(content, dict):
        raise DamagedFileError(path, "its JSON is no object", f"name {KINDS}")
    kind = next((text for key, text in JSON_KINDS.items() if key in content), "JSON record")
    return written_view(kind, content)


SHOW = Verb("show what is in a file of ltc2hw", add_arguments, run, prints_result=True)
