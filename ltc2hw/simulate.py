"""Run a network on samples with a named engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy.typing as npt

from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.graph.notes import notes_of
from ltc2hw.graph.pieces import run_pieces
from ltc2hw.graph.samples import check_samples, plain_array
from ltc2hw.graph.sequences import sample_lengths
from ltc2hw.graph.trace import Array, State, Trace, record_names
from ltc2hw.numbers.scalars import require_type, shown
from ltc2hw.registry import default_engine, find_engine, require_kind


def simulate(
    network: Network | FixedNetwork,
    x: npt.ArrayLike,
    engine: str | None = None,
    record: Sequence[str] | str = ("spikes", "membrane"),
    state: State | None = None,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    lengths: object = None,
) -> Trace:
    """Run samples x of shape (T, B, N_in) through a network.

    ``engine`` is ``"float64"`` for a :class:`~ltc2hw.graph.network.Network`, and ``"integer"``,
    ``"fast"``, ``"torch"`` or ``"lava"`` for a :class:`~ltc2hw.graph.fixed.FixedNetwork`; None
    takes ``"float64"`` or ``"fast"``. ``record`` names the variables to keep (``"all"`` for every
    one); ``state`` continues from an earlier ``trace.state``. ``fast`` alone takes ``threads``
    (None: one per core) and ``progress``, called with the sample-steps done and their total.

    ``lengths`` (B,): the steps of samples that end before T. Each then runs for its own steps: what
    is recorded is zero after its end, saturations are those of own steps, and ``trace.state`` is
    that at each sample's end. Engines run once per different length; Lava starts anew for each.

    Raises:
        UnknownNameError: for an unknown engine or variable.
        InvalidValueError: for an engine that does not run this kind of network or lacks an
            option, bad samples, lengths beyond 1 to T, or arguments of a wrong type.
        ShapeError: for samples, lengths or a state of the wrong shape.

    >>> from ltc2hw.graph.network import Input, Projection
    >>> from ltc2hw.graph.neurons import Neurons
    >>> from ltc2hw.numbers.weights import Dense
    >>> wire = Projection("input", "value", "out", "current", Dense([[1.0]]))
    >>> populations = Input("input", 1, graded=True), Neurons("out", 1, "if_subtract")
    >>> network = Network(populations, (wire,), "out")
    >>> x = [[[0.5], [0.5]], [[0.0], [0.25]]]
    >>> simulate(network, x, lengths=[1, 2]).states["out"]["membrane"][:, :, 0]
    array([[0.5 , 0.5 ],
           [0.  , 0.75]])
    """
    require_type("network", network, Network, FixedNetwork)
    is_float = isinstance(network, Network)
    name = engine or default_engine(is_float=is_float)
    run = find_engine(name)
    require_kind("engine", name, is_float=is_float, otherwise="use an engine of integers")
    if progress is not None and not callable(progress):
        raise InvalidValueError("progress", shown(progress), "a function of two integers")
    if name != "fast" and not (threads is None and progress is None):
        raise InvalidValueError("engine", repr(name), "fast, for its threads and progress")
    if lengths is not None:
        samples = plain_array("samples", x)
        if samples.ndim != 3 or samples.shape[2] != network.input.size or 0 in samples.shape:
            check_samples(samples, network.input.size, network.input.graded)
        own = sample_lengths(lengths, *samples.shape[:2])
        if own is not None:
            tell = None if progress is None else _Progress(progress, int(own.sum()))
            names = record if isinstance(record, str) else record_names(record)

            def piece(part: Array, start: State | None) -> Trace:
                return run(network, part, names, start, *_options(name, threads, tell))

            trace = run_pieces(piece, samples, own, state)
            return replace(trace, notes=notes_of(network, name, own))
    trace = run(network, x, record, state, *_options(name, threads, progress))
    return replace(trace, notes=notes_of(network, name))


def _options(
    engine: str, threads: int | None, progress: Callable[[int, int], None] | None
) -> tuple[Any, ...]:
    """What the fast engine takes beyond the others."""
    return (threads, progress) if engine == "fast" else ()


class _Progress:
    """Sample-steps of all pieces together, from those of one piece after the other."""

    def __init__(self, tell: Callable[[int, int], None], total: int) -> None:
        self.tell = tell
        self.total = total
        self.before = 0
        self.told = -1

    def __call__(self, done: int, total: int) -> None:
        now = self.before + done
        if done == total:
            self.before = now
        if now > self.told:
            self.told = now
            self.tell(now, self.total)
