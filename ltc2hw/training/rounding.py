"""The integers that a network in training would become: what it is trained and judged through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ltc2hw.errors import UnsupportedError, Violation
from ltc2hw.graph.fixed import FixedNetwork, message_fraction
from ltc2hw.graph.network import Network
from ltc2hw.graph.neurons import FixedNeurons, Neurons
from ltc2hw.graph.structure import ConnectionKey, connection_key
from ltc2hw.neurons import GraphNetwork, SpikingNetwork
from ltc2hw.neurons.form import Form
from ltc2hw.neurons.graph_network import GraphRounding
from ltc2hw.neurons.rounding import LayerRounding, MessageFormat, RoundedFunction
from ltc2hw.neurons.torch_rounding import rounded_samples
from ltc2hw.numbers.words import Word, weight_word
from ltc2hw.quantization.calibration import measure
from ltc2hw.quantization.mixing import worked_out
from ltc2hw.quantization.option_checks import check_options
from ltc2hw.quantization.quantize import convert
from ltc2hw.quantization.rules import check_network
from ltc2hw.quantization.scaling import QuantizeOptions
from ltc2hw.registry import find_module_reader, find_target
from ltc2hw.tasks import Task
from ltc2hw.training.grid import Grid
from ltc2hw.training.options import TrainingOptions

FARTHEST = 1 << 62
"""Mantissas of constants are within ± this."""

FOLLOWED = 1 / 3
"""Share of the epochs in which scales of weights follow the weights; then they stay. A scale that
moves by a power of two moves all weights of its matrix at once: weights of 2 bits on digits-rows
ended at 96.5 % of the training samples with scales that stay, at 95.4 % without (five seeds)."""


ATTEMPTS = 2
"""At grids that every port can hold: the first for the weights as they are, then coarser ones."""

TOLERANCE = 1e-3
"""Units of a weight that averages over several places may be off, whose size is no power of two."""

Place = Callable[[Iterator[Grid]], None]


@dataclass(frozen=True, eq=False)
class Rounded:
    """What a network rounds at its parameters of now, and the integers that it would be."""

    network: Network
    fixed: FixedNetwork
    words: dict[ConnectionKey, Word]
    """Of the weights of each projection."""
    refused: tuple[Violation, ...]
    """Rules of the chip and limits that these integers break."""

    def grid(self, source: str, variable: str, target: str, port: str, delay: int) -> Grid:
        """The grid of a projection."""
        ends = (source, variable, target, port, delay)
        found = next(p for p in self.fixed.projections if connection_key(p) == ends)
        word = self.words[ends]
        return Grid(2.0**-found.weight_fraction, word.minimum, word.maximum)

    @property
    def is_exact(self) -> bool:
        """Whether the integers hold every weight as it is."""
        pairs = zip(self.network.projections, self.fixed.projections, strict=True)
        units = (
            np.ldexp(real.weights.values, held.weight_fraction) - held.weights.values
            for real, held in pairs
        )
        return all(np.abs(off).max(initial=0.0) <= TOLERANCE for off in units)

    def layer(self, name: str) -> LayerRounding:
        """What a population rounds."""
        fixed, real = self.fixed.population(name), self.network.population(name)
        assert isinstance(fixed, FixedNeurons)
        assert isinstance(real, Neurons)
        formats = fixed.formats
        functions = {
            gate: RoundedFunction(
                form,
                formats.held[gate].fraction,
                tuple(int(entry) for entry in fixed.tables[gate]),
                real.functions[gate],  # type: ignore[arg-type]
            )
            for gate, form in formats.gates.items()
        }
        messages = {
            sent.variable: MessageFormat(sent.word, message_fraction(fixed, sent.variable))
            for sent in fixed.messages
        }
        return LayerRounding(formats, _ends_of_constants(real, fixed), functions, messages)

    @property
    def given(self) -> MessageFormat | None:
        """The format of samples; None where they are spikes."""
        given = self.fixed.input
        return MessageFormat(given.word, given.fraction) if given.graded else None

    def entering(self, x: Tensor) -> Tensor:
        """Samples as the chip sees them, in real units."""
        return x if self.given is None else rounded_samples(self.given, x)

    def prepared(self, module: GraphNetwork) -> GraphRounding:
        """What a network of the graph rounds, made ready."""
        own = self.network.populations
        layers = {p.name: self.layer(p.name) for p in own if isinstance(p, Neurons)}
        return module.prepared(layers, self.given)


def _ends_of_constants(real: Neurons, fixed: FixedNeurons) -> dict[str, tuple[int, int]]:
    """The mantissas at which constants stop that do not fit their words."""
    found = {}
    for name, values in fixed.constants.items():
        wanted = np.rint(np.ldexp(real.constants[name], fixed.formats.constants[name]))
        low, high = values[wanted < values], values[wanted > values]
        if len(low) or len(high):
            found[name] = (
                int(low.max()) if len(low) else -FARTHEST,
                int(high.min()) if len(high) else FARTHEST,
            )
    return found


class Rounder:
    """Quantizes a network in training, at its parameters of now, as it will be in the end.

    Calibrated on the first ``options.calibration`` training samples of the task.

    Raises:
        UnsupportedError: for a module that is no network of this package.
        HardwareRuleError, InvalidValueError, UnknownNameError: as
            :func:`~ltc2hw.quantization.quantize.quantize`, for a target, a width or a name that
            there is not, or a network that the chip cannot hold.
    """

    def __init__(self, module: nn.Module, task: Task, options: TrainingOptions) -> None:
        if not isinstance(module, (SpikingNetwork, GraphNetwork)):
            remedy = "make it of the package's cells, or train with rounding 'weights'"
            raise UnsupportedError(
                "rounding of everything", type(module).__name__, "no network of the graph", remedy
            )
        self.module = module
        self.chip = find_target(options.target)
        self.options = QuantizeOptions(
            weight_bits=options.weight_bits, bits=options.bits, fine_states=options.fine_states
        )
        count = min(options.calibration, task.train.samples)
        split = task.train.take(np.arange(count))
        self.x, self.lengths = split.x, split.lengths
        network = self.network()
        check_options(self.options, network, self.chip)
        check_network(network, self.chip)
        self.followed = max(1, round(FOLLOWED * options.epochs))
        self.passes = 0
        """Over the training samples, so far."""
        self.last: tuple[tuple[Tensor, ...], Rounded] | None = None

    def network(self) -> Network:
        """The float network of now."""
        network: Network = find_module_reader()(self.module)
        return worked_out(network)

    def fit(self) -> Rounded:
        """Calibrate and choose all scales for the parameters that the module has now."""
        values = tuple(self.module.parameters())
        if self.last is None or not all(map(torch.equal, values, self.last[0])):
            self.last = tuple(value.detach().clone() for value in values), self._made()
        return self.last[1]

    def follow(self, place: Place, deployed: Callable[[], AbstractContextManager[None]]) -> Rounded:
        """Scales of weights for those that are not rounded, all others for those that are.

        ``place`` takes the grids of the weights; within ``deployed`` the module has them rounded.
        After a share of FOLLOWED of all passes the grids stay as they are, unless a port has become
        too coarse for them. What is given is what quantization makes of the rounded weights.
        """
        if self.passes >= self.followed:
            with deployed():
                held = self.fit()
            if held.is_exact:
                return held
        rounded = self.fit()
        for _ in range(ATTEMPTS):
            place(grids_of(self.module, rounded))
            with deployed():
                rounded = self.fit()
            if rounded.is_exact:
                break
        return rounded

    def _made(self) -> Rounded:
        network = self.network()
        ranges = measure(network, self.x, self.lengths)
        made = convert(network, self.chip, ranges, self.options)
        words = {
            connection_key(projection): weight_word(self.options.width_of(projection, self.chip))
            for projection in network.projections
        }
        refused = tuple(made.refused(self.chip, self.options))
        return Rounded(network, made.fixed, words, refused)


def forms_of(module: SpikingNetwork, rounded: Rounded) -> list[Form]:
    """Forms of a chain's cells that compute what integers compute."""
    return [
        cell.form.rounded(rounded.layer(name))
        for name, cell in zip(
            _chain(module, rounded.network), (*module.cells, module.readout), strict=True
        )
    ]


def grids_of(module: nn.Module, rounded: Rounded) -> Iterator[Grid]:
    """Grids of a network's weights in the order of its parameters."""
    if isinstance(module, GraphNetwork):
        return _grids_of_graph(module, rounded)
    assert isinstance(module, SpikingNetwork)
    return _grids_of_chain(module, rounded)


def _grids_of_graph(module: GraphNetwork, rounded: Rounded) -> Iterator[Grid]:
    for projection, passage in zip(module.template.projections, module.passages, strict=True):
        sides = len(module.template.population(projection.source).shape) - 1
        grid = rounded.grid(*connection_key(projection))
        # Weights of averages are as many times larger as there are numbers in one.
        yield grid._replace(step=grid.step * passage.pool**sides)


def _grids_of_chain(module: SpikingNetwork, rounded: Rounded) -> Iterator[Grid]:
    """Of each layer input ports, recurrent ones, graded synapses."""
    network = rounded.network
    below = network.input.name
    sent = network.input.variables[0]
    cells = (*module.cells, module.readout)
    for name, cell in zip(_chain(module, network), cells, strict=True):
        form = cell.form
        if name == network.output:
            sent = module.seen
        for port in form.ports:
            yield rounded.grid(below, sent, name, port, 0)
        if cell.tensors().weight_recurrent is not None:
            for port in form.ports:
                yield rounded.grid(name, form.model.output, name, port, 1)
        for variable, port in form.graded:
            yield rounded.grid(name, variable, name, port, 0 if variable in form.early else 1)
        below, sent = name, form.model.output


def _chain(module: SpikingNetwork, network: Network) -> list[str]:
    """Names of a chain's populations, from the first layer to the readout."""
    following = {p.source: p.target for p in network.projections if p.source != p.target}
    names, name = list[str](), network.input.name
    while len(names) <= len(module.cells):
        name = following[name]
        names.append(name)
    return names
