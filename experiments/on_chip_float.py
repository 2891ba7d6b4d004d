"""The float three-factor rule, compiled, for one event-gated layer with a readout.

The same updates as ``ltc2hw.simulations.plasticity.float64``, whose readable form takes
milliseconds per update. It is here and not in the library because it knows this one shape, the one
of the experiments; every other one learns in the readable form. ``python -m
experiments.on_chip_float`` measures how far apart the two are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from experiments.on_chip_runs import untrained
from ltc2hw import FPTTRule, Network, learn
from ltc2hw.converters.populations import is_model
from ltc2hw.dynamics.models.ltc import ltc
from ltc2hw.dynamics.models.readout import readout
from ltc2hw.errors import InvalidValueError, TrainingError
from ltc2hw.learning.rule import Feedback, Parameter, feedback_matrix, surrogate_slope
from ltc2hw.learning.values import read_parameter, write_parameters
from ltc2hw.numbers.words import FloatArray, IntArray
from ltc2hw.simulations.plasticity.float64 import FloatLearner
from ltc2hw.tasks import load_task

SLOTS: tuple[tuple[str, str, str], ...] = (
    ("hidden", "current", "input"),
    ("hidden", "tau_mem", "input"),
    ("hidden", "tau_adp", "input"),
    ("hidden", "current", "hidden"),
    ("hidden", "tau_mem", "hidden"),
    ("hidden", "tau_adp", "hidden"),
    ("readout", "current", "hidden"),
    ("readout", "tau_mem", "hidden"),
    ("hidden", "current", "bias"),
    ("hidden", "tau_mem", "bias"),
    ("hidden", "tau_mem", "from_state"),
    ("hidden", "tau_mem", "from_current"),
    ("hidden", "tau_adp", "bias"),
    ("hidden", "tau_adp", "from_state"),
    ("hidden", "tau_adp", "from_current"),
    ("readout", "current", "bias"),
    ("readout", "tau_mem", "bias"),
    ("readout", "tau_mem", "from_state"),
    ("readout", "tau_mem", "from_current"),
)
"""Every array of the layer: population, port, and the source of weights or the term."""

FEEDBACKS: tuple[Feedback, ...] = ("symmetric", "random")
"""How errors may come back."""

CELLS, SPAN = 1 << 14, 4.0
"""The kernel reads the surrogate from a table, linearly interpolated: |d| below 4."""


@dataclass(frozen=True)
class FloatMemory:
    """Φ, Φ̄, λ of every array in one row each (3, P), in the order of :data:`SLOTS`."""

    numbers: FloatArray


def learn_float(
    network: Network,
    x: FloatArray,
    labels: IntArray,
    rule: FPTTRule,
    memory: FloatMemory | None = None,
) -> tuple[Network, FloatMemory]:
    """Learn S samples x (T, S, N_in), registers cleared before each; softmax errors of labels.

    Raises:
        InvalidValueError: unless the network is an input, one event-gated LTC layer that hears
            its own spikes with delay 1, and a readout; for rules other than FPTT as it is.
        TrainingError: if a parameter diverges.
    """
    if rule.feedback not in FEEDBACKS or (rule.descent, rule.update) != ("instantaneous", "fptt"):
        raise InvalidValueError("rule", rule, "FPTT without eligibility or adaptive feedback")
    parameters = slot_parameters(network, rule)
    hidden, output = network.populations[1], network.populations[2]
    assert is_model(hidden, ltc)
    assert is_model(output, readout)
    sizes = (network.input.size, hidden.size, output.size)
    numbers = start(network, parameters, sizes) if memory is None else memory.numbers.copy()
    feedback = np.zeros((2, output.size, hidden.size))
    if rule.feedback == "random":
        for row, parameter in enumerate(parameters[6:8]):
            if parameter is not None and parameter.projection is not None:
                shape = (output.size, hidden.size)
                feedback[row] = feedback_matrix(rule, parameter.projection, shape)
    steps = x.shape[0]
    _run(
        numbers,
        np.array([parameter is not None for parameter in parameters]),
        np.array(sizes),
        np.stack([hidden.constants["threshold"], hidden.constants["adaptation_strength"]]),
        np.array([neurons.functions["tau_mem"] == "plan" for neurons in (hidden, output)]),
        surrogate_slope(rule.surrogate, np.linspace(0.0, SPAN, CELLS + 1, dtype=np.float64)),
        feedback,
        rule.feedback == "symmetric",
        np.array([rule.learning_rate, rule.alpha, rule.beta]),
        np.array([rule.step_weight(t, steps) for t in range(steps)]),
        np.ascontiguousarray(x.transpose(1, 0, 2)),
        np.asarray(labels),
    )
    if not np.all(np.isfinite(numbers)):
        raise TrainingError("the float rule diverged; lower the learning rate")
    return with_values(network, parameters, numbers[0], sizes), FloatMemory(numbers)


def agreement(network: Network, x: FloatArray, labels: IntArray, rule: FPTTRule) -> float:
    """Largest difference of any parameter from the readable reference after a stream."""
    ours, _ = learn_float(network, x, labels, rule)
    theirs = learn(network, x, labels, rule).network
    learner = FloatLearner(network, rule)
    return max(
        float(np.max(np.abs(read_parameter(ours, p) - read_parameter(theirs, p))))
        for p in learner.parameters
    )


def slot_parameters(network: Network, rule: FPTTRule) -> list[Parameter | None]:
    """The parameter of each slot; None where the network has none that learns."""
    names = [population.name for population in network.populations]
    roles = dict(zip(names, ("input", "hidden", "readout"), strict=False))
    found: dict[tuple[str, str, str], Parameter] = {}
    for parameter in FloatLearner(network, rule).parameters:
        key: str = parameter.term if parameter.projection is None else ""
        if parameter.projection is not None:
            connection = network.projections[parameter.projection]
            key = roles[connection.source]
            expected = int(connection.source == connection.target)
            if connection.delay != expected or connection.variable not in ("spikes", "value"):
                raise InvalidValueError("delay", connection.delay, f"{expected} and spikes")
        found[roles[parameter.population], parameter.port, key] = parameter
    if len(names) != 3 or not found.keys() <= set(SLOTS):
        raise InvalidValueError("network", ", ".join(names), "input, one event layer, readout")
    return [found.get(slot) for slot in SLOTS]


def slot_sizes(sizes: tuple[int, int, int]) -> IntArray:
    """Number of values of each slot."""
    of = dict(zip(("input", "hidden", "readout"), sizes, strict=True))
    return np.array([of[population] * of.get(source, 1) for population, _, source in SLOTS])


def start(
    network: Network, parameters: list[Parameter | None], sizes: tuple[int, int, int]
) -> FloatArray:
    """Memories of the network as it is: Φ̄ = Φ, λ = 0; zeros where a slot is empty."""
    pieces = [
        np.zeros(size) if parameter is None else read_parameter(network, parameter)
        for parameter, size in zip(parameters, slot_sizes(sizes), strict=True)
    ]
    values = np.concatenate(pieces)
    return np.stack([values, values, np.zeros_like(values)])


def with_values(
    network: Network,
    parameters: list[Parameter | None],
    values: FloatArray,
    sizes: tuple[int, int, int],
) -> Network:
    """The network with the values of all slots."""
    pieces = np.split(values, np.cumsum(slot_sizes(sizes))[:-1])
    changed: Mapping[Parameter, Any] = {
        parameter: piece
        for parameter, piece in zip(parameters, pieces, strict=True)
        if parameter is not None
    }
    return write_parameters(network, changed)


@numba.njit(cache=True)
def _gate(x: float, plan: bool) -> tuple[float, float]:
    """Value and slope of a gate."""
    if not plan:
        value = 1.0 / (1.0 + np.exp(-x))
        return value, value * (1.0 - value)
    size = abs(x)
    value, slope = 1.0, 0.0
    if size < 1.0:
        value, slope = size / 4 + 0.5, 0.25
    elif size < 2.375:
        value, slope = size / 8 + 0.625, 0.125
    elif size < 5.0:
        value, slope = size / 32 + 27 / 32, 1 / 32
    return (1.0 - value if x < 0 else value), slope


@numba.njit(cache=True)
def _slope(distance: float, table: Any) -> float:
    """Surrogate slope, interpolated."""
    at = abs(distance) * (CELLS / SPAN)
    cell = int(at)
    if cell >= CELLS:
        return 0.0
    slope: float = table[cell] + (at - cell) * (table[cell + 1] - table[cell])
    return slope


@numba.njit(cache=True)
def _update(
    numbers: Any, first: int, factor: Any, message: Any, rates: Any, constant: bool
) -> None:
    """FPTT of one array: factors times messages, or neuron by neuron for constants."""
    rate, alpha, beta = rates
    for j in range(len(factor)):
        for i in range(1 if constant else len(message)):
            at = first + (j if constant else j * len(message) + i)
            value, mean, memory = numbers[0, at], numbers[1, at], numbers[2, at]
            descent = factor[j] * (message[j] if constant else message[i])
            value += rate * (descent + memory - alpha * (value - mean))
            departure = value - mean
            memory -= alpha * departure
            numbers[0, at] = value
            numbers[1, at] = mean + beta * departure - beta / alpha * memory
            numbers[2, at] = memory


@numba.njit(cache=True)
def _learn(numbers: Any, first: Any, learns: Any, factors: Any, messages: Any, rates: Any) -> None:
    """Update every array that learns, in the order of the slots."""
    f_cur, f_mem, f_adp, f_out, f_tau = factors
    x, fired, spikes, u, eta, current, v, read = messages
    for k, factor in enumerate((f_cur, f_mem, f_adp)):
        if learns[k]:
            _update(numbers, first[k], factor, x, rates, False)
        if learns[3 + k]:
            _update(numbers, first[3 + k], factor, fired, rates, False)
    for k, factor in enumerate((f_out, f_tau)):
        if learns[6 + k]:
            _update(numbers, first[6 + k], factor, spikes, rates, False)
    one, one_out = np.ones_like(u), np.ones_like(v)
    of = (f_cur, f_mem, f_mem, f_mem, f_adp, f_adp, f_adp, f_out, f_tau, f_tau, f_tau)
    met = (one, one, u, current, one, eta, current, one_out, one_out, v, read)
    for k in range(11):
        if learns[8 + k]:
            _update(numbers, first[8 + k], of[k], met[k], rates, True)


@numba.njit(cache=True)
def _run(
    numbers: Any,
    learns: Any,
    sizes: Any,
    neurons: Any,
    plan: Any,
    slopes: Any,
    feedback: Any,
    symmetric: bool,
    rates: Any,
    weights: Any,
    samples: Any,
    labels: Any,
) -> None:
    n, h, o = sizes
    first = np.zeros(20, np.int64)
    lengths = [h * n] * 3 + [h * h] * 3 + [o * h] * 2 + [h] * 7 + [o] * 4
    for k in range(19):
        first[k + 1] = first[k] + lengths[k]
    for s in range(samples.shape[0]):
        u, eta, fired, v = np.zeros(h), np.zeros(h), np.zeros(h), np.zeros(o)
        for t in range(samples.shape[1]):
            p, x = numbers[0], samples[s, t]
            arrived = np.zeros((3, h))
            for k in range(3):
                w = p[first[k] : first[k + 1]].reshape(h, n)
                r = p[first[3 + k] : first[4 + k]].reshape(h, h)
                arrived[k] = np.dot(w, x) + np.dot(r, fired)
            current = arrived[0] + p[first[8] : first[9]]
            g_mem = arrived[1] + p[first[9] : first[10]] + p[first[10] : first[11]] * u
            g_adp = arrived[2] + p[first[12] : first[13]] + p[first[13] : first[14]] * eta
            g_mem += p[first[11] : first[12]] * current
            g_adp += p[first[14] : first[15]] * current
            spikes, after_u, after_eta = np.zeros(h), np.zeros(h), np.zeros(h)
            tau, mem_slope, adp_slope, psi = np.zeros(h), np.zeros(h), np.zeros(h), np.zeros(h)
            for j in range(h):
                tau[j], mem_slope[j] = _gate(g_mem[j], plan[0])
                rho, adp_slope[j] = _gate(g_adp[j], plan[0])
                charged = u[j] + tau[j] * (current[j] - u[j])
                after_eta[j] = rho * eta[j] + (1.0 - rho) * fired[j]
                distance = charged - (neurons[0, j] + neurons[1, j] * after_eta[j])
                psi[j] = _slope(distance, slopes)
                spikes[j] = 1.0 if distance > 0 else 0.0
                after_u[j] = charged * (1.0 - spikes[j])
            w_out = p[first[6] : first[7]].reshape(o, h)
            w_tau = p[first[7] : first[8]].reshape(o, h)
            read = np.dot(w_out, spikes) + p[first[15] : first[16]]
            g_out = np.dot(w_tau, spikes) + p[first[16] : first[17]]
            g_out += p[first[17] : first[18]] * v + p[first[18] : first[19]] * read
            tau_out, out_slope = np.zeros(o), np.zeros(o)
            for k in range(o):
                tau_out[k], out_slope[k] = _gate(g_out[k], plan[1])
            after_v = v + tau_out * (read - v)
            error = np.exp(after_v - after_v.max())
            error = -error / error.sum()
            error[labels[s]] += 1.0
            error *= weights[t]
            f_tau = error * (read - v) * out_slope
            f_out = error * tau_out + p[first[18] : first[19]] * f_tau
            if symmetric:
                credit = np.dot(f_out, w_out) + np.dot(f_tau, w_tau)
            else:
                credit = np.dot(f_out, feedback[0]) + np.dot(f_tau, feedback[1])
            to_distance = psi * credit
            f_mem = to_distance * (current - u) * mem_slope
            f_adp = -neurons[1] * to_distance * (eta - fired) * adp_slope
            through = p[first[11] : first[12]] * f_mem + p[first[14] : first[15]] * f_adp
            f_cur = to_distance * tau + through
            factors = (f_cur, f_mem, f_adp, f_out, f_tau)
            messages = (x, fired, spikes, u, eta, current, v, read)
            _learn(numbers, first, learns, factors, messages, rates)
            u, eta, fired, v = after_u, after_eta, spikes, after_v


def main() -> None:
    """Print the agreement on digits-rows, with both kinds of feedback."""
    task = load_task("digits-rows")
    samples = task.train.take(np.arange(25))
    for feedback in FEEDBACKS:
        rule = FPTTRule(learning_rate=2.0**-5, feedback=feedback)
        difference = agreement(untrained(32, 0), samples.x, samples.labels, rule)
        print(f"{feedback} feedback, 200 updates: parameters differ by at most {difference:.1e}")


if __name__ == "__main__":
    main()
