"""From ltc2hw's torch modules to a Network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ltc2hw.converters.cells import Source, neurons_of, synapses_of
from ltc2hw.converters.features import FEATURES
from ltc2hw.converters.plain_modules import departure, exact_array
from ltc2hw.errors import ShapeError, UnsupportedError
from ltc2hw.graph.network import FloatPopulation, Input, Network, Projection
from ltc2hw.neurons import LIFCell, LTCCell, ProgramCell, ReadoutCell, SpikingNetwork

CHANGED = FEATURES["changed-module"].title


def _require_cell(cell: Any, known: tuple[type[nn.Module], ...], name: str) -> None:
    """Refuse a cell that is none of ours, or not made of plain numbers."""
    kind = next((kind for kind in known if isinstance(cell, kind)), None)
    if kind is None:
        names = " or ".join(kind.__name__ for kind in known)
        raise _refusal(f"{name} ({type(cell).__name__})", "a cell of a class of its own", names)
    _require_plain(cell, kind, name)
    # A name that was changed later does not reach what the cell computes.
    if isinstance(cell, (LTCCell, ReadoutCell)) and cell.form.nonlinearity != cell.nonlinearity:
        node = f"{name} with another nonlinearity than it began with"
        raise _refusal(node, CHANGED, "make it anew")
    anew = _anew(cell, kind)
    like = dict((*anew.named_parameters(), *anew.named_buffers()))
    for entry, values in (*cell.named_parameters(), *cell.named_buffers()):
        exact_array(values, f"{entry} of {name}")
        wanted = like[entry].shape if entry in like else None
        if values.shape != wanted:
            raise ShapeError(f"shape of {entry} of {name}", tuple(values.shape), str(wanted))


def _anew(cell: Any, kind: type[nn.Module]) -> nn.Module:
    """A cell of the same sizes and kind."""
    draw = torch.Generator()
    if kind is ReadoutCell:
        return ReadoutCell(cell.inputs, cell.size, gate=cell.gate, generator=draw)
    if kind is LIFCell:
        return LIFCell(cell.inputs, cell.size, recurrent=cell.recurrent, generator=draw)
    if kind is ProgramCell:
        form = cell.form
        return ProgramCell(
            form.model, form.inputs, form.size, ports=form.ports, recurrent=cell.recurrent,
            graded=form.graded, fixed=form.fixed, generator=draw,
        )  # fmt: skip
    return LTCCell(cell.inputs, cell.size, gate=cell.gate, recurrent=cell.recurrent, generator=draw)


def _require_plain(module: nn.Module, known: type[nn.Module], name: str) -> None:
    found = departure(module, known)
    if found:
        remedy = "remove what was added to it"
        raise _refusal(f"{name} ({type(module).__name__}) with {found}", CHANGED, remedy)


def _refusal(node: str, feature: str, remedy: str) -> UnsupportedError:
    return UnsupportedError("converters.torch", node, feature, remedy)


def from_module(module: nn.Module, provenance: Mapping[str, str] | None = None) -> Network:
    """The Network that computes what a SpikingNetwork computes.

    Populations are called ``input``, ``hidden`` (``hidden1``, ``hidden2``, ... if there are
    several) and ``output``. Parameters are copied exactly (float32 widened to float64); dense
    gates become projections of the layer's own graded state into its gates' ports.

    Raises:
        UnsupportedError: for any other module, and for one with hooks, methods or cells of its own.
        InvalidValueError: for parameters that are not plain, finite numbers of single or double
            precision.
        ShapeError: for parameters of other shapes than the cell's sizes and gate say.

    >>> from ltc2hw.neurons import LTCCell, ReadoutCell, SpikingNetwork
    >>> module = SpikingNetwork([LTCCell(3, 5)], ReadoutCell(5, 2))
    >>> [population.name for population in from_module(module).populations]
    ['input', 'hidden', 'output']
    """
    if not isinstance(module, SpikingNetwork):
        raise _refusal(
            type(module).__name__,
            "only ltc2hw.neurons.SpikingNetwork has a known meaning",
            "build the network from its cells, or use converters.norse or converters.nir",
        )
    _require_plain(module, SpikingNetwork, "the network")
    for number, cell in enumerate(module.cells, start=1):
        _require_cell(cell, (LTCCell, LIFCell, ProgramCell), f"layer {number}")
    _require_cell(module.readout, (ReadoutCell, ProgramCell), "the readout")
    first = Input("input", module.cells[0].inputs, module.graded_input)
    populations: list[FloatPopulation] = [first]
    projections: list[Projection] = []
    source: Source = ("input", "value" if module.graded_input else "spikes")
    for number, cell in enumerate(module.cells, start=1):
        name = "hidden" if len(module.cells) == 1 else f"hidden{number}"
        populations.append(neurons_of(cell, name))
        projections.extend(synapses_of(cell, name, source))
        source = (name, cell.form.model.output)
    if module.read_from == "membrane":
        source = (source[0], "membrane")
    return Network(
        populations=(*populations, neurons_of(module.readout, "output")),
        projections=(*projections, *synapses_of(module.readout, "output", source)),
        output="output",
        provenance=dict(provenance or {}),
    )
