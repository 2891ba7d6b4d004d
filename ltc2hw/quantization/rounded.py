"""Parts of float networks that round as the chip does: gates and graded messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np

from ltc2hw.dynamics.formats import GateFormat
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.fields import set_field
from ltc2hw.numbers.nonlinearity import GateCurve, lookup_integer, plan_integer
from ltc2hw.numbers.operators import Weights
from ltc2hw.numbers.weights import Dense, Numbers, Sparse
from ltc2hw.numbers.words import FloatArray, IntArray, Rounding, Word

WIDE = 48
"""Bits of a word that no gate argument leaves."""


@dataclass(frozen=True, eq=False)
class RoundedGate(GateCurve):
    """An integer gate's plan or table, for a float gate's arguments of ``fraction`` bits."""

    form: GateFormat
    fraction: int
    table: IntArray

    def evaluate(self, argument: FloatArray) -> FloatArray:
        """Round the argument into the gate's format, evaluate on integers, scale back."""
        form = self.form
        # Arguments beyond the widest word are beyond the ends of every table, too.
        x, _ = Word(WIDE).encode(argument, self.fraction)
        if form.function == "plan":
            y = plan_integer(x, self.fraction, form.output_fraction)
        else:
            y = lookup_integer(x, self.fraction, self.table, form.function)
        return np.ldexp(y.astype(np.float64), -form.output_fraction)


class RoundedMessages:
    """Weights that see graded messages as the chip sends them: cut toward zero, saturated.

    What the weights are is the other class of those in :data:`ROUNDED`.
    """

    word: Word
    fraction: int

    def apply(self, messages: Numbers) -> Numbers:
        """Round messages (B, N_source), then sum them to (B, N_target)."""
        toward_zero = replace(self.word, rounding=Rounding.TOWARD_ZERO)
        sent, _ = toward_zero.encode(messages, self.fraction)
        sums: Numbers = super().apply(  # type: ignore[misc]
            np.ldexp(sent.astype(np.float64), -self.fraction)
        )
        return sums


class RoundedDense(RoundedMessages, Dense):
    """All-to-all weights of rounded messages."""


class RoundedSparse(RoundedMessages, Sparse):
    """Sparse weights of rounded messages."""


class RoundedConv(RoundedMessages, Conv):
    """A convolution of rounded messages."""


ROUNDED: Mapping[type, type[RoundedDense | RoundedSparse | RoundedConv]] = {
    Dense: RoundedDense,
    Sparse: RoundedSparse,
    Conv: RoundedConv,
}


def rounded_messages(weights: Weights, word: Word, fraction: int) -> Weights:
    """The same weights, of messages of a word with ``fraction`` fractional bits.

    >>> rounded_messages(Dense([[1.0]]), Word(4), 1).apply(np.array([[0.9], [-99.0]]))
    array([[ 0.5],
           [-4. ]])
    """
    kind = ROUNDED[type(weights)]
    heard = kind(**{field.name: getattr(weights, field.name) for field in fields(weights)})
    set_field(heard, "word", word)
    set_field(heard, "fraction", fraction)
    return heard
