"""What a network has learned, as flat arrays that the kernels change, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ltc2hw.graph.trace import State
from ltc2hw.learning.fixed import IntegerRule, network_value
from ltc2hw.learning.learned import Learning
from ltc2hw.learning.neurons import fixed_of
from ltc2hw.learning.rule import WEIGHTS, Memory, Parameter, feedback_mantissas
from ltc2hw.simulations.plasticity.layout import Array, Layout

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


def pack(layout: Layout, learning: Learning) -> Buffers:
    """Copy what a network has learned, and its registers, into arrays for the kernels."""
    chip = layout.chip
    values, means, gradients = (np.zeros(layout.synapses, layout.dtype) for _ in range(3))
    for index, (record, connection) in enumerate(
        zip(layout.projections, chip.network.projections, strict=True)
    ):
        at, order = piece(layout, index), layout.orders.get(index)
        shape = connection.weights.shape
        memory = learning.memories.get(weights_parameter(chip, index))
        words = (connection.weights.values,) if memory is None else memory
        for array, numbers in zip((values, means, gradients), words, strict=False):
            if order is None:
                array[at] = in_rows(record, numbers.reshape(shape))
            else:
                array[at] = numbers[order]
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
    )


def unpack(layout: Layout, buffers: Buffers, updates: int) -> Learning:
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
    return Learning(memories, unpack_registers(layout, buffers), updates)


def piece(layout: Layout, index: int) -> slice:
    """Where a projection's synapses lie."""
    start = int(layout.projections[index]["start"])
    return slice(start, start + layout.chip.network.projections[index].weights.values.size)


def in_rows(record: Any, matrix: Array) -> Array:
    """A matrix (N_target, N_source) in the order of a projection's rows."""
    return (matrix.T if record["by_source"] else matrix).ravel()


def unpacked(layout: Layout, index: int, array: Array) -> Array:
    """A projection's piece of an array in the order of its values."""
    record, order = layout.projections[index], layout.orders.get(index)
    shape = int(record["targets"]), int(record["sources"])
    rows = array[piece(layout, index)].astype(np.int64)
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
