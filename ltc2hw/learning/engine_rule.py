"""FPTT as sums of products, in the grammar of Lava's learning engine.

The engine holds three integers per synapse: the weight ``w`` (Φ), the tag ``t`` (Φ̄) and the delay
``d``, which keeps λ with an offset because it cannot be negative. All three strings of a rule read
the old ``w``, ``t``, ``d``. A source keeps a trace x1 of what it sent, which can stand for what its
synapses left in their neurons. Source: lava-nc 0.10.0, ``lava/magma/core/learning``;
``docs/lava-learning-engine.md`` has the arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ltc2hw.errors import UnsupportedError
from ltc2hw.learning.fixed import Rates
from ltc2hw.learning.rule import FPTTRule
from ltc2hw.numbers.scalars import require_range

Dependency = Literal["x0", "u"]
Operand = Literal["x1", "y1", "y2", "w", "t", "d"]
EngineForm = Literal["damped", "simultaneous", "weights"]
ThirdFactor = Literal["signed", "split"]

GRAMMAR = "Lava's learning engine"
ACCUMULATOR_BITS, MANTISSA_BITS = 15, 4
MANTISSAS, EXPONENTS = (-8, 7), (-7, 8)
WIDTHS: Mapping[Operand, int] = {"x1": 7, "y1": 7, "y2": 7, "w": 9, "t": 9, "d": 9}
"""Bits to which the engine cuts each factor of a product, its sign not counted."""

OFFSET = 128
"""``d = λ + 128``: the delay is an unsigned byte."""

TRACE_LIMIT = 127
"""Largest magnitude of a third factor."""

TOLERANCE = 0.0625
"""How far the part that a trace keeps in an update may be from the part that its neuron keeps."""

SLOWEST_DECIMATION = 9
"""Largest k of ``uk``: the grammar reads one digit."""


@dataclass(frozen=True)
class Product:
    """``mantissa · 2^exponent · dependency · Π operands``, one term of a rule.

    ``x0``: only where a spike arrived; ``u``: every ``2^decimation`` epochs. The operand ``d``
    stands for ``d - 128``.

    Raises:
        UnsupportedError: for a mantissa outside -8 .. 7 or an exponent outside -7 .. 8.

    >>> Product("u", ("d",), -1, -3, decimation=2).text
    '- 2^-3*u2*(d-128)'
    >>> Product("x0", ("x1", "y1"), 1, -9)
    Traceback (most recent call last):
    ltc2hw.errors.UnsupportedError: Lava's learning engine cannot express product \
x0*x1*y1: its exponent -9 (-7 to 8 exist: change the rates or the fractions)
    """

    dependency: Dependency
    operands: tuple[Operand, ...]
    mantissa: int
    exponent: int
    decimation: int = 0

    def __post_init__(self) -> None:
        for name, value, (lowest, highest) in (
            ("mantissa", self.mantissa, MANTISSAS),
            ("exponent", self.exponent, EXPONENTS),
            ("decimation", self.decimation, (0, SLOWEST_DECIMATION)),
        ):
            if not lowest <= value <= highest:
                raise UnsupportedError(
                    GRAMMAR,
                    f"product {'*'.join((self.dependency, *self.operands))}",
                    f"its {name} {value}",
                    f"{lowest} to {highest} exist: change the rates or the fractions",
                )

    @property
    def text(self) -> str:
        """The term as the grammar writes it, its sign first."""
        gate = self.dependency if self.dependency == "x0" else f"u{self.decimation}"
        operands = ["(d-128)" if operand == "d" else operand for operand in self.operands]
        magnitude = "" if abs(self.mantissa) == 1 else f"{abs(self.mantissa)}*"
        sign = "-" if self.mantissa < 0 else "+"
        return f"{sign} {magnitude}2^{self.exponent}*" + "*".join((gate, *operands))

    @property
    def lost_bits(self) -> int:
        """Right shift (floor) of the product: what its operands' widths exceed 15 bits by."""
        widths = sum(WIDTHS[operand] for operand in self.operands)
        return max(0, widths + MANTISSA_BITS - ACCUMULATOR_BITS)


@dataclass(frozen=True)
class SynapseScale:
    """What the engine's integers stand for: ``real = integer / 2^fraction``.

    ``weight`` for w and t, ``gradient`` for ``d - 128``, ``factor`` for third factors, ``trace``
    for the pre-synaptic trace x1, None where spikes are met by themselves.
    """

    weight: int
    gradient: int
    factor: int
    trace: int | None = None

    @classmethod
    def finest(
        cls,
        rule: FPTTRule,
        weight: int,
        *,
        reach: int,
        finer: int = 1,
        trace: int | None = None,
        least: int = EXPONENTS[0],
    ) -> SynapseScale:
        """The finest third factors that the grammar can still multiply by the rate.

        They saturate beyond ``±2^reach``; one step of λ is ``2^-finer`` of the weight's. A third
        factor of 1 changes the weight (of a message of 1) by ``2^least`` of its steps.

        >>> SynapseScale.finest(FPTTRule(learning_rate=2**-5), weight=8, reach=-4)
        SynapseScale(weight=8, gradient=9, factor=10, trace=None)
        """
        rate = Rates.of(rule).learning_rate
        smallest = weight - rate - least
        if trace is not None:
            lost_bits = Product("x0", ("x1", "y1"), 1, 0).lost_bits
            smallest = weight - rate - max(least, EXPONENTS[0] + trace - lost_bits)
        return cls(weight, weight + finer, min(smallest, 7 - reach), trace)


@dataclass(frozen=True)
class SourceTrace:
    """The trace x1 of every source, where it goes on from update to update.

    In every chip step it decays by ``exp(-1/tau)``; a spike adds ``impulse``, a payload (impulse 0)
    half of itself. Synapses learn by it in every update, whether a message arrived or not. Time
    constants are whole numbers: Lava's fixed point holds them so, and drops the fraction of one
    that it was given as soon as its host writes any variable.

    >>> trace = SourceTrace.of(0.5, spikes=True, epoch=4, arrival=3)
    >>> trace.tau, trace.impulse, trace.fraction(0), round(trace.kept, 3)
    (6, 32, 5, 0.513)
    """

    tau: int
    impulse: int
    epoch: int = 1
    arrival: int = 1

    @classmethod
    def of(cls, kept: float, *, spikes: bool, epoch: int = 1, arrival: int = 1) -> SourceTrace:
        """The trace, of spikes or of payloads, that keeps about ``kept`` of itself in an update.

        The impulse is the largest power of two with which the trace of a source that always spikes
        fits seven bits. ``epoch``: chip steps of an update; ``arrival``: that of the messages.

        Raises:
            UnsupportedError: for a part that seven bits, or whole time constants, cannot keep.

        >>> SourceTrace.of(0.5, spikes=True)
        Traceback (most recent call last):
        ltc2hw.errors.UnsupportedError: Lava's learning engine cannot express a trace that keeps \
0.5 of itself in an update: a time constant of 2 chip steps keeps 0.607 in epochs of 1 (0.0625 \
more or less would do: use longer epochs)
        """
        what = f"a trace that keeps {kept:g} of itself in an update"
        if not 0 < kept <= 1 - 1 / TRACE_LIMIT:
            limit = f"0 < kept <= {1 - 1 / TRACE_LIMIT:.4f}: use the instantaneous descent"
            raise UnsupportedError(GRAMMAR, what, "traces of 7 bits fade, but not at once", limit)
        exact = -epoch / math.log(kept)
        choices = [cls(tau, 0, epoch, arrival) for tau in {max(1, int(exact)), math.ceil(exact)}]
        chosen = min(choices, key=lambda trace: abs(trace.kept - kept))
        if abs(chosen.kept - kept) > TOLERANCE:
            raise UnsupportedError(
                GRAMMAR,
                what,
                f"a time constant of {chosen.tau} chip steps keeps {chosen.kept:.3f} in epochs of"
                f" {epoch}",
                f"{TOLERANCE} more or less would do: use longer epochs",
            )
        highest = TRACE_LIMIT * (1 - chosen.kept)
        impulse = 1 << math.floor(math.log2(max(1.0, highest))) if spikes else 0
        return replace(chosen, impulse=impulse)

    @property
    def decay(self) -> float:
        """What is left of a trace after a chip step, as Lava computes it."""
        return float(np.exp(-1 / np.array([self.tau]))[0])

    @property
    def kept(self) -> float:
        """What is left of it after an update."""
        return self.decay**self.epoch

    def fraction(self, message: int) -> int:
        """Fraction of the trace of messages that have a fraction, the nearest power of two.

        Payloads decay in all chip steps of the update in which they arrive, spikes in those after.
        """
        passed = self.epoch - self.arrival if self.impulse else self.epoch
        unit = self.impulse or 2.0 ** (message - 1)
        return round(math.log2(unit) - passed / self.tau / math.log(2))


@dataclass(frozen=True)
class SynapseRule:
    """The three rules of one connection, products in the order in which they are summed.

    ``kept``: the trace of sources by which it learns, None where it learns by what arrives.
    """

    weight: tuple[Product, ...]
    tag: tuple[Product, ...]
    delay: tuple[Product, ...]
    decimation: int
    third_factor: ThirdFactor
    kept: SourceTrace | None = None

    @property
    def strings(self) -> dict[str, str]:
        """``dw``, ``dt``, ``dd`` as Lava's ``Loihi3FLearningRule`` takes them.

        A rule without products is left out.
        """
        rules = {"dw": self.weight, "dt": self.tag, "dd": self.delay}
        return {name: written(products) for name, products in rules.items() if products}


def written(products: tuple[Product, ...]) -> str:
    """A sum of products in Lava's grammar, without a leading plus."""
    return " ".join(product.text for product in products).removeprefix("+ ")


def synapse_rule(
    rule: FPTTRule,
    scale: SynapseScale,
    form: EngineForm = "damped",
    third_factor: ThirdFactor = "signed",
    kept: SourceTrace | None = None,
) -> SynapseRule:
    """Write FPTT with rates ``r``, ``α``, ``β`` as rules of the engine.

    With ``λ = d - 128`` and D = w - t, all of the same step, in units of reals::

        w ← w + r (y x + λ - α D)
        λ ← λ - α D
        t ← t + β D - (β/α) λ             form "simultaneous"
        t ← t + 2β D - (β/α) λ            form "damped"

    FPTT itself computes λ from the new Φ and Φ̄ from the new λ. "simultaneous" reads old values
    everywhere: its oscillations of λ and D never die out (their eigenvalues have magnitude 1).
    "damped" puts the new λ into Φ̄, which brings back FPTT's ``sqrt(1 - β)``; only λ sees Φ one
    step late. "weights" leaves λ and Φ̄ out: plain descent.

    Sums saturate after every product, so the order of the products counts: what makes a sum
    smaller comes first, and λ takes its departure in two halves. Otherwise weights beyond half of
    their range would spoil their own tags and delays.

    Terms too small for the grammar are applied every ``2^k`` steps instead, ``2^k`` times as
    strong, with the least k for which they exist. ``third_factor``: ``y1`` with a sign, as Lava's
    simulation allows, or ``y1 - y2``, both unsigned, as on hardware. ``kept``: x is the sources'
    trace x1 instead of what arrived, in every update; a rule has one k, which then is 0.

    Raises:
        InvalidValueError: for rates that are not powers of two, or so large that a sum would
            saturate on its way.
        UnsupportedError: for products that the grammar cannot express, or terms that would come
            every ``2^k`` updates beside a trace that counts in every one.

    >>> rule = FPTTRule(learning_rate=2**-5)
    >>> scale = SynapseScale(weight=8, gradient=9, factor=10)
    >>> for name, text in synapse_rule(rule, scale).strings.items():
    ...     print(name, "=", text)
    dw = 2^-7*x0*y1 + 2^-6*u0*(d-128) - 2^-6*u0*w + 2^-6*u0*t
    dt = - 2^0*u0*t + 2^0*u0*w - 2^-1*u0*(d-128)
    dd = - 2^-1*u0*w + 2^-1*u0*t - 2^-1*u0*w + 2^-1*u0*t
    """
    rates = Rates.of(rule)
    learned = _descent(rates, scale, third_factor, "x0" if kept is None else "u")
    if form == "weights":
        return SynapseRule(learned, (), (), 0, third_factor, kept)
    finer = scale.gradient - scale.weight
    remembered, departed = -rates.learning_rate - finer, -rates.learning_rate - rates.alpha
    k = max(0, EXPONENTS[0] - min(remembered, departed))
    if k and kept is not None:
        raise UnsupportedError(
            GRAMMAR,
            f"λ and Φ̄ at a learning rate of 2^-{rates.learning_rate}",
            f"their terms come every 2^{k} updates, those of traces in every one",
            "a rule has one k: raise the learning rate, or learn with form='weights'",
        )
    mean = -rates.beta + (1 if form == "damped" else 0)
    back = finer - rates.alpha
    require_range("exponent of w - t in the tag's rule", mean, EXPONENTS[0], 0)
    require_range("exponent of w - t in the delay's rule", back, EXPONENTS[0] + 1, 0)
    toward_mean = Product("u", ("t",), -1, mean, k), Product("u", ("w",), 1, mean, k)
    half = _pull(back - 1, k)
    return SynapseRule(
        weight=(*learned, Product("u", ("d",), 1, remembered + k, k), *_pull(departed + k, k)),
        tag=(*toward_mean, Product("u", ("d",), -1, rates.alpha - rates.beta - finer, k)),
        delay=(*half, *half),
        decimation=k,
        third_factor=third_factor,
        kept=kept,
    )


def _descent(
    rates: Rates, scale: SynapseScale, third_factor: ThirdFactor, gate: Dependency
) -> tuple[Product, ...]:
    """Rate times factor times message; a trace's exponent makes up for the bits that are lost."""
    exponent = scale.weight - rates.learning_rate - scale.factor
    trace: tuple[Operand, ...] = ()
    if scale.trace is not None:
        trace = ("x1",)
        exponent += Product("x0", ("x1", "y1"), 1, 0).lost_bits - scale.trace
    positive = Product(gate, (*trace, "y1"), 1, exponent)
    if third_factor == "signed":
        return (positive,)
    return positive, Product(gate, (*trace, "y2"), -1, exponent)


def _pull(exponent: int, decimation: int) -> tuple[Product, Product]:
    """``-2^exponent (w - t)``: the grammar has no difference of two variables."""
    return (
        Product("u", ("w",), -1, exponent, decimation),
        Product("u", ("t",), 1, exponent, decimation),
    )
