"""The public function of the fast engine: tiles of samples on threads, chunks of time."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Event, Lock

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import InvalidValueError
from ltc2hw.fixed import FixedNetwork, recorded_dtype
from ltc2hw.samples import check_samples
from ltc2hw.simulations.fast.encode import Encoder, encode, encoder_of
from ltc2hw.simulations.fast.memory import TileState, allocate
from ltc2hw.simulations.fast.plan import REGION_OF_VARIABLE, Plan, build_plan
from ltc2hw.simulations.fast.steps import Extent, Memory, Recorded, Tables, run_steps
from ltc2hw.simulations.fast.tables import RECORD, Counter, Operation, Table
from ltc2hw.state import check_state, zero_state
from ltc2hw.trace import State, Trace, check_record, make_trace

Progress = Callable[[int, int], None]
"""Called with the sample-steps done and their total, from the thread that called."""

TILE = 16
"""Samples that one kernel call carries together."""

CHUNK_WORK = 50_000_000
"""Operations of a kernel call (some 20 ms): how long an interrupt or progress has to wait."""

CHUNK_SAMPLES = 1 << 22
"""Encoded integers that a kernel call may need at once."""

SAMPLE_TYPES = (np.float64, np.float32, np.uint8, np.bool_)
"""Types of samples that are encoded as they are; others become float64 first."""

COUNTER_NAMES = {
    Counter.CURRENT: "current",
    Counter.TAU_MEM: "tau_mem",
    Counter.TAU_ADP: "tau_adp",
    Counter.THRESHOLD: "threshold",
    Counter.MEMBRANE: "membrane",
    Counter.MESSAGE_CURRENT: "message current",
    Counter.MESSAGE_MEMBRANE: "message membrane",
    Counter.MESSAGE_ADAPTATION: "message adaptation",
}


def simulate(
    network: FixedNetwork,
    x: npt.ArrayLike,
    record: Sequence[str] | str = ("spikes", "membrane"),
    state: State | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Trace:
    """Run samples x (T, B, N_in) through the integer network, with the bits of ``integer``.

    Beyond what ``integer`` takes: ``threads`` (None: one per available core; samples are shared
    out, so a single one uses one thread) and ``progress``, called as ``progress(done, total)`` in
    sample-steps. An interrupt ends the run within some 20 ms.

    Raises:
        ShapeError, InvalidValueError, UnknownNameError: for samples, a state or names to record
            that do not fit the network, or fewer than one thread.
    """
    samples = open_samples(network, x)
    run = _Run.prepare(network, samples, record, state)
    run.execute(_thread_count(threads), progress)
    return run.trace()


def open_samples(network: FixedNetwork, x: npt.ArrayLike) -> Table:
    """Samples as an array of a type that the encoder reads, shape checked, values not yet."""
    samples = np.asarray(x)
    if samples.dtype not in SAMPLE_TYPES:
        samples = np.asarray(samples, dtype=np.float64)
    if samples.ndim != 3 or samples.shape[2] != network.input.size or 0 in samples.shape:
        check_samples(samples, network.input.size, network.input.graded)
    return samples


_PLANS: dict[int, tuple[weakref.ref[FixedNetwork], Plan]] = {}


def plan_of(network: FixedNetwork) -> Plan:
    """The plan of a network, built once in its life; networks never change."""
    key = id(network)
    known = _PLANS.get(key)
    if known is not None and known[0]() is network:
        return known[1]
    plan = build_plan(network)
    _PLANS[key] = (weakref.ref(network, lambda _: _PLANS.pop(key, None)), plan)
    return plan


def _thread_count(threads: int | None) -> int:
    if threads is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    if threads < 1:
        raise InvalidValueError("number of threads", threads, "at least 1")
    return threads


@dataclass
class _Progress:
    """Counts sample-steps over threads; says when to stop."""

    total: int
    done: int = 0

    def __post_init__(self) -> None:
        self.lock = Lock()
        self.stop = Event()

    def add(self, sample_steps: int) -> None:
        with self.lock:
            self.done += sample_steps


@dataclass(frozen=True)
class _Run:
    """One call of :func:`simulate`."""

    network: FixedNetwork
    plan: Plan
    tables: Tables
    encoder: Encoder
    samples: Table
    recorded: Recorded
    arrays: dict[str, dict[str, Table]]
    outputs: Table
    start: State | None
    end: State
    counts: Table
    encoding_misfits: list[int]

    @classmethod
    def prepare(
        cls,
        network: FixedNetwork,
        samples: Table,
        record: Sequence[str] | str,
        state: State | None,
    ) -> _Run:
        steps, batch, _ = samples.shape
        plan = plan_of(network)
        end = zero_state(network, batch, np.int64)
        if state is not None:
            check_state(state, end)
        wanted = check_record(record, network.populations)
        output = network.population(network.output)
        schedule, records = [], []
        lengths = {"spikes": 0, "values": 0}
        places: list[tuple[str, str, str, int, int]] = []
        items = [(name, variable) for name, names in wanted.items() for variable in names]
        for name, variable, is_output in [
            *((name, variable, False) for name, variable in items),
            (output.name, output.output_variable, True),
        ]:
            p = plan.tables.populations[plan.rows[name]]
            spikes = variable == "spikes"
            array = "spikes" if spikes and not is_output else "values"
            operation = Operation.RECORD_SPIKES if spikes else Operation.RECORD_VALUES
            if spikes and is_output:
                operation = Operation.RECORD_SPIKES_AS_VALUES
            schedule.append((operation, len(records)))
            region = REGION_OF_VARIABLE.get(variable, 0)
            size = int(p["size"])
            records.append((region, p["start"], p["stride"], size, lengths[array]))
            places.append(("" if is_output else name, variable, array, lengths[array], size))
            lengths[array] += steps * batch * size
        recorded = Recorded(
            np.empty(lengths["spikes"], dtype=np.uint8),
            np.empty(lengths["values"], dtype=recorded_dtype(network)),
        )
        arrays: dict[str, dict[str, Table]] = {name: {} for name in wanted}
        outputs = recorded.values
        for name, variable, array, first, size in places:
            flat = getattr(recorded, array)[first : first + steps * batch * size]
            view = flat.reshape(steps, batch, size)
            if name:
                arrays[name][variable] = view
            else:
                outputs = view
        tables = plan.tables._replace(
            schedule=np.concatenate([plan.tables.schedule, np.array(schedule, dtype=np.int64)]),
            records=np.array(records, dtype=RECORD),
        )
        return cls(
            network,
            plan,
            tables,
            encoder_of(network.input),
            samples,
            recorded,
            arrays,
            outputs,
            state,
            end,
            np.zeros((len(plan.rows), len(Counter)), dtype=np.int64),
            [],
        )

    def execute(self, threads: int, progress: Progress | None) -> None:
        """Run all tiles on up to ``threads`` threads."""
        steps, batch, _ = self.samples.shape
        tile = min(TILE, -(-batch // threads))
        firsts = range(0, batch, tile)
        threads = min(threads, len(firsts))
        state = _Progress(steps * batch)
        queue = iter(firsts)
        if threads == 1:
            self.work(queue, tile, state, progress)
            return
        with ThreadPoolExecutor(threads) as pool:
            futures = {pool.submit(self.work, queue, tile, state, None) for _ in range(threads)}
            try:
                pending = futures
                while pending:
                    done, pending = wait(pending, timeout=0.05, return_when=FIRST_COMPLETED)
                    for future in done:
                        future.result()
                    if progress is not None:
                        progress(state.done, state.total)
            finally:
                state.stop.set()

    def work(
        self, queue: Iterator[int], tile: int, state: _Progress, progress: Progress | None
    ) -> None:
        """Take tiles until none is left, with one piece of memory."""
        batch = self.samples.shape[1]
        memory = allocate(self.plan, tile)
        registers_of_tile = TileState(self.plan, memory, tile)
        misfits = 0
        while True:
            with state.lock:
                first = next(queue, None)
            if first is None or state.stop.is_set():
                break
            samples = min(tile, batch - first)
            registers_of_tile.load(self.start or {}, first, samples)
            misfits += self.run_tile(memory, tile, first, samples, state, progress)
            registers_of_tile.store(self.end, first, samples, self.samples.shape[0])
        with state.lock:
            self.counts[...] += memory.counts.reshape(self.counts.shape)
            self.encoding_misfits.append(misfits)

    def run_tile(
        self,
        memory: Memory,
        tile: int,
        first: int,
        samples: int,
        state: _Progress,
        progress: Progress | None,
    ) -> int:
        """All steps of one tile, in chunks; returns how many inputs did not fit their word."""
        steps, batch, size = self.samples.shape
        per_step = samples * size
        chunk = min(CHUNK_WORK // (self.plan.work * samples), CHUNK_SAMPLES // per_step, steps)
        chunk = max(chunk, 1)
        encoded = np.empty(chunk * per_step, dtype=self.plan.types.state)
        misfits = 0
        for begin in range(0, steps, chunk):
            if state.stop.is_set():
                break
            end = min(begin + chunk, steps)
            count, valid = encode(
                self.samples, self.encoder, begin, end, first, first + samples, encoded
            )
            if not valid:
                self.reject()
            misfits += count
            extent = Extent(
                *(
                    np.uint64(value)
                    for value in (
                        begin, end, batch, first, samples, tile,
                        self.plan.sizes.neurons, self.plan.constants,
                    )
                )
            )  # fmt: skip
            run_steps(self.tables, self.plan.parameters, memory, self.recorded, encoded, extent)
            state.add((end - begin) * samples)
            if progress is not None:
                progress(state.done, state.total)
        return misfits

    def reject(self) -> None:
        """Raise what the specification raises for invalid samples."""
        population = self.network.input
        samples = check_samples(self.samples, population.size, population.graded)
        population.word.encode(samples, population.fraction)

    def trace(self) -> Trace:
        """Everything that the run left."""
        saturations: dict[str, dict[str, int]] = {}
        for name, row in self.plan.rows.items():
            saturations[name] = {
                COUNTER_NAMES[counter]: int(self.counts[row, counter])
                for counter in Counter
                if self.counts[row, counter]
            }
        encoding = sum(self.encoding_misfits)
        if encoding:
            population = self.network.input
            saturations[population.name][population.variables[0]] = encoding
        return make_trace(self.arrays, self.outputs, saturations, self.end)
