"""Biases that take back the mean error of what arrives.

Rounded weights change what arrives at a neuron on average, by ``(W - W_rounded) mean(x)``. That
mean is added to the constant that does what a constant arrival would, so this changes the float
network: it is made to be quantized again, with the same scales.

Source: Nagel et al. 2019, arXiv 1906.04721, bias correction by calibration samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from ltc2hw.dynamics.model import Model
from ltc2hw.dynamics.real import evaluate_real
from ltc2hw.dynamics.roles import biases, binary_states, landing_register, leaks, unit_port
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import FloatPopulation, Network
from ltc2hw.graph.neurons import Neurons
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.mixing import check_pair, real_tensors, tensor_of, worked_out
from ltc2hw.quantization.remedies.arriving import means

TRIALS = 16
"""Steps from random registers on which a constant is held against a constant arrival."""


def corrected_biases(
    network: Network,
    fixed: FixedNetwork,
    calibration: npt.ArrayLike,
    lengths: object = None,
) -> Network:
    """The float network whose biases make up for the mean of what rounding takes from arrivals.

    ``calibration`` (T, B, N_in) runs in float; ``lengths`` (B,) are the steps of samples that end
    before T. Ports without a constant of their own (:func:`entries`) stay as they are; a bias
    stays within the range of its constant. Everything but biases is the float network's.

    Raises:
        InvalidValueError: if the integer network is not one of the float network.
        ShapeError, InvalidValueError: for samples or lengths that do not fit the network.
    """
    check_pair(network, fixed)
    network = worked_out(network)
    real = real_tensors(fixed)
    lost: dict[tuple[str, str], FloatArray] = {}
    heard = means(network, calibration, lengths)
    for projection, mean in zip(network.projections, heard, strict=True):
        weights = projection.weights
        off = weights.with_values(weights.values - real[tensor_of(projection)])
        key = projection.target, projection.port
        lost[key] = lost.get(key, np.zeros(weights.shape[0])) + off.apply(mean[None])[0]

    def corrected(population: FloatPopulation) -> FloatPopulation:
        if not isinstance(population, Neurons):
            return population
        changed = {}
        for port, (name, gain) in entries(population).items():
            if (population.name, port) in lost:
                shift = lost[population.name, port] * gain
                constant = next(c for c in population.model.constants if c.name == name)
                changed[name] = np.clip(
                    population.constants[name] + shift, constant.low, constant.high
                )
        return population.with_constants(changed)

    populations = tuple(map(corrected, network.populations))
    return Network(populations, network.projections, network.output, network.provenance)


def entries(population: Neurons) -> Mapping[str, tuple[str, FloatArray]]:
    """The constant that does what a constant arrival does, by port, and how much of it is one.

    Where what arrives is kept for a while before a bias joins it, as by the current of Lava's LIF,
    the bias is what a constant arrival comes to.

    >>> name, gain = entries(Neurons("cells", 1, "lif", {"current_decay": 0.25}))["current"]
    >>> name, gain.tolist()
    ('bias', [4.0])
    >>> sorted(entries(Neurons("cells", 1, "ltc")))
    ['current', 'tau_adp', 'tau_mem']
    """
    found: dict[str, tuple[str, FloatArray]] = {}
    for port in population.ports:
        for constant in population.model.constants:
            if _does_the_same(population, port, constant.name):
                found.setdefault(port, (constant.name, np.ones(population.size)))
    port = unit_port(population.model)
    if port and port not in found:
        for name, what in _kept(population.model, port):
            pace = population.constants[what]
            if np.all(pace > 0.0):
                found.setdefault(port, (name, 1.0 / pace))
    return found


def _kept(model: Model, port: str) -> Iterator[tuple[str, str]]:
    """A bias behind the register in which a port lands, and the constant that says how it leaks."""
    landing = landing_register(model, port)
    for leak in leaks(model):
        if leak.state == landing and not leak.gated and not leak.difference:
            for name in biases(model):
                yield name, leak.what


def _does_the_same(population: Neurons, port: str, constant: str) -> bool:
    """Whether a shift of the constant is the same shift of what arrives, in every result."""
    rng = np.random.default_rng(0)
    model, shape = population.model, (TRIALS, population.size)
    ports = {name: rng.normal(0.0, 2.0, shape) for name in model.program.ports}
    states = {name: rng.normal(0.0, 1.0, shape) for name in model.program.states}
    states |= {name: rng.integers(0, 2, shape).astype(float) for name in binary_states(model)}

    def step(shift_port: float, shift_constant: float) -> dict[str, FloatArray]:
        constants = {**population.constants}
        constants[constant] = constants[constant] + shift_constant
        arriving = {**ports, port: ports[port] + shift_port}
        # A constant may be shifted out of its range; what is no number agrees with nothing.
        with np.errstate(all="ignore"):
            return evaluate_real(model.program, constants, arriving, states, population.functions)

    plain, arrived, shifted = step(0.0, 0.0), step(SHIFT, 0.0), step(0.0, SHIFT)
    changed = any(not np.array_equal(arrived[name], plain[name]) for name in plain)
    return changed and all(np.allclose(arrived[n], shifted[n], rtol=1e-9) for n in arrived)


SHIFT = 0.625
"""By how much arrivals are shifted when tried."""
