"""A network with everything that decides what its integers become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ltc2hw.errors import HardwareRuleError, Violation
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.graph.target import Target
from ltc2hw.numbers.words import FloatArray, IntArray, Width
from ltc2hw.quantization.limits import LIMITS
from ltc2hw.quantization.quantize import quantize
from ltc2hw.quantization.scaling import QuantizeOptions


@dataclass(frozen=True, eq=False)
class Calibration:
    """Samples x (T, B, N_in) that quantization and remedies may look at; ``lengths`` (B,) or None.

    ``used``: how many of the first ones a plain quantization takes, None for all.
    """

    x: FloatArray
    lengths: IntArray | None = None
    used: int | None = None

    @property
    def chosen(self) -> tuple[FloatArray, IntArray | None]:
        """The samples that are used, and their lengths."""
        own = slice(self.used)
        return self.x[:, own], None if self.lengths is None else self.lengths[own]

    @property
    def is_whole(self) -> bool:
        """Whether all samples are used."""
        return self.used is None or self.used >= self.x.shape[1]


@dataclass(frozen=True, eq=False)
class Candidate:
    """A float network, the options of its quantization, and what it is calibrated on.

    ``changes`` are the names of what was done to the float network itself, in order; ``origin`` is
    the candidate before its weights were put on the grid of their words, None where they are not.

    >>> from ltc2hw.graph.network import Input, Projection
    >>> from ltc2hw.graph.neurons import Neurons
    >>> from ltc2hw.numbers.weights import Dense
    >>> wire = Projection("x", "spikes", "out", "current", Dense([[1.0]]))
    >>> net = Network((Input("x", 1), Neurons("out", 1, "readout")), (wire,), "out")
    >>> start = Candidate(net, QuantizeOptions(), Calibration([[[1.0]], [[0.0]]]))
    >>> start.widened({"x.spikes->out.current": 4}).options.bits
    {'x.spikes->out.current': 4}
    """

    network: Network
    options: QuantizeOptions
    calibration: Calibration
    changes: tuple[str, ...] = ()
    origin: Candidate | None = None

    def widened(self, bits: Mapping[str, Width]) -> Candidate:
        """With other widths by name; those that are not named stay."""
        return self.asking(replace(self.options, bits={**self.options.bits, **bits}))

    def moved(self, name: str, by: int) -> Candidate:
        """With one fraction moved by so many bits from what quantization chooses."""
        return self.asking(self.options.with_moves({name: by}))

    def asking(self, options: QuantizeOptions) -> Candidate:
        """With other options."""
        return replace(self, options=options)

    def calibrated(self, calibration: Calibration) -> Candidate:
        """Calibrated on other samples."""
        return replace(self, calibration=calibration)

    def changed(self, name: str, network: Network) -> Candidate:
        """With another float network, and the name of what was done to it."""
        return replace(self, network=network, changes=(*self.changes, name))

    def quantized(self, chip: Target) -> Quantized:
        """Its integers, also where they exceed limits that nobody has allowed.

        Raises:
            HardwareRuleError: for rules of the chip that are broken.
        """
        try:
            return Quantized(self._made(chip, self.options))
        except HardwareRuleError as error:
            if not {broken.rule for broken in error.violations} <= set(LIMITS):
                raise
            allowed = replace(self.options, allow=tuple(LIMITS))
            return Quantized(self._made(chip, allowed), error.violations)

    def _made(self, chip: Target, options: QuantizeOptions) -> FixedNetwork:
        x, lengths = self.calibration.chosen
        return quantize(self.network, chip, x, options, lengths=lengths)


@dataclass(frozen=True)
class Quantized:
    """Integers, and the limits that they exceed without leave: with any they are not given out."""

    fixed: FixedNetwork
    broken: tuple[Violation, ...] = ()

    @property
    def over(self) -> tuple[str, ...]:
        """Names of the limits."""
        return tuple(dict.fromkeys(violation.rule for violation in self.broken))
