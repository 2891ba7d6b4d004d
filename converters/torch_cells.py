"""Chains of our cells as networks, and whether a cell is what its class says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from ltc2hw.converters.cells import Source, neurons_of, synapses_of
from ltc2hw.converters.features import FEATURES
from ltc2hw.converters.plain_modules import departure, exact_array
from ltc2hw.errors import ShapeError, UnsupportedError
from ltc2hw.graph.network import FloatPopulation, Input, Network, Projection
from ltc2hw.graph.structure import connection_name
from ltc2hw.neurons import LIFCell, LTCCell, ProgramCell, ReadoutCell, SpikingNetwork

CHANGED = FEATURES["changed-module"].title


def require_cell(cell: Any, known: tuple[type[nn.Module], ...], name: str) -> None:
    """Refuse a cell that is none of ours, or not made of plain numbers."""
    kind = next((kind for kind in known if isinstance(cell, kind)), None)
    if kind is None:
        names = " or ".join(kind.__name__ for kind in known)
        raise refusal(f"{name} ({type(cell).__name__})", "a cell of a class of its own", names)
    require_plain(cell, kind, name)
    # A name that was changed later does not reach what the cell computes.
    if isinstance(cell, (LTCCell, ReadoutCell)) and cell.form.nonlinearity != cell.nonlinearity:
        node = f"{name} with another nonlinearity than it began with"
        raise refusal(node, CHANGED, "make it anew")
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


def require_plain(module: nn.Module, known: type[nn.Module], name: str) -> None:
    """Refuse a module that computes something else than the class that it is of."""
    found = departure(module, known)
    if found:
        remedy = "remove what was added to it"
        raise refusal(f"{name} ({type(module).__name__}) with {found}", CHANGED, remedy)


def refusal(node: str, feature: str, remedy: str) -> UnsupportedError:
    """The error that names a part of a module, what is wrong with it and what to do."""
    return UnsupportedError("converters.torch", node, feature, remedy)


def chain_network(module: SpikingNetwork) -> Network:
    """The network that a SpikingNetwork computes, under the names of its template, if it has one.

    Raises:
        UnsupportedError, InvalidValueError, ShapeError: as for ``from_module``.
    """
    require_plain(module, SpikingNetwork, "the network")
    for number, cell in enumerate(module.cells, start=1):
        require_cell(cell, (LTCCell, LIFCell, ProgramCell), f"layer {number}")
    require_cell(module.readout, (ReadoutCell, ProgramCell), "the readout")
    given, *names = _names(module)
    first = Input(given, module.cells[0].inputs, module.graded_input)
    populations: list[FloatPopulation] = [first]
    projections: list[Projection] = []
    source: Source = (given, "value" if module.graded_input else "spikes")
    for name, cell in zip(names, module.cells, strict=False):
        populations.append(neurons_of(cell, name))
        projections.extend(synapses_of(cell, name, source))
        source = (name, cell.form.model.output)
    if module.read_from == "membrane":
        source = (source[0], "membrane")
    populations.append(neurons_of(module.readout, names[-1]))
    projections.extend(synapses_of(module.readout, names[-1], source))
    return Network(*_in_order(module.template, populations, projections), names[-1])


def _names(module: SpikingNetwork) -> list[str]:
    """What the input, the layers and the readout are called."""
    template, count = module.template, len(module.cells)
    if template is not None and len(template.populations) == count + 2:
        following = {p.source: p.target for p in template.projections if p.source != p.target}
        names = [template.input.name]
        while names[-1] in following and len(names) < count + 2:
            names.append(following[names[-1]])
        if len(set(names)) == count + 2:
            return names
    hidden = ["hidden"] if count == 1 else [f"hidden{number + 1}" for number in range(count)]
    return ["input", *hidden, "output"]


def _in_order(
    template: Network | None,
    populations: Sequence[FloatPopulation],
    projections: Sequence[Projection],
) -> tuple[tuple[FloatPopulation, ...], tuple[Projection, ...]]:
    """Populations and projections in the order of a template, those it lacks at the end."""
    if template is None:
        return tuple(populations), tuple(projections)
    names = [population.name for population in template.populations]
    ends = [(connection_name(p), p.delay) for p in template.projections]

    def place(item: Any, listed: Sequence[Any]) -> int:
        return listed.index(item) if item in listed else len(listed)

    return (
        tuple(sorted(populations, key=lambda p: place(p.name, names))),
        tuple(sorted(projections, key=lambda p: place((connection_name(p), p.delay), ends))),
    )
