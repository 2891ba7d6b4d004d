"""Runs of samples of unequal lengths: pieces between the samples' ends, put together.

A piece carries the samples that have not ended, on from the state of the piece before. So an engine
runs each sample for its own steps, although all that it knows is samples of one length.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ltc2hw.graph.trace import Array, State, Trace, make_trace
from ltc2hw.numbers.words import IntArray

Run = Callable[[Array, State | None], Trace]
"""Runs samples (T, B, N_in) on from a state."""


def run_pieces(run: Run, x: Array, lengths: IntArray, state: State | None = None) -> Trace:
    """Run samples x (T, B, N_in), each for its own steps (B,), as if it ran alone.

    In the trace, arrays are zero after a sample's end, saturations are those of own steps, and
    ``state`` is that at each sample's end. What x holds after an end is not read. There are as many
    runs as different lengths.
    """
    start, alive = 0, np.arange(x.shape[1])
    joined: _Joined | None = None
    for end in np.unique(lengths).tolist():
        piece = run(x[start:end, alive], state)
        if joined is None:
            joined = _Joined(piece, *x.shape[:2])
        joined.add(piece, start, alive)
        goes_on = lengths[alive] > end
        joined.end(piece.state, ~goes_on, alive[~goes_on])
        state = _samples_of(piece.state, goes_on)
        start, alive = end, alive[goes_on]
    assert joined is not None
    return joined.trace()


class _Joined:
    """A trace of all samples, filled piece by piece."""

    def __init__(self, first: Trace, steps: int, batch: int) -> None:
        def room(array: Array) -> Array:
            return np.zeros((steps, batch, array.shape[2]), array.dtype)

        self.record = {
            name: {variable: room(array) for variable, array in variables.items()}
            for name, variables in _recorded(first).items()
        }
        self.outputs = room(first.outputs)
        self.counts: dict[str, dict[str, int]] = {name: {} for name in first.saturations}
        self.state = {
            name: {register: np.zeros_like(array) for register, array in registers.items()}
            for name, registers in first.state.items()
        }

    def add(self, piece: Trace, start: int, samples: IntArray) -> None:
        """Take in the steps of a piece, which ran these samples."""
        end = start + len(piece.outputs)
        self.outputs[start:end, samples] = piece.outputs
        for name, variables in _recorded(piece).items():
            for variable, array in variables.items():
                self.record[name][variable][start:end, samples] = array
        for name, counts in piece.saturations.items():
            own = self.counts[name]
            for variable, number in counts.items():
                own[variable] = own.get(variable, 0) + number

    def end(self, state: State, which: Array, samples: IntArray) -> None:
        """Keep the state of the samples that end with a piece; ``which`` they are of its."""
        for name, registers in _samples_of(state, which).items():
            for register, array in registers.items():
                self.state[name][register][..., samples, :] = array

    def trace(self) -> Trace:
        """Everything so far."""
        return make_trace(self.record, self.outputs, self.counts, self.state)


def _recorded(trace: Trace) -> dict[str, dict[str, Array]]:
    """Recorded arrays by population and variable, spikes included."""
    record: dict[str, dict[str, Array]] = {
        name: dict(variables) for name, variables in trace.states.items()
    }
    for name, spikes in trace.spikes.items():
        record[name]["spikes"] = spikes
    return record


def _samples_of(state: State, which: Array) -> State:
    """The registers of some samples: the last axis but one is theirs."""
    return {
        name: {register: array[..., which, :] for register, array in registers.items()}
        for name, registers in state.items()
    }
