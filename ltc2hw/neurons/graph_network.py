"""Any network as a torch module: every population steps by its program, projections are weights."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.graph.network import FloatPopulation, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.graph.state import register_shapes
from ltc2hw.graph.structure import Node, evaluation_order, port_stage
from ltc2hw.neurons.entering import STEP, WINDOW, entering
from ltc2hw.neurons.learned_constants import learned_constants
from ltc2hw.neurons.passage import (
    PLAIN,
    ChannelNorm,
    Passage,
    added_constant,
    dropped,
    inner_weights,
    outer_weights,
    pooled,
)
from ltc2hw.neurons.population import PopulationStep, PreparedStep
from ltc2hw.neurons.rounding import LayerRounding, MessageFormat
from ltc2hw.neurons.synapses import ConvSynapses, Synapses, arriving, synapses_module
from ltc2hw.neurons.torch_rounding import rounded_samples, sent_as
from ltc2hw.numbers.operators import Weights
from ltc2hw.numbers.words import FloatArray

Registers = Mapping[str, Mapping[str, Tensor]]

SENT = "sent:"
"""What the past messages of a variable are called among the registers."""


@dataclass(frozen=True, eq=False)
class GraphState:
    """What a network remembers, by population and register, as ``trace.state`` has it.

    Registers are (B, N); past messages of a variable, ``sent:spikes`` for instance, (D, B, N), the
    last one first.
    """

    registers: Registers

    def detach(self) -> GraphState:
        """The same state without its past: no gradient crosses it."""
        return GraphState(
            {
                name: {register: value.detach() for register, value in own.items()}
                for name, own in self.registers.items()
            }
        )


def exact_dtype(network: Network) -> torch.dtype:
    """float32 if it holds all weights and constants of a network exactly, else float64.

    >>> from ltc2hw.graph.network import Input
    >>> neurons = Neurons("out", 1, "lif", {"bias": 0.1})
    >>> exact_dtype(Network((Input("input", 1), neurons), (), "out"))
    torch.float64
    """
    own = [p for p in network.populations if isinstance(p, Neurons)]
    numbers = [
        *(projection.weights.values for projection in network.projections),
        *(values for neurons in own for values in neurons.constants.values()),
    ]
    single = all(np.array_equal(_rounded(values), values) for values in numbers)
    return torch.float32 if single else torch.float64


def _rounded(values: FloatArray) -> FloatArray:
    with np.errstate(over="ignore"):
        return np.asarray(values).astype(np.float32).astype(np.float64)


@dataclass(frozen=True, eq=False)
class GraphRounding:
    """What a network rounds, made ready: :meth:`GraphNetwork.prepared`."""

    steps: Mapping[str, PreparedStep]
    messages: Mapping[tuple[str, str], MessageFormat]
    """By population and variable."""
    given: MessageFormat | None
    """Format of samples; None where they are spikes."""


class GraphNetwork(nn.Module):
    """A network as a module: time first, (T, B, N_in) -> (T, B, N_out), called with a state.

    It computes what the float64 engine computes, to the rounding of its float type, with delays
    and several projections to a port. All weights are parameters (of sparse ones those that are
    stored, each for itself), and so are the constants that :func:`learned_constants
    <ltc2hw.neurons.learned_constants.learned_constants>` names. Spikes have a ``surrogate``
    derivative. ``dtype``: by default one that holds all numbers exactly. ``passages`` say what
    messages of projections, by their numbers, pass while the network is trained
    (:class:`~ltc2hw.neurons.passage.Passage`); :meth:`network` folds them.

    A constant that all neurons of a channel share stays one number, and convolutions of one message
    run as one.

    Raises:
        UnknownNameError: for an unknown surrogate, or a learned constant that no neuron has.
        ShapeError: for weights that are not made of the windows of their passage's ``pool``.
        UnsupportedError: for gates that are rounded tables.

    >>> from ltc2hw.graph.network import Input, Projection
    >>> from ltc2hw.numbers.weights import Dense
    >>> network = Network(
    ...     (Input("input", 2, graded=True), Neurons("out", 1, "lif", {"current_decay": 0.5})),
    ...     (Projection("input", "value", "out", "current", Dense([[0.5, 1.0]])),),
    ...     "out",
    ... )
    >>> outputs, state = GraphNetwork(network)(torch.ones(5, 3, 2))
    >>> outputs[:, 0, 0].tolist(), state.registers["out"]["membrane"].shape
    ([1.0, 1.0, 1.0, 1.0, 1.0], torch.Size([3, 1]))
    """

    unit: Tensor

    def __init__(
        self,
        network: Network,
        *,
        learned: Collection[str] | Mapping[str, Collection[str]] | None = None,
        surrogate: str = "multi_gaussian",
        dtype: torch.dtype | None = None,
        passages: Mapping[int, Passage] | None = None,
    ) -> None:
        super().__init__()
        dtype = exact_dtype(network) if dtype is None else dtype
        self.template = network
        self.surrogate = surrogate
        self.register_buffer("unit", torch.ones((), dtype=dtype), persistent=False)
        given = passages or {}
        self.passages = [given.get(i, PLAIN) for i in range(len(network.projections))]
        self.noise: torch.Generator | None = None
        self.synapses = nn.ModuleList(
            synapses_module(self._weights(index), dtype)
            for index in range(len(network.projections))
        )
        self.norms = nn.ModuleDict(
            {
                str(index): ChannelNorm(self._channels(index), dtype)
                for index, passage in enumerate(self.passages)
                if passage.norm
            }
        )
        names = learned_constants(network, learned)
        self.names = {p.name: i for i, p in enumerate(_neurons(network))}
        self.populations = nn.ModuleList(
            self._population(neurons, names[neurons.name], dtype) for neurons in _neurons(network)
        )
        by_name = {population.name: population for population in network.populations}
        self._order = [
            node
            for node in evaluation_order(network.populations, network.projections)
            if node[0] != network.input.name and (node[1] == "late" or self._step(node[0]).early)
        ]
        self._incoming: dict[Node, dict[Any, list[int]]] = {}
        for index, projection in enumerate(network.projections):
            stage = port_stage(by_name[projection.target], projection.port)
            # Without early results one stage takes what arrives at all ports.
            stage = stage if self._step(projection.target).early else "late"
            groups = self._incoming.setdefault((projection.target, stage), {})
            groups.setdefault(self._kind(index), []).append(index)
        self._shapes = register_shapes(network)

        self._rounding: GraphRounding | None = None

    def prepared(
        self, layers: Mapping[str, LayerRounding], given: MessageFormat | None
    ) -> GraphRounding:
        """What :meth:`rounded` takes: what each population rounds, and the format of samples."""
        steps = {name: self._step(name).prepared(own) for name, own in layers.items()}
        formats = {
            (name, variable): message
            for name, own in layers.items()
            for variable, message in own.messages.items()
        }
        return GraphRounding(steps, formats, given)

    @contextmanager
    def rounded(self, rounding: GraphRounding) -> Iterator[None]:
        """Within it, the network computes what integers compute; gradients pass straight."""
        self._rounding = rounding
        try:
            yield
        finally:
            self._rounding = None

    def _population(
        self, neurons: Neurons, learned: tuple[str, ...], dtype: torch.dtype
    ) -> PopulationStep:
        projections = self.template.projections
        sent = [p.variable for p in projections if p.source == neurons.name]
        early = tuple(name for name in neurons.early if name in sent)
        output = (neurons.output_variable,) if neurons.name == self.template.output else ()
        wanted = dict.fromkeys((*neurons.registers, *sent, *output))
        driven = {p.port for p in projections if p.target == neurons.name}
        return PopulationStep(neurons, driven, learned, early, tuple(wanted), self.surrogate, dtype)

    def _step(self, name: str) -> PopulationStep:
        return cast(PopulationStep, self.populations[self.names[name]])

    def _weights(self, index: int) -> Weights:
        """The weights of a projection as they are trained: those of averages, where it pools."""
        projection, size = self.template.projections[index], self.passages[index].pool
        if size == 1:
            return projection.weights
        shape = self.template.population(projection.source).shape
        return inner_weights(projection.weights, shape, size)

    def _channels(self, index: int) -> int:
        """How many channels a projection's sums have; of targets without places, each is one."""
        projection = self.template.projections[index]
        target = self.template.population(projection.target)
        # Refuses neurons that have no place for the mean, before anything is trained.
        added_constant(cast(Neurons, target).model, projection.port)
        return target.shape[0]

    def _kind(self, index: int) -> Any:
        """What projections have in common that are computed as one; otherwise their number."""
        module = self.synapses[index]
        geometry = module.geometry if isinstance(module, ConvSynapses) else None
        return index if geometry is None else (self._message(index), geometry)

    def _message(self, index: int) -> tuple[str, str, int, Passage]:
        """What a projection sends, and how it is changed on its way to the weights."""
        projection = self.template.projections[index]
        before = replace(self.passages[index], norm=False)
        return projection.source, projection.variable, projection.delay, before

    def reseed(self, *seed: int) -> None:
        """Draw dropout from this seed on."""
        (number,) = np.random.SeedSequence(seed).generate_state(1)
        self.noise = torch.Generator().manual_seed(int(number))

    def _passed(self, sent: Tensor, index: int) -> Tensor:
        """A message as it reaches the weights of a projection."""
        passage, rounding = self.passages[index], self._rounding
        projection = self.template.projections[index]
        ends = (projection.source, projection.variable)
        if rounding is not None and ends in rounding.messages:
            sent = sent_as(rounding.messages[ends], sent)
        if self.training and passage.dropout:
            if self.noise is None:
                self.reseed(0)
            sent = dropped(sent, passage.dropout, cast(torch.Generator, self.noise))
        if passage.pool > 1:
            sent = pooled(sent, self.template.population(projection.source).shape, passage.pool)
        return sent

    def initial_state(self, batch: int) -> GraphState:
        """Zeros, and no past messages."""
        return GraphState(
            {
                name: {
                    register: self.unit.new_zeros((*shape[:-1], batch, shape[-1]))
                    for register, shape in own.items()
                }
                for name, own in self._shapes.items()
            }
        )

    def forward(self, x: Tensor, state: GraphState | None = None) -> tuple[Tensor, GraphState]:
        """Run over x: (T, B, N_in); the output's variable after every step, and the final state.

        Raises:
            ShapeError, InvalidValueError: for inputs or states that do not fit.
        """
        x = entering(self, x, self.template.input.size, self.unit, WINDOW)
        registers = self._before(state, x.shape[1])
        outputs = []
        for sample in x:
            output, registers = self._advanced(sample, registers)
            outputs.append(output)
        return torch.stack(outputs), GraphState(registers)

    def step(self, x: Tensor, state: GraphState | None = None) -> tuple[Tensor, GraphState]:
        """One step, x: (B, N_in) -> (B, N_out)."""
        x = entering(self, x, self.template.input.size, self.unit, STEP)
        output, registers = self._advanced(x, self._before(state, len(x)))
        return output, GraphState(registers)

    def _before(self, state: GraphState | None, batch: int) -> Registers:
        zeros = self.initial_state(batch)
        if state is None:
            return zeros.registers
        if not isinstance(state, GraphState):
            remedy = "use the state that the network gave, or None"
            raise InvalidValueError("state", type(state).__name__, "a GraphState", remedy)
        for name, own in zeros.registers.items():
            for register, zero in own.items():
                found = state.registers.get(name, {}).get(register)
                if found is None or found.shape != zero.shape:
                    shape = None if found is None else tuple(found.shape)
                    raise ShapeError(f"state {name}.{register}", shape, f"{tuple(zero.shape)}")
        return state.registers

    def _advanced(self, x: Tensor, before: Registers) -> tuple[Tensor, Registers]:
        network, batch, rounding = self.template, len(x), self._rounding
        if rounding is not None and rounding.given is not None:
            x = rounded_samples(rounding.given, x)
        given = network.input
        produced: dict[str, dict[str, Tensor]] = {given.name: {given.variables[0]: x}}
        arrived: dict[str, dict[str, Tensor]] = {}
        for name, stage in self._order:
            ports = arrived.setdefault(name, {})
            passed: dict[Any, Tensor] = {}
            for group in self._incoming.get((name, stage), {}).values():
                message = self._message(group[0])
                if message not in passed:
                    # All projections of a message see the same of it.
                    sent = _sent(network.projections[group[0]], produced, before)
                    passed[message] = self._passed(sent, group[0])
                modules = [cast(Synapses, self.synapses[index]) for index in group]
                for index, weighted in zip(group, arriving(modules, passed[message]), strict=True):
                    if str(index) in self.norms:
                        weighted = self.norms[str(index)](weighted)
                    port = network.projections[index].port
                    ports[port] = ports[port] + weighted if port in ports else weighted
            own, step = before[name], self._step(name)
            prepared = None if rounding is None else rounding.steps[name]
            if stage == "early":
                produced[name] = step.first(ports, own, batch, prepared)
            else:
                known = produced.get(name, {})
                produced[name] = {**known, **step.then(ports, own, known, batch, prepared)}
        answer = cast(Neurons, network.population(network.output)).output_variable
        after = {
            name: {
                register: _following(register, value, produced[name])
                for register, value in own.items()
            }
            for name, own in before.items()
        }
        return produced[network.output][answer], after

    def network(self) -> Network:
        """The network with the parameters as they are now, copied exactly.

        Raises:
            InvalidValueError: for parameters that are not finite.
            ShapeError: for parameters of another shape than the network's.
        """
        populations: list[FloatPopulation] = []
        for population in self.template.populations:
            if isinstance(population, Neurons):
                population = self._trained(population)
            populations.append(population)
        projections = tuple(
            replace(projection, weights=self._trained_weights(index))
            for index, projection in enumerate(self.template.projections)
        )
        return replace(self.template, populations=tuple(populations), projections=projections)

    def _trained_weights(self, index: int) -> Weights:
        """A projection's weights as they are now, with what is trained beside them folded in."""
        projection, passage = self.template.projections[index], self.passages[index]
        values = _exact(cast(Synapses, self.synapses[index]).weight)
        inner = self._weights(index)
        if values.size != inner.values.size:
            label = f"weights of {projection.source}->{projection.target}"
            raise ShapeError(label, values.shape, f"{inner.values.size} numbers")
        if passage.norm:
            factors, _ = cast(ChannelNorm, self.norms[str(index)]).folded()
            values = values * factors.reshape(-1, *(1 for _ in values.shape[1:]))
        weights = inner.with_values(values.ravel())
        if passage.pool == 1:
            return weights
        shape = self.template.population(projection.source).shape
        return outer_weights(weights, shape, passage.pool)

    def _means(self, neurons: Neurons) -> dict[str, FloatArray]:
        """What normalization adds to the sums of a population, by the constant that takes it."""
        added: dict[str, FloatArray] = {}
        for index, projection in enumerate(self.template.projections):
            if projection.target == neurons.name and self.passages[index].norm:
                _, shift = cast(ChannelNorm, self.norms[str(index)]).folded()
                constant = added_constant(neurons.model, projection.port)
                each = np.repeat(shift, neurons.size // len(shift))
                added[constant] = added.get(constant, 0.0) + each
        return added

    def _trained(self, neurons: Neurons) -> Neurons:
        step = self._step(neurons.name)
        held = step.constants()
        constants = {}
        for name in step.learned:
            described = neurons.model.constant(name)
            constants[name] = np.clip(_exact(held[name]), described.low, described.high)
        # The others may have been rounded on their way into the module.
        rest = {n: _exact(value) for n, value in held.items() if n not in constants}
        found = {**rest, **constants}
        means = self._means(neurons)
        return neurons.with_constants({**found, **{n: found[n] + means[n] for n in means}})


def _neurons(network: Network) -> list[Neurons]:
    return [population for population in network.populations if isinstance(population, Neurons)]


def _exact(tensor: Tensor) -> FloatArray:
    values: FloatArray = np.array(tensor.detach().cpu().double().numpy())
    return values


def _sent(projection: Projection, produced: Registers, before: Registers) -> Tensor:
    """What a projection delivers: a message of this step, or a past one."""
    source, variable = projection.source, projection.variable
    if projection.delay == 0:
        return produced[source][variable]
    return before[source][f"{SENT}{variable}"][projection.delay - 1]


def _following(register: str, value: Tensor, produced: Mapping[str, Tensor]) -> Tensor:
    """A register after the step; messages move on by one."""
    if not register.startswith(SENT):
        return produced[register]
    latest = produced[register.removeprefix(SENT)]
    return torch.cat([latest.unsqueeze(0), value[:-1]])
