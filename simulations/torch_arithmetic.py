"""The integer arithmetic of :mod:`ltc2hw.simulations.integer` on tensors of any device.

All numbers are int64 of shape (B, N). Devices multiply matrices of doubles, not of integers, so
products and convolutions are taken in doubles, exact because no sum of a projection exceeds 2^53.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv1d, conv2d, pad

from ltc2hw.dynamics.operations import COUNTED, TABULATED, Operation
from ltc2hw.dynamics.schedule import schedule
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.fixed import FixedNetwork, message_word
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.nonlinearity import PLAN_SEGMENTS, TABLE_SPAN_BITS
from ltc2hw.numbers.weights import Dense, Sparse
from ltc2hw.numbers.words import IntArray, Overflow, Word

EXACT = 1 << 53
"""Doubles hold every integer up to this."""

Variables = Mapping[str, Tensor]


@dataclass(frozen=True)
class Stage:
    """Variables that a stage produced, and how many values did not fit (scalar tensors)."""

    values: Variables
    misfits: Variables


class Matrix:
    """Dense or sparse mantissas on a device, in doubles."""

    def __init__(self, weights: Dense | Sparse, device: torch.device) -> None:
        if isinstance(weights, Dense):
            self.matrix = torch.tensor(weights.to_array(), dtype=torch.float64, device=device)
            return
        coordinates = weights.to_scipy().tocoo()
        places = torch.tensor(np.stack([coordinates.row, coordinates.col]))
        values = torch.tensor(coordinates.data, dtype=torch.float64)
        with warnings.catch_warnings():
            # torch 2.11 says that checks are implicitly off, although they are asked for.
            warnings.filterwarnings("ignore", "Sparse invariant checks")
            matrix = torch.sparse_coo_tensor(places, values, weights.shape, check_invariants=True)
        self.matrix = matrix.coalesce().to(device)

    def weigh(self, message: Tensor) -> Tensor:
        """``mantissas @ message`` of every sample."""
        doubles = message.double().t()
        product = torch.sparse.mm if self.matrix.is_sparse else torch.mm
        return product(self.matrix, doubles).t().long()


class Kernel:
    """A convolution on a device, in doubles; never written out."""

    def __init__(self, weights: Conv, device: torch.device) -> None:
        self.weights = weights
        self.kernel = torch.tensor(weights.kernel, dtype=torch.float64, device=device)
        self.convolve = conv1d if len(weights.stride) == 1 else conv2d

    def weigh(self, message: Tensor) -> Tensor:
        """As :meth:`ltc2hw.numbers.convolution.Conv.apply`."""
        own = self.weights
        sides = [side for pair in reversed(own.padding) for side in pair]
        image = pad(message.double().reshape(-1, *own.sources), sides)
        # cuDNN may convolve by transforms, which are not exact.
        with torch.backends.cudnn.flags(enabled=False):
            sums = self.convolve(image, self.kernel, None, own.stride, 0, own.dilation, own.groups)
        return sums.flatten(1).long()


def placed_weights(network: FixedNetwork, device: torch.device) -> list[Matrix | Kernel]:
    """Weights of all projections on a device.

    Raises:
        InvalidValueError: if a sum could exceed 2^53.
    """
    placed: list[Matrix | Kernel] = []
    for projection in network.projections:
        source = network.population(projection.source)
        word = message_word(source, projection.variable)
        largest = np.full(source.size, max(word.maximum, -word.minimum), dtype=np.int64)
        weights = projection.weights
        total = int(weights.row_magnitudes(largest).max())
        if total > EXACT:
            name = f"{projection.source} to {projection.target}.{projection.port}"
            raise InvalidValueError(f"largest sum of {name}", total, "at most 2^53", "use integer")
        on_device = (
            Kernel(weights, device) if isinstance(weights, Conv) else Matrix(weights, device)
        )
        placed.append(on_device)
    return placed


def shift_toward_zero(values: Tensor, bits: int) -> Tensor:
    """``sign(x) * (|x| >> n)``."""
    return values.sign() * (values.abs() >> bits)


def fit(word: Word, values: Tensor) -> tuple[Tensor, Tensor]:
    """Bring integers into a word; also return how many did not fit."""
    if word.overflow is Overflow.SATURATE:
        fitted = values.clamp(word.minimum, word.maximum)
    else:
        fitted = ((values - word.minimum) & ((1 << word.bits) - 1)) + word.minimum
    return fitted, (fitted != values).sum()


def wrap(values: Tensor, bits: int, signed: int) -> Tensor:
    """Two's complement."""
    return fit(Word(bits, signed=bool(signed), overflow=Overflow.WRAP), values)[0]


def wrap_once(values: Tensor, bits: int, register_bits: int) -> Tensor:
    """As :func:`ltc2hw.numbers.words.wrap_once`, after the wrap of the register."""
    half = 1 << (bits - 1)
    held = wrap(values, register_bits, 1)
    over = torch.where(held > half, held - 2 * half, held)
    return torch.where(over <= -half, over + 2 * half, over)


def plan(x: Tensor, fraction: int, bits: int) -> Tensor:
    """As :func:`ltc2hw.numbers.nonlinearity.plan_integer`."""
    magnitude = x.abs()
    result = torch.full_like(x, 1 << bits)
    for eighths, slope, numerator, denominator in reversed(PLAN_SEGMENTS):
        line = (magnitude >> (slope + fraction - bits)) + (numerator << (bits - denominator))
        result = torch.where(magnitude < (eighths << (fraction - 3)), line, result)
    return torch.where(x < 0, (1 << bits) - result, result)


def look_up(table: Tensor, x: Tensor, fraction: int, index_bits: int) -> Tensor:
    """As :func:`ltc2hw.numbers.nonlinearity.lookup_integer`, of a plain table."""
    cell, _ = _cells(x, fraction, index_bits)
    return table[cell]


def interpolate(table: Tensor, x: Tensor, fraction: int, index_bits: int) -> Tensor:
    """As :func:`ltc2hw.numbers.nonlinearity.lookup_integer`, of an interpolated table."""
    cell, rest = _cells(x, fraction, index_bits)
    shift = fraction + TABLE_SPAN_BITS - index_bits
    return table[cell] + (((table[cell + 1] - table[cell]) * rest) >> shift)


def entry(table: Tensor, x: Tensor) -> Tensor:
    """Entry of a table; an index beyond its ends takes the end."""
    return table[x.clamp(0, table.shape[0] - 1)]


def _cells(x: Tensor, fraction: int, index_bits: int) -> tuple[Tensor, Tensor]:
    """Cells of arguments, and what is left of them there."""
    span = fraction + TABLE_SPAN_BITS
    half, shift = 1 << (span - 1), span - index_bits
    offset = x.clamp(-half, half - 1) + half
    cell = offset >> shift
    return cell, offset - (cell << shift)


MEANING: Mapping[Operation, Callable[..., Tensor]] = {
    Operation.ADD: torch.add,
    Operation.SUBTRACT: torch.subtract,
    Operation.MULTIPLY: torch.multiply,
    Operation.MINIMUM: torch.minimum,
    Operation.MAXIMUM: torch.maximum,
    Operation.GREATER: lambda a, b: (a > b).long(),
    Operation.SELECT: lambda condition, a, b: torch.where(condition != 0, a, b),
    Operation.SHIFT_LEFT: torch.bitwise_left_shift,
    Operation.SHIFT_RIGHT: torch.bitwise_right_shift,
    Operation.SHIFT_TOWARD_ZERO: shift_toward_zero,
    Operation.SATURATE: torch.clamp,
    Operation.WRAP: wrap,
    Operation.WRAP_ONCE: wrap_once,
    Operation.PLAN: plan,
    Operation.LOOK_UP: look_up,
    Operation.INTERPOLATE: interpolate,
    Operation.ENTRY: entry,
}
"""Operations on tensors; the look-ups take their table first."""


class Evaluator:
    """The program of some neurons on a device, with their constants there."""

    def __init__(self, neurons: FixedNeurons, device: torch.device) -> None:
        def placed(arrays: Mapping[str, IntArray]) -> dict[str, Tensor]:
            return {name: torch.tensor(a, device=device) for name, a in arrays.items()}

        self.neurons = neurons
        self.program = neurons.program
        self.constants = placed(neurons.constants)
        self.tables = placed(neurons.tables)
        self.numbers = {
            index: torch.tensor(int(value.numbers[0]), device=device)
            for index, value in enumerate(self.program.values)
            if value.operation is Operation.NUMBER
        }

    def evaluate(
        self, ports: Variables, states: Variables, results: tuple[str, ...], known: Variables
    ) -> Stage:
        """As :func:`ltc2hw.dynamics.integer.evaluate_integer`, all results (B, N)."""
        program = self.program
        leaves = {
            Operation.PARAMETER: self.constants, Operation.PORT: ports, Operation.STATE: states,
        }  # fmt: skip
        values = {program.results[name]: value for name, value in known.items()}
        counted = set(schedule(program, tuple(known), ()))
        shape = next(iter((*ports.values(), *states.values()))).shape
        misfits: dict[str, Tensor] = {}
        for index in schedule(program, results, tuple(known)):
            value = program.values[index]
            if index in self.numbers:
                values[index] = self.numbers[index]
                continue
            if value.operation in leaves:
                values[index] = leaves[value.operation][value.name]
                continue
            arguments = [values[argument] for argument in value.arguments]
            if value.operation in TABULATED:
                arguments.insert(0, self.tables[value.name])
            numbers = map(int, value.numbers)
            values[index] = MEANING[value.operation](*arguments, *numbers)
            if value.operation in COUNTED and index not in counted:
                lost = (values[index] != arguments[0]).expand(shape).sum()
                misfits[value.name] = misfits.get(value.name, 0) + lost
        found = {name: values[program.results[name]].expand(shape) for name in results}
        return Stage(found, misfits)
