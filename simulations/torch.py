"""The torch engine: the bits of :mod:`ltc2hw.simulations.integer` on a GPU, or on any device.

Nothing needs it: :mod:`~ltc2hw.simulations.fast` gives the same bits without torch. It pays where a
GPU is present and the batch is large.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import InvalidValueError, MissingExtraError
from ltc2hw.graph.fixed import (
    FixedInput,
    FixedNetwork,
    FixedPopulation,
    message_format,
    recorded_dtype,
)
from ltc2hw.graph.fixed_state import starting_state
from ltc2hw.graph.samples import check_samples
from ltc2hw.graph.structure import Node, Variable, port_stage, variable_stage
from ltc2hw.graph.trace import Array, State, Trace, check_record, empty_record, make_trace
from ltc2hw.simulations.driver import Plan

try:
    import torch
    from torch import Tensor
except ModuleNotFoundError as error:
    raise MissingExtraError("torch", "the torch engine") from error

from ltc2hw.simulations.torch_arithmetic import (
    Evaluator,
    Stage,
    fit,
    placed_weights,
    shift_toward_zero,
)


def simulate(
    network: FixedNetwork,
    x: npt.ArrayLike,
    record: Sequence[str] | str = ("spikes", "membrane"),
    state: State | None = None,
    device: str | None = None,
) -> Trace:
    """Run samples x (T, B, N_in) through the integer network, with the bits of ``integer``.

    ``device`` is torch's name of one; None takes a GPU where one is present.

    Raises:
        ShapeError, InvalidValueError, UnknownNameError: for samples, a state or names to record
            that do not fit the network, or sums that doubles do not hold.
    """
    samples = check_samples(x, network.input.size, network.input.graded)
    wanted = check_record(record, network.populations)
    steps, batch, _ = samples.shape
    carried = starting_state(network, state, batch)
    values, misfits = network.input.word.encode(samples, network.input.fraction)
    place = _device(device)
    engine = _Engine(network, carried, batch, place)
    engine.count(network.input, {network.input.variables[0]: torch.tensor(misfits)})
    encoded = torch.tensor(values, device=place)
    dtype = recorded_dtype(network)
    recorded = empty_record(wanted, network.populations, steps, batch, dtype)
    output = network.population(network.output)
    outputs = np.zeros((steps, batch, output.size), dtype=dtype)
    with torch.inference_mode():
        for t in range(steps):
            produced = engine.step(encoded[t])
            for name, variables in wanted.items():
                for variable in variables:
                    recorded[name][variable][t] = array(produced[name][variable])
            outputs[t] = array(produced[output.name][output.output_variable])
    return make_trace(recorded, outputs, engine.saturations(), engine.state())


def _device(name: str | None) -> torch.device:
    """The device of that name; without one a GPU, where one is present.

    Raises:
        InvalidValueError: for a name that torch does not know, or a device that is not there.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.zeros(1, device=name).device
    except (RuntimeError, TypeError, AssertionError) as error:
        raise InvalidValueError(
            "device", repr(name), "a device that torch sees here", "leave it out for the best one"
        ) from error


def array(tensor: Tensor) -> Array:
    """A tensor as an array of the host."""
    values: Array = tensor.cpu().numpy()
    return values


class _Engine:
    """A network on a device, with the registers and past messages of a batch."""

    def __init__(
        self, network: FixedNetwork, state: State, batch: int, device: torch.device
    ) -> None:
        self.network = network
        self.device = device
        self.batch = batch
        self.plan = Plan.of(network)
        self.evaluators = {
            p.name: Evaluator(p, device)
            for p in network.populations
            if not isinstance(p, FixedInput)
        }
        self.weights = placed_weights(network, device)
        self.registers = {
            name: {
                register: torch.tensor(values, dtype=torch.int64, device=device)
                for register, values in registers.items()
            }
            for name, registers in state.items()
        }
        self.misfits: dict[str, dict[str, Tensor]] = {p.name: {} for p in network.populations}

    def step(self, sample: Tensor) -> Mapping[str, Mapping[str, Tensor]]:
        """One algorithmic step; returns the variables of every population."""
        produced: dict[str, dict[str, Tensor]] = {p.name: {} for p in self.network.populations}
        ports: dict[str, dict[str, Tensor]] = {p.name: {} for p in self.network.populations}
        messages: dict[tuple[str, Variable], Tensor] = {}
        for node in self.plan.order:
            name, stage = node
            population = self.network.population(name)
            if name == self.network.input.name:
                result = Stage({population.variables[0]: sample} if stage == "late" else {}, {})
            else:
                ports[name] |= self.ports(node, messages)
                result = self.stage(node, ports[name], produced[name])
            produced[name].update(result.values)
            self.count(population, result.misfits)
            for variable in population.variables:
                if (
                    variable_stage(population, variable) == stage
                    and (name, variable) in self.plan.sent
                ):
                    value = produced[name][variable]
                    messages[name, variable] = self.message(population, variable, value)
        self.advance(produced, messages)
        return produced

    def ports(
        self, node: Node, messages: Mapping[tuple[str, Variable], Tensor]
    ) -> dict[str, Tensor]:
        """What arrives at the ports of a stage of a population."""
        name, stage = node
        population = self.network.population(name)
        return {
            port: self.arriving(population, self.plan.incoming.get((name, port), ()), messages)
            for port in population.ports
            if port_stage(population, port) == stage
        }

    def stage(self, node: Node, ports: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Stage:
        """One stage of a population; ``own`` are its variables of earlier stages."""
        name, stage = node
        evaluator = self.evaluators[name]
        model = evaluator.neurons.model
        early = model.early
        if stage == "early" and not early:
            return Stage({}, {})
        late = tuple(result for result in model.results if result not in early)
        results = early if stage == "early" else late
        return evaluator.evaluate(ports, self.registers[name], results, own)

    def arriving(
        self,
        population: FixedPopulation,
        incoming: Sequence[int],
        messages: Mapping[tuple[str, Variable], Tensor],
    ) -> Tensor:
        """Sum of what projections bring to a port, (B, N)."""
        total = torch.zeros((self.batch, population.size), dtype=torch.int64, device=self.device)
        for index in incoming:
            projection = self.network.projections[index]
            if projection.delay:
                past = self.registers[projection.source][f"sent:{projection.variable}"]
                message = past[projection.delay - 1]
            else:
                message = messages[projection.source, projection.variable]
            total = total + (self.weights[index].weigh(message) << projection.exponent)
        return total

    def message(self, population: FixedPopulation, variable: Variable, value: Tensor) -> Tensor:
        """``word.fit(rsz(value, shift))`` for graded variables; spikes and inputs as they are."""
        form = message_format(population, variable)
        if form is None:
            return value
        sent, misfits = fit(form.word, shift_toward_zero(value, form.shift))
        self.count(population, {f"message {variable}": misfits})
        return sent

    def advance(
        self,
        produced: Mapping[str, Mapping[str, Tensor]],
        messages: Mapping[tuple[str, Variable], Tensor],
    ) -> None:
        """Registers after the step; message histories shifted by one."""
        sent = {(name, f"sent:{variable}"): value for (name, variable), value in messages.items()}
        for name, registers in self.registers.items():
            for register, value in registers.items():
                if register.startswith("sent:"):
                    registers[register] = torch.cat([sent[name, register][None], value[:-1]])
                else:
                    registers[register] = produced[name][register]

    def count(self, population: FixedPopulation, misfits: Mapping[str, Tensor]) -> None:
        """Add to the saturation counts, without waiting for the device."""
        own = self.misfits[population.name]
        for variable, number in misfits.items():
            own[variable] = own[variable] + number if variable in own else number

    def saturations(self) -> dict[str, dict[str, int]]:
        """How many values did not fit, by population and variable; zeros leave no entry."""
        counts = {
            name: {variable: int(number) for variable, number in own.items()}
            for name, own in self.misfits.items()
        }
        return {name: {v: n for v, n in own.items() if n} for name, own in counts.items()}

    def state(self) -> State:
        """Registers and past messages as arrays."""
        return {
            name: {register: array(value) for register, value in registers.items()}
            for name, registers in self.registers.items()
        }
