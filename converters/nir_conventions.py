"""What a NIR file leaves open, and its caller says: the step, how decays are taken, the reset.

NIR is in continuous time, and neurons of files by ``nir`` below 1.0.6 have no ``v_reset``.
``docs/formats.md`` has, per tool, what meets its neurons.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, cast

import numpy as np

from ltc2hw.converters.conversion import Conversion
from ltc2hw.converters.euler import LateReset
from ltc2hw.converters.nir_graph import Node
from ltc2hw.converters.nir_record import RESET_KEY
from ltc2hw.errors import InvalidValueError, UnknownNameError
from ltc2hw.numbers.convolution import Shape
from ltc2hw.numbers.words import FloatArray

Discretization = Literal["euler", "exact"]

DISCRETIZATIONS: tuple[Discretization, ...] = ("euler", "exact")
"""``euler`` decays by dt / τ per step, ``exact`` by 1 - exp(-dt / τ)."""

Reset = Literal["zero", "subtract", "subtract-delayed"]

RESETS: tuple[Reset, ...] = ("zero", "subtract", "subtract-delayed")
"""A spike sets the membrane to ``v_reset`` (0 where a file has none), or takes the threshold from
it: at once, so that the rest leaks, or in the next step, after the leak."""

LONGEST_TIME_CONSTANT = 4096
"""Most steps of a time constant that passes without leave: decays of chips have 12 bits."""


def checked_step(dt: object) -> float:
    """A step as a float.

    Raises:
        InvalidValueError: if it is no finite number above 0.
    """
    number = isinstance(dt, (int, float, np.integer, np.floating)) and not isinstance(dt, bool)
    if not number or not 0.0 < float(cast(float, dt)) < np.inf:
        raise InvalidValueError("dt", dt, "a number above 0")
    return float(cast(float, dt))


@dataclass(frozen=True)
class Conventions:
    """What the caller said about a file; ``resets`` notes the nodes that it was needed for.

    ``zeros`` notes the nodes whose ``v_reset`` of 0 was believed.
    """

    dt: float
    discretization: Discretization = "euler"
    reset: Reset | None = None
    origin: str = "NIR graph"
    ours: bool = False
    resets: list[str] = field(default_factory=list)
    zeros: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        checked_step(self.dt)
        if self.discretization not in DISCRETIZATIONS:
            raise UnknownNameError("discretization", str(self.discretization), DISCRETIZATIONS)
        if self.reset is not None and self.reset not in RESETS:
            raise UnknownNameError("reset", str(self.reset), RESETS)
        if self.ours and (self.discretization != "euler" or self.reset not in (None, "zero")):
            given = self.reset if self.discretization == "euler" else self.discretization
            limit = f"what {self.origin} says of itself: euler, and a reset to v_reset"
            raise InvalidValueError("discretization or reset", given, limit, "leave it out")

    def notes(self) -> dict[str, str]:
        """What of it a network's provenance keeps."""
        notes = {} if self.ours else {"dt": repr(float(self.dt))}
        if self.discretization != "euler":
            notes["discretization"] = self.discretization
        if self.reset is not None and self.resets:
            notes["reset"] = f"{self.reset}, as the caller said, of {', '.join(self.resets)}"
        elif self.zeros:
            # snnTorch's files hold a 0 whatever its neurons do, by default subtract-delayed.
            notes["reset"] = (
                f"zero, as v_reset = 0 says, of {', '.join(self.zeros)}; some tools write it where"
                " neurons subtract their threshold: then say reset='subtract' or 'subtract-delayed'"
            )
        return notes

    def decay(self, node: Node, entry: str, shape: Shape, conversion: Conversion) -> FloatArray:
        """What a time constant loses per step; 0 where it is infinite.

        Raises:
            DamagedFileError: if it is not above 0.
            UnsupportedError: if it is of more steps than a chip's decays can say, without leave.
        """
        tau = node.vector(entry, shape, infinite=True)
        if np.any(tau <= 0.0):
            raise node.damaged(f"{entry} is not above 0")
        rate = self.dt / tau
        finite = rate[np.isfinite(tau)]
        if not self.ours and np.any(finite * LONGEST_TIME_CONSTANT < 1.0):
            steps = f"{1.0 / finite.min():.4g} steps of dt {self.dt:g}" if finite.min() else "inf"
            conversion.meet("slow-decay", f"{node.label}, {entry} of up to {steps}")
        return rate if self.discretization == "euler" else -np.expm1(-rate)

    def gain(
        self,
        node: Node,
        entry: str,
        decay: FloatArray,
        shape: Shape,
        conversion: Conversion,
        default: float | None = None,
    ) -> FloatArray:
        """What arrives is multiplied by: the decay times an entry; 1 where both ends are infinite.

        Raises:
            DamagedFileError: if the entry alone is infinite.
            UnsupportedError: if the time constant alone is, or both without leave.
        """
        factor = node.vector(entry, shape, default, infinite=True)
        still, unbounded = decay == 0.0, np.isinf(factor)
        if np.any(unbounded & ~still):
            raise node.damaged(f"{entry} holds no finite numbers")
        if np.any(still & ~unbounded):
            conversion.meet("frozen", f"{node.label}, {entry}")
        if np.any(still):
            conversion.meet("infinite-tau", f"{node.label}, {entry}")
        gain: FloatArray = np.where(still, 1.0, decay * np.where(unbounded, 0.0, factor))
        return gain

    def threshold(self, node: Node, entry: str, shape: Shape, conversion: Conversion) -> FloatArray:
        """A finite threshold."""
        above = node.vector(entry, shape, infinite=True)
        if np.any(np.isinf(above)):
            conversion.meet("infinite-threshold", node.label)
        return above

    def reset_of(
        self, node: Node, shape: Shape, conversion: Conversion
    ) -> tuple[FloatArray, LateReset | None]:
        """Where a spike sets the membrane, or how the threshold is subtracted.

        Raises:
            InvalidValueError: if the file does not say it and the caller did not, or if they
                contradict each other.
        """
        given = "v_reset" in node.entries
        potential = node.vector("v_reset", shape, 0.0)
        said = self.reset
        if self.ours and not np.any(potential):
            # nir fills in zeros where a file of ours has none.
            said = next((r for r in RESETS if r == node.metadata.get(RESET_KEY)), said)
        if not given and said is None and not self.ours:
            raise InvalidValueError(
                f"reset of {node.label}", "missing",
                "zero or subtract: it has no v_reset, as in files by nir below 1.0.6, whose"
                " neurons subtract their threshold",
                "pass reset='subtract' or reset='zero', whichever the tool that trained it does",
            )  # fmt: skip
        if self.reset is not None:
            self.resets.append(node.name)
        if said is None and not self.ours and not np.any(potential):
            self.zeros.append(node.name)
        if said in (None, "zero"):
            return potential, None
        if np.any(potential != 0.0):
            raise InvalidValueError(
                f"reset of {node.label}", said, "zero: its v_reset is not 0",
                "pass reset='zero' or leave it out",
            )  # fmt: skip
        conversion.meet("soft-reset", node.label)
        return potential, "after-leak" if said == "subtract-delayed" else "before-leak"
