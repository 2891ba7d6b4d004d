"""Many recordings with their labels, read one at a time: folders, archives, files of clips."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ltc2hw.data.events.arrays import read_clips
from ltc2hw.data.events.labelled import Labelled, labelled
from ltc2hw.data.events.listing import LIST, read_list
from ltc2hw.data.events.reading import FOREIGN_ENDS, RECORDING_ENDS, end_of, parse_recording
from ltc2hw.data.events.recording import Events, Sensor, sensor_size
from ltc2hw.data.events.tree import Tree, open_tree
from ltc2hw.data.parts import PART_NAMES, PartName
from ltc2hw.errors import DamagedFileError, UnknownNameError
from ltc2hw.files.archive import StrPath, read_bytes, shown
from ltc2hw.numbers.words import IntArray

ARCHIVE = ".zip"

LAYOUTS = "a folder per class, train and test with such folders, or a labels.csv of file and label"


@dataclass(frozen=True, eq=False)
class Recordings:
    """Recordings by number, each read when it is asked for, with their classes if they have any."""

    source: str
    names: tuple[str, ...]
    read: Callable[[int], Events]
    labelled: Labelled | None = None
    ignored: str = ""
    """What else lies there, in words."""

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Events]:
        return (self.read(index) for index in range(len(self)))

    def __repr__(self) -> str:
        return f"Recordings({len(self)} of {self.source})"

    def take(self, indices: Sequence[int] | IntArray) -> Recordings:
        """The recordings at ``indices``, in that order."""
        chosen = [int(index) for index in indices]
        classes = self.labelled
        if classes is not None:
            classes = replace(classes, labels=classes.labels[chosen])
        names = tuple(self.names[index] for index in chosen)
        return replace(
            self, names=names, labelled=classes, read=lambda index: self.read(chosen[index])
        )

    def first(self, per_class: int) -> Recordings:
        """The first ``per_class`` recordings of each class; of all without classes."""
        labels = np.zeros(len(self), np.int64) if self.labelled is None else self.labelled.labels
        seen: Counter[int] = Counter()
        chosen = []
        for index, label in enumerate(labels.tolist()):
            seen[label] += 1
            if seen[label] <= per_class:
                chosen.append(index)
        return self.take(chosen)


def read_recordings(
    path: StrPath, sensor: tuple[int, ...] | None = None
) -> dict[PartName, Recordings]:
    """Recordings by part: ``train``, ``validation`` and ``test`` where they are told, or ``all``.

    ``path`` is a folder or a zip archive (which is not unpacked), an ``.npz`` file of clips, or one
    recording. A folder has

    - a ``labels.csv`` with columns file and label, and part where there are several,
    - or folders or archives called train, test, validation (N-MNIST: ``Train.zip``, ``Test.zip``),
    - or a folder per class.

    Classes are in the order of their numbers or of the alphabet; all parts have the same. Hidden
    files are passed over; files of other formats too, which ``ignored`` tells.

    Raises:
        DamagedFileError: for archives that are damaged, folders that are none of these, recordings
            of a format that is not read, lists that name what is not there.
        UnknownNameError: for a class that the training samples do not have.
        OSError: if a file cannot be opened.
    """
    size = None if sensor is None else sensor_size(sensor)
    if not os.path.isdir(path) and end_of(os.fspath(path)) != ARCHIVE:
        return {"all": _of_file(path, size)}
    return _same_classes(_parts(open_tree(path), size))


def _of_file(path: StrPath, sensor: Sensor | None) -> Recordings:
    """The clips of an ``.npz`` file, or one recording."""
    name, content = os.fspath(path), read_bytes(path)
    if end_of(name) == ".npz":
        found = read_clips(content, name, sensor)
        names = tuple(clip.source for clip in found.clips)
        return Recordings(name, names, found.clips.__getitem__, found.labelled)
    events = parse_recording(content, name, sensor)
    return Recordings(name, (name,), lambda _: events)


def _parts(tree: Tree, sensor: Sensor | None) -> dict[PartName, Recordings]:
    if LIST in tree.names:
        return _listed(tree, sensor)
    tree = _outer(tree)
    folders = _part_folders(tree)
    if len(folders) < 2:
        # One part alone is all there is, whatever it is called.
        return {"all": _by_folder(next(iter(folders.values()), tree), sensor)}
    return {part: _by_folder(folder, sensor) for part, folder in folders.items()}


def _part_folders(tree: Tree) -> dict[PartName, Tree]:
    """Folders and archives that are called as a part is."""
    folders: dict[PartName, Tree] = {}
    for top in sorted({name.partition("/")[0] for name in tree.names}):
        stem, end = os.path.splitext(top)
        part = PART_NAMES.get(stem.lower())
        if part is None or end.lower() not in ("", ARCHIVE) or bool(end) != (top in tree.names):
            continue
        if part in folders:
            problem = f"its {part} samples are there twice, once as {shown(top)}"
            raise DamagedFileError(tree.source, problem, "keep the folder or the archive")
        folders[part] = _outer(
            open_tree(os.path.join(tree.source, top)) if end else tree.below(top)
        )
    return folders


def _outer(tree: Tree) -> Tree:
    """The files below the one folder that holds all, while they still lie in folders there."""
    tops = {name.partition("/")[0] for name in tree.names}
    if len(tops) == 1 and all(name.count("/") >= 2 for name in tree.names):
        return _outer(tree.below(tops.pop()))
    return tree


def _recordings(tree: Tree) -> tuple[tuple[str, ...], str]:
    """Names of the recordings, and words on what is passed over.

    Raises:
        DamagedFileError: without any, and for a file of events in a format that is not read.
    """
    found = tuple(name for name in tree.names if end_of(name) in RECORDING_ENDS)
    used = {*found, LIST}
    others = Counter(end_of(name) for name in tree.names if name not in used)
    for end in others:
        if end in FOREIGN_ENDS:
            name = next(name for name in tree.names if end_of(name) == end)
            problem = f"{shown(name)} is of no event format known here"
            raise DamagedFileError(tree.source, problem, "convert it to .npz, or move it away")
    if not found:
        known = ", ".join(RECORDING_ENDS)
        raise DamagedFileError(
            tree.source, f"it holds no recording ({known})", f"expected {LAYOUTS}"
        )
    return found, ", ".join(f"{n} {shown(end) or 'without end'}" for end, n in others.items())


def _reader(tree: Tree, names: tuple[str, ...], sensor: Sensor | None) -> Callable[[int], Events]:
    def read(index: int) -> Events:
        name = names[index]
        return parse_recording(tree.read(name), f"{tree.source}/{shown(name)}", sensor)

    return read


def _by_folder(tree: Tree, sensor: Sensor | None) -> Recordings:
    """Recordings whose class is the folder that they lie in."""
    names, others = _recordings(tree)
    loose = [name for name in names if "/" not in name]
    if loose:
        problem = f"{shown(loose[0])} lies in no folder of a class"
        raise DamagedFileError(tree.source, problem, f"expected {LAYOUTS}")
    by_depth = {name.count("/"): name for name in names}
    if len(by_depth) > 1:
        few, *_, many = (shown(by_depth[depth]) for depth in sorted(by_depth))
        problem = f"{few} and {many} lie at different depths"
        raise DamagedFileError(tree.source, problem, f"expected {LAYOUTS}")
    found = labelled([name.partition("/")[0] for name in names])
    return Recordings(tree.source, names, _reader(tree, names, sensor), found, others)


def _listed(tree: Tree, sensor: Sensor | None) -> dict[PartName, Recordings]:
    """Recordings whose class is told by a list of files and labels."""
    found, others = _recordings(tree)
    result: dict[PartName, Recordings] = {}
    for part, rows in read_list(tree, found).items():
        names = tuple(name for name, _ in rows)
        classes = labelled([label for _, label in rows])
        result[part] = Recordings(tree.source, names, _reader(tree, names, sensor), classes, others)
    return result


def _same_classes(parts: dict[PartName, Recordings]) -> dict[PartName, Recordings]:
    """All parts with the classes of the training samples."""
    train = parts.get("train")
    if train is None or train.labelled is None:
        return parts
    classes = train.labelled.classes
    return {part: with_classes(one, classes) for part, one in parts.items()}


def with_classes(recordings: Recordings, classes: tuple[str, ...]) -> Recordings:
    """The same recordings, their labels counted in other classes of the same names.

    Raises:
        UnknownNameError: for a class that is not among them.
    """
    own = recordings.labelled
    if own is None or own.classes == classes:
        return recordings
    for name in own.classes:
        if name not in classes:
            what = f"class in {recordings.source}"
            raise UnknownNameError(what, shown(name), classes, "training samples lack it")
    places = np.array([classes.index(name) for name in own.classes], np.int64)
    return replace(recordings, labelled=Labelled(places[own.labels], classes))
