"""What a network has learned, as flat arrays that the kernels change, and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ltc2hw.graph.trace import State
from ltc2hw.learning.fixed import IntegerRule, network_value
from ltc2hw.learning.learned import Eligibility, Learning
from ltc2hw.learning.neurons import fixed_of
from ltc2hw.learning.rule import WEIGHTS, Memory, Parameter, feedback_mantissas
from ltc2hw.simulations.plasticity.layout import Array, Layout, ordered

SENT = "sent:"
"""First part of the name under which a state keeps past messages."""


@dataclass(frozen=True, eq=False)
class Buffers:
    """Everything that the kernels change."""

    values: Array
    means: Array
    gradients: Array
    """Synapses in rows; weights that do not learn are values alone."""
    vector_values: Array
    vector_means: Array
    vector_gradients: Array
    cells: Array
    sent: Array
    feedback: Array
    """Weights of random feedback, each projection's in rows; empty for symmetric feedback."""
    eligible: Array
    """What the values of every parameter keep, each state's words as values lie."""


def pack(layout: Layout, learning: Learning) -> Buffers:
    """Copy what a network has learned, and its registers, into arrays for the kernels."""
    chip = layout.chip
    values, means, gradients = (np.zeros(layout.synapses, layout.dtype) for _ in range(3))
    for index, connection in enumerate(chip.network.projections):
        at = piece(layout, index)
        memory = learning.memories.get(weights_parameter(chip, index))
        words = (connection.weights.values,) if memory is None else memory
        for array, numbers in zip((values, means, gradients), words, strict=False):
            array[at] = packed(layout, index, numbers)
    vector_values, vector_means, vector_gradients = (
        np.zeros(layout.learned, np.int64) for _ in range(3)
    )
    vectors = [parameter for parameter in chip.parameters if parameter.projection is None]
    for record, parameter in zip(layout.vectors, vectors, strict=True):
        at = slice(int(record["start"]), int(record["start"] + record["size"]))
        vector_values[at], vector_means[at], vector_gradients[at] = learning.memories[parameter]
    cells = pack_constants(layout, learning)
    sent = np.zeros(layout.sent, layout.dtype)
    pack_registers(layout, learning.registers, cells, sent)
    return Buffers(
        values,
        means,
        gradients,
        vector_values,
        vector_means,
        vector_gradients,
        cells,
        sent,
        pack_feedback(layout),
        pack_eligibility(layout, learning),
    )


def unpack(layout: Layout, buffers: Buffers, updates: int, moves: int = 0) -> Learning:
    """Copy the arrays of the kernels back."""
    chip = layout.chip
    memories: dict[Parameter, Memory] = {}
    vectors = iter(layout.vectors)
    for parameter in chip.parameters:
        if parameter.projection is None:
            record = next(vectors)
            at = slice(int(record["start"]), int(record["start"] + record["size"]))
            arrays = (buffers.vector_values, buffers.vector_means, buffers.vector_gradients)
            memories[parameter] = Memory(*(array[at].copy() for array in arrays))
        else:
            index = parameter.projection
            arrays = (buffers.values, buffers.means, buffers.gradients)
            memories[parameter] = Memory(*(unpacked(layout, index, array) for array in arrays))
    return Learning(
        memories,
        unpack_registers(layout, buffers),
        updates,
        eligibility=unpack_eligibility(layout, buffers),
        moves=moves,
    )


def kept_words(layout: Layout) -> Iterator[tuple[Parameter, str, slice]]:
    """Parameters, their states, and where the words for them lie."""
    for record, parameter in zip(layout.eligible, ordered(layout.chip), strict=True):
        form = layout.chip.formats[parameter].eligibility
        start, size = int(record["start"]), int(record["size"])
        for number, state in enumerate(() if form is None else form.states):
            yield parameter, state, slice(start + number * size, start + (number + 1) * size)


def pack_eligibility(layout: Layout, learning: Learning) -> Array:
    """What every value keeps, in the order of the values."""
    words = np.zeros(layout.kept, np.int32)
    for parameter, state, at in kept_words(layout):
        own = learning.eligibility[parameter][state]
        index = parameter.projection
        words[at] = own if index is None else packed(layout, index, own)
    return words


def unpack_eligibility(layout: Layout, buffers: Buffers) -> Eligibility:
    """What every value keeps, as a learner reads it; parameters in the rule's order."""
    found: dict[Parameter, dict[str, Array]] = {}
    for parameter, state, at in kept_words(layout):
        own = buffers.eligible[at].astype(np.int64)
        if parameter.projection is not None:
            own = in_order(layout, parameter.projection, own)
        found.setdefault(parameter, {})[state] = own
    return {
        parameter: found[parameter] for parameter in layout.chip.parameters if parameter in found
    }


def packed(layout: Layout, index: int, numbers: Array) -> Array:
    """A projection's numbers in the order of its rows."""
    order = layout.orders.get(index)
    if order is None:
        shape = layout.chip.network.projections[index].weights.shape
        return in_rows(layout.projections[index], numbers.reshape(shape))
    return numbers[order]


def piece(layout: Layout, index: int) -> slice:
    """Where a projection's synapses lie."""
    start = int(layout.projections[index]["start"])
    return slice(start, start + layout.chip.network.projections[index].weights.values.size)


def in_rows(record: Any, matrix: Array) -> Array:
    """A matrix (N_target, N_source) in the order of a projection's rows."""
    return (matrix.T if record["by_source"] else matrix).ravel()


def unpacked(layout: Layout, index: int, array: Array) -> Array:
    """A projection's piece of an array in the order of its values."""
    return in_order(layout, index, array[piece(layout, index)].astype(np.int64))


def in_order(layout: Layout, index: int, rows: Array) -> Array:
    """A projection's rows in the order of its values."""
    record, order = layout.projections[index], layout.orders.get(index)
    shape = int(record["targets"]), int(record["sources"])
    if order is not None:
        values = np.empty_like(rows)
        values[order] = rows
        return values
    if record["by_source"]:
        rows = np.ascontiguousarray(rows.reshape(shape[::-1]).T).ravel()
    return rows


def weights_parameter(chip: IntegerRule, index: int) -> Parameter:
    """The parameter that a projection's weights would be."""
    connection = chip.network.projections[index]
    return Parameter(connection.target, connection.port, WEIGHTS, index)


def pack_constants(layout: Layout, learning: Learning) -> Array:
    """Cells with the constants of all neurons in them; those that learn as their memories are."""
    network = layout.chip.network
    cells = np.zeros(layout.cells, np.int64)
    cells[layout.ones : layout.ones + max(p.size for p in network.populations)] = 1
    for name, placed in layout.placed.items():
        neurons = fixed_of(network.population(name))
        for start, number in placed.numbers.items():
            cells[start : start + neurons.size] = number
        for constant, start in placed.constants.items():
            cells[start : start + neurons.size] = neurons.constants[constant]
    vectors = [parameter for parameter in layout.chip.parameters if parameter.projection is None]
    for record, parameter in zip(layout.vectors, vectors, strict=True):
        value = learning.memories[parameter].value
        start = int(record["constant"])
        form = layout.chip.formats[parameter]
        cells[start : start + value.size] = network_value(form, value)
    return cells


def pack_feedback(layout: Layout) -> Array:
    """Random feedback weights of the projections that carry errors, in rows."""
    chip = layout.chip
    feedback = np.zeros(layout.back, np.int64)
    if chip.rule.feedback == "random":
        for index in chip.crossed:
            shape = chip.network.projections[index].weights.shape
            matrix = feedback_mantissas(chip.rule.feedback_seed, index, shape)
            record = layout.projections[index]
            start = int(record["back"])
            feedback[start : start + matrix.size] = in_rows(record, matrix)
    return feedback


def pack_registers(layout: Layout, registers: State, cells: Array, sent: Array) -> None:
    """Write registers and past messages where the kernels expect them before a step."""
    for name, values in registers.items():
        for register, array in values.items():
            size = array.shape[-1]
            if register.startswith(SENT):
                start, depth = past(layout, name, register.removeprefix(SENT))
                sent[start + size : start + depth * size] = array[:, 0].ravel()
            else:
                start = layout.placed[name].states[register]
                cells[start : start + size] = array[0]


def unpack_registers(layout: Layout, buffers: Buffers) -> State:
    """Read registers and past messages after a step."""
    result: dict[str, dict[str, Array]] = {}
    for population in layout.chip.network.populations:
        result[population.name] = own = {}
        for register in population.registers:
            start = layout.placed[population.name].states[register]
            own[register] = buffers.cells[None, start : start + population.size].copy()
    for name, variable in layout.slots:
        start, depth = past(layout, name, variable)
        if depth > 1:
            size = layout.chip.network.population(name).size
            messages = buffers.sent[start + size : start + depth * size]
            result[name][SENT + variable] = messages.reshape(depth - 1, 1, size).astype(np.int64)
    return result


def past(layout: Layout, name: str, variable: str) -> tuple[int, int]:
    """Start and depth of a message's buffer: the step's message, then the past, latest first."""
    record = layout.messages[layout.slots[name, variable]]
    return int(record["start"]), int(record["depth"])
