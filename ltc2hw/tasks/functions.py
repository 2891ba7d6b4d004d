"""Tasks that a function of the user makes: ``module:function``, the only code of theirs that runs.

The module is one that Python finds, also in the current folder, or a file, ``folder/mine.py``.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from ltc2hw.data import DETECTED, DataOptions, prepare, with_files
from ltc2hw.data.objects import object_source
from ltc2hw.data.prepared import CHECKSUM, checksum
from ltc2hw.errors import InvalidValueError, Ltc2hwError
from ltc2hw.tasks.task import Task

FORM = re.compile(r"(?P<module>[A-Za-z_][\w.]*|.+\.py):(?P<function>[A-Za-z_]\w*)")

GIVES = "a Task, (x, y), arrays by name, or a data set of pairs"


def names_function(text: str) -> bool:
    """Whether a text has the form ``module:function``.

    >>> names_function("mine:speech"), names_function("data/mine.py:speech"), names_function("a.h5")
    (True, True, False)
    """
    return FORM.fullmatch(text) is not None


def function_task(text: str, options: DataOptions = DETECTED) -> Task:
    """The task that a function without arguments returns, or that is made of what it returns.

    Raises:
        InvalidValueError: if there is no such module or function, if it fails (with what it said,
            and where), if it returns something else, or if it returns a task and options are given.
        ShapeError, InvalidValueError: for arrays that do not make a task.
    """
    found = FORM.fullmatch(text)
    if found is None:
        raise InvalidValueError("function", text, "module:function")
    with _own_code(text):
        function = _function(found["module"], found["function"], text)
        result = function()
        # What it returns may be a data set, whose own code reads the samples.
        source = None if isinstance(result, Task) else object_source(result, options)
    if source is None:
        if options != DETECTED:
            given = "options of data beside a function that returns a whole task"
            raise InvalidValueError(text, given, "one of them", "leave them out")
        return _marked(result, text)
    data = prepare(with_files(source, options, text), options, text)
    provenance = {**data.provenance, "source": text}
    return Task.from_data(replace(data, provenance=provenance), found["function"])


def own_object(text: str) -> Any:
    """What a text ``module:name`` names in the user's code; None if the module has no such name.

    Raises:
        InvalidValueError: for another form, a module that is not there, or one that fails.
    """
    found = FORM.fullmatch(text)
    if found is None:
        raise InvalidValueError("name of one's own", text, "module:name")
    with _own_code(text):
        return getattr(_loaded(found["module"], text), found["function"], None)


def _marked(task: Task, text: str) -> Task:
    """A task with the checksum of its data, so that checkpoints tell data apart."""
    parts: dict[str, Any] = {name: getattr(task, name) for name in ("train", "validation", "test")}
    provenance = {"source": text, CHECKSUM: checksum(parts), **task.provenance}
    return replace(task, provenance=provenance)


def _function(module: str, name: str, text: str) -> Callable[[], Any]:
    function = getattr(_loaded(module, text), name, None)
    if not callable(function):
        what = "not there" if function is None else f"a {type(function).__name__}"
        raise InvalidValueError(f"{name} of {module}", what, "a function without arguments")
    made: Callable[[], Any] = function
    return made


def _loaded(module: str, text: str) -> Any:
    return _from_file(Path(module)) if module.endswith(".py") else _imported(module, text)


def _imported(module: str, text: str) -> Any:
    before = list(sys.path)
    # As ``python -m`` does: commands that pip installs do not look there by themselves.
    sys.path.insert(0, os.getcwd())
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise InvalidValueError(
            f"module of {text}", f"{error.name}, not found",
            "one in the current folder or installed", "or name a file: folder/mine.py:function",
        ) from error  # fmt: skip
    finally:
        sys.path[:] = before


def _from_file(path: Path) -> Any:
    if not path.is_file():
        raise InvalidValueError("file of the function", path, "a file of Python that exists")
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def _own_code(text: str) -> Iterator[None]:
    """Say what failed in the user's code, and where, in one line."""
    try:
        yield
    except Ltc2hwError:
        raise
    except (Exception, SystemExit) as error:  # code of the user may raise anything
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"in {last.name}, line {last.lineno} of {last.filename}"
        said = " ".join(str(error).split())
        what = f"failing with {type(error).__name__}: {said}, {place}"
        raise InvalidValueError(text, what, f"a function that returns {GIVES}") from error
