"""Networks that learn in Lava's learning engine, readable: one NumPy connection per parameter."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import UnsupportedError
from ltc2hw.graph.fixed import FixedNetwork, recorded_dtype
from ltc2hw.graph.trace import Array, State
from ltc2hw.learning.engine_rule import GRAMMAR, TRACE_LIMIT
from ltc2hw.learning.goals import Course, Goals
from ltc2hw.learning.learned import Learned, Learning, Memories
from ltc2hw.learning.rule import FPTTRule, Memory, Parameter, parameter_name
from ltc2hw.learning.scope import require_reach, with_scope
from ltc2hw.learning.state import checked_learning
from ltc2hw.learning.values import read_parameter
from ltc2hw.learning.words import DRAW_BITS, time_weight
from ltc2hw.numbers.counter import draw
from ltc2hw.numbers.words import IntArray
from ltc2hw.simulations.driver import add_counts, sent_message
from ltc2hw.simulations.learning_engine.connection import (
    DELAY_RANGE,
    FRACTION_BITS,
    TAG_RANGE,
    WEIGHT_RANGE,
    Draws,
    Synapses,
    overflows,
    seen_by,
    update,
)
from ltc2hw.simulations.learning_engine.plan import (
    TRACE,
    EngineOptions,
    EnginePlan,
    LearningConnection,
    engine_plan,
    third_factor,
)
from ltc2hw.simulations.plasticity.integer import IntegerLearner, Observation
from ltc2hw.simulations.plasticity.stream import Misfits, Update, stream


def learn(
    network: FixedNetwork,
    x: npt.ArrayLike,
    targets: npt.ArrayLike,
    rule: FPTTRule,
    options: EngineOptions | None = None,
    learning: Learning | None = None,
    *,
    reset: bool = True,
    allow: Collection[str] = (),
    lengths: npt.ArrayLike | None = None,
) -> Learned[FixedNetwork]:
    """Learn a stream of S samples x (T, S, N_in) with the engine's arithmetic.

    Memories hold ``w``, ``t``, ``d`` as Φ, Φ̄, λ. The network that comes back has 9-bit weights
    where it learned; ``network`` can be that one or the one that it came from. ``lengths`` and
    ``allow`` as in :func:`ltc2hw.learn`; every step must have a label or target.

    Raises:
        ShapeError, InvalidValueError: for samples, labels or targets that do not fit.
        UnsupportedError: see :func:`~ltc2hw.simulations.learning_engine.plan.engine_plan`; for
            steps without a label or target.
    """
    plan = engine_plan(network, rule, options)
    scope = plan.scope()
    require_reach(scope, rule, allow)
    learner = EngineLearner(plan)
    learned = stream(learner, x, targets, learning, reset=reset, lengths=lengths)
    return with_scope(learned, scope)


class Met(NamedTuple):
    """What one update of a connection sees: messages (M,) and third factors (N,)."""

    message: IntArray
    third: IntArray


Watch = Callable[[Mapping[Parameter, Met], Learning], None]


class EngineLearner:
    """Learning in the engine, for one plan.

    ``watch`` is called after every update with what every connection met and what it then holds.
    """

    def __init__(self, plan: EnginePlan, watch: Watch | None = None) -> None:
        self.plan = plan
        self.network = plan.network
        self.dtype = recorded_dtype(plan.network)
        self.forward = IntegerLearner(plan.chip)
        self.watch = watch

    def start(self) -> Learning:
        """See :meth:`EnginePlan.start`."""
        return self.plan.start()

    def continued(self, learning: Learning) -> Learning:
        """A state to go on from, checked to fit the network and the engine's integers."""
        ranges = dict.fromkeys(self.plan.connections, (WEIGHT_RANGE, TAG_RANGE, DELAY_RANGE))
        held = {p: read_parameter(self.network, p) for p in self.plan.connections}
        shapes = {parameter: Memory(values, values, values) for parameter, values in held.items()}
        none = self.plan.untraced()
        like = Learning(shapes, self.rest(), 0, eligibility=none)
        words = dict.fromkeys(none, (0, TRACE_LIMIT))
        return checked_learning(learning, like, self.network, ranges, words)

    def rest(self) -> State:
        """Registers at zero, batch of one."""
        return self.forward.rest()

    def encode(self, x: npt.NDArray[np.float64], counts: Misfits | None = None) -> Array:
        """Samples as integers of the input's word; clipped ones are added to ``counts``."""
        return self.forward.encode(x, counts)

    def goals(self, targets: npt.ArrayLike, course: Course, counts: Misfits | None = None) -> Goals:
        """Labels, or targets with the readout's fraction, of every step; misfits are added.

        Raises:
            UnsupportedError: for a step without one.
        """
        goals = self.forward.goals(targets, course, counts)
        missing = np.argwhere(course.own & ~goals.wanted)
        if missing.size:
            step, sample = missing[0]
            raise UnsupportedError(
                GRAMMAR,
                f"step {step} of sample {sample}",
                "no label or target, and synapses learn in every epoch",
                "give every step one, or learn with engine='fast'",
            )
        return goals

    def adapted(self, memories: Memories) -> FixedNetwork:
        """The network that computes with the memories' weights."""
        return self.plan.adapted(memories)

    def check(self, learning: Learning) -> None:
        """Integers cannot leave their words."""

    def step(
        self, learning: Learning, x: Array, goal: Array | None, t: int, steps: int
    ) -> tuple[Update, Learning]:
        """Run one step on x (N_in,), compare with the goal, send third factors, learn."""
        assert goal is not None
        network = self.adapted(learning.memories)
        weight = time_weight(self.plan.chip.rule, t, steps)
        seen = self.forward.observe(network, learning.registers, x, goal, weight)
        options = self.plan.options
        draws = Draws.of_updates(learning.step, 1, options.seed, options.epoch)
        met: dict[Parameter, Met] = {}
        memories: dict[Parameter, Memory] = {}
        kept: dict[Parameter, dict[str, Array]] = {}
        descent: dict[Parameter, Array] = {}
        for parameter, connection in self.plan.connections.items():
            met[parameter], clipped = self.meet(
                parameter, connection, seen, learning.registers, learning.step
            )
            old = Synapses(
                *(
                    values.reshape(shape_of(met[parameter]))
                    for values in learning.memories[parameter]
                )
            )
            before = learning.eligibility.get(parameter, {}).get(TRACE)
            there = seen_by(connection.rule, before, *met[parameter], draws, 0, options.arrival)
            if before is not None:
                kept[parameter] = {TRACE: there.pre}
            new = update(
                connection.rule,
                old,
                there,
                learning.step,
                self.rounding(parameter, connection, learning.step, draws),
                options.extra_bits,
            )
            memories[parameter] = Memory(*(values.ravel() for values in new))
            entered = met[parameter].message if before is None else there.pre
            descent[parameter] = np.outer(met[parameter].third, entered).ravel()
            lost = {"third factor": clipped, **at_limits(new)}
            if before is not None:
                lost["trace"] = overflows(connection.rule, before, met[parameter].message)
            add_counts(seen.counts, {parameter_name(network, parameter): lost})
        following = Learning(memories, seen.registers, learning.step + 1, eligibility=kept)
        if self.watch is not None:
            self.watch(met, following)
        return Update(seen.output, descent, seen.counts), following

    def meet(
        self,
        parameter: Parameter,
        connection: LearningConnection,
        seen: Observation,
        registers: State,
        number: int,
    ) -> tuple[Met, int]:
        """Message and third factor of a connection, and how many of the latter saturated."""
        options = self.plan.options
        factor = seen.factors[parameter.population, parameter.port][0]
        message = np.ones(1, dtype=np.int64)
        if parameter.projection is not None:
            projection = self.network.projections[parameter.projection]
            message = sent_message(registers, seen.step.messages, projection)[0]
        bits = None
        if options.factor_rounding == "stochastic":
            bits = draw(self.plan.update_key(number), self.plan.third_index(parameter))
        third = third_factor(factor, connection.third_shift, bits, options.extra_bits)
        free = third_factor(factor, connection.third_shift, bits, 24)
        return Met(message, third), int(np.count_nonzero(free != third))

    def rounding(
        self, parameter: Parameter, connection: LearningConnection, number: int, draws: Draws
    ) -> Array | float:
        """The draw that rounds all synapses, or one for each."""
        if self.plan.options.draws == "shared":
            return float(draws.rounding[0])
        size = self.network.population(parameter.population).size
        sources = 1
        if parameter.projection is not None:
            sources = self.network.projections[parameter.projection].weights.shape[1]
        index = connection.first + np.arange(size * sources).reshape(size, sources)
        bits = FRACTION_BITS + self.plan.options.extra_bits
        top = draw(self.plan.update_key(number), index) >> (DRAW_BITS - bits)
        return np.ldexp(top.astype(np.float64), -bits)


def shape_of(met: Met) -> tuple[int, int]:
    """(N_target, N_source) of a connection."""
    return met.third.size, met.message.size


def at_limits(synapses: Synapses) -> dict[str, int]:
    """How many integers stand at a limit of theirs."""
    limits = (WEIGHT_RANGE, TAG_RANGE, DELAY_RANGE)
    return {
        name: int(np.count_nonzero((values <= low) | (values >= high)))
        for (name, values), (low, high) in zip(synapses._asdict().items(), limits, strict=True)
    }
