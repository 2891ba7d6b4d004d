"""Networks that learn in Lava's learning engine, compiled: the same bits as the readable one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.learning.engine_rule import ACCUMULATOR_BITS, EXPONENTS, Operand, Product
from ltc2hw.learning.learned import Counts, Learned, Learning
from ltc2hw.learning.rule import FPTTRule, Parameter, parameter_name
from ltc2hw.learning.scope import require_reach, with_scope
from ltc2hw.numbers.scalars import require_range
from ltc2hw.simulations.driver import add_counts
from ltc2hw.simulations.learning_engine.connection import FRACTION_BITS, Draws
from ltc2hw.simulations.learning_engine.integer import EngineLearner
from ltc2hw.simulations.learning_engine.kernels import CONNECTION, Drawn, Engine, run
from ltc2hw.simulations.learning_engine.plan import TRACE, EngineOptions, EnginePlan, engine_plan
from ltc2hw.simulations.plasticity.fast import in_pieces, memory_of, rule_of, tables_of
from ltc2hw.simulations.plasticity.layout import Layout, lay_out
from ltc2hw.simulations.plasticity.packing import Buffers, pack, unpack
from ltc2hw.simulations.plasticity.pieces import Piece
from ltc2hw.simulations.plasticity.stream import enter

NO_TRACE = -1
"""Place of the traces of a connection that keeps none."""

WIDEST_EXPONENT = 13
"""A product of 11 bits and a sign, shifted left by this and seven, is a 32-bit integer."""


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
    """Learn a stream, as :func:`ltc2hw.simulations.learning_engine.integer.learn`, compiled.

    Of the saturations it counts those of samples, targets and third factors.

    Raises:
        ShapeError, InvalidValueError, UnsupportedError: as the readable engine.
    """
    plan = engine_plan(network, rule, options)
    scope = plan.scope()
    require_reach(scope, rule, allow)
    layout = lay_out(plan.chip)
    learner = EngineLearner(plan)
    entered = enter(learner, x, targets, learning, reset=reset, lengths=lengths)
    first = entered.start.step
    buffers = buffers_of(plan, layout, entered.start)
    clipped = np.zeros(len(plan.connections), np.int64)
    tables, memory = tables_of(layout, buffers.feedback), memory_of(layout, buffers, np.int32)
    engine = engine_of(plan, layout, entered.start)
    constants = rule_of(plan.chip), connections_of(plan, layout), engine
    drawn = drawn_of(plan.options, first, entered.goals.updates)

    def compute(piece: Piece) -> None:
        own = Drawn(*(draws[piece.update : piece.update + piece.updates] for draws in drawn))
        run(tables, memory, *constants, own, *piece.arrays, clipped, first + piece.update,
            piece.fresh)  # fmt: skip

    outputs = in_pieces(layout, entered, compute)
    after = unpack(layout, buffers, first + entered.goals.updates)
    after = replace(
        after,
        memories={p: after.memories[p] for p in plan.connections},
        eligibility={p: {TRACE: engine.traces[at].copy()} for p, at in places(plan).items()},
    )
    names = (parameter_name(plan.network, parameter) for parameter in plan.connections)
    counts = entered.counts
    thirds = {name: {"third factor": int(n)} for name, n in zip(names, clipped, strict=True)}
    add_counts(counts, thirds)
    said = outputs.astype(learner.dtype)
    return with_scope(Learned(plan.adapted(after.memories), after, said, nonempty(counts)), scope)


def nonempty(counts: Counts) -> Counts:
    """Counts without names that have none."""
    return {name: own for name, own in counts.items() if own}


def buffers_of(plan: EnginePlan, layout: Layout, learning: Learning) -> Buffers:
    """Arrays for the kernels: synapses and biases as 32-bit integers, biases in their place."""
    buffers = pack(layout, learning)
    vectors = [parameter for parameter in plan.chip.parameters if parameter.projection is None]
    for record, parameter in zip(layout.vectors, vectors, strict=True):
        start = int(record["constant"])
        value = learning.memories[parameter].value << plan.connections[parameter].shift
        buffers.cells[start : start + value.size] = value
    names = ("values", "means", "gradients")
    arrays = [name for stem in names for name in (stem, f"vector_{stem}")]
    typed = {name: getattr(buffers, name).astype(np.int32) for name in (*arrays, "sent")}
    return replace(buffers, **typed)


def places(plan: EnginePlan) -> dict[Parameter, slice]:
    """Where the traces of every connection's sources lie, of those that keep them."""
    found, first = {}, 0
    for parameter, own in plan.untraced().items():
        found[parameter] = slice(first, first + own[TRACE].size)
        first += own[TRACE].size
    return found


def engine_of(plan: EnginePlan, layout: Layout, learning: Learning) -> Engine:
    """Scalars of the options, traces of sources, and scratch."""
    options = plan.options
    traces = [np.zeros(0, np.int64), *(own[TRACE] for own in learning.eligibility.values())]
    widest = max(population.size for population in layout.chip.network.populations)
    return Engine(
        seed=np.uint64(options.seed),
        bits=FRACTION_BITS + options.extra_bits,
        limit=(1 << (ACCUMULATOR_BITS + options.extra_bits)) - 1,
        third_limit=(1 << (FRACTION_BITS + options.extra_bits)) - 1,
        split=options.third_factor == "split",
        stochastic=options.factor_rounding == "stochastic",
        own=options.draws == "own",
        epoch=options.epoch,
        arrival=options.arrival,
        traces=np.concatenate(traces),
        third=np.zeros(widest, np.int32),
        heard=np.zeros(widest, np.int32),
    )


def drawn_of(options: EngineOptions, first: int, count: int) -> Drawn:
    """Draws of the updates of a call; ``r < k / 2^n`` is ``floor(2^n r) < k`` for integers k."""
    draws = Draws.of_updates(first, count, options.seed, options.epoch)
    rounding = np.ldexp(draws.rounding, FRACTION_BITS + options.extra_bits)
    return Drawn(np.floor(rounding).astype(np.int64), draws.pre, draws.post)


def connections_of(plan: EnginePlan, layout: Layout) -> npt.NDArray[np.void]:
    """Where every connection's synapses lie, and the shifts of its rules."""
    vectors = [parameter for parameter in plan.chip.parameters if parameter.projection is None]
    at = places(plan)
    return np.array(
        [
            (*connection_record(plan, layout, p, vectors), *trace_record(plan, p, at.get(p)))
            for p in plan.connections
        ],
        CONNECTION,
    )


def trace_record(
    plan: EnginePlan, parameter: Parameter, at: slice | None
) -> tuple[int, int, float]:
    """Where the traces of a connection's sources begin, what a spike adds, what a step leaves."""
    kept = plan.connections[parameter].rule.kept
    if kept is None or at is None:
        return NO_TRACE, 0, 0.0
    return at.start, kept.impulse, kept.decay


def connection_record(
    plan: EnginePlan, layout: Layout, parameter: Parameter, vectors: Sequence[Parameter]
) -> tuple[int, ...]:
    """One row of the table of connections, without what is said of traces."""
    connection = plan.connections[parameter]
    if parameter.projection is None:
        record = layout.vectors[vectors.index(parameter)]
        constant, start, sources, message = record["constant"], record["start"], 1, 0
        by_source = True
    else:
        record = layout.projections[parameter.projection]
        sent = layout.messages[record["message"]]
        constant, start, sources = 0, record["start"], record["sources"]
        message = sent["start"] + record["delay"] * sent["size"]
        by_source = bool(record["by_source"])
    rule = connection.rule
    weight = {product.operands[-1]: product for product in rule.weight}
    tag = {product.operands[-1]: product for product in rule.tag}
    delay = {product.operands[-1]: product for product in rule.delay}
    finer = plan.options.extra_bits
    return (
        int(parameter.projection is None),
        int(start),
        int(sources),
        plan.network.population(parameter.population).size,
        int(by_source),
        int(record["factor"]),
        int(message),
        int(connection.graded),
        connection.third_shift,
        int(plan.third_index(parameter)[0]),
        weight["y1"].lost_bits,
        shift_of(weight, "y1", finer),
        shift_of(weight, "d", finer),
        shift_of(weight, "w", finer),
        shift_of(tag, "w", finer),
        shift_of(tag, "d", finer),
        shift_of(delay, "w", finer),
        1 << rule.decimation if rule.tag else 0,
        int(constant),
        connection.shift,
        connection.first,
    )


def shift_of(products: dict[Operand, Product], operand: Operand, finer: int) -> int:
    """Left shift of a product in the accumulator; 0 if the rule has no such product.

    The widest product, ``x1 y1``, has 11 bits before it, and ``finer`` more.

    Raises:
        InvalidValueError: if 32-bit integers do not hold the product with the extra bits.
    """
    if operand not in products:
        return 0
    exponent = products[operand].exponent
    require_range("exponent beside extra bits", exponent, EXPONENTS[0], WIDEST_EXPONENT - finer)
    # Third factors bring the extra bits of the accumulator themselves.
    return exponent - EXPONENTS[0] + (0 if operand == "y1" else finer)
