"""What a chip can hold, as data: one :class:`Target` per chip, read from a cited TOML file."""

from __future__ import annotations

from dataclasses import dataclass

from ltc2hw.dynamics.model import Model
from ltc2hw.dynamics.models import find_model
from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.nonlinearity import GateFunction
from ltc2hw.numbers.words import WIDEST_WORD

PROGRAMMABLE = "any"
"""Entry of ``neuron_models`` of a chip whose neurons are programs."""


@dataclass(frozen=True)
class Words:
    """Widths in bits of weights, messages and state registers (signed unless said otherwise)."""

    weight_minimum: int
    weight_maximum: int
    weight_exponent_maximum: int
    """Largest left shift of the synaptic sum, in Lava's convention (``weight_exp``)."""
    synapse: int
    """A weight after its exponent, with a symmetric range: ±(2^(bits-1) - 1); 0 means unlimited."""
    message: int
    """Widest graded message; 1 means spikes only."""
    message_default: int
    """Width chosen for graded messages between populations unless the user asks otherwise."""
    input: int
    """Width of graded inputs."""
    accumulator: int
    state: int
    gate: int
    """Fractional bits of the gates τ and ρ."""
    adaptation: int
    """Fractional bits of the adaptation η."""
    factor: int
    """Signed constant multipliers of state (self terms of gates, adaptation strength)."""


@dataclass(frozen=True)
class GateHardware:
    """Which function stands for the sigmoid, and the index width of its table."""

    sigmoid: GateFunction
    table_index: int


@dataclass(frozen=True)
class LIFWords:
    """Widths of the LIF neuron, in Lava's terms."""

    decay: int
    alignment: int
    threshold_mantissa: int
    """Unsigned mantissa, shifted left by ``alignment``."""
    bias_mantissa: int
    """Signed mantissa."""
    bias_exponent: int
    """Unsigned exponent, in bits."""


@dataclass(frozen=True)
class Resources:
    """Size of one chip; zero means unlimited."""

    cores: int
    neurons_per_core: int
    synaptic_memory_per_core: int
    """Bytes."""
    delay_maximum: int
    """Longest axonal or synaptic delay in steps."""
    shares_kernels: bool = False
    """Whether a core stores the kernel of a convolution once for all places of the image."""


@dataclass(frozen=True)
class Target:
    """A chip: neuron models, word widths, limits.

    Raises:
        InvalidValueError: if two widths together would leave the 64-bit integers of the engines.
    """

    name: str
    description: str
    neuron_models: tuple[str, ...]
    """Names of the models that its neurons are, or ``any`` where they are programs."""
    words: Words
    gates: GateHardware
    lif: LIFWords
    resources: Resources

    def __post_init__(self) -> None:
        widest = max(
            self.words.state + self.words.factor,
            # The difference of two states has one bit more; a gate of 1 needs one bit more, too.
            self.words.state + self.words.gate + 2,
            self.words.state + self.lif.decay + 2,
            self.words.adaptation + self.words.gate + 2,
        )
        if widest > WIDEST_WORD:
            raise InvalidValueError(
                f"widest product of target {self.name}",
                widest,
                f"at most {WIDEST_WORD} bits",
                "narrow the state, factor or gate words",
            )

    def can_run(self, model: Model) -> bool:
        """Whether the chip's neurons can be of a model: programs are compared, not names."""
        if PROGRAMMABLE in self.neuron_models:
            return True
        return any(find_model(name).program == model.program for name in self.neuron_models)

    @property
    def neurons(self) -> int:
        """Neurons of the whole chip; zero means unlimited."""
        return self.resources.cores * self.resources.neurons_per_core

    @property
    def synaptic_memory(self) -> int:
        """Bytes of synaptic memory of the whole chip; zero means unlimited."""
        return self.resources.cores * self.resources.synaptic_memory_per_core
