"""SpikingNetwork: layers of spiking cells and a readout, run over time-major sequences."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple, cast

from torch import Tensor, nn

from ltc2hw.errors import InvalidValueError, ShapeError, UnknownNameError
from ltc2hw.graph.network import Network
from ltc2hw.neurons.cell import Cell
from ltc2hw.neurons.entering import require_window

ReadFrom = Literal["spikes", "membrane"]
READ_FROM: tuple[ReadFrom, ...] = ("spikes", "membrane")


class NetworkState(NamedTuple):
    """States of all layers, in order, and of the readout."""

    layers: tuple[Any, ...]
    readout: Any

    def detach(self) -> NetworkState:
        """The same state without its past: no gradient crosses it."""
        return NetworkState(tuple(layer.detach() for layer in self.layers), self.readout.detach())


class SpikingNetwork(nn.Module):
    """Layers of cells, then a readout; time first: (T, B, N_in) -> (T, B, N_out).

    ``read_from`` says what of the last layer the readout sees: its spikes, or its membranes after
    the reset (a graded message; the authors' code reads the Add task out that way).
    ``template`` is the network of the graph that it was made of, if it was: it has the names.

    Raises:
        InvalidValueError: if there is no layer.
        ShapeError: if a cell's inputs do not equal the size of the cell before it.
        UnknownNameError: for an unknown ``read_from``, or membranes that the last layer has not.

    >>> import torch
    >>> from ltc2hw.neurons import LTCCell, ReadoutCell
    >>> net = SpikingNetwork([LTCCell(3, 5)], ReadoutCell(5, 2))
    >>> outputs, state = net(torch.rand(7, 4, 3))
    >>> outputs.shape
    torch.Size([7, 4, 2])
    """

    def __init__(
        self,
        layers: Sequence[Cell],
        readout: Cell,
        *,
        read_from: ReadFrom = "spikes",
        graded_input: bool = True,
    ) -> None:
        super().__init__()
        if not layers:
            raise InvalidValueError("layers", 0, "at least one layer")
        if read_from not in READ_FROM:
            raise UnknownNameError("read_from", read_from, READ_FROM)
        if read_from == "membrane" and "membrane" not in layers[-1].shown:
            model = layers[-1].form.model.name
            raise UnknownNameError(f"state of model {model}", "membrane", layers[-1].shown)
        cells = (*layers, readout)
        for index, (cell, following) in enumerate(pairwise(cells)):
            if following.inputs != cell.size:
                raise ShapeError(f"inputs of cell {index + 1}", following.inputs, str(cell.size))
        self.layers = nn.ModuleList(layers)
        self.readout = readout
        self.read_from: ReadFrom = read_from
        self.graded_input = graded_input
        self.template: Network | None = None

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The layers, in order."""
        return cast("tuple[Cell, ...]", tuple(self.layers))

    @property
    def seen(self) -> str:
        """The register of the last layer that the readout sees."""
        return "membrane" if self.read_from == "membrane" else self.cells[-1].form.model.output

    def forward(self, x: Tensor, state: NetworkState | None = None) -> tuple[Tensor, NetworkState]:
        """Run over x: (T, B, N_in) -> readout membranes (T, B, N_out) and the final state.

        Raises:
            ShapeError, InvalidValueError: for inputs or states that do not fit, or are not finite.
            UnsupportedError: for cells whose windows would not do what their steps do.
        """
        self._check_state(state)
        for cell in (*self.cells, self.readout):
            require_window(cell)
        states: list[Any] = []
        sequence, shown = x, [x]
        for index, layer in enumerate(self.cells):
            before = None if state is None else state.layers[index]
            *shown, after = layer.window(sequence, before)
            sequence = shown[0]
            states.append(after)
        seen = shown[self.cells[-1].shown.index(self.seen)]
        outputs, *_, readout = self.readout.window(seen, None if state is None else state.readout)
        return outputs, NetworkState(tuple(states), readout)

    def step(self, x: Tensor, state: NetworkState | None = None) -> tuple[Tensor, NetworkState]:
        """One step, x: (B, N_in) -> readout membranes (B, N_out), by the cells' own steps."""
        self._check_state(state)
        states: list[Any] = []
        values = x
        for index, layer in enumerate(self.cells):
            values, after = layer(values, None if state is None else state.layers[index])
            states.append(after)
        seen = values if self.read_from == "spikes" else after.membrane
        output, readout = self.readout(seen, None if state is None else state.readout)
        return output, NetworkState(tuple(states), readout)

    def _check_state(self, state: NetworkState | None) -> None:
        """Raise unless a state is one of as many layers; cells check their own."""
        if state is None:
            return
        if not isinstance(state, NetworkState):
            raise InvalidValueError("state of a network", type(state).__name__, "NetworkState")
        if len(state.layers) != len(self.layers):
            count = f"of {len(state.layers)} layers"
            raise ShapeError("state of a network", count, f"one of {len(self.layers)}")
