"""Float networks that say the same as torch modules, by the modules' documented layout."""

from __future__ import annotations

from torch import Tensor, nn

from ltc2hw.converters.populations import LTC, Gate, Readout
from ltc2hw.dynamics.models.ltc import ltc
from ltc2hw.graph.network import FloatPopulation, Input, Network, Projection
from ltc2hw.graph.structure import Port, Variable
from ltc2hw.learning.rule import Parameter
from ltc2hw.neurons import LTCCell, ReadoutCell, SpikingNetwork
from ltc2hw.numbers.nonlinearity import Nonlinearity
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import FloatArray

Slices = dict[Parameter, tuple[nn.Parameter, int | None]]
"""Where each parameter of the network lies in the module: a tensor, and which port of it."""

PORTS = ltc.ports


class TorchLayout:
    """The float network of a SpikingNetwork, and where its parameters came from."""

    def __init__(self, module: SpikingNetwork) -> None:
        self.module = module
        self.slices: Slices = {}
        self.populations: list[FloatPopulation] = [
            Input("input", layers_of(module)[0].inputs, graded=True)
        ]
        self.projections: list[Projection] = []
        source = "input"
        variable: Variable = "value"
        for index, layer in enumerate(layers_of(module)):
            name = f"hidden{index}"
            self.add_layer(layer, name, source, variable)
            source, variable = name, module.read_from
        assert isinstance(module.readout, ReadoutCell)
        self.add_readout(module.readout, source, variable)
        self.network = Network(tuple(self.populations), tuple(self.projections), "readout")

    def add_layer(self, cell: LTCCell, name: str, source: str, variable: Variable) -> None:
        event = cell.gate == "event"
        gates = [self.gate(cell, name, row, PORTS[row]) for row in (1, 2)]
        self.slices[Parameter(name, "current", "bias")] = (cell.bias, 0)
        self.populations.append(
            LTC(
                name,
                cell.size,
                numbers(cell.threshold),
                numbers(cell.adaptation_strength),
                numbers(cell.bias[0]),
                gates[0],
                gates[1],
            )
        )
        for row, port in enumerate(PORTS if event else PORTS[:1]):
            self.add(source, variable, name, port, 0, cell.weight_input, row)
            if cell.weight_recurrent is not None:
                self.add(name, "spikes", name, port, 1, cell.weight_recurrent, row)
        if cell.gate == "dense":
            self.add_dense(cell, name, (("tau_mem", "membrane"), ("tau_adp", "adaptation")))

    def add_readout(self, cell: ReadoutCell, source: str, variable: Variable) -> None:
        gate = self.gate(cell, "readout", 1, "tau_mem")
        self.slices[Parameter("readout", "current", "bias")] = (cell.bias, 0)
        self.populations.append(Readout("readout", cell.size, numbers(cell.bias[0]), gate))
        for row, port in enumerate(PORTS[:2] if cell.gate == "event" else PORTS[:1]):
            self.add(source, variable, "readout", port, 0, cell.weight_input, row)
        if cell.gate == "dense":
            self.add_dense(cell, "readout", (("tau_mem", "membrane"),))

    def add_dense(
        self, cell: LTCCell | ReadoutCell, name: str, gates: tuple[tuple[Port, Variable], ...]
    ) -> None:
        for port, state in gates:
            of_state = getattr(cell, f"{port}_from_state")
            self.add(name, "current", name, port, 0, getattr(cell, f"{port}_from_current"), None)
            self.add(name, state, name, port, 1, of_state, None)

    def add(
        self,
        source: str,
        variable: Variable,
        target: str,
        port: Port,
        delay: int,
        tensor: nn.Parameter,
        row: int | None,
    ) -> None:
        matrix = tensor if row is None else tensor[row]
        index = len(self.projections)
        self.slices[Parameter(target, port, "weights", index)] = (tensor, row)
        self.projections.append(
            Projection(source, variable, target, port, Dense(numbers(matrix)), delay)
        )

    def gate(self, cell: LTCCell | ReadoutCell, name: str, row: int, port: Port) -> Gate:
        self.slices[Parameter(name, port, "bias")] = (cell.bias, row)
        own = {}
        for term in ("from_state", "from_current"):
            tensor = getattr(cell, f"{port}_{term}")
            if cell.gate == "event":
                own[term] = numbers(tensor)
                self.slices[Parameter(name, port, term)] = (tensor, None)
        nonlinearity: Nonlinearity = "plan" if cell.nonlinearity == "plan" else "sigmoid"
        return Gate(numbers(cell.bias[row]), nonlinearity=nonlinearity, **own)


def flat(tensor: Tensor, row: int | None) -> Tensor:
    """One port of a tensor, or all of it, as a vector."""
    return (tensor if row is None else tensor[row]).flatten()


def layers_of(module: SpikingNetwork) -> list[LTCCell]:
    """The module's layers, all of them LTC."""
    return [layer for layer in module.layers if isinstance(layer, LTCCell)]


def numbers(tensor: Tensor | nn.Module) -> FloatArray:
    """A tensor as an array."""
    assert isinstance(tensor, Tensor)
    values: FloatArray = tensor.detach().numpy()
    return values
