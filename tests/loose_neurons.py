"""Neurons whose program is anything: what converters print and run, without a graph's checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ltc2hw.dynamics.formats import Formats
from ltc2hw.dynamics.model import Model
from ltc2hw.dynamics.program import Program
from ltc2hw.graph.neurons import Message, ModelNames
from ltc2hw.numbers.words import IntArray


@dataclass(frozen=True)
class LooseNeurons(ModelNames):
    """The fields of :class:`~ltc2hw.graph.neurons.FixedNeurons`, as they are given."""

    name: str
    size: int
    model: Model
    formats: Formats
    program: Program
    constants: Mapping[str, IntArray]
    tables: Mapping[str, IntArray]
    messages: tuple[Message, ...] = ()

    @property
    def variables(self) -> tuple[str, ...]:
        """Spikes, and what has a message format."""
        return ("spikes", *(message.variable for message in self.messages))


def loose(*fields: Any) -> Any:
    """Such neurons, where a function asks for those of a graph."""
    return LooseNeurons(*fields)
