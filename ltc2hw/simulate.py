"""Run a network on samples with a named engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy.typing as npt

from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.graph.notes import notes_of
from ltc2hw.graph.trace import State, Trace
from ltc2hw.numbers.scalars import require_type, shown
from ltc2hw.registry import find_engine, require_kind


def simulate(
    network: Network | FixedNetwork,
    x: npt.ArrayLike,
    engine: str | None = None,
    record: Sequence[str] | str = ("spikes", "membrane"),
    state: State | None = None,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Trace:
    """Run samples x of shape (T, B, N_in) through a network.

    ``engine`` is ``"float64"`` for a :class:`~ltc2hw.graph.network.Network`, and ``"integer"``,
    ``"fast"``, ``"torch"`` or ``"lava"`` for a :class:`~ltc2hw.graph.fixed.FixedNetwork`; None
    takes ``"float64"`` or ``"fast"``. ``record`` names the variables to keep (``"all"`` for every
    one); ``state`` continues from an earlier ``trace.state``. ``fast`` alone takes ``threads``
    (None: one per core) and ``progress``, called with the sample-steps done and their total.

    Raises:
        UnknownNameError: for an unknown engine or variable.
        InvalidValueError: for an engine that does not run this kind of network or lacks an
            option, bad samples, or arguments of a wrong type.
        ShapeError: for samples or a state of the wrong shape.
    """
    require_type("network", network, Network, FixedNetwork)
    is_float = isinstance(network, Network)
    name = engine or ("float64" if is_float else "fast")
    run = find_engine(name)
    require_kind("engine", name, is_float=is_float, otherwise="use an engine of integers")
    if progress is not None and not callable(progress):
        raise InvalidValueError("progress", shown(progress), "a function of two integers")
    if threads is None and progress is None:
        trace = run(network, x, record, state)
    elif name != "fast":
        raise InvalidValueError("engine", repr(name), "fast, for its threads and progress")
    else:
        trace = run(network, x, record, state, threads, progress)
    return replace(trace, notes=notes_of(network, name))
