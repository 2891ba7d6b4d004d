"""The leak of a readout whose outputs forget alike: what a filter of what it hears is made of."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ltc2hw.errors import UnsupportedError
from ltc2hw.training.local import Leak, LocalSteps
from ltc2hw.training.options import TrainingOptions

SAME = 1e-5
"""How far leaks of outputs may be apart that count as one."""


@dataclass(frozen=True)
class Filtering:
    """A way of learning that filters what the readout hears by its leak.

    One number per synapse is enough if all outputs have one leak, and nothing lies between.
    """

    what: str
    """Who filters, in messages."""
    instead: str
    """What does not."""

    def names(self, readout: LocalSteps, layers: int) -> tuple[str, ...]:
        """Learned constants that the leak of a readout behind some layers is made of.

        Raises:
            UnsupportedError: for a network through whose readout a filter is not exact.
        """
        if readout.leak is None:
            feature = f"readout {readout.form.model.name}"
            reason = "its leak is not one number, so the filter is one per synapse and output"
            remedy = f"use static gates there (readout_gate), or {self.instead}"
            raise UnsupportedError(self.what, feature, reason, remedy)
        if layers > 1:
            reason = "the filter of lower ones is one per synapse and upper neuron"
            raise UnsupportedError(self.what, f"{layers} layers", reason, f"use {self.instead}")
        return readout.leak

    def leak(self, derivatives: Tensor) -> Leak:
        """That of a readout's derivatives (L, rows, columns, B, N).

        Raises:
            UnsupportedError: if it is not the same for all outputs.
        """
        kept, taken = (derivatives[0, 0, column, 0] for column in (0, 1))
        for own, does in ((kept, "keep"), (taken, "take up")):
            least, most = float(own.min()), float(own.max())
            if most - least > SAME:
                reason = f"they {does} {least:.6g} to {most:.6g} per step, so a trace each"
                remedy = f"use {self.instead}"
                raise UnsupportedError(self.what, "leaks of the readout", reason, remedy)
        return Leak(kept[0], taken[0])


def filtering(options: TrainingOptions) -> Filtering | None:
    """How the options have what the readout hears filtered, if they do.

    >>> filtering(TrainingOptions(descent="filtered")).instead
    "descent 'eligibility'"
    """
    if not options.filters:
        return None
    if options.method == "eprop":
        return Filtering("e-prop", "method 'ostl' or 'hypr'")
    return Filtering("descent 'filtered'", "descent 'eligibility'")
