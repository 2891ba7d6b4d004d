"""Makes the archived lava-nc 0.10.0 importable: on newer Pythons, and late in a process.

The release admits Python 3.10 only. What breaks on newer Pythons is one file: the dataclass
``ByteEncoder`` in ``lava/magma/compiler/var_model.py`` is not hashable, and three dataclasses use
instances of it as field defaults, which Python has refused since 3.11. The finder below hashes
``ByteEncoder`` by its fields while that one module is imported.

Late in a process, :mod:`multiprocessing` may have been told or asked its start method, and refuses
to be told again. Lava tells it to fork when one of its modules is imported; where forking is what
was chosen, the finder lets that pass. Nothing on disk changes, and no other module is touched.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

from ltc2hw.errors import LavaError, MissingExtraError

PATCHED_MODULE = "lava.magma.compiler.var_model"
STARTING_MODULE = "lava.magma.runtime.message_infrastructure.multiprocessing"
LAVA_STARTS_BY = "fork"
LAVA_RELEASE = "0.10.0"

_BEFORE = "@dataclass\nclass ByteEncoder:\n"
_AFTER = "@dataclass(unsafe_hash=True)\nclass ByteEncoder:\n"


def patch_source(source: str, path: str) -> str:
    r"""Return the text of ``var_model.py`` with ``ByteEncoder`` hashable.

    Line numbers stay as they are. Raises :class:`~ltc2hw.errors.LavaError` when the text is not
    the one that lava-nc 0.10.0 ships, because then nobody has checked what the change would do.

    >>> patch_source("@dataclass\nclass ByteEncoder:\n    base: int = 0\n", "var_model.py")
    '@dataclass(unsafe_hash=True)\nclass ByteEncoder:\n    base: int = 0\n'
    """
    if source.count(_BEFORE) != 1:
        raise LavaError(
            f"{path} is not the file of lava-nc {LAVA_RELEASE}",
            f"its class ByteEncoder was changed; install lava-nc {LAVA_RELEASE} afresh",
        )
    return source.replace(_BEFORE, _AFTER)


class _PatchingLoader(SourceFileLoader):
    """Loads the patched module from its source; never from or into a bytecode cache."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        source = importlib.util.decode_source(self.get_data(path))
        return compile(patch_source(source, path), path, "exec", dont_inherit=True)


@contextmanager
def chosen_start_method() -> Iterator[None]:
    """Let :func:`multiprocessing.set_start_method` take the method that is already chosen.

    Raises :class:`~ltc2hw.errors.LavaError` when that is another than Lava's processes start by.
    """
    chosen = multiprocessing.get_start_method(allow_none=True)
    if chosen is None or sys.platform == "win32":  # there Lava chooses nothing
        yield
        return
    if chosen != LAVA_STARTS_BY:
        raise LavaError(
            f"its processes start by {LAVA_STARTS_BY!r}, but this process chose {chosen!r}",
            f"call multiprocessing.set_start_method({LAVA_STARTS_BY!r}, force=True) before, or run "
            'with engine="lava", which has a process of its own',
        )
    choose = multiprocessing.set_start_method

    def choose_other(method: str | None, force: bool = False) -> None:
        if force or method != chosen:
            choose(method, force)

    multiprocessing.set_start_method = choose_other
    try:
        yield
    finally:
        multiprocessing.set_start_method = choose


class _StartingLoader(SourceFileLoader):
    """Loads the module that chooses how processes start."""

    def exec_module(self, module: ModuleType) -> None:
        with chosen_start_method():
            super().exec_module(module)


class _LavaFinder(MetaPathFinder):
    """Answers for the modules that need a loader of ours; leaves others to the regular finders."""

    def __init__(self, loaders: Mapping[str, type[SourceFileLoader]]) -> None:
        self.loaders = loaders

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        loader = self.loaders.get(fullname)
        if loader is None:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.origin is None:
            return None
        spec.loader = loader(fullname, spec.origin)
        return spec


def install_finder() -> None:
    """Let later imports of Lava succeed in this process and in those that it forks.

    Does nothing when called again. Importing ``ltc2hw.converters.lava`` calls it, so every process
    that imports our Lava code has it, whatever way it was started.

    >>> install_finder()
    """
    if any(isinstance(finder, _LavaFinder) for finder in sys.meta_path):
        return
    loaders: dict[str, type[SourceFileLoader]] = {STARTING_MODULE: _StartingLoader}
    if sys.version_info >= (3, 11):
        loaders[PATCHED_MODULE] = _PatchingLoader
    sys.meta_path.insert(0, _LavaFinder(loaders))


def require_lava(purpose: str) -> None:
    """Raise unless Lava can be imported; ``purpose`` is what the user wanted to do.

    Raises :class:`~ltc2hw.errors.MissingExtraError` when lava-nc is not installed.
    """
    install_finder()
    try:
        found = importlib.util.find_spec("lava.magma.core") is not None
    except ModuleNotFoundError:
        found = False
    if not found:
        raise MissingExtraError("lava", purpose, _install_hint())


def _install_hint() -> str:
    if sys.version_info < (3, 11):
        return ""
    return (
        "and, because lava-nc admits Python 3.10 only, pip install --no-deps "
        f"--ignore-requires-python lava-nc=={LAVA_RELEASE}"
    )
