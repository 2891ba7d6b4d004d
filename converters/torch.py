"""From ltc2hw's torch modules to a Network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ltc2hw.converters.cells import Source, synapses_of
from ltc2hw.converters.features import FEATURES
from ltc2hw.converters.plain_modules import departure, exact_array
from ltc2hw.errors import ShapeError, UnsupportedError
from ltc2hw.network import LIF, LTC, FloatPopulation, Gate, Input, Network, Projection, Readout
from ltc2hw.neurons import Cell, LIFCell, LTCCell, ReadoutCell, SpikingNetwork
from ltc2hw.nonlinearity import Nonlinearity

Array = npt.NDArray[np.float64]
CHANGED = FEATURES["changed-module"].title


def _array(tensor: Tensor) -> Array:
    """A float64 copy, exact for float32 parameters."""
    values: Array = tensor.detach().cpu().double().numpy().copy()
    return values


def _own(term: Tensor | None, size: int) -> Array:
    """A gate's own-state term as a vector (N,); zero where matrices or nothing take its place."""
    if term is None or term.dim() != 1:
        return np.zeros(size)
    return _array(term)


def _gate(
    bias: Tensor, from_state: Tensor | None, from_current: Tensor | None, nonlinearity: str
) -> Gate:
    size = len(bias)
    kind = cast(Nonlinearity, nonlinearity)
    return Gate(_array(bias), _own(from_state, size), _own(from_current, size), kind)


def _ltc(cell: LTCCell, name: str) -> LTC:
    p = cell.parameters_of_step()
    kind = cell.nonlinearity
    return LTC(
        name=name,
        size=cell.size,
        threshold=_array(p.threshold),
        adaptation_strength=_array(p.adaptation_strength),
        bias_current=_array(p.bias[0]),
        tau_mem=_gate(p.bias[1], p.tau_mem_from_state, p.tau_mem_from_current, kind),
        tau_adp=_gate(p.bias[2], p.tau_adp_from_state, p.tau_adp_from_current, kind),
    )


def _lif(cell: LIFCell, name: str) -> LIF:
    p = cell.parameters_of_step()
    return LIF(
        name=name,
        size=cell.size,
        current_decay=_array(p.current_decay),
        membrane_decay=_array(p.membrane_decay),
        threshold=_array(p.threshold),
        bias=_array(p.bias),
    )


def _readout(cell: ReadoutCell, name: str) -> Readout:
    p = cell.parameters_of_step()
    return Readout(
        name=name,
        size=cell.size,
        bias_current=_array(p.bias[0]),
        tau_mem=_gate(p.bias[1], p.tau_mem_from_state, p.tau_mem_from_current, cell.nonlinearity),
    )


def _population(cell: Cell, name: str) -> LTC | LIF | Readout:
    """The population of a cell that :func:`_require_cell` let pass."""
    if isinstance(cell, LTCCell):
        return _ltc(cell, name)
    if isinstance(cell, LIFCell):
        return _lif(cell, name)
    return _readout(cast(ReadoutCell, cell), name)


def _require_cell(cell: Any, known: tuple[type[nn.Module], ...], name: str) -> None:
    """Refuse a cell that is none of ours, or not made of plain numbers."""
    kind = next((kind for kind in known if isinstance(cell, kind)), None)
    if kind is None:
        names = " or ".join(kind.__name__ for kind in known)
        raise _refusal(f"{name} ({type(cell).__name__})", "a cell of a class of its own", names)
    _require_plain(cell, kind, name)
    # A name that was changed later does not reach what the cell computes.
    if not isinstance(cell, LIFCell) and cell.form.nonlinearity != cell.nonlinearity:
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
        _require_cell(cell, (LTCCell, LIFCell), f"layer {number}")
    _require_cell(module.readout, (ReadoutCell,), "the readout")
    first = Input("input", module.cells[0].inputs, module.graded_input)
    populations: list[FloatPopulation] = [first]
    projections: list[Projection] = []
    source: Source = ("input", "value" if module.graded_input else "spikes")
    for number, cell in enumerate(module.cells, start=1):
        name = "hidden" if len(module.cells) == 1 else f"hidden{number}"
        populations.append(_population(cell, name))
        projections.extend(synapses_of(cell, name, source))
        source = (name, "spikes")
    if module.read_from == "membrane":
        source = (source[0], "membrane")
    return Network(
        populations=(*populations, _population(module.readout, "output")),
        projections=(*projections, *synapses_of(module.readout, "output", source)),
        output="output",
        provenance=dict(provenance or {}),
    )
