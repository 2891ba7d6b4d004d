"""What a float network has learned, as flat arrays that the kernels change, and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ltc2hw.graph.neurons import Neurons
from ltc2hw.graph.trace import State
from ltc2hw.learning.learned import Learning
from ltc2hw.learning.rule import Memory, Parameter, feedback_matrix
from ltc2hw.numbers.operators import expanded
from ltc2hw.numbers.words import FloatArray
from ltc2hw.simulations.plasticity.float_layout import FloatLayout
from ltc2hw.simulations.plasticity.float_tables import Array, FloatMemory
from ltc2hw.simulations.plasticity.packing import SENT


def pack(layout: FloatLayout, learning: Learning) -> FloatMemory:
    """Copy what a network has learned, and its registers, into arrays for the kernels."""
    network = layout.learner.network
    values, means, gradients = (np.zeros(layout.values) for _ in range(3))
    for index, connection in enumerate(network.projections):
        at, order = synapses(layout, index), layout.orders[index]
        values[at] = expanded(connection.weights).values[order]
    cells = _constants(layout)
    for (parameter, memory), at in zip(learning.memories.items(), learned(layout), strict=True):
        place = parameter.projection
        for array, numbers in zip((values, means, gradients), memory, strict=True):
            array[at] = numbers if place is None else numbers[layout.orders[place]]
    for record, at in zip(layout.tables.plastic, learned(layout), strict=True):
        if record["projection"] < 0:
            start = int(record["constant"])
            cells[start : start + at.stop - at.start] = values[at]
    _registers(layout, learning.registers, cells)
    longest, terms = layout.longest, layout.tables.terms.shape[1]
    return FloatMemory(
        cells, values, means, gradients,
        _kept(layout, learning), _feedback(layout, learning),
        np.zeros(longest), np.zeros(longest), np.zeros((terms, longest)), np.zeros(longest),
        np.zeros((terms, terms), np.int64), np.uint64(layout.gathered), np.uint64(longest),
        np.uint64(layout.zeros),
    )  # fmt: skip


def unpack(layout: FloatLayout, memory: FloatMemory, before: Learning, updates: int) -> Learning:
    """Copy the arrays of the kernels back, so many updates after a state."""
    memories: dict[Parameter, Memory] = {}
    for parameter, at in zip(layout.learner.parameters, learned(layout), strict=True):
        arrays = (memory.values[at], memory.means[at], memory.gradients[at])
        index = parameter.projection
        memories[parameter] = Memory(
            *(array.copy() if index is None else in_order(layout, index, array) for array in arrays)
        )
    eligibility: dict[Parameter, dict[str, Array]] = {}
    for (parameter, name), at in layout.kept.items():
        own, index = memory.kept[at], parameter.projection
        numbers = own.copy() if index is None else in_order(layout, index, own)
        eligibility.setdefault(parameter, {})[name] = numbers
    feedback = {
        index: in_order(layout, index, memory.back[_piece(layout, index)])
        for index in before.feedback
    }
    return replace(
        before,
        memories=memories,
        registers=registers_of(layout, before.registers, memory.cells),
        step=before.step + updates,
        eligibility=eligibility,
        feedback=feedback,
    )


def learned(layout: FloatLayout) -> list[slice]:
    """Where Φ, Φ̄ and λ of every parameter are."""
    return [slice(int(r["start"]), int(r["start"] + r["size"])) for r in layout.tables.plastic]


def synapses(layout: FloatLayout, index: int) -> slice:
    """Where a projection's synapses are."""
    return slice(layout.starts[index], layout.starts[index] + layout.orders[index].size)


def in_order(layout: FloatLayout, index: int, rows: FloatArray) -> FloatArray:
    """A projection's numbers in the order of its values."""
    values = np.empty_like(rows)
    values[layout.orders[index]] = rows
    return values


def _constants(layout: FloatLayout) -> FloatArray:
    """Cells with the constants of all neurons in them."""
    network, cells = layout.learner.network, np.zeros(layout.cells)
    cells[layout.ones : layout.ones + layout.longest] = 1.0
    for name, placed in layout.placed.items():
        neurons = network.population(name)
        assert isinstance(neurons, Neurons)
        for start, number in placed.numbers.items():
            cells[start : start + neurons.size] = number
        for constant, start in placed.constants.items():
            cells[start : start + neurons.size] = neurons.constants[constant]
    return cells


def _kept(layout: FloatLayout, learning: Learning) -> FloatArray:
    """What every value keeps."""
    numbers = np.zeros(sum(at.stop - at.start for at in layout.kept.values()))
    for (parameter, name), at in layout.kept.items():
        own, index = learning.eligibility[parameter][name], parameter.projection
        numbers[at] = own if index is None else own[layout.orders[index]]
    return numbers


def _piece(layout: FloatLayout, index: int) -> slice:
    """Where the feedback weights of a projection are that follow its weights."""
    return slice(layout.feeds[index], layout.feeds[index] + layout.orders[index].size)


def _feedback(layout: FloatLayout, learning: Learning) -> FloatArray:
    """Feedback weights that projections have of their own, source by source."""
    back, rule = np.zeros(layout.back), layout.learner.rule
    for index, start in layout.feeds.items():
        if index in learning.feedback:
            back[_piece(layout, index)] = learning.feedback[index][layout.orders[index]]
        else:
            shape = layout.learner.network.projections[index].weights.shape
            matrix = feedback_matrix(rule, index, shape)
            back[start : start + matrix.size] = matrix.T.ravel()
    return back


def _spans(layout: FloatLayout, state: State) -> dict[tuple[str, str], slice]:
    """Where registers and past messages are."""
    spans = {}
    for name, registers in state.items():
        for register, array in registers.items():
            start = (
                layout.histories[name, register.removeprefix(SENT)]
                if register.startswith(SENT)
                else layout.placed[name].states[register]
            )
            spans[name, register] = slice(start, start + array.size)
    return spans


def _registers(layout: FloatLayout, registers: State, cells: FloatArray) -> None:
    """Write registers and past messages where the kernels expect them before a step."""
    for (name, register), at in _spans(layout, registers).items():
        cells[at] = registers[name][register].ravel()


def registers_of(layout: FloatLayout, like: State, cells: FloatArray) -> State:
    """Read registers and past messages after a step, in the shapes of others."""
    result: dict[str, dict[str, Array]] = {name: {} for name in like}
    for (name, register), at in _spans(layout, like).items():
        result[name][register] = cells[at].copy().reshape(like[name][register].shape)
    return result
