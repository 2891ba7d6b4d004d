"""The public function of the fast engine: tiles of samples on threads, chunks of time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache
from threading import Event, Lock
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.samples import check_samples, plain_array, real_array
from ltc2hw.graph.trace import State, Trace, make_trace
from ltc2hw.numbers.scalars import require_range
from ltc2hw.numbers.threads import processors
from ltc2hw.simulations.fast.encode import Rows, encode
from ltc2hw.simulations.fast.matrices import MOST_SAMPLES, available
from ltc2hw.simulations.fast.memory import Tile, check_registers, most_samples
from ltc2hw.simulations.fast.plan import Plan
from ltc2hw.simulations.fast.prepared import Prepared, prepared
from ltc2hw.simulations.fast.recording import Recording
from ltc2hw.simulations.fast.steps import Extent, run_steps
from ltc2hw.simulations.fast.tables import Table

Unsigned = TypeVar("Unsigned", Rows, Extent)

Progress = Callable[[int, int], None]
"""Called with the sample-steps done and their total, by the thread that called ``simulate``; with
0 before anything is done, with the total once."""

TILE = MOST_SAMPLES
"""Samples that one kernel call carries together."""

MATRIX_BATCH = 16
"""Samples for which the matrix unit is worth its effort."""

CHUNK_WORK = 50_000_000
"""Operations of a kernel call (some 20 ms): how long an interrupt or progress has to wait."""

THREAD_WORK = 20_000_000
"""Operations that are worth another thread, unless the caller names a number of threads."""

MOST_THREADS = 1024
"""Threads that a caller may ask for."""

CHUNK_SAMPLES = 1 << 22
"""Encoded integers that a kernel call may need at once."""

SAMPLE_TYPES = (np.float64, np.float32, np.uint8)
"""Types of samples that are encoded as they are; others become float64 first."""


def simulate(
    network: FixedNetwork,
    x: npt.ArrayLike,
    record: Sequence[str] | str = ("spikes", "membrane"),
    state: State | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Trace:
    """Run samples x (T, B, N_in) through the integer network, with the bits of ``integer``.

    Beyond what ``integer`` takes: ``threads`` (None: up to one per available core, fewer for little
    work; samples are shared out, so a single one uses one thread) and ``progress``, called as
    ``progress(done, total)`` in sample-steps. An interrupt ends the run within some 20 ms.

    Raises:
        ShapeError, InvalidValueError, UnknownNameError: for samples, a state or names to record
            that do not fit the network, or fewer than one thread.
    """
    samples = open_samples(network, x)
    steps, batch, _ = samples.shape
    ready = prepared(network, matrices=batch >= MATRIX_BATCH and available())
    end = ready.end_state(batch)
    if state is not None:
        state = check_registers(ready.plan, state, end)
    recording = ready.recording(network, record, steps, batch)
    run = _Run(network, ready, samples, state, end, recording)
    count = thread_count(threads)
    if threads is None:
        count = min(count, 1 + ready.plan.work * steps * batch // THREAD_WORK)
    run.execute(count, progress)
    return make_trace(recording.arrays, recording.outputs, run.saturations(), end)


def open_samples(network: FixedNetwork, x: npt.ArrayLike) -> Table:
    """Samples as an array of a type that the encoder reads; shape checked, values not yet."""
    samples = plain_array("samples", x)
    if samples.dtype == np.bool_:
        samples = samples.view(np.uint8)
    if samples.dtype not in SAMPLE_TYPES:
        samples = real_array("samples", samples)
    if samples.ndim != 3 or samples.shape[2] != network.input.size or 0 in samples.shape:
        check_samples(samples, network.input.size, network.input.graded)
    return samples


def plan_of(network: FixedNetwork, *, matrices: bool = False) -> Plan:
    """The plan of a network, built once in its life."""
    return prepared(network, matrices=matrices).plan


def thread_count(threads: int | None) -> int:
    """Threads to use; None means one per core that the process may use.

    Raises:
        InvalidValueError: for fewer than one, or more than any machine has.
    """
    if threads is None:
        return processors()
    require_range("number of threads", threads, 1, MOST_THREADS)
    return int(threads)


@lru_cache(maxsize=512)
def unsigned(kind: type[Unsigned], *fields: int) -> Unsigned:
    """Rows or an extent from Python's integers; calls of one shape repeat theirs."""
    return kind(*map(np.uint64, fields))


class _Run:
    """One call of :func:`simulate`: what its threads share."""

    def __init__(
        self,
        network: FixedNetwork,
        ready: Prepared,
        samples: Table,
        start: State | None,
        end: State,
        recording: Recording,
    ) -> None:
        self.network = network
        self.ready = ready
        self.samples = samples
        self.start = start
        self.end = end
        self.recording = recording
        self.lock = Lock()
        self.stopped: Event | None = None
        self.done = 0
        self.told = 0
        self.total = samples.shape[0] * samples.shape[1]
        self.counts: Table = np.zeros(len(ready.plan.counters), dtype=np.int64)
        self.encoding_misfits = 0

    def execute(self, threads: int, progress: Progress | None) -> None:
        """Run all tiles on up to ``threads`` threads."""
        batch = self.samples.shape[1]
        tile = min(most_samples(self.ready.plan, TILE), -(-batch // threads))
        tiles = iter(range(0, batch, tile))
        self.tell(progress)  # before the first call compiles the kernels
        threads = min(threads, -(-batch // tile))
        if threads == 1:
            self.work(tiles, tile, progress)
            return
        self.stopped = Event()
        with ThreadPoolExecutor(threads) as pool:
            pending = {pool.submit(self.work, tiles, tile, None) for _ in range(threads)}
            try:
                while pending:
                    finished, pending = wait(pending, timeout=0.05)
                    for future in finished:
                        future.result()
                    self.tell(progress)
            finally:
                # After an interrupt or an error, the other threads end with their chunk.
                self.stopped.set()

    def work(self, tiles: Iterator[int], tile: int, progress: Progress | None) -> None:
        """Take tiles until none is left, with one piece of memory."""
        piece = self.ready.take(tile)
        steps, batch, _ = self.samples.shape
        piece.memory.counts.fill(0)
        misfits = 0
        while not self.halted():
            with self.lock:
                first = next(tiles, None)
            if first is None:
                break
            count = min(tile, batch - first)
            piece.load(self.start, first, count)
            misfits += self.run_tile(piece, first, count, progress)
            piece.store(self.end, first, count, steps)
        with self.lock:
            self.counts += piece.memory.counts
            self.encoding_misfits += misfits
        self.ready.give(piece)

    def run_tile(self, tile: Tile, first: int, count: int, progress: Progress | None) -> int:
        """All steps of one tile, in chunks; returns how many inputs did not fit their word."""
        plan, recording = self.ready.plan, self.recording
        steps, batch, size = self.samples.shape
        chunk = min(CHUNK_WORK // (plan.work * count), CHUNK_SAMPLES // (count * size), steps)
        chunk = max(chunk, 1)
        encoded = np.empty(chunk * count * size, dtype=plan.types.message)
        misfits = 0
        for begin in range(0, steps, chunk):
            if self.halted():
                break
            end = min(begin + chunk, steps)
            samples, rows = self.rows(begin, end, first, count)
            outside, invalid = encode(samples, self.ready.encoder, rows, encoded)
            if invalid:
                self.reject_samples()
            misfits += outside
            extent = unsigned(Extent, begin, end, batch, first, count, tile.samples)
            run_steps(
                recording.tables, plan.parameters, tile.memory, recording.buffers, encoded, extent
            )
            with self.lock:
                self.done += (end - begin) * count
            self.tell(progress)
        return misfits

    def rows(self, begin: int, end: int, first: int, count: int) -> tuple[Table, Rows]:
        """Steps ``begin`` to ``end`` of some samples, in one piece of memory."""
        _, batch, size = self.samples.shape
        samples, width = self.samples, count * size
        if samples.flags.c_contiguous:
            start = (begin * batch + first) * size
            return samples.reshape(-1), unsigned(Rows, start, batch * size, end - begin, width)
        part = np.ascontiguousarray(samples[begin:end, first : first + count])
        return part.reshape(-1), unsigned(Rows, 0, width, end - begin, width)

    def halted(self) -> bool:
        """Whether an interrupt or an error ended the run; a single thread is not there to ask."""
        return self.stopped is not None and self.stopped.is_set()

    def tell(self, progress: Progress | None) -> None:
        """Call the progress, with the total only once."""
        if progress is not None and self.told < self.total:
            self.told = self.done
            progress(self.told, self.total)

    def reject_samples(self) -> None:
        """Raise what the specification raises for invalid samples."""
        population = self.network.input
        samples = check_samples(self.samples, population.size, population.graded)
        population.word.encode(samples, population.fraction)

    def saturations(self) -> dict[str, dict[str, int]]:
        """How many values did not fit their word, by population and variable."""
        names = self.ready.names
        result: dict[str, dict[str, int]] = {name: {} for name in names}
        counters = self.ready.plan.counters
        for (name, word), count in zip(counters, self.counts.tolist(), strict=True):
            if count:
                result[name][word] = count
        if self.encoding_misfits:
            population = self.network.input
            result[population.name][population.variables[0]] = self.encoding_misfits
        return result
