"""Run a network on a stream without end, chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.graph.samples import check_samples
from ltc2hw.graph.trace import State, Trace, check_record
from ltc2hw.numbers.scalars import require_type, shown
from ltc2hw.numbers.words import FloatArray
from ltc2hw.registry import default_engine, find_engine, require_kind
from ltc2hw.simulate import simulate


def stream(
    network: Network | FixedNetwork,
    chunks: Iterable[npt.ArrayLike],
    engine: str | None = None,
    record: Sequence[str] | str = (),
    state: State | None = None,
) -> Iterator[Trace]:
    """Run chunks (t, B, N_in) of a stream as they come; gives the trace of each before the next.

    ``chunks`` is anything that gives arrays: a list, a generator, a file that is read piece by
    piece. Their numbers of steps may differ, their batch B may not. Each chunk goes on from where
    the one before ended, so that the traces, one after the other, are the trace of one long run,
    bit for bit; no more than a chunk is kept. ``engine``, ``record`` and ``state`` as in
    :func:`~ltc2hw.simulate.simulate`, only that nothing but ``outputs`` is recorded unless asked
    for; the state after the last chunk is its ``trace.state``.

    Raises:
        UnknownNameError, InvalidValueError: at once for an engine, names to record or chunks that
            are none; later for a chunk that holds no samples, naming its number from 0.
        ShapeError: for a chunk of another width, or of another batch than those before.

    >>> import numpy as np
    >>> from ltc2hw.graph.network import Input, Projection
    >>> from ltc2hw.graph.neurons import Neurons
    >>> from ltc2hw.numbers.weights import Dense
    >>> network = Network(
    ...     populations=(Input("x", 1), Neurons("out", 1, "if_subtract", {"threshold": 1.5})),
    ...     projections=(Projection("x", "spikes", "out", "current", Dense([[1.0]])),),
    ...     output="out",
    ... )
    >>> ones = (np.ones((steps, 1, 1)) for steps in (1, 2, 1))
    >>> [trace.outputs.ravel().tolist() for trace in stream(network, ones)]
    [[0.0], [1.0, 0.0], [1.0]]
    """
    require_type("network", network, Network, FixedNetwork)
    is_float = isinstance(network, Network)
    chosen = engine or default_engine(is_float=is_float)
    find_engine(chosen)
    require_kind("engine", chosen, is_float=is_float, otherwise="use an engine of integers")
    check_record(record, network.populations)
    if not isinstance(chunks, Iterable) or isinstance(chunks, (str, bytes, Mapping, np.ndarray)):
        what = f"an array {chunks.shape}" if isinstance(chunks, np.ndarray) else shown(chunks)
        remedy = "a single chunk goes into a list"
        raise InvalidValueError("chunks", what, "an iterable of arrays (t, B, N_in)", remedy)
    return _traces(network, chunks, chosen, record, state)


def _traces(
    network: Network | FixedNetwork,
    chunks: Iterable[npt.ArrayLike],
    engine: str,
    record: Sequence[str] | str,
    state: State | None,
) -> Iterator[Trace]:
    batch = None
    for number, chunk in enumerate(chunks):
        samples = _samples(network, chunk, number)
        if batch is not None and samples.shape[1] != batch:
            raise ShapeError(
                f"batch of chunk {number}", samples.shape[1], f"{batch}, as of those before"
            )
        batch = samples.shape[1]
        trace = simulate(network, samples, engine, record, state)
        state = trace.state
        yield trace


def _samples(network: Network | FixedNetwork, chunk: npt.ArrayLike, number: int) -> FloatArray:
    """A chunk as samples.

    Raises:
        ShapeError, InvalidValueError: as every engine, naming the chunk.
    """
    entry = network.input
    try:
        return check_samples(chunk, entry.size, entry.graded)
    except InvalidValueError as error:
        raise type(error)(
            f"chunk {number}: {error.name}", error.value, error.limit, error.remedy
        ) from error
