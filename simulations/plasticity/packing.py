"""What a network has learned, as flat arrays that the kernels change, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ltc2hw.converters.populations import FixedLTC, FixedReadout
from ltc2hw.graph.fixed import FixedInput
from ltc2hw.graph.trace import State
from ltc2hw.learning.fixed import IntegerRule, network_value
from ltc2hw.learning.learned import Learning
from ltc2hw.learning.rule import Memory, Parameter, feedback_mantissas
from ltc2hw.simulations.plasticity.layout import Array, Layout
from ltc2hw.simulations.plasticity.tables import CONSTANT_OF, Constant, Row


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
    constants: Array
    state: Array
    sent: Array
    feedback: Array
    """Weights of random feedback, laid out as ``values``; empty for symmetric feedback."""


def pack(layout: Layout, learning: Learning) -> Buffers:
    """Copy what a network has learned, and its registers, into arrays for the kernels."""
    chip = layout.chip
    values, means, gradients = (np.zeros(layout.synapses, layout.dtype) for _ in range(3))
    for index, (record, connection) in enumerate(
        zip(layout.projections, chip.network.projections, strict=True)
    ):
        at = piece(record)
        memory = learning.memories.get(weights_parameter(chip, index))
        if memory is None:
            values[at] = in_rows(record, connection.weights.to_array())
        else:
            shape = connection.weights.shape
            for array, numbers in zip((values, means, gradients), memory, strict=True):
                array[at] = in_rows(record, numbers.reshape(shape))
    vector_values, vector_means, vector_gradients = (
        np.zeros(layout.learned, np.int64) for _ in range(3)
    )
    vectors = [parameter for parameter in chip.parameters if parameter.projection is None]
    for record, parameter in zip(layout.vectors, vectors, strict=True):
        at = slice(int(record["start"]), int(record["start"] + record["size"]))
        vector_values[at], vector_means[at], vector_gradients[at] = learning.memories[parameter]
    state = np.zeros((len(Row), layout.neurons), np.int64)
    state[Row.ONES] = 1
    sent = np.zeros(layout.sent, layout.dtype)
    pack_registers(layout, learning.registers, state, sent)
    return Buffers(
        values,
        means,
        gradients,
        vector_values,
        vector_means,
        vector_gradients,
        pack_constants(layout, learning),
        state,
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
            record = layout.projections[parameter.projection]
            arrays = (buffers.values, buffers.means, buffers.gradients)
            memories[parameter] = Memory(*(from_rows(record, array) for array in arrays))
    return Learning(memories, unpack_registers(layout, buffers), updates)


def piece(record: Any) -> slice:
    """Where a projection's synapses lie."""
    start = int(record["start"])
    return slice(start, start + int(record["sources"] * record["targets"]))


def in_rows(record: Any, matrix: Array) -> Array:
    """A matrix (N_target, N_source) in the order of a projection's rows."""
    return (matrix.T if record["by_source"] else matrix).ravel()


def from_rows(record: Any, array: Array) -> Array:
    """A projection's piece of an array as values of a matrix (N_target, N_source)."""
    shape = int(record["targets"]), int(record["sources"])
    rows = array[piece(record)].astype(np.int64)
    if record["by_source"]:
        rows = np.ascontiguousarray(rows.reshape(shape[::-1]).T).ravel()
    return rows


def weights_parameter(chip: IntegerRule, index: int) -> Parameter:
    """The parameter that a projection's weights would be."""
    connection = chip.network.projections[index]
    return Parameter(connection.target, connection.port, "weights", index)


def pack_constants(layout: Layout, learning: Learning) -> Array:
    """Constants of all neurons; those that learn as their memories have them."""
    constants = np.zeros((len(Constant), layout.neurons), np.int64)
    for population in layout.chip.network.populations:
        if isinstance(population, FixedInput):
            continue
        assert isinstance(population, (FixedLTC, FixedReadout))
        first = layout.firsts[population.name]
        at = slice(first, first + population.size)
        constants[Constant.BIAS_CURRENT, at] = population.bias_current
        constants[Constant.MEM_BIAS, at] = population.tau_mem.bias
        constants[Constant.MEM_FROM_STATE, at] = population.tau_mem.from_state.values
        constants[Constant.MEM_FROM_CURRENT, at] = population.tau_mem.from_current.values
        if isinstance(population, FixedLTC):
            constants[Constant.ADP_BIAS, at] = population.tau_adp.bias
            constants[Constant.ADP_FROM_STATE, at] = population.tau_adp.from_state.values
            constants[Constant.ADP_FROM_CURRENT, at] = population.tau_adp.from_current.values
            constants[Constant.THRESHOLD, at] = population.threshold
            constants[Constant.STRENGTH, at] = population.adaptation_strength.values
    for parameter, memory in learning.memories.items():
        if parameter.projection is None:
            row = CONSTANT_OF[parameter.port, parameter.term]
            first = layout.firsts[parameter.population]
            form = layout.chip.formats[parameter]
            constants[row, first : first + memory.value.size] = network_value(form, memory.value)
    return constants


def pack_feedback(layout: Layout) -> Array:
    """Random feedback weights of the projections that carry errors, by source."""
    chip = layout.chip
    if chip.rule.feedback == "symmetric":
        return np.zeros(0, np.int64)
    feedback = np.zeros(layout.synapses, np.int64)
    for index in chip.crossed:
        shape = chip.network.projections[index].weights.shape
        matrix = feedback_mantissas(chip.rule.feedback_seed, index, shape)
        record = layout.projections[index]
        feedback[piece(record)] = in_rows(record, matrix)
    return feedback


REGISTERS: Mapping[str, Row] = {
    "membrane": Row.MEMBRANE,
    "adaptation": Row.ADAPTATION,
    "spikes": Row.SPIKES,
}


def pack_registers(layout: Layout, registers: State, state: Array, sent: Array) -> None:
    """Write registers and past messages where the kernels expect them before a step."""
    for name, values in registers.items():
        first = layout.firsts[name]
        for register, array in values.items():
            size = array.shape[-1]
            if register in REGISTERS:
                state[REGISTERS[register], first : first + size] = array[0]
                continue
            start, depth = past(layout, name, register)
            sent[start + size : start + depth * size] = array[:, 0].ravel()


def unpack_registers(layout: Layout, buffers: Buffers) -> State:
    """Read registers and past messages after a step."""
    result: dict[str, dict[str, Array]] = {}
    for population in layout.chip.network.populations:
        first, size = layout.firsts[population.name], population.size
        result[population.name] = {
            register: buffers.state[REGISTERS[register], None, first : first + size].copy()
            for register in population.registers
        }
    for name, variable in layout.slots:
        register = f"sent:{variable}"
        start, depth = past(layout, name, register)
        if depth > 1:
            size = layout.chip.network.population(name).size
            messages = buffers.sent[start + size : start + depth * size]
            result[name][register] = messages.reshape(depth - 1, 1, size).astype(np.int64)
    return result


def past(layout: Layout, name: str, register: str) -> tuple[int, int]:
    """Start and depth of a message's buffer: the step's message, then the past, latest first."""
    variable: Any = register.removeprefix("sent:")
    record = layout.messages[layout.slots[name, variable]]
    return int(record["start"]), int(record["depth"])
