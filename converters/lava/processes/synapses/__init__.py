"""Synapses that hold Φ, Φ̄ and λ, and learn by the factors of their targets.

A connection answers one chip step after what it reads, as Lava's Dense does, so recurrence cannot
block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from ltc2hw.converters.lava.processes.beat import Beat, Journal, Moment
from ltc2hw.converters.lava.processes.plastic_arithmetic import Plastic, shifted
from ltc2hw.converters.lava.processes.scheduled import Integers
from ltc2hw.numbers.operators import Weights


@dataclass(frozen=True)
class Synapses:
    """A projection: what it computes, and when.

    ``weights``: the operator, whose values those of ``plastic`` replace if it learns; ``places``
    are then the targets and sources of its synapses. ``back``: weights of the feedback, None for
    the projection's own; ``back_fraction`` of their fractional bits, None where no error goes back,
    as through kernels. Phases: ``heard`` when the source sends, ``answered`` one before the target
    acts, ``corrected`` when the target's factors arrive, and its moves, which are called ``moves``.
    """

    name: str
    weights: Weights
    plastic: Plastic | None
    places: tuple[Integers, Integers] | None
    exponent: int
    delay: int
    back: Integers | None
    back_fraction: int | None
    heard: int
    answered: int
    corrected: int
    moves: tuple[str, ...] = ()


class PlasticDense(AbstractProcess):
    """Synapses that learn: ``a = (top bits of Φ @ message) << exponent``, updates by factors.

    Ports: ``s_in`` messages, ``factor_in`` post-synaptic factors, ``moves_in`` how the targets move
    where that is kept; ``a_out`` sums, ``credit_out``
    factors through the feedback weights.
    """

    def __init__(self, *, synapses: Synapses, beat: Beat, file: str, name: str) -> None:
        super().__init__(synapses=synapses, beat=beat, file=file, name=name)
        targets, sources = synapses.weights.shape
        self.s_in = InPort(shape=(sources,))
        self.factor_in = InPort(shape=(targets,))
        self.moves_in = InPort(shape=(max(1, len(synapses.moves)) * targets,))
        self.a_out = OutPort(shape=(targets,))
        self.credit_out = OutPort(shape=(sources,))
        first, held = synapses.plastic, synapses.weights.values
        shape = held.shape
        self.value = Var(shape=shape, init=held if first is None else first.value)
        self.mean = Var(shape=shape, init=0 if first is None else first.mean)
        self.gradient = Var(shape=shape, init=0)


@implements(proc=PlasticDense, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PlasticDenseModel(PyLoihiProcessModel):
    """Integer arithmetic of :class:`PlasticDense`."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    factor_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    moves_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    credit_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    value: Integers = LavaPyType(np.ndarray, np.int64)
    mean: Integers = LavaPyType(np.ndarray, np.int64)
    gradient: Integers = LavaPyType(np.ndarray, np.int64)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.synapses: Synapses = proc_params["synapses"]
        self.beat: Beat = proc_params["beat"]
        name = self.synapses.name
        self.learned = {} if self.synapses.plastic is None else {name: self.synapses.plastic}
        self.journal = Journal(proc_params["file"], self.beat)
        targets, sources = self.synapses.weights.shape
        self.heard: dict[int, Integers] = {}
        self.message = np.zeros(sources, np.int64)
        self.sums = np.zeros(targets, np.int64)
        self.credit = np.zeros(sources, np.int64)

    def run_spk(self) -> None:
        """Answer what was read in the step before, then read."""
        self.a_out.send(self.sums)
        self.credit_out.send(self.credit)
        message = self.s_in.recv().astype(np.int64)
        factors = self.factor_in.recv().astype(np.int64)
        moves = self.moves_in.recv().astype(np.int64)
        self.sums, self.credit = np.zeros_like(self.sums), np.zeros_like(self.credit)
        now = self.beat.at(self.time_step - 1)
        if now.phase == self.synapses.heard:
            self.heard[now.step] = message
        if now.phase == self.synapses.answered:
            # Steps before the sample were silent.
            silence = np.zeros_like(message)
            self.message = self.heard.get(now.step - self.synapses.delay, silence)
            self.sums = self.weights().apply(self.message[None])[0] << self.synapses.exponent
        if now.phase == self.synapses.corrected:
            self.correct(factors, moves, now)
            self.journal.keep(now.number, self.learned, {})

    def weights(self) -> Weights:
        """What the network computes with."""
        s = self.synapses
        return s.weights if s.plastic is None else s.weights.with_values(s.plastic.network)

    def correct(self, factors: Integers, moves: Integers, now: Moment) -> None:
        """Send errors back through the weights that were used, then learn, then keep.

        A step without a goal is kept alone.
        """
        s = self.synapses
        if now.update is not None and s.back_fraction is not None:
            back = self.weights().to_array() if s.back is None else s.back
            self.credit = shifted(factors @ back, s.back_fraction)
        if s.plastic is None:
            return
        assert s.places is not None
        targets, sources = s.places
        size = s.weights.shape[0]
        split = moves[: len(s.moves) * size].reshape(-1, size)
        own = {name: row[targets] for name, row in zip(s.moves, split, strict=True)}
        met = self.message[sources]
        if now.step == 0:
            s.plastic.begin()
        if now.update is not None:
            s.plastic.descend(factors[targets] * met, own, now.update)
            self.value[:], self.mean[:] = s.plastic.value, s.plastic.mean
            self.gradient[:] = s.plastic.gradient
        s.plastic.move(met, own, now.number)
