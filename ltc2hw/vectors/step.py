"""A program run by the machine of blocks: the bits of its meaning, several times as fast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Program
from ltc2hw.dynamics.real import Reals, RealStep, Surrogate
from ltc2hw.numbers.words import FloatArray, IntArray
from ltc2hw.vectors.blocks import (
    ADDRESS,
    BLOCK,
    BLOCKS,
    BYTES,
    COLUMNS,
    DEST,
    PER_CHUNK,
    SCALARS,
    SLOT_COLUMNS,
    TABLES,
    machine,
)
from ltc2hw.vectors.sections import Functions, Sections, Work, sections_of

MOST_PROGRAMS = 1024
"""Programs whose instructions are kept."""


class VectorStep:
    """As :class:`~ltc2hw.dynamics.real.RealStep`, with the same bits, on whole arrays (B, N).

    Gates that have the integers' form are not evaluated where their argument is not finite: what
    comes out of them is no number there.

    >>> from ltc2hw.dynamics.program import Builder
    >>> made = Builder("real")
    >>> sum_ = made.add(Operation.ADD, *(made.add(Operation.PORT, name=name) for name in "ab"))
    >>> step = VectorStep(made.program({"sum": sum_}), {})
    >>> step({}, {"a": np.array([[0.5, 1.0]]), "b": np.ones((1, 2))}, {})["sum"]
    array([[1.5, 2. ]])
    """

    def __init__(
        self,
        program: Program,
        functions: Functions,
        results: tuple[str, ...] = (),
        known: tuple[str, ...] = (),
        surrogate: Surrogate | None = None,
    ) -> None:
        wanted = results or tuple(program.results)
        self.readable = partial(RealStep, program, functions, wanted, known, surrogate)
        self.code = _code(program, functions, wanted, known, surrogate)
        self.memory: _Memory | None = None

    def __call__(
        self, constants: Reals, ports: Reals, states: Reals, known: Reals | None = None
    ) -> dict[str, FloatArray]:
        """As :func:`~ltc2hw.dynamics.real.evaluate_real`.

        Arrays that are not all of one shape (B, N) are left to the readable step.
        """
        sources = {Operation.PORT: ports, Operation.STATE: states, None: known or {}}
        given = {
            slot: sources[leaf][name] for slot, (leaf, name) in self.code.sections.planes.items()
        }
        shape = _shape(given)
        if shape is None:
            return self.readable()(constants, ports, states, known)
        if self.memory is None or not self.memory.fits(shape, constants):
            self.memory = _Memory(self.code, shape, constants)
        return self.memory.run(given)


def _shape(given: Mapping[int, FloatArray]) -> tuple[int, int] | None:
    """What all arrays have in common, None where they have not."""
    shapes = {array.shape for array in given.values() if array.dtype == np.float64}
    if len(shapes) != 1 or any(array.dtype != np.float64 for array in given.values()):
        return None
    (shape,) = shapes
    return (shape[0], shape[1]) if len(shape) == 2 and 0 not in shape else None


class _Code:
    """Instructions of a program as the machine reads them, and what they point to."""

    def __init__(self, sections: Sections, rows: RealStep) -> None:
        self.sections = sections
        self.rows = rows
        self.kept: list[FloatArray] = []
        self.parts = [(self._table(s.kernels), s.functions) for s in sections.sections]

    def _table(self, kernels: tuple[Work, ...]) -> IntArray:
        table = np.zeros((len(kernels), COLUMNS), np.int64)
        addresses = machine().kernels
        for row, work in zip(table, kernels, strict=True):
            row[0] = addresses[work.kernel]
            row[DEST] = work.into
            row[BLOCKS : BLOCKS + len(work.slots)] = work.slots
            row[SCALARS] = self._keep(work.scalars)
            for place, entries in enumerate(work.tables):
                row[TABLES + place] = self._keep(entries)
        return table

    def _keep(self, numbers: Sequence[float]) -> int:
        """Address of numbers, 0 of none."""
        if not numbers:
            return 0
        self.kept.append(np.array(numbers, np.float64))
        return _address(self.kept[-1])


def _code(
    program: Program,
    functions: Functions,
    results: tuple[str, ...],
    known: tuple[str, ...],
    surrogate: Surrogate | None,
) -> _Code:
    key = (program.language, program.values, tuple(program.results.items()))
    gates = tuple((gate, functions[gate]) for gate in program.names(Operation.GATE))
    slopes = tuple((gate, functions[gate]) for gate in program.names(Operation.SLOPE))
    make = _kept_code if _hashable((gates, slopes, surrogate)) else _kept_code.__wrapped__
    return make(key, tuple(dict((*gates, *slopes)).items()), results, known, surrogate)


def _hashable(values: object) -> bool:
    try:
        hash(values)
    except TypeError:
        return False
    return True


@lru_cache(maxsize=MOST_PROGRAMS)
def _kept_code(
    key: tuple[Any, Any, Any],
    functions: tuple[tuple[str, Any], ...],
    results: tuple[str, ...],
    known: tuple[str, ...],
    surrogate: Surrogate | None,
) -> _Code:
    program = Program(key[0], key[1], dict(key[2]))
    own = dict(functions)
    sections = sections_of(program, own, results, known, surrogate)
    values = {str(slot): index for slot, index in sections.rows.items()}
    rows = RealStep(Program(program.language, program.values, values), own, surrogate=surrogate)
    return _Code(sections, rows)


class _Memory:
    """Where the slots of a program are for arrays of one shape and one set of constants."""

    def __init__(self, code: _Code, shape: tuple[int, int], constants: Reals) -> None:
        self.code, self.shape = code, shape
        self.constants = dict(constants)
        sections, size = code.sections, shape[1]
        self.period = max(1, BLOCK // size) * size
        self.slots = np.zeros((sections.slots, SLOT_COLUMNS), np.int64)
        self.places = np.zeros(sections.slots, np.int64)
        self.arrays: dict[int, FloatArray] = {}
        self.kept: list[FloatArray] = []
        rows = code.rows(constants, {}, {})
        for slot in sections.rows:
            self.arrays[slot] = rows[str(slot)]
            self._put(slot, np.resize(rows[str(slot)], self.period), (0, BYTES))
        for slot, number in sections.numbers.items():
            self.arrays[slot] = np.array(number)
            self._put(slot, np.full(BLOCK, number), (0, 0))
        for slot in sections.scratch:
            self._put(slot, np.empty(BLOCK), (0, 0))
        own = set(sections.results.values())
        self.fresh = [slot for slot in sections.made if slot in own]
        for slot in (*sections.planes, *sections.made):
            self.slots[slot, PER_CHUNK:] = BYTES, BYTES
        self._place(sorted(sections.made - own), np.empty((len(sections.made - own), *shape)))

    def _put(self, slot: int, array: FloatArray, moves: tuple[int, int]) -> None:
        self.kept.append(array)
        self.slots[slot] = (_address(array), *moves)

    def _place(self, slots: Sequence[int], arrays: FloatArray) -> None:
        """Let slots be the arrays that lie one after the other in an array."""
        self.arrays.update(zip(slots, arrays, strict=True))
        first, each = _address(arrays), self.shape[0] * self.shape[1] * BYTES
        for place, slot in enumerate(slots):
            self.slots[slot, ADDRESS] = first + place * each

    def fits(self, shape: tuple[int, int], constants: Reals) -> bool:
        """Whether this was made for such arrays, and for these constants, which cannot change."""
        own = self.constants
        return shape == self.shape and all(
            values is own.get(name)
            and isinstance(values, np.ndarray)
            and not values.flags.writeable
            for name, values in constants.items()
        )

    def run(self, given: Mapping[int, FloatArray]) -> dict[str, FloatArray]:
        """Results by name, new arrays where they are not leaves."""
        for slot, array in given.items():
            self._place((slot,), np.ascontiguousarray(array)[None])
        self._place(self.fresh, np.empty((len(self.fresh), *self.shape)))
        run, total = machine().run, self.shape[0] * self.shape[1]
        slots, places = _address(self.slots), _address(self.places)
        for table, functions in self.code.parts:
            if len(table):
                code = _address(table)
                run(code, len(table), slots, len(self.slots), places, total, self.period)
            for work in functions:
                assert work.function is not None
                made = work.function(*(self.arrays[slot] for slot in work.slots))
                made = np.ascontiguousarray(np.broadcast_to(made, self.shape))
                self._place((work.into,), made[None])
        return {name: self.arrays[slot] for name, slot in self.code.sections.results.items()}


def _address(array: npt.NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])
