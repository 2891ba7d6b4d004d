"""What a remedy is chosen from: a pair of networks, the options between them, a chip, samples."""

from __future__ import annotations

from dataclasses import dataclass

from ltc2hw.graph.decision import Decision
from ltc2hw.graph.fixed import FixedNetwork, FixedProjection
from ltc2hw.graph.network import Network
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.graph.structure import connection_name
from ltc2hw.graph.target import Target
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.mixing import Kind, Part, tensor_of
from ltc2hw.quantization.scaling import QuantizeOptions
from ltc2hw.quantization.widths import INPUT, message_name, state_name, table_name


@dataclass(frozen=True, eq=False)
class Situation:
    """Integers, the float network that they were made from, and what may be changed.

    ``samples`` (T, B, N_in) are like those to come, or None where nobody knows them. ``partial``:
    fewer samples were used to calibrate than there are. ``wider``: words may be made wider than
    they were asked to be. ``done`` are names of remedies that were applied as a whole;
    ``decision`` says which outputs count, None where nobody knows.
    """

    network: Network
    fixed: FixedNetwork
    options: QuantizeOptions
    chip: Target
    samples: FloatArray | None = None
    partial: bool = False
    wider: bool = True
    done: tuple[str, ...] = ()
    decision: Decision | None = None

    def projections(self, part: Part) -> tuple[FixedProjection, ...]:
        """Projections that a part of the kind weights names: one."""
        return tuple(p for p in self.fixed.projections if tensor_of(p).owner == part.owner)

    def neurons(self, part: Part) -> FixedNeurons:
        """The population of a part of neurons."""
        found = self.fixed.population(part.owner)
        assert isinstance(found, FixedNeurons)
        return found

    def may_widen(self, name: str, *, weights: bool = False) -> bool:
        """Whether a word may get more bits: any may, unless its width was asked for."""
        asked = name in self.options.bits or name in (self.options.projection_bits or {})
        everywhere = weights and self.options.weight_bits is not None
        return self.wider or not (asked or everywhere)


def word_name(part: Part, situation: Situation) -> str | None:
    """The name by which a part's width and scale are asked for; None for constants.

    >>> from ltc2hw.quantization.mixing import Kind, Part
    >>> word_name(Part(Kind.FUNCTION, "hidden", "tau_mem"), None)
    'table:hidden.tau_mem'
    """
    if part.kind is Kind.WEIGHTS:
        (projection,) = situation.projections(part)
        return connection_name(projection)
    if part.kind is Kind.INPUT:
        return INPUT
    makers = {
        Kind.MESSAGE: message_name,
        Kind.FUNCTION: table_name,
        Kind.WORD: state_name,
        Kind.SATURATION: state_name,
    }
    maker = makers.get(part.kind)
    return None if maker is None else maker(part.owner, part.name)
