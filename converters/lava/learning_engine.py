"""FPTT in Lava's own learning engine: ``LearningDense`` with the strings of a synapse rule."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from lava.magma.core.learning.constants import GradedSpikeCfg
from lava.magma.core.learning.learning_rule import Loihi3FLearningRule
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import LearningDense
from lava.proc.io.source import RingBuffer
from lava.utils.weightutils import SignMode

from ltc2hw.converters.lava.assembly import FIXED_POINT
from ltc2hw.converters.lava.inprocess import make_model
from ltc2hw.learning.engine_rule import OFFSET, SynapseRule
from ltc2hw.numbers.words import IntArray

SLOW = float(np.iinfo(np.uint16).max)
"""Time constant of traces that should not decay: the largest that Lava itself uses."""

GRADED_BITS = 8


@dataclass(frozen=True)
class Connection:
    """A learning connection at rest (``Φ̄ = Φ``, ``λ = 0``) and what reaches it.

    ``weights`` (N_target, N_source): even integers from -256 to 254, before the first update;
    ``messages`` (updates, N_source) and ``third`` (updates, N_target): what every update sees.
    ``graded``: messages are unsigned integers instead of spikes. ``epoch``: chip steps per update,
    ``arrival`` the one (from 1) in which messages come; third factors come in the last.
    ``cleared``: numbers of the updates before which the sources' traces are set to 0.
    """

    rule: SynapseRule
    weights: IntArray
    messages: IntArray
    third: IntArray
    graded: bool = False
    seed: int = 0
    epoch: int = 1
    arrival: int = 1
    cleared: Collection[int] = ()

    @property
    def delays(self) -> IntArray:
        """``λ = 0``."""
        return np.full_like(self.weights, OFFSET)


def learning_dense(connection: Connection) -> LearningDense:
    """Lava's process with the strings and integers of a connection."""
    kept = connection.rule.kept
    rule = Loihi3FLearningRule(
        **connection.rule.strings,
        x1_tau=SLOW if kept is None else kept.tau,
        x1_impulse=0 if kept is None else kept.impulse,
        t_epoch=connection.epoch,
        rng_seed=connection.seed,
    )
    graded = GradedSpikeCfg.USE_REGULAR_IMPULSE
    if connection.graded:
        graded = GradedSpikeCfg.OVERWRITE if kept is None else GradedSpikeCfg.ADD_WITH_SATURATION
    return LearningDense(
        weights=connection.weights,
        tag_1=connection.weights.copy(),
        tag_2=connection.delays,
        learning_rule=rule,
        graded_spike_cfg=graded,
        num_message_bits=GRADED_BITS if connection.graded else 0,
        sign_mode=SignMode.MIXED,
    )


def chip_messages(connection: Connection) -> IntArray:
    """Messages of every chip step (chip steps, N_source): silence but for the step of arrival."""
    updates, sources = connection.messages.shape
    steps = np.zeros((updates, connection.epoch, sources), dtype=np.int64)
    steps[:, connection.arrival - 1] = connection.messages
    return steps.reshape(-1, sources)


def chip_factors(connection: Connection) -> dict[str, IntArray]:
    """Third factors (chip steps, N_target) by port, sent in the last step of each epoch."""
    updates, targets = connection.third.shape
    steps = np.zeros((updates, connection.epoch, targets), dtype=np.int64)
    steps[:, -1] = connection.third
    signed = steps.reshape(-1, targets)
    if connection.rule.third_factor == "signed":
        return {"s_in_y1": signed}
    return {"s_in_y1": np.maximum(signed, 0), "s_in_y2": np.maximum(-signed, 0)}


@dataclass(frozen=True)
class Learnt:
    """Integers of the synapses (N_target, N_source) after an update, and of sources (N_source,)."""

    weights: IntArray
    tags: IntArray
    delays: IntArray
    traces: IntArray


class _Given:
    """Stand-in of an in-port: what it was given for this chip step."""

    def __init__(self, size: int) -> None:
        self.data = np.zeros(size, dtype=np.int64)

    def recv(self) -> IntArray:
        return self.data.copy()


def learn_in_process(connection: Connection) -> Iterator[Learnt]:
    """Every update of Lava's own model class, without its runtime.

    ``run_spk`` in every chip step, ``run_lrn`` where its guard says so: what Lava's scheduler does.
    """
    model = make_model(learning_dense(connection))
    messages, factors = chip_messages(connection), chip_factors(connection)
    cleared = {update * connection.epoch for update in connection.cleared}
    for port in ("s_in", "s_in_bap", "s_in_y1", "s_in_y2", "s_in_y3"):
        sources = connection.messages.shape[1]
        size = sources if port == "s_in" else connection.third.shape[1]
        setattr(model, port, _Given(size))
    for chip_step, message in enumerate(messages):
        if chip_step in cleared:
            model.x1 = np.zeros_like(model.x1)
        model.time_step = chip_step + 1
        model.s_in.data = message
        for port, values in factors.items():
            getattr(model, port).data = values[chip_step]
        model.run_spk()
        if model.lrn_guard():
            model.run_lrn()
            integers = model.weights, model.tag_1, model.tag_2, model.x1
            yield Learnt(*(array.copy() for array in integers))


def run(folder: Path, connection: Connection) -> None:
    """A job: learn in Lava's runtime and write the integers after every update.

    ``learned.npz`` holds weights, tags and delays, (updates, N_target, N_source) each, and traces
    (updates, N_source). What clears a trace is Lava's host, between two updates.
    """
    process = learning_dense(connection)
    sources = {"s_in": chip_messages(connection), **chip_factors(connection)}
    for port, values in sources.items():
        RingBuffer(data=values.T.astype(np.int32)).s_out.connect(getattr(process, port))
    configuration = Loihi2SimCfg(select_tag=FIXED_POINT)
    found: dict[str, list[IntArray]] = {"weights": [], "tag_1": [], "tag_2": [], "x1": []}
    for update in range(len(connection.messages)):
        if update and update in connection.cleared:
            process.x1.set(np.zeros(connection.messages.shape[1], dtype=np.int32))
        process.run(condition=RunSteps(connection.epoch), run_cfg=configuration)
        for name, arrays in found.items():
            arrays.append(getattr(process, name).get())
    process.stop()
    weights, tags, delays, traces = (np.stack(arrays) for arrays in found.values())
    np.savez(folder / "learned.npz", weights=weights, tags=tags, delays=delays, traces=traces)
