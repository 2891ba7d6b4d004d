"""States of learning in HDF5 files: what a learning network remembers, to go on from later.

:func:`save_learning` keeps ``learned.learning``. A :class:`Checkpoint` adds what is being learned
and what was measured so far. ``docs/file-format.md`` describes the reader, which refuses whatever
is damaged; nothing in a file is executed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.dynamics.verify import is_plain
from ltc2hw.errors import DamagedFileError, InvalidValueError
from ltc2hw.files.hdf5 import Tree, read_tree, write_tree
from ltc2hw.graph.trace import Array
from ltc2hw.learning.learned import Learning
from ltc2hw.learning.rule import Memory, Parameter
from ltc2hw.numbers.fields import same_value

StrPath = str | os.PathLike[str]

FORMAT, SCHEMA = "ltc2hw learning", 1
"""Attributes ``format`` and ``schema`` of the root."""

REMEDY = "delete it to start over"

NO_PROJECTION = -1
"""Stands for None in files, which hold integers alone."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Learning after some whole sample of a stream.

    ``plan`` says what is learned from what, and how: a run continues only a checkpoint of the same
    plan. ``progress`` holds what was measured so far. Both are plain values, as JSON has them.
    """

    plan: Mapping[str, Any]
    progress: Mapping[str, Any]
    learning: Learning


def save_learning(learning: Learning, path: StrPath) -> None:
    """Write a state of learning, whole or not at all.

    Raises:
        OSError: if the folder does not exist or cannot be written.
    """
    save_checkpoint(Checkpoint({}, {}, learning), path)


def load_learning(path: StrPath) -> Learning:
    """Read a state of learning; ``learn`` checks whether it fits its network.

    Raises:
        DamagedFileError: if the file is truncated, altered, foreign or of an unknown schema.
        OSError: if it cannot be opened.
    """
    return load_checkpoint(path).learning


def save_checkpoint(checkpoint: Checkpoint, path: StrPath) -> None:
    """Write a checkpoint, whole or not at all.

    Raises:
        OSError: if the folder does not exist or cannot be written.
    """
    learning = checkpoint.learning
    memories = {
        str(index): {
            "population": parameter.population,
            "port": parameter.port,
            "term": parameter.term,
            "projection": NO_PROJECTION if parameter.projection is None else parameter.projection,
            **{name: np.asarray(array) for name, array in memory._asdict().items()},
            **_unless_empty("eligibility", learning.eligibility.get(parameter, {})),
        }
        for index, (parameter, memory) in enumerate(learning.memories.items())
    }
    content: dict[str, Any] = {
        "format": FORMAT,
        "schema": SCHEMA,
        "plan": json.dumps(checkpoint.plan),
        "progress": json.dumps(checkpoint.progress),
        "step": learning.step,
        "moves": learning.moves,
        "begun": learning.begun,
        "memories": memories,
        "registers": {name: dict(own) for name, own in learning.registers.items()},
        **_unless_empty("feedback", {str(i): own for i, own in learning.feedback.items()}),
    }
    write_tree(Path(path), content)


def _unless_empty(name: str, arrays: Mapping[str, Array]) -> dict[str, Any]:
    """A branch of arrays, which rules without them leave out."""
    return {name: {key: np.asarray(array) for key, array in arrays.items()}} if arrays else {}


def load_checkpoint(path: StrPath) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        DamagedFileError: if the file is truncated, altered, foreign or of an unknown schema.
        OSError: if it cannot be opened.
    """
    return _Reader(path, read_tree(Path(path))).checkpoint()


def require_same_plan(saved: Mapping[str, Any], wanted: Mapping[str, Any], path: StrPath) -> None:
    """Refuse to continue a checkpoint of another network, task, rule or stream.

    Raises:
        InvalidValueError: naming the first difference.
    """
    plain = json.loads(json.dumps(wanted))
    for name in dict.fromkeys((*plain, *saved)):
        if saved.get(name) != plain.get(name):
            raise InvalidValueError(
                f"{name} of checkpoint {path}",
                saved.get(name),
                str(plain.get(name)),
                "use the options that it was made with, or another file",
            )


class _Reader:
    """Builds a checkpoint from a tree, suspecting everything."""

    def __init__(self, path: StrPath, tree: Tree) -> None:
        self.path = path
        self.tree = tree

    def checkpoint(self) -> Checkpoint:
        known = (("format", FORMAT), ("schema", SCHEMA))
        if not all(same_value(self.tree.get(name), value) for name, value in known):
            problem = "it holds no state of learning, or one of an unknown schema"
            raise DamagedFileError(self.path, problem, "name another file")
        memories, eligibility = {}, {}
        for entry in self.branch(self.tree, "memories").values():
            parameter, memories[parameter] = self.memory(entry)
            if "eligibility" in entry:
                eligibility[parameter] = self.arrays(entry, "eligibility")
        feedback = self.arrays(self.tree, "feedback") if "feedback" in self.tree else {}
        registers = {
            name: {register: self.array(own, register) for register in self.mapping(own)}
            for name, own in self.branch(self.tree, "registers").items()
        }
        begun = self.tree.get("begun", "")
        if not isinstance(begun, str):
            raise self.refuse("begun is no text")
        learning = Learning(
            memories,
            registers,
            self.integer(self.tree, "step"),
            begun,
            eligibility,
            {self.index(name): own for name, own in feedback.items()},
            # Files of before eligibility do without.
            self.integer(self.tree, "moves") if "moves" in self.tree else 0,
        )
        return Checkpoint(self.plain("plan"), self.plain("progress"), learning)

    def memory(self, entry: Any) -> tuple[Parameter, Memory]:
        self.mapping(entry)
        projection = self.integer(entry, "projection")
        names = tuple(entry.get(name) for name in ("population", "port", "term"))
        if not all(isinstance(name, str) for name in names):
            raise self.refuse("a memory without population, port or term")
        population, port, term = names
        if not is_plain(port) or not is_plain(term):
            raise self.refuse("a memory whose port or term is no name")
        parameter = Parameter(
            population, port, term, None if projection == NO_PROJECTION else projection
        )
        return parameter, Memory(*(self.array(entry, name) for name in Memory._fields))

    def plain(self, name: str) -> dict[str, Any]:
        text = self.tree.get(name)
        try:
            value = json.loads(text) if isinstance(text, str) else None
        except (ValueError, RecursionError) as error:
            raise self.refuse(f"{name} is no JSON") from error
        return self.mapping(value)

    def branch(self, tree: Any, name: str) -> dict[str, Any]:
        return self.mapping(tree.get(name))

    def mapping(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.refuse("a part of it is missing")
        return value

    def array(self, tree: Any, name: str) -> npt.NDArray[Any]:
        value = tree.get(name)
        if not isinstance(value, np.ndarray):
            raise self.refuse(f"{name} is no array")
        return value

    def arrays(self, tree: Any, name: str) -> dict[str, Array]:
        branch = self.branch(tree, name)
        return {key: self.array(branch, key) for key in branch}

    def index(self, name: str) -> int:
        if not name.isascii() or not name.isdigit():
            raise self.refuse("feedback weights of no projection")
        return int(name)

    def integer(self, tree: Any, name: str) -> int:
        value = tree.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.refuse(f"{name} is no integer")
        return value

    def refuse(self, problem: str) -> DamagedFileError:
        return DamagedFileError(self.path, problem, REMEDY)
