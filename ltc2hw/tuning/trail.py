"""The trail of a tuning: everything that was tried, in a file that a stopped run goes on from."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ltc2hw.errors import DamagedFileError, InvalidValueError
from ltc2hw.files.archive import DAMAGE, one_line, read_bytes
from ltc2hw.files.atomic import write_text
from ltc2hw.tuning.noise import Paired

KIND = "ltc2hw tuning trail"
SCHEMA = 1
REMEDY = "use the options that it was made with, or another file (--trail)"


@dataclass(frozen=True)
class Trial:
    """A candidate that was tried, and what became of it.

    ``score`` as the decision has it, None for integers that a chip refuses (``refused`` says why);
    ``lost`` against float, ``gain`` and ``closer`` against the best candidate before it; ``error``:
    mean squared distance of the outputs from float, relative to their mean square. ``bytes`` and
    ``operations`` (synaptic ones of a sample, on average) are what it costs; ``over`` are limits
    that it exceeds.
    """

    what: str
    remedy: str
    kept: bool
    score: float | None = None
    lost: Paired | None = None
    gain: Paired | None = None
    closer: Paired | None = None
    error: float | None = None
    bytes: int | None = None
    operations: float | None = None
    over: tuple[str, ...] = ()
    refused: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Trial:
        """The trial of :meth:`to_dict`.

        Raises:
            TypeError, ValueError: for anything else.
        """
        if set(content) != {field.name for field in fields(cls)}:
            raise ValueError("a trial with other entries")
        pairs = {name: None if content[name] is None else Paired(**content[name]) for name in PAIRS}
        numbers = [content[name] for name in ("score", "error", "bytes", "operations")]
        numbers += [n for pair in pairs.values() if pair for n in (pair.mean, pair.error)]
        if not all(n is None or _is_number(n) for n in numbers):
            raise ValueError("a trial whose numbers are none")
        texts = (content["what"], content["remedy"], content["refused"], *content["over"])
        if not all(isinstance(text, str) for text in texts) or content["kept"] not in (True, False):
            raise ValueError("a trial whose words are none")
        return cls(**{**content, **pairs, "over": tuple(content["over"])})


PAIRS = ("lost", "gain", "closer")
"""Entries of a trial that are paired differences."""


def _is_number(value: object) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value)  # type: ignore[arg-type]


class Trail:
    """Trials in the order in which they were made; ``path`` keeps them after each, if there is one.

    A run of the same plan makes the same trials: those that the file has are not made again.

    Raises:
        InvalidValueError: for a file of another plan.
        DamagedFileError: for one that is no trail.

    >>> trail = Trail(None, {"seed": 0})
    >>> trail.add(Trial("wider", "wider", kept=True))
    >>> len(trail.trials), trail.known(1) is None
    (1, True)
    """

    def __init__(self, path: str | os.PathLike[str] | None, plan: Mapping[str, Any]) -> None:
        self.path = path
        self.plan = dict(plan)
        self.trials: list[Trial] = []
        self.saved: tuple[Trial, ...] = ()
        if path is not None and os.path.exists(path):
            self.saved = load_trail(path, self.plan)

    def known(self, index: int) -> Trial | None:
        """The trial of this number, if the file had it."""
        return self.saved[index] if index < len(self.saved) else None

    def add(self, trial: Trial) -> None:
        """Keep a trial; the file is whole at any time.

        Raises:
            OSError: if it cannot be written.
        """
        self.trials.append(trial)
        if self.path is not None and len(self.trials) > len(self.saved):
            write_text(self.path, trail_text(self.plan, self.trials))


def trail_text(plan: Mapping[str, Any], trials: list[Trial]) -> str:
    """A trail as the text of a file."""
    content = {
        "kind": KIND,
        "schema": SCHEMA,
        "plan": dict(plan),
        "trials": [trial.to_dict() for trial in trials],
    }
    return json.dumps(content, indent=1) + "\n"


def load_trail(path: str | os.PathLike[str], plan: Mapping[str, Any]) -> tuple[Trial, ...]:
    """The trials of a file that was made by the same plan.

    Raises:
        InvalidValueError: naming what of the plan differs.
        DamagedFileError: for a file that is no trail.
        OSError: if it cannot be read.
    """
    try:
        content = json.loads(read_bytes(path).decode("utf-8"))
    except DAMAGE as error:
        if isinstance(error, OSError):
            raise
        raise DamagedFileError(path, f"no trail of tuning: {one_line(error)}", DELETE) from error
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise DamagedFileError(path, "it is no trail of tuning", DELETE)
    if content.get("schema") != SCHEMA:
        raise DamagedFileError(path, f"schema {content.get('schema')!r} is not read", DELETE)
    found = content.get("plan")
    if not isinstance(found, dict):
        raise DamagedFileError(path, "it does not say what was tuned", DELETE)
    for name, value in json.loads(json.dumps(dict(plan))).items():
        if found.get(name) != value:
            limit = f"{value!r}, as asked for now"
            raise InvalidValueError(f"{name} of trail {path}", repr(found.get(name)), limit, REMEDY)
    try:
        return tuple(Trial.from_dict(entry) for entry in content["trials"])
    except DAMAGE as error:
        raise DamagedFileError(path, f"a trial is damaged: {one_line(error)}", DELETE) from error


DELETE = "delete it to start over, or name another file with --trail"
