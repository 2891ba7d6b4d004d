"""Where data sets by name lie: one folder of them all, which is said or is in the environment.

Nothing is ever downloaded: what is not there is named, with the page that offers it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ltc2hw.errors import InvalidValueError
from ltc2hw.files.archive import StrPath

ROOT = "LTC2HW_DATA"
"""Environment variable that names the folder, where none is said."""


@dataclass(frozen=True)
class DataSet:
    """A data set that others publish: what it is called, where it lies, where to get it.

    ``folders`` are where its files may lie below the root, beside the root itself; ``elsewhere``
    are folders that are looked at where no root is said. ``files`` are how its authors call them,
    ``home`` is their page, ``licence`` what they allow.
    """

    title: str
    folders: tuple[str, ...]
    files: tuple[str, ...]
    home: str
    licence: str
    elsewhere: tuple[str, ...] = ()


def folders_of(dataset: DataSet, root: StrPath | None) -> tuple[Path, ...]:
    """Folders that may hold a data set, in the order in which they are looked at.

    Raises:
        InvalidValueError: for a root that is no folder.
    """
    said = root if root is not None else os.environ.get(ROOT) or None
    if said is None:
        return tuple(map(Path, dataset.elsewhere))
    said = os.path.expanduser(said)
    if not os.path.isdir(said):
        name, how = ("root of data", "root=...") if root is not None else (ROOT, ROOT)
        remedy = f"name the folder that holds {dataset.title} with {how}"
        raise InvalidValueError(name, said, "a folder that exists", remedy)
    below = tuple(Path(said, folder) for folder in (*dataset.folders, "."))
    return (*below, *map(Path, dataset.elsewhere)) if root is None else below


def find(dataset: DataSet, root: StrPath | None, holds: Callable[[Path], bool]) -> Path:
    """The first folder of a data set that ``holds`` its files.

    Raises:
        InvalidValueError: if there is none; says which files, where they were looked for, and
            where to get them.
    """
    looked = folders_of(dataset, root)
    for folder in looked:
        if folder.is_dir() and holds(folder):
            return folder
    raise not_found(dataset, dataset.files, looked)


def not_found(dataset: DataSet, files: Sequence[str], looked: Sequence[Path]) -> InvalidValueError:
    """The error for files that are nowhere.

    >>> mnist = DataSet("MNIST", ("mnist",), ("train.gz",), "https://page", "free")
    >>> print(not_found(mnist, mnist.files, [Path("data/mnist")]))
    files of MNIST is not in data/mnist; expected train.gz (they are at https://page; name their \
folder with root=..., or LTC2HW_DATA in the environment)
    """
    where = f"not in {', '.join(map(str, looked))}" if looked else "looked for nowhere"
    remedy = (
        f"they are at {dataset.home}; name their folder with root=..., or {ROOT} in the environment"
    )
    here = next((folder for folder in dataset.folders if os.path.isdir(folder)), None)
    if here is not None and Path(here) not in looked:
        remedy += f"; root='.' for {here} in this folder"
    return InvalidValueError(f"files of {dataset.title}", where, ", ".join(files), remedy)
