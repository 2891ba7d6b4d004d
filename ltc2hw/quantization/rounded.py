"""Parts of float networks that round as the chip does: gates and graded messages."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ltc2hw.dynamics.formats import GateFormat
from ltc2hw.numbers.nonlinearity import GateCurve, lookup_integer, plan_integer
from ltc2hw.numbers.weights import Dense, Numbers
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


@dataclass(frozen=True, eq=False)
class RoundedMessages(Dense):
    """Weights that see graded messages as the chip sends them: cut toward zero, saturated."""

    word: Word
    fraction: int

    def apply(self, messages: Numbers) -> Numbers:
        """Round messages (B, N_source), then sum them to (B, N_target)."""
        toward_zero = replace(self.word, rounding=Rounding.TOWARD_ZERO)
        sent, _ = toward_zero.encode(messages, self.fraction)
        return super().apply(np.ldexp(sent.astype(np.float64), -self.fraction))
